"""The arrays of a build of passages: of blocks, over all blocks, and of the new version.

A build in process keeps one block in memory, and several in files that survive a killed build. A
Spark job keeps them in its folder.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import Blocks, MemoryBlocks
from graphagg.execution.task_arrays import TaskArrays
from graphagg.store.work import FolderStorage

SEGMENT_STAGE = "segment"
"""The stage that runs the models; its tables `keys` and `terms` are merged."""
_MADE_AGAIN = ("keys", "terms", "gazetteer")
"""Stages that a resumed build repeats: to store them costs more."""


@dataclass(frozen=True)
class BuildArrays:
    """The arrays of a build.

    Attributes:
        blocks: arrays of one block of passages, by the stage that made them.
        work: temporary arrays over all blocks.
        version: the files of the new version.
    """

    blocks: Blocks
    work: FileArrays
    version: FileArrays

    def stage(self, name: str) -> TaskArrays:
        """The arrays that a stage made of each block."""
        return TaskArrays(self.blocks, name)


class KeptBlocks(MemoryBlocks):
    """Arrays of blocks that survive a killed build: a file per stage and block, and its note.

    Files are not synced: a checksum finds what a crashed machine has lost. Stages that are cheap to
    repeat have no note.
    """

    def __init__(self, storage: FolderStorage) -> None:
        super().__init__(storage)
        self._files: dict[tuple[str, int], tuple[dict[str, Any], Array]] = {}

    def save(self, stage: str, block: int, **arrays: Array) -> None:
        """Write the arrays of a block, each at a multiple of 64 bytes."""
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
        """Read the value of `note`; None if the block is incomplete or damaged."""
        try:
            layout, checksum, value = Blocks.noted(self, stage, block) or ({}, -1, None)
            return value if zlib.crc32(self._open(stage, block, layout).data) == checksum else None
        except (ValueError, OSError):  # no JSON, an empty file, or none
            return None


def _file(stage: str, block: int) -> str:
    return f"{stage}.{block:06d}.arrays"
