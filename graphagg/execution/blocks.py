"""Arrays of blocks: each task writes the arrays of its own block, and later tasks read them."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import JobFailed
from graphagg.store.work import RUNS, FolderStorage

_BLOCK = re.compile(r"\.[0-9]{6,}\..+\.npy")


class Blocks:
    """Arrays by stage, number of the block and name, each a `.npy` file or object.

    If a driver is killed, its tasks may still run when the job is submitted again. So each task
    checks for a newer run before it writes a block, and fails if there is one. The driver does the
    same before it saves a result.
    """

    def __init__(self, storage: FolderStorage) -> None:
        self.storage = storage
        self.run = 0

    def begin(self) -> None:
        """Start a run; tasks of earlier runs fail when they write."""
        self.run = max(self._newest_run() + 1, time.time_ns())
        self.storage.write({f"{RUNS}/{self.run}": b""})

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Write each array of a block atomically; raise `JobFailed` if a newer run has begun."""
        files: dict[str, bytes | Array] = {
            _file(stage, block, name): np.asarray(array) for name, array in arrays.items()
        }
        self.storage.write(files, self.check_run)

    def check_run(self) -> None:
        """Raise `JobFailed` if a newer run has begun, or has removed the folder."""
        if self._newest_run() != self.run:
            raise JobFailed(f"{self.storage}: the job was submitted again, so this run stops")

    def _newest_run(self) -> int:
        return max(map(int, self.storage.names(RUNS)), default=0)

    def load(self, stage: str, block: int, name: str) -> Array:
        """Read an array of a block."""
        with self.storage.open(_file(stage, block, name)) as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
        return array

    def map(self, stage: str, block: int, name: str) -> Array:
        """Map an array of a block into memory."""
        path = self.storage.local(_file(stage, block, name))
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        return array

    def note(self, stage: str, block: int, value: Any) -> None:
        """Mark a block as complete, with some value."""
        self.storage.write_json(f"{stage}.{block:06d}.json", value)

    def noted(self, stage: str, block: int) -> Any:
        """Read the value of `note`; None if the block is not complete."""
        return self.storage.read_json(f"{stage}.{block:06d}.json")

    def remove(self, stage: str) -> None:
        """Remove the blocks of a stage, if any."""
        names = [name for name in self.storage.names() if name.startswith(f"{stage}.")]
        self.storage.remove(name for name in names if _BLOCK.fullmatch(name[len(stage) :]))


class MemoryBlocks(Blocks):
    """Arrays of blocks in memory; an unfinished build cannot be resumed."""

    def __init__(self, storage: FolderStorage | None = None) -> None:
        if storage is not None:
            super().__init__(storage)
        self._arrays: dict[tuple[str, int, str], Array] = {}

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Store the arrays of a block with contiguous rows, as in a file."""
        for name, array in arrays.items():
            self._arrays[stage, block, name] = np.ascontiguousarray(array)

    def check_run(self) -> None:
        """Do nothing: in one process there is only one run."""

    def load(self, stage: str, block: int, name: str) -> Array:
        """Return an array of a block."""
        return self._arrays[stage, block, name]

    map = load

    def note(self, stage: str, block: int, value: Any) -> None:
        """Do nothing: the build cannot be resumed."""

    def noted(self, stage: str, block: int) -> None:
        """Return None: no earlier run is recorded."""

    def remove(self, stage: str) -> None:
        """Remove the blocks of a stage."""
        self._arrays = {key: array for key, array in self._arrays.items() if key[0] != stage}


def _file(stage: str, block: int, name: str) -> str:
    return f"{stage}.{block:06d}.{name}.npy"
