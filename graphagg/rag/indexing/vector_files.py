"""The FAISS files of a segment: its vectors, and an index of its windows where they are many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from graphagg.arrays import Array
from graphagg.execution.runner import Stats, TaskRunner
from graphagg.nearest import search
from graphagg.nearest.vectors import Codes, map_vectors, write_vectors
from graphagg.rag.indexing.block import SENTENCES, WINDOWS
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.tables import segments
from graphagg.rag.tables.segments import segment_prefix
from graphagg.store import ArtifactWriter

_EMPTY, _PARTS = "search.empty", "search"


def write_new(arrays: BuildArrays, runner: TaskRunner) -> None:
    """Write the vectors of a new index of one segment, and index its windows in tasks."""
    prefix = segment_prefix(0)

    def write(_: int) -> None:
        with arrays.version.written() as folder:
            for name, array in ((segments.WINDOWS, WINDOWS), (segments.SENTENCES, SENTENCES)):
                write_vectors(folder / f"{prefix}{name}", arrays.work.map(array))

    runner.run(1, write)
    count = int(arrays.version.map(f"{prefix}windows.bounds")[-1])
    if count <= search.FLAT:
        return

    def train(_: int) -> Stats:
        index = search.trained(arrays.work.map(WINDOWS), None)
        arrays.work.write_whole({_EMPTY: search.to_bytes(index)})
        return {str(i): part.stop for i, part in enumerate(search.parts_of(index, count))}

    (ends,) = runner.run(1, train)
    bounds, stage = [0, *ends.values()], arrays.stage(_PARTS)

    def add(i: int) -> Stats:
        rows = arrays.work.map(WINDOWS)[bounds[i] : bounds[i + 1]]
        return stage.save(i, {"index": search.added(arrays.work.map(_EMPTY), rows)})

    runner.run(len(ends), add)

    def merge(_: int) -> None:
        vectors = arrays.version.path(f"{prefix}{segments.WINDOWS}")
        with arrays.version.written() as folder:
            parts = [stage.array(i, "index") for i in range(len(ends))]
            _finish(folder, 0, vectors, arrays.work.map(SENTENCES), parts)

    runner.run(1, merge)


def write_search(folder: Path, position: int) -> None:
    """Index the windows of segment number `position`, whose vectors are written, if many."""
    files = (segments.WINDOWS, segments.SENTENCES)
    vectors, of_sentences = (folder / f"{segment_prefix(position)}{name}" for name in files)
    codes = map_vectors(vectors)
    if len(codes) > search.FLAT:
        index = search.trained(codes, None)
        empty = search.to_bytes(index)
        parts = [
            search.added(empty, codes[rows.start : rows.stop])
            for rows in search.parts_of(index, len(codes))
        ]
        _finish(folder, position, vectors, map_vectors(of_sentences), parts)


def _finish(
    folder: Path, position: int, vectors: Path, sentences: Codes, parts: Sequence[Array]
) -> None:
    prefix = segment_prefix(position)
    index, path = search.merged(parts), folder / f"{prefix}{segments.SEARCH}"
    measured = search.finish(index, path, vectors, sentences, None)
    ArtifactWriter(folder).array(f"{prefix}{segments.MEASURED}", np.array(measured))
