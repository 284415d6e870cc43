"""The arrays of a build of passages: of blocks, over all blocks, and of the new version.

A build in process keeps one block in memory, and several in files that survive a killed build. A
Spark job keeps them in its folder.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import Blocks
from graphagg.execution.task_arrays import TaskArrays

SEGMENT_STAGE = "segment"
"""The stage that runs the models; its tables `keys` and `terms` are merged."""


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
