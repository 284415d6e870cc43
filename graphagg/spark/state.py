"""The arrays of a build, in memory, in files or as objects of a job: the same bytes each way.

A build keeps arrays over all rows by name, and small arrays of a block (a piece of a graph, what a
task gave) by stage, number and name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.spark.blocks import Blocks
from graphagg.spark.files import Files
from graphagg.spark.task_arrays import ArrayCollector
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import GrowingFile, take_rows
from graphagg.store.work import FolderStorage


class Memory(ArrayCollector):
    """Arrays in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[str, dict[tuple[int, str], Array]] = {}
        self._growing: dict[str, list[Array]] = {}

    @property
    def writer(self) -> ArtifactWriter:
        """Keeps whole arrays."""
        return self

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Make an array of zeros, for ranges to be written into."""
        self.arrays[name] = np.zeros(shape, dtype)

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write rows `start` to `start + len(rows)`."""
        self.arrays[name][start : start + len(rows)] = rows

    def append(self, name: str, dtype: Any, length: int, values: Array) -> int:
        """Append to the first `length` values of an array; returns the new length."""
        self._growing.setdefault(name, []).append(values)
        return length + len(values)

    def map(self, name: str) -> Array:
        """An array that is written no more."""
        if name in self._growing:
            self.arrays[name] = np.concatenate(self._growing.pop(name))
        return self.arrays[name]

    def select(self, name: str, rows: Array, columns: slice = slice(None)) -> Array:
        """Some rows of an array, ascending, or some columns of them."""
        return np.asarray(self.arrays[name][rows, columns])

    def exists(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return name in self.arrays or name in self._growing

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Keep arrays of a block, rows one after another as in a file."""
        blocks = self._blocks.setdefault(stage, {})
        for name, array in arrays.items():
            blocks[block, name] = np.ascontiguousarray(array)

    def load(self, stage: str, block: int, name: str) -> Array:
        """An array of a block, read-only."""
        return self._blocks[stage][block, name]

    def drop(self, name: str) -> None:
        """Forget an array and the blocks of a stage of this name, where they are there."""
        self.arrays.pop(name, None)
        self._blocks.pop(name, None)

    def gather(self, writer: ArtifactWriter, names: Iterable[str]) -> None:
        """Write the named arrays, where they exist, into the folder of a new version."""
        for name in filter(self.exists, names):
            writer.array(name, self.map(name))


@dataclass(frozen=True)
class Stored:
    """Arrays as files or objects; methods are the same as of `Memory`, arrays are mapped.

    Attributes:
        files: arrays over all rows.
        blocks: arrays of blocks; it tells whether a newer run of the job writes.
        keep: leave dropped arrays, for a job that goes on to read; they go with its folder.
    """

    files: Files
    blocks: Blocks
    keep: bool = False

    @classmethod
    def of(cls, folder: Path) -> Stored:
        """Arrays in a folder."""
        return cls(Files(folder), Blocks(FolderStorage(folder / "blocks")))

    @property
    def writer(self) -> ArtifactWriter:
        """Writes whole arrays."""
        return ArtifactWriter(self.files.folder)

    def create(self, name: str, dtype: Any, shape: Sequence[int]) -> None:
        """Make an array of zeros."""
        self.files.create(name, dtype, shape)

    def write(self, name: str, start: int, rows: Array) -> None:
        """Write a range; tasks of an earlier run may write no more."""
        self.blocks.check_run()
        self.files.write(name, start, rows)

    def append(self, name: str, dtype: Any, length: int, values: Array) -> int:
        """Append to the first `length` values of an array; returns the new length."""
        file = GrowingFile(self.files.path(f"{name}.npy"), dtype, length)
        file.append(values)
        file.close()
        return file.length

    def map(self, name: str) -> Array:
        """An array, mapped."""
        return self.files.map(name)

    def select(self, name: str, rows: Array, columns: slice = slice(None)) -> Array:
        """Some rows; little of the file is in memory at a time."""
        return take_rows(self.map(name), rows, columns)

    def exists(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return self.files.exists(name)

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Write arrays of a block."""
        self.blocks.save(stage, block, **arrays)

    def load(self, stage: str, block: int, name: str) -> Array:
        """An array of a block, mapped."""
        return self.blocks.map(stage, block, name)

    def drop(self, name: str) -> None:
        """Remove everything of a name, unless it is kept."""
        if not self.keep:
            self.files.drop(name)
            self.blocks.remove(name)

    def gather(self, writer: ArtifactWriter, names: Iterable[str]) -> None:
        """Link the named arrays, where they exist, into the folder of a new version."""
        for name in filter(self.exists, names):
            path = self.files.path(f"{name}.npy")
            if path.parent != writer.folder.absolute():
                writer.link(path, f"{name}.npy")


State = Memory | Stored
