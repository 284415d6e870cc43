"""The FAISS files of a segment: its vectors, and an index of its windows where they are many."""

from __future__ import annotations

import numpy as np

from graphagg.execution.runner import TaskRunner
from graphagg.nearest import search
from graphagg.nearest.vectors import map_vectors, write_vectors
from graphagg.rag.indexing import block
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.tables.segments import MEASURED, SEARCH, SENTENCES, WINDOWS, segment_prefix
from graphagg.store import ArtifactWriter


def write_new(arrays: BuildArrays, runner: TaskRunner) -> None:
    """Write the vectors of a new index of one segment, and index its windows."""

    def write(_: int) -> None:
        with arrays.version.written() as folder:
            for name, array in ((WINDOWS, block.WINDOWS), (SENTENCES, block.SENTENCES)):
                write_vectors(folder / f"{segment_prefix(0)}{name}", arrays.work.map(array))

    runner.run(1, write)
    index_windows(arrays, runner, 0)


def index_windows(arrays: BuildArrays, runner: TaskRunner, position: int) -> None:
    """Index the windows of segment number `position`, if they are many."""
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
