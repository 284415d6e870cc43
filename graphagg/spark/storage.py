"""Storage of a job on an object store, and the local folder of a process for copies.

A store has no locks. A job that is submitted again takes the folder over, and the run before ends
before it notes another result; see `graphagg.execution.blocks`.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from graphagg.arrays import Array
from graphagg.store.addresses import Address
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.work import RUNS, FolderStorage, write_content

_DISKS = ("SPARK_EXECUTOR_DIRS", "LOCAL_DIRS", "SPARK_LOCAL_DIRS")
"""Variables in which Spark's managers (standalone, YARN, Kubernetes) name an executor's disks."""
_STORES: dict[Address, Store] = {}


class StoreStorage(FolderStorage):
    """Objects below an address in place of files.

    `run` names the scratch folder of this run on every machine; empty: a random name.
    """

    def __init__(self, address: Address, run: str = "") -> None:
        self.address, self.run = address, run or secrets.token_hex(8)

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get all of it: there is no lock."""
        return self.__dict__

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

    def remove_folders(self, prefix: str) -> None:
        """Remove the folders whose names begin so."""
        parent, _, name = prefix.rpartition("/")
        for folder in self._store.folders(parent):
            if folder.startswith(name):
                self._store.remove_folder(f"{parent}/{folder}")

    def lock(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Remove local copies."""
        shutil.rmtree(_disk() / f"graphagg-{self.run}", ignore_errors=True)

    def empty(self) -> None:
        """Remove everything but the names of runs."""
        old = [name for name in self._store.listed() if f"/{RUNS}/" not in name]
        in_parallel(lambda name: self._store.remove([name]), old)

    def destroy(self) -> None:
        """Remove all objects."""
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
