"""The arrays of a passage index build, and the FAISS indices of its vectors.

A build in this process keeps a single block in memory; several blocks are kept in files, which
survive a killed build. A Spark job keeps them in its folder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphagg.execution.arrays import FileArrays, TaskArrays
from graphagg.execution.blocks import Blocks
from graphagg.execution.runner import TaskRunner
from graphagg.nearest import search
from graphagg.nearest.vectors import map_vectors, write_vectors
from graphagg.rag.indexing import block
from graphagg.rag.tables.segments import MEASURED, SEARCH, SENTENCES, WINDOWS, segment_prefix
from graphagg.store import ArtifactWriter

SEGMENT_STAGE = "segment"
"""The stage that runs the models; its tables `keys` and `terms` are merged."""


@dataclass(frozen=True)
class BuildArrays:
    """The arrays of a build.

    Attributes:
        blocks: arrays of each block of passages, by the stage that computed them.
        work: temporary arrays over all blocks.
        version: the files of the new version.
    """

    blocks: Blocks
    work: FileArrays
    version: FileArrays

    def stage(self, name: str) -> TaskArrays:
        """Return the arrays that a stage computed for each block."""
        return TaskArrays(self.blocks, name)


def write_new(arrays: BuildArrays, runner: TaskRunner) -> None:
    """Write the vectors of a new index with one segment, and index its windows."""

    def write(_: int) -> None:
        with arrays.version.written() as folder:
            for name, array in ((WINDOWS, block.WINDOWS), (SENTENCES, block.SENTENCES)):
                write_vectors(folder / f"{segment_prefix(0)}{name}", arrays.work.map(array))

    runner.run(1, write)
    index_windows(arrays, runner, 0)


def index_windows(arrays: BuildArrays, runner: TaskRunner, position: int) -> None:
    """Build a FAISS index of the windows of segment `position`, if there are many windows."""
    prefix = segment_prefix(position)
    if arrays.version.map(f"{prefix}windows.bounds")[-1] <= search.FLAT:
        return

    def write(_: int) -> None:
        vectors, of_sentences = (arrays.version.path(f"{prefix}{n}") for n in (WINDOWS, SENTENCES))
        index = search.indexed(map_vectors(vectors))
        measured = search.measured(index, vectors, map_vectors(of_sentences))
        with arrays.version.written() as folder:
            (folder / f"{prefix}{SEARCH}").write_bytes(search.to_bytes(index).data)
            ArtifactWriter(folder).array(f"{prefix}{MEASURED}", np.array(measured))

    runner.run(1, write)
