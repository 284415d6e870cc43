"""Publishers that are killed: `python -m tests.store_remote.publishers URL FOLDER HOW_MANY SEED`.

Each is a process of its own that pushes the next local version. It is killed after a time drawn
from 0 to twice what a push takes, two at a time, so that they also meet each other.
What became of each is printed as a line of JSON. Objects that no version names are removed at once,
not after a minute, so that readers meet that too.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from graphagg.errors import ArtifactBusy
from graphagg.store.remote import pushing

BUSY, FAILED, UNCHANGED = 3, 4, 5


def main(url: str, folder: str, many: int, seed: int) -> None:
    """Start publishers, kill them, print what became of them."""
    pushing._MARGIN = 0.0
    drawn = random.Random(seed)
    versions = sorted(Path(folder).iterdir())
    begun = time.monotonic()
    _ended(_publisher(url, versions[1]))
    usual = time.monotonic() - begun
    running: list[tuple[int, float, int]] = []
    for number in range(many):
        pid = _publisher(url, versions[number % len(versions)])
        running.append((pid, time.monotonic() + drawn.uniform(0, 2 * usual), number))
        if len(running) == 2:
            _kill(running.pop(0))
    for each in running:
        _kill(each)


def _kill(running: tuple[int, float, int]) -> None:
    pid, end, number = running
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return _say(number, status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    _say(number, _ended(pid))
    return None


def _say(number: int, status: int) -> None:
    print(json.dumps({"publisher": number, "ended": os.waitstatus_to_exitcode(status)}), flush=True)


def _ended(pid: int) -> int:
    return os.waitpid(pid, 0)[1]


def _publisher(url: str, version: Path) -> int:
    """A process that pushes; this one has used no store, so that nothing is inherited."""
    pid = os.fork()
    if pid:
        return pid
    code = FAILED
    try:
        code = 0 if pushing.push(version, url).changed else UNCHANGED
    except ArtifactBusy:
        code = BUSY
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
