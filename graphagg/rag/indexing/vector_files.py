"""The FAISS files of a segment: its vectors, and an index of its windows where they are many."""

from __future__ import annotations

import math

import numpy as np

from graphagg.errors import InvalidParameter
from graphagg.execution.runner import Stats, TaskRunner
from graphagg.nearest import search
from graphagg.nearest.search import SearchType
from graphagg.nearest.vectors import map_vectors, write_vectors
from graphagg.rag.indexing import block
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.tables.segments import MEASURED, SEARCH, SENTENCES, WINDOWS, segment_prefix
from graphagg.store import ArtifactWriter

_TRAINED = "search"


def write_new(arrays: BuildArrays, runner: TaskRunner, kind: SearchType) -> None:
    """Write the vectors of a new index of one segment, and index its windows.

    Raises `InvalidParameter` where `kind` needs more windows.
    """

    def write(_: int) -> None:
        with arrays.version.written() as folder:
            for name, array in ((WINDOWS, block.WINDOWS), (SENTENCES, block.SENTENCES)):
                write_vectors(folder / f"{segment_prefix(0)}{name}", arrays.work.map(array))

    runner.run(1, write)
    index_windows(arrays, runner, 0, kind)


def index_windows(
    arrays: BuildArrays, runner: TaskRunner, position: int, kind: SearchType, lenient: bool = False
) -> None:
    """Index the windows of segment number `position`, if they are many or `kind` names a type.

    With `lenient`, few windows that cannot train the type have no index.
    """
    prefix, stage = segment_prefix(position), arrays.stage(_TRAINED)
    count = int(arrays.version.map(f"{prefix}windows.bounds")[-1])
    if count <= search.FLAT and kind.faiss is None:
        return

    def train(_: int) -> Stats:
        index = kind.trained(map_vectors(arrays.version.path(f"{prefix}{WINDOWS}")))
        arrays.work.write_whole({_TRAINED: search.to_bytes(index)})
        return {"rows": search.rows_per_part(index)}

    def add(i: int) -> Stats:
        codes = map_vectors(arrays.version.path(f"{prefix}{WINDOWS}"))[i * rows : (i + 1) * rows]
        return stage.save(i, {"index": search.added(arrays.work.map(_TRAINED), codes)})

    def merge(_: int) -> None:
        vectors, of_sentences = (arrays.version.path(f"{prefix}{n}") for n in (WINDOWS, SENTENCES))
        index = search.merged(stage.array(i, "index") for i in range(parts))
        measured = search.measured(index, vectors, map_vectors(of_sentences), kind.nprobe)
        with arrays.version.written() as folder:
            (folder / f"{prefix}{SEARCH}").write_bytes(search.to_bytes(index).data)
            ArtifactWriter(folder).array(f"{prefix}{MEASURED}", np.array(measured))

    try:
        rows = runner.run(1, train)[0]["rows"]
    except InvalidParameter:
        if lenient and count <= search.FLAT:
            return
        raise
    parts = math.ceil(count / rows)
    runner.run(parts, add)
    runner.run(1, merge)
