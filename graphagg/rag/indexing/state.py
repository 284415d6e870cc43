"""Arrays and loops of a build: all that the builds in memory, over files and by Spark differ in.

`graphagg.rag.indexing.engine` is one list of stages. A build in process keeps the arrays of one
block in memory, and of several blocks in files; Spark runs the same stages as tasks, and keeps the
arrays in the folder of the job (`graphagg.rag.spark.engine`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from graphagg.arrays import Array
from graphagg.progress import Progress, silent
from graphagg.rag.indexing.merging import merge_strings
from graphagg.spark.blocks import Blocks
from graphagg.spark.files import Files
from graphagg.spark.task_arrays import TaskArrays
from graphagg.spark.tasks import Stats
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import GrowingStrings
from graphagg.store.strings import StringTable
from graphagg.store.work import FolderStorage

BLOCK = "segment"
"""The stage of the arrays that the models give; its tables `keys` and `terms` are merged."""
_MADE_AGAIN = ("keys", "terms", "gazetteer")
"""Stages that a build that goes on makes again: to keep them costs more."""
_SMALL = 65_536  # bytes of their arrays of a block that memory holds
Task = Callable[[int], Stats]
"""Task `i` of a loop. It may run more than once, and then writes the same to the same layout."""


@dataclass(frozen=True)
class State:
    """The arrays of a build.

    Attributes:
        blocks: arrays of one block of passages, by the stage that made them.
        work: arrays over all blocks, for the time of the build.
        version: the files of the new version.
    """

    blocks: Blocks
    work: Files
    version: Files

    def stage(self, name: str) -> TaskArrays:
        """The arrays that a stage made of each block."""
        return TaskArrays(self.blocks, name)


class FileArrays:
    """`Files` as the classes that open a version read them.

    Args:
        files: of a version that is being written.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def __contains__(self, name: str) -> bool:
        return self._files.exists(name.removesuffix(".npy"))

    def array(self, name: str) -> Array:
        """Array `name` (without `.npy`), mapped."""
        return self._files.map(name)

    def strings(self, name: str) -> StringTable:
        """String table `name`."""
        return StringTable(self.array(f"{name}.utf8"), self.array(f"{name}.offsets"))


def write_whole(files: Files, arrays: Mapping[str, Array | StringTable]) -> None:
    """Write whole arrays and string tables, each by its name."""
    with files.written() as folder:
        writer = ArtifactWriter(folder)
        for name, array in arrays.items():
            if isinstance(array, StringTable):
                writer.strings(name, array)
            else:
                writer.array(name, array)


class Loops(Protocol):
    """Loops over the tasks of a stage."""

    def each(self, count: int, task: Task) -> list[Stats]:
        """Run `task(i)` for i below `count`. Returns the results; `block` of each is i."""

    def stage(self, name: str, make: Callable[[], list[Stats]]) -> list[Stats]:
        """Run `make`, unless an earlier run of the same build finished it."""

    def merge(
        self, state: State, table: str, blocks: Sequence[Stats], files: Files, name: str
    ) -> None:
        """Merge a sorted string table of all blocks, each string once.

        Array `ranks` of stage `table` then has the ranks of a block's strings in the result.

        Args:
            state: of the build.
            table: name of the table in stage `BLOCK`.
            blocks: the results of that stage.
            files: where the merged table goes.
            name: of the merged table.
        """


class InProcess:
    """Loops that run one task after another.

    Args:
        progress: called with stage, done, total after each task of a stage.
    """

    def __init__(self, progress: Progress = silent) -> None:
        self._progress, self._stage = progress, ""

    def each(self, count: int, task: Task) -> list[Stats]:
        """Run the tasks in order."""
        results = []
        for i in range(count):
            results.append({"block": i} | task(i))
            if self._stage:
                self._progress(self._stage, i + 1, count)
        return results

    def stage(self, name: str, make: Callable[[], list[Stats]]) -> list[Stats]:
        """Run `make`."""
        self._stage = name
        results = make()
        self._stage = ""
        return results

    def merge(
        self, state: State, table: str, blocks: Sequence[Stats], files: Files, name: str
    ) -> None:
        """Merge the tables of all blocks in one pass over them."""
        tables = [state.stage(BLOCK).strings(i, table) for i in range(len(blocks))]
        with files.written() as folder:
            ranks = merge_strings(tables, GrowingStrings(folder, name))
        for i, of_block in enumerate(ranks):
            state.stage(table).save(i, {"ranks": of_block})


class MemoryBlocks(Blocks):
    """Arrays of blocks in memory: of a small build, and of a change."""

    def __init__(self, storage: FolderStorage | None = None) -> None:
        super().__init__(storage or FolderStorage(Path()))
        self._arrays: dict[tuple[str, int, str], Array] = {}

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Keep the arrays of a block."""
        self._arrays |= {(stage, block, name): array for name, array in arrays.items()}

    def load(self, stage: str, block: int, name: str) -> Array:
        """An array of a block."""
        return self._arrays[stage, block, name]

    map = load

    def note(self, stage: str, block: int, value: Any) -> None:
        """Do nothing: memory outlasts no kill."""

    def noted(self, stage: str, block: int) -> None:
        """Nothing is noted."""


class KeptBlocks(MemoryBlocks):
    """Arrays of blocks that outlast a killed build: a file per stage and block, and its note.

    Nothing waits for the disk: by a checksum, what a machine that stopped has lost is made again.
    Stages that are made again in any case need no note, and no file where they are small.
    """

    def __init__(self, storage: FolderStorage) -> None:
        super().__init__(storage)
        self._files: dict[tuple[str, int], tuple[dict[str, Any], Array]] = {}

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Write the arrays of a block, each at a multiple of 64 bytes."""
        if stage in _MADE_AGAIN and sum(array.nbytes for array in arrays.values()) < _SMALL:
            super().save(stage, block, **arrays)
            return
        layout, pieces, size = {}, [], 0
        for name, array in arrays.items():
            layout[name] = (size, array.dtype.str, array.shape)
            content = np.ascontiguousarray(array).tobytes()
            pieces += [content, bytes(64 - len(content) % 64)]
            size += len(content) + len(pieces[-1])
        self.storage.write({_file(stage, block): b"".join(pieces)})
        self._open(stage, block, layout)

    def _open(self, stage: str, block: int, layout: dict[str, Any]) -> Array:
        content = np.memmap(self.storage.local(_file(stage, block)), np.uint8, "r")
        self._files[stage, block] = layout, np.asarray(content)
        return content

    def map(self, stage: str, block: int, name: str) -> Array:
        """Map an array of a block into memory."""
        if (stage, block) not in self._files:
            return super().load(stage, block, name)
        layout, content = self._files[stage, block]
        start, dtype, shape = layout[name]
        end = start + math.prod(shape) * np.dtype(dtype).itemsize
        array: Array = content[start:end].view(dtype).reshape(shape)
        return array

    load = map

    def note(self, stage: str, block: int, value: Any) -> None:
        """Note that a block is complete."""
        if stage not in _MADE_AGAIN:
            layout, content = self._files[stage, block]
            Blocks.note(self, stage, block, [layout, zlib.crc32(content.data), value])

    def noted(self, stage: str, block: int) -> Any:
        """Read the value of `note`; None where the block is not complete, or damaged."""
        try:
            layout, checksum, value = Blocks.noted(self, stage, block) or ({}, -1, None)
            return value if zlib.crc32(self._open(stage, block, layout).data) == checksum else None
        except (ValueError, OSError):  # no JSON, an empty file, or none
            return None


def _file(stage: str, block: int) -> str:
    return f"{stage}.{block:06d}.arrays"
