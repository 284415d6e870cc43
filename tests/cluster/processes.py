"""Processes that are gone when they should be, whatever happens to the test that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

MARK = "GRAPHAGG_TEST_CLUSTER"
"""An environment variable that everything below a cluster inherits."""

LIMIT = 1200
"""Seconds after which something hangs; a machine that others use too may take minutes."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    command: Sequence[str], environment: Mapping[str, str], output: Path
) -> subprocess.Popen[bytes]:
    """Start a process that leads a session of its own and is killed when this process ends.

    Spark's executors and Python daemons make process groups, but none a session: what has the
    session of the process is below it. Executors end by themselves when their worker does.
    """
    with output.with_suffix(".err").open("wb") as errors, output.open("wb") as out:
        return subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )


def session(leader: int) -> list[psutil.Process]:
    """All processes of a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue
    return found


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all of its session (SIGKILL), and wait until they are gone."""
    until(lambda: not _struck(process), f"the processes of session {process.pid} to end")


def _struck(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = session(process.pid)
    for each in found:
        try:
            each.kill()
        except psutil.Error:
            continue
    process.poll()
    return found


def marked(token: str) -> list[psutil.Process]:
    """All processes that inherited the mark of a cluster, in whichever session they are."""
    wanted = f"{MARK}={token}".encode()
    found = []
    for process in psutil.process_iter():
        try:
            content = Path(f"/proc/{process.pid}/environ").read_bytes()
            if wanted in content.split(b"\0") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue
    return found


def until(condition: Callable[[], object], what: str, limit: float = LIMIT) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it did not come true in `limit` seconds.
    """
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit} s for {what}")
        time.sleep(0.1)
