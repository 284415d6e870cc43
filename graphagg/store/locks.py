"""Locks between processes, as locked files. POSIX only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphagg.errors import GraphAggError


def hold(path: Path, busy: GraphAggError) -> int:
    """Create a file and lock it, until its descriptor is closed or the process ends.

    Args:
        path: the file; its folder exists.
        busy: raised where another process holds the lock.

    Returns:
        The descriptor, to be closed by `os.close`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino != path.stat().st_ino:
            raise FileNotFoundError  # the process that held it has just removed it
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        raise busy from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(path: Path, busy: GraphAggError) -> Iterator[None]:
    """Context manager: `hold` the lock within the block."""
    descriptor = hold(path, busy)
    try:
        yield
    finally:
        os.close(descriptor)
