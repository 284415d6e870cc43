"""Storage of a job on an object store, and the local scratch folder for copies.

A store has no locks. A job that is submitted again takes over the folder, and the earlier run stops
before it saves another result; see `graphagg.execution.blocks`.
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
"""Variables in which Spark's cluster managers (standalone, YARN, Kubernetes) list local disks."""
_STORES: dict[Address, Store] = {}


class StoreStorage(FolderStorage):
    """Storage that keeps objects under an address instead of files.

    `run` names the scratch folder of this run on every machine. If empty, the name is random.
    """

    def __init__(self, address: Address, run: str = "") -> None:
        self.address, self.run = address, run or secrets.token_hex(8)

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get all attributes, since there is no lock to leave out."""
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
        """Return the path of an object's local copy, downloaded once."""
        path = scratch_folder(self.run) / f"{self.address.name}.{name}"
        if not path.exists():
            partial = path.with_name(f".{path.name}.{os.getpid()}.part")
            partial.write_bytes(self._store.read(name))
            os.replace(partial, path)
        return path

    def spark_path(self, name: str) -> str:
        """Return the address of an object or folder in the form that Spark reads."""
        return (self.address / name).hadoop

    def has(self, name: str) -> bool:
        """Whether an object with this name exists."""
        return self._store.size(name) is not None

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the objects under a folder, relative to it."""
        start = len(folder) + 1 if folder else 0
        return [name[start:] for name in self._store.listed(folder)]

    def write(
        self, files: Mapping[str, bytes | Array], check: Callable[[], None] = lambda: None
    ) -> None:
        """Write objects. `check` is called before the first write."""
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
        """Remove the folders whose names start with `prefix`."""
        parent, _, name = prefix.rpartition("/")
        for folder in self._store.folders(parent):
            if folder.startswith(name):
                self._store.remove_folder(f"{parent}/{folder}")

    def lock(self) -> None:
        """Do nothing: a store has no locks."""

    def release(self) -> None:
        """Remove local copies."""
        shutil.rmtree(_disk() / f"graphagg-{self.run}", ignore_errors=True)

    def empty(self) -> None:
        """Remove everything except the objects that name the runs."""
        old = [name for name in self._store.listed() if f"/{RUNS}/" not in name]
        in_parallel(lambda name: self._store.remove([name]), old)

    def destroy(self) -> None:
        """Remove all objects."""
        self.release()
        self._store.remove_folder()


def storage_at(location: Path | Address) -> FolderStorage:
    """Return the storage for a folder, or for an address of a store."""
    if isinstance(location, Address):
        return StoreStorage(location)
    return FolderStorage(location)


def store_of(address: Address) -> Store:
    """Return the store of an address; each process opens it once."""
    if address not in _STORES:
        _STORES[address] = Store(address)
    return _STORES[address]


def scratch_folder(run: str) -> Path:
    """Return the run's local folder, which an executor's workers share; create it if missing."""
    folder = _disk() / f"graphagg-{run}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _disk() -> Path:
    for name in _DISKS:
        for folder in os.environ.get(name, "").replace(os.pathsep, ",").split(","):
            if folder and os.path.isdir(folder) and os.access(folder, os.W_OK):
                return Path(folder)
    return Path(tempfile.gettempdir())
