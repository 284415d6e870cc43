"""Arrays of a job whose driver and executors share only a store.

An array is stored as one object per range of rows. A process that maps it downloads all ranges
once. A file that a library writes is stored as one object.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import ArtifactBusy
from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import Blocks
from graphagg.spark.storage import scratch_folder, store_of
from graphagg.store import ArtifactWriter
from graphagg.store.addresses import Address
from graphagg.store.locks import locked
from graphagg.store.ranges import preallocate, write_range
from graphagg.store.remote.files import Store, in_parallel

_HEAD, _WHOLE = "head.json", "whole"


class StoreArrays(FileArrays):
    """Arrays stored as objects under an address.

        <name>/head.json     dtype and shape
        <name>/<start>       rows from `start` on, as bytes
        whole/<file name>    files that tasks wrote

    `run` names the scratch folder of this run, where each process keeps local copies.
    """

    def __init__(self, address: Address, run: str, blocks: Blocks) -> None:
        super().__init__(None, blocks)
        self.address, self.run = address, run

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Create an array of zeros."""
        self._remove(name)
        head = {"dtype": np.lib.format.dtype_to_descr(np.dtype(dtype)), "shape": list(shape)}
        self._store.write(f"{name}/{_HEAD}", json.dumps(head).encode())

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write a range of rows."""
        self.blocks.check_run()
        if len(rows):
            dtype, _ = self._head(name)
            values = np.ascontiguousarray(rows, dtype=dtype)
            self._store.write(f"{name}/{start:015d}", values.tobytes())

    def exists(self, name: str) -> bool:
        """Whether an array with this name exists."""
        objects = (f"{name}/{_HEAD}", f"{_WHOLE}/{name}.npy")
        return any(self._store.size(each) is not None for each in objects)

    def _remove(self, name: str) -> None:
        self._store.remove_folder(name)
        self._store.remove([f"{_WHOLE}/{name}.npy"])
        self._local(f"{name}.npy").unlink(missing_ok=True)

    @contextmanager
    def written(self) -> Iterator[Path]:
        """Context manager: a folder of this process; its files are uploaded at the end."""
        with TemporaryDirectory(dir=scratch_folder(self.run)) as folder:
            yield Path(folder)
            for path in sorted(Path(folder).iterdir()):
                self._store.write(f"{_WHOLE}/{path.name}", path)

    def _all_files(self) -> list[str]:
        arrays = [f"{name}.npy" for name in self._store.folders() if name != _WHOLE]
        return arrays + [name.rpartition("/")[2] for name in self._store.listed(_WHOLE)]

    @property
    def _store(self) -> Store:
        return store_of(self.address)

    def _head(self, name: str) -> tuple[Any, tuple[int, ...]]:
        head = json.loads(self._store.read(f"{name}/{_HEAD}"))
        return np.lib.format.descr_to_dtype(head["dtype"]), tuple(head["shape"])

    def _local(self, file_name: str) -> Path:
        return scratch_folder(self.run) / f"{self.address.name}.{file_name}"

    def path(self, file_name: str) -> Path:
        """Return the path of a local copy, downloaded once."""
        path = self._local(file_name)
        if path.exists():
            return path
        with _alone(path):
            if not path.exists():  # another worker may have downloaded it
                partial = path.with_name(f".{path.name}.{os.getpid()}.part")
                self._bring(file_name, partial)
                os.replace(partial, path)
        return path

    def _publish(self, file_name: str, writer: ArtifactWriter) -> None:
        self._bring(file_name, writer.path(file_name))

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
    """Context manager: one process per machine downloads a file; the other processes wait."""
    lock = path.with_name(f".{path.name}.lock")
    while True:
        try:
            with locked(lock, ArtifactBusy(str(lock))):
                yield
                lock.unlink(missing_ok=True)
                return
        except ArtifactBusy:
            time.sleep(0.05)
