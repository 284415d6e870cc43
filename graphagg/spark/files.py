"""Arrays that tasks write range by range and that other tasks map.

`Files` are `.npy` files on a file system that driver and executors share. `StoreFiles` have one
object per range on a store; a process that maps an array brings its ranges to its own disk first,
once. Both give the same arrays. Files that a library writes (a table of Arrow)
are kept whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import ArtifactBusy
from graphagg.spark.storage import scratch_folder, store_of
from graphagg.store import ArtifactWriter
from graphagg.store.addresses import Address
from graphagg.store.locks import locked
from graphagg.store.npy import map_array
from graphagg.store.ranges import preallocate, write_range
from graphagg.store.remote.files import Store, in_parallel

_HEAD, _WHOLE = "head.json", "whole"


class Files:
    """Arrays by name, `[n, ...]`, in a folder that driver and executors share.

    Tasks may write a range more than once, each time the same.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Make an array of zeros, for ranges to be written into."""
        preallocate(self.folder / f"{name}.npy", dtype, shape)

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows `start` to `start + len(rows)`."""
        write_range(self.folder / f"{name}.npy", start, rows)

    def map(self, name: str) -> Array:
        """Map the whole array, read-only; no task writes it any more."""
        return map_array(self.path(f"{name}.npy"))

    def exists(self, name: str) -> bool:
        """Whether there is such an array."""
        return (self.folder / f"{name}.npy").exists()

    def drop(self, name: str) -> None:
        """Remove an array, where it is there."""
        (self.folder / f"{name}.npy").unlink(missing_ok=True)

    @contextmanager
    def written(self) -> Iterator[Path]:
        """Context manager: a local folder; the files that a task writes there are kept whole."""
        yield self.folder

    def path(self, file_name: str) -> Path:
        """The path of a file on this machine."""
        return self.folder / file_name

    def gather(self, writer: ArtifactWriter) -> None:
        """Bring all of it into the folder of a new version, for the driver to publish.

        By links, where the files are on the writer's disk.
        """
        if self.folder != writer.folder.absolute():
            for path in sorted(self.folder.iterdir()):
                writer.link(path)


class StoreFiles(Files):
    """Arrays in objects below an address.

        <name>/head.json     dtype and shape
        <name>/<start>       rows from `start` on, as bytes
        whole/<file name>    files that tasks wrote

    Args:
        address: the address.
        run: names the scratch folder of this run on every machine.
        folder: where this process keeps its copies; None: in the scratch folder, as tasks do, to
            which this is sent.
    """

    def __init__(self, address: Address, run: str, folder: Path | None = None) -> None:
        self.address, self.run, self._folder = address, run, folder

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get the address without the folder of the driver."""
        return {"address": self.address, "run": self.run, "_folder": None}

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Make an array of zeros."""
        self.drop(name)
        head = {"dtype": np.lib.format.dtype_to_descr(np.dtype(dtype)), "shape": list(shape)}
        self._store.write(f"{name}/{_HEAD}", json.dumps(head).encode())

    def write(self, name: str, start: int, rows: Array) -> None:
        """Put a range."""
        if len(rows):
            dtype, _ = self._head(name)
            values = np.ascontiguousarray(rows, dtype=dtype)
            self._store.write(f"{name}/{start:015d}", values.tobytes())

    def exists(self, name: str) -> bool:
        """Whether there is such an array."""
        objects = (f"{name}/{_HEAD}", f"{_WHOLE}/{name}.npy")
        return any(self._store.size(each) is not None for each in objects)

    def drop(self, name: str) -> None:
        """Remove an array."""
        self._store.remove_folder(name)
        self._store.remove([f"{_WHOLE}/{name}.npy"])
        self._local(f"{name}.npy").unlink(missing_ok=True)

    @contextmanager
    def written(self) -> Iterator[Path]:
        """Context manager: a folder of this process, whose files become objects on the way out."""
        with TemporaryDirectory(dir=scratch_folder(self.run)) as folder:
            yield Path(folder)
            for path in sorted(Path(folder).iterdir()):
                self._store.upload(path, f"{_WHOLE}/{path.name}")

    def gather(self, writer: ArtifactWriter) -> None:
        """Bring all arrays to the folder of this process, which is the writer's."""
        assert self._folder == writer.folder.absolute()
        arrays = [f"{name}.npy" for name in self._store.folders() if name != _WHOLE]
        files = [name.rpartition("/")[2] for name in self._store.listed(_WHOLE)]
        for file_name in (*arrays, *files):
            self.path(file_name)

    @property
    def _store(self) -> Store:
        return store_of(self.address)

    def _head(self, name: str) -> tuple[Any, tuple[int, ...]]:
        head = json.loads(self._store.read(f"{name}/{_HEAD}"))
        return np.lib.format.descr_to_dtype(head["dtype"]), tuple(head["shape"])

    def _local(self, file_name: str) -> Path:
        if self._folder is not None:
            return self._folder / file_name
        return scratch_folder(self.run) / f"{self.address.name}.{file_name}"

    def path(self, file_name: str) -> Path:
        """The path of a copy on this machine, brought here once."""
        path = self._local(file_name)
        if path.exists():
            return path
        with _alone(path):
            if not path.exists():  # another worker of this executor may have brought it
                partial = path.with_name(f".{path.name}.{os.getpid()}.part")
                self._bring(file_name, partial)
                os.replace(partial, path)
        return path

    def _bring(self, file_name: str, path: Path) -> None:
        size = self._store.size(f"{_WHOLE}/{file_name}")
        if size is not None:
            with path.open("wb") as file:
                for piece in self._store.pieces(f"{_WHOLE}/{file_name}", size):
                    file.write(piece)
            return
        name = file_name.removesuffix(".npy")
        dtype, shape = self._head(name)
        preallocate(path, dtype, shape)

        def bring(object_name: str) -> None:
            start = int(object_name.rpartition("/")[2])
            rows = np.frombuffer(self._store.read(object_name), dtype)
            write_range(path, start, rows.reshape(-1, *shape[1:]))

        names = self._store.listed(name)
        in_parallel(bring, [each for each in names if not each.endswith(_HEAD)])


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Context manager: one process of this machine at a time brings a file; the others wait."""
    import time

    lock = path.with_name(f".{path.name}.lock")
    while True:
        try:
            with locked(lock, ArtifactBusy(str(lock))):
                yield
                lock.unlink(missing_ok=True)
                return
        except ArtifactBusy:
            time.sleep(0.05)
