"""Locks between processes: locked files and folders.

POSIX systems lock files and folders with `flock`. Windows has no `flock` and cannot open a folder;
there, the library portalocker locks a file `.lease-NAME` next to the folder.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphagg.errors import GraphAggError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]  # Windows

LEASE = ".lease-"
"""Prefix of the files that Windows locks instead of folders; not used on POSIX."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL)


def hold(path: Path, busy: GraphAggError) -> int:
    """Lock a file until the returned descriptor is closed; raise `busy` if it is locked."""
    no_link = getattr(os, "O_NOFOLLOW", 0)  # Windows lacks it
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | no_link, 0o644)
    try:
        _lock(descriptor, shared=False)
        if os.fstat(descriptor).st_ino != path.stat().st_ino:
            raise FileNotFoundError  # the process that held the lock has just removed the file
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError | FileNotFoundError):
            raise busy from None
        raise
    return descriptor


@contextmanager
def locked(path: Path, busy: GraphAggError) -> Iterator[None]:
    """Context manager: hold the lock of a file within the block; see `hold`."""
    descriptor = hold(path, busy)
    try:
        yield
    finally:
        os.close(descriptor)


def hold_folder(folder: Path, *, shared: bool) -> int | None:
    """Lock a folder until the descriptor is closed; None if it is locked or removed.

    If the file system lacks locks, a shared lock does nothing: removed files stay mapped.
    """
    descriptor = _open_folder(folder)
    try:
        _lock(descriptor, shared)
        if _stands_for(descriptor, folder):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        if shared and error.errno in _NO_LOCKS:
            return descriptor
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _open_folder(folder: Path) -> int:
    if fcntl is not None:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    return os.open(folder.with_name(LEASE + folder.name), os.O_RDWR | os.O_CREAT, 0o644)


def _stands_for(descriptor: int, folder: Path) -> bool:
    """Whether the locked descriptor still belongs to the folder of this name."""
    if fcntl is None:
        return folder.is_dir()
    return os.fstat(descriptor).st_ino == os.stat(folder).st_ino


def _lock(descriptor: int, shared: bool) -> None:
    """Lock without waiting; `BlockingIOError` if another process holds the lock."""
    if fcntl is not None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return
    import portalocker

    kind = portalocker.LockFlags.SHARED if shared else portalocker.LockFlags.EXCLUSIVE
    try:
        portalocker.lock(descriptor, kind | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked as error:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
    except portalocker.LockException as error:
        raise OSError(errno.ENOLCK, f"cannot be locked ({error})") from error
