"""Storage of a job on an object store, and the local folder of a process for copies.

A store has no locks, so one job at a time has a lease of its folder:

    lease              the name of its holder, and a count of its heartbeats
    lease.<holder>     created by the one process that takes the lease over from <holder>

A holder sends a heartbeat every few seconds. Another process watches a lease until it changes, or
has not changed for `PATIENCE` seconds of its own clock: then its holder was killed. Clocks of other
machines are not used. A holder that slept longer finds that it has lost the lease.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from graphagg.arrays import Array
from graphagg.errors import ArtifactBusy, JobFailed, StoreError
from graphagg.store.addresses import Address
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.work import FolderStorage, write_content

PATIENCE = 20.0
"""Seconds after which an unchanged lease belongs to a job that was killed."""
_BEATS = 5
"""Heartbeats of a holder in that time."""
LEASE = "lease"
_DISKS = ("SPARK_EXECUTOR_DIRS", "LOCAL_DIRS", "SPARK_LOCAL_DIRS")
"""Variables in which Spark's managers (standalone, YARN, Kubernetes) name an executor's disks."""
_STORES: dict[Address, Store] = {}


class StoreStorage(FolderStorage):
    """Objects below an address in place of files, and a lease in place of a lock.

    `run` names the scratch folder of this run on every machine; empty: a random name.
    """

    def __init__(self, address: Address, run: str = "") -> None:
        self.address, self.run = address, run or secrets.token_hex(8)
        self._lease: Lease | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get the address without the lease."""
        return {"address": self.address, "run": self.run, "_lease": None}

    def __str__(self) -> str:
        return str(self.address)

    def __truediv__(self, name: str) -> StoreStorage:
        return StoreStorage(self.address / name, self.run)

    @property
    def _store(self) -> Store:
        return store_of(self.address)

    def open(self, name: str) -> BinaryIO:
        """Read an object."""
        return io.BytesIO(self._store.read(name))

    def local(self, name: str) -> Path:
        """The path of an object's local copy, downloaded once."""
        path = scratch_folder(self.run) / f"{self.address.name}.{name}"
        if not path.exists():
            partial = path.with_name(f".{path.name}.{os.getpid()}.part")
            partial.write_bytes(self._store.read(name))
            os.replace(partial, path)
        return path

    def spark_path(self, name: str) -> str:
        """The address of an object or folder as Spark reads it."""
        return (self.address / name).hadoop

    def has(self, name: str) -> bool:
        """Whether there is an object of this name."""
        return self._store.size(name) is not None

    def names(self, folder: str = "") -> list[str]:
        """Names of the objects below a folder, relative to it."""
        start = len(folder) + 1 if folder else 0
        return [name[start:] for name in self._store.listed(folder)]

    def write(
        self, files: Mapping[str, bytes | Array], check: Callable[[], None] = lambda: None
    ) -> None:
        """Put objects; `check` is called before any of them is put."""
        check()

        def put(name: str) -> None:
            content = io.BytesIO()
            write_content(content, files[name])
            self._store.write(name, content.getvalue())

        in_parallel(put, list(files))

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects."""
        self._store.remove(names)

    def lock(self) -> None:
        """Take the lease; `ArtifactBusy` if another process holds it."""
        if self._lease is None:
            lease = Lease(self._store)
            lease.take()
            self._lease = lease

    def check_lock(self) -> None:
        """Raise `JobFailed` if another process has taken over the lease."""
        if self._lease is not None:
            self._lease.check()

    def release(self) -> None:
        """Release the lease, and remove local copies."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None
        shutil.rmtree(_disk() / f"graphagg-{self.run}", ignore_errors=True)

    def empty(self) -> None:
        """Remove everything but the lease."""
        old = [name for name in self._store.listed() if not name.startswith(LEASE)]
        in_parallel(lambda name: self._store.remove([name]), old)

    def destroy(self) -> None:
        """Remove all objects."""
        self.check_lock()
        self.empty()
        self.release()
        self._store.remove_folder()


def storage_at(location: Path | Address) -> FolderStorage:
    """The storage of a folder, or of an address of a store."""
    if isinstance(location, Address):
        return StoreStorage(location)
    return FolderStorage(location)


def store_of(address: Address) -> Store:
    """The store of an address; one per process."""
    if address not in _STORES:
        _STORES[address] = Store(address)
    return _STORES[address]


def scratch_folder(run: str) -> Path:
    """The local folder of a run, shared by the workers of an executor; created if missing."""
    folder = _disk() / f"graphagg-{run}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _disk() -> Path:
    for name in _DISKS:
        for folder in os.environ.get(name, "").replace(os.pathsep, ",").split(","):
            if folder and os.path.isdir(folder) and os.access(folder, os.W_OK):
                return Path(folder)
    return Path(tempfile.gettempdir())


class Lease:
    """The right to run the job in a folder of a store."""

    def __init__(self, store: Store, patience: float = PATIENCE) -> None:
        self._store, self._patience = store, patience
        self._who = secrets.token_hex(8)
        self._end, self._lost = threading.Event(), False
        self._beating: threading.Thread | None = None

    def take(self) -> None:
        """Take the lease, also of a killed job; `ArtifactBusy` if another process holds it."""
        if not self._store.create(LEASE, self._said(0)):
            self._take_over()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def check(self) -> None:
        """Raise `JobFailed` if another process has taken over the lease."""
        if self._lost:
            raise JobFailed(
                f"{self._store.address}: another process has taken this job over, for this one did "
                "not answer; nothing was published"
            )

    def release(self) -> None:
        """Release the lease."""
        if self._beating is None:
            return
        self._end.set()
        self._beating.join()
        self._beating = None
        if not self._lost and self._holder() == self._who:
            with suppress(StoreError):
                self._store.remove([LEASE])

    def _said(self, beat: int) -> bytes:
        return f"{self._who} {beat}".encode()

    def _read(self) -> bytes | None:
        try:
            return self._store.read(LEASE)
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
            if now is None and self._store.create(LEASE, self._said(0)):
                return
            if now != before:
                raise busy
        gone = (before or b"").decode().partition(" ")[0]
        if not self._store.create(f"{LEASE}.{gone}", self._said(0)):
            raise busy
        self._store.write(LEASE, self._said(0))

    def _beat(self) -> None:
        beat = 0
        while not self._end.wait(self._patience / _BEATS):
            beat += 1
            with suppress(StoreError):  # the next one may come through
                if self._holder() != self._who:
                    self._lost = True
                    return
                self._store.write(LEASE, self._said(beat))
