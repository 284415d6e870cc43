"""One job at a time over a folder of a store, which has no locks.

    lease              the name of its holder, and a count of its heartbeats
    lease.<holder>     created by the one process that takes the lease over from <holder>

A holder counts a heartbeat every few seconds. A process that finds a lease looks at it until it
changes, or has not changed for `PATIENCE` seconds of its own clock: then its holder was killed. No
clock of another machine is read. A holder that slept longer finds that it has lost the lease.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import suppress

from graphagg.errors import ArtifactBusy, JobFailed, StoreError
from graphagg.store.remote.files import Store

PATIENCE = 20.0
"""Seconds after which an unchanged lease belongs to a job that was killed."""
_BEATS = 5
"""Heartbeats of a holder in that time."""
NAME = "lease"


class Lease:
    """The right to run a job.

    Args:
        store: the job's folder.
        patience: see `PATIENCE`.
    """

    def __init__(self, store: Store, patience: float = PATIENCE) -> None:
        self._store, self._patience = store, patience
        self._who = secrets.token_hex(8)
        self._end, self._lost = threading.Event(), False
        self._beating: threading.Thread | None = None

    def take(self) -> None:
        """Take the lease; the lease of a job that was killed is taken over.

        Raises:
            ArtifactBusy: another process holds it.
        """
        if not self._store.create(NAME, self._said(0)):
            self._take_over()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def check(self) -> None:
        """Raise `JobFailed` where another process has taken the lease over."""
        if self._lost:
            raise JobFailed(
                f"{self._store.address}: another process has taken this job over, for this one did "
                "not answer; nothing was published"
            )

    def release(self) -> None:
        """Let another process run the job."""
        if self._beating is None:
            return
        self._end.set()
        self._beating.join()
        self._beating = None
        if not self._lost and self._holder() == self._who:
            with suppress(StoreError):
                self._store.remove([NAME])

    def _said(self, beat: int) -> bytes:
        return f"{self._who} {beat}".encode()

    def _read(self) -> bytes | None:
        try:
            return self._store.read(NAME)
        except FileNotFoundError:
            return None

    def _holder(self) -> str | None:
        said = self._read()
        return None if said is None else said.decode().partition(" ")[0]

    def _take_over(self) -> None:
        busy = ArtifactBusy(
            f"{self._store.address}: another process runs this job; wait for it, or stop it"
        )
        before, since = self._read(), time.monotonic()
        while time.monotonic() - since < self._patience:
            time.sleep(self._patience / (4 * _BEATS))
            now = self._read()
            if now is None and self._store.create(NAME, self._said(0)):
                return
            if now != before:
                raise busy
        gone = (before or b"").decode().partition(" ")[0]
        if not self._store.create(f"{NAME}.{gone}", self._said(0)):
            raise busy
        self._store.write(NAME, self._said(0))

    def _beat(self) -> None:
        beat = 0
        while not self._end.wait(self._patience / _BEATS):
            beat += 1
            with suppress(StoreError):  # the next one may come through
                if self._holder() != self._who:
                    self._lost = True
                    return
                self._store.write(NAME, self._said(beat))
