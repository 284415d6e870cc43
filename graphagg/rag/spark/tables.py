"""Files over all rows: the order of ids, the view, metadata, and the inverted file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import offsets
from graphagg.errors import DuplicateId
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.snapshot import dense, inverted_file
from graphagg.rag.snapshot.snapshot import INVERTED_FILE
from graphagg.rag.spark.inverted import join_inverted_files
from graphagg.rag.spark.stages import IDS, PASSAGES, Stages
from graphagg.rag.tables.gazetteer import ARRAYS, Gazetteer, no_rows
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.segments import table_name
from graphagg.rag.tables.vectors import Stack
from graphagg.rag.tables.view import View
from graphagg.spark.tasks import Stats, run_tasks, write_blocks
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import preallocate
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa


_NO_ROW = -1
_TRAINED = "trained.faiss"
_VECTORS_A_TASK = 100_000
"""Vectors that a task assigns to their lists; about 400 bytes each, and a block of them in full."""


def write_ranks(stages: Stages, passages: Sequence[Stats], starts: Sequence[int]) -> None:
    """Write the place of each row's id in the order of ids: a sort by id, and one back by row.

    Raises:
        DuplicateId: two passages share one.
    """
    import pyarrow as pa

    pieces, ids, total = stages.pieces(PASSAGES), stages.pieces(IDS), starts[-1]
    partitions = math.ceil(total / stages.a_task)

    def identifiers(i: int) -> dict[str, Any]:
        block = passages[i]["block"]
        names = list(pieces.strings(block, "s0.passages.ids"))
        rows = np.arange(starts[i], starts[i + 1], dtype=np.int32)
        # The id of a document that was split is taken too, by its first chunk.
        positions = pieces.array(block, "s0.passages.positions")
        is_first = pieces.array(block, "split") & (positions == 0)
        documents = pieces.strings(block, "s0.passages.documents")
        names += [documents[place] for place in np.flatnonzero(is_first).tolist()]
        rows = np.concatenate([rows, np.full(np.count_nonzero(is_first), _NO_ROW, np.int32)])
        return {"id": pa.array(names, pa.string()), "row": pa.array(rows)}

    def sort(number: int, table: pa.Table) -> Stats:
        column = table.column("id").to_pylist()
        for one, next_one in pairwise(column):
            if one == next_one:
                raise DuplicateId(
                    f"id {one!r} is used by two passages; ids must be unique in a corpus"
                )
        rows = table.column("row").to_numpy()
        return ids.save(number, {"rows": rows[rows != _NO_ROW]})

    frame = stages.frame(len(passages), identifiers, "id string, row int")
    ordered = frame.repartitionByRange(partitions, "id").sortWithinPartitions("id")
    stats = stages.noted(IDS, lambda: write_blocks(ordered, sort))
    begins = offsets([s["rows"] for s in stats])
    files = stages.files
    files.create("rows.by_id", np.int32, (total,))

    def ranks(i: int) -> dict[str, Any]:
        rows = ids.array(stats[i]["block"], "rows")
        places = np.arange(begins[i], begins[i] + len(rows), dtype=np.int32)
        files.write("rows.by_id", int(begins[i]), rows)
        return {"row": pa.array(rows), "rank": pa.array(places)}

    files.create("rows.rank", np.int32, (total,))

    def write(number: int, table: pa.Table) -> Stats:
        files.write("rows.rank", table.column("row")[0].as_py(), table.column("rank").to_numpy())
        return {}

    back = stages.frame(len(stats), ranks, "row int, rank int")
    write_blocks(back.repartitionByRange(partitions, "row").sortWithinPartitions("row"), write)
    files.create("rows.alive", np.bool_, (total,))

    def live(i: int) -> Stats:
        files.write("rows.alive", starts[i], np.ones(starts[i + 1] - starts[i], np.bool_))
        return {}

    run_tasks(stages.work.spark, len(passages), live)


def write_view(stages: Stages, total: int) -> None:
    """Write the view of all passages: one task, one pass over mapped files into mapped files.

    The gazetteer and the lengths of the passages lie in the folder; `total` is how many there are.
    """
    files = stages.files

    def write(_: int) -> Stats:
        arrays = {name: files.map(f"gazetteer.{name}") for name in ARRAYS}
        keys = (files.map(f"entities.keys.{part}") for part in ("utf8", "offsets"))
        lexicon = replace(Lexicon.empty(), lengths=files.map("lexicon.lengths"))
        table = StringTable(*keys)
        gazetteer = Gazetteer(table, no_rows(len(table)), **arrays)  # a view reads no vectors
        with files.written() as folder:
            allocate = partial(_allocated, folder)
            View.of(gazetteer, lexicon, np.ones(total, np.bool_), allocate).save(
                ArtifactWriter(folder)
            )
        return {}

    run_tasks(stages.work.spark, 1, write)


def _allocated(folder: Path, name: str, dtype: type[np.generic], length: int) -> Any:
    """An array of the view, in a mapped file."""
    path = folder / f"view.{name}.npy"
    preallocate(path, dtype, (length,))
    if not length:  # an empty file cannot be mapped
        return np.zeros(0, dtype)
    return np.asarray(np.load(path, mmap_mode="r+", allow_pickle=False))


def write_metadata(stages: Stages, passages: Sequence[Stats]) -> None:
    """Write the table of metadata: one task, key by key, so that it holds one key's values."""
    pieces, files = stages.pieces(PASSAGES), stages.files

    def values(i: int) -> list[dict[str, Any]]:
        table = pieces.strings(passages[i]["block"], "s0.passages.metadata")
        return [json.loads(line) for line in table]

    def build(_: int) -> Stats:
        keys = {key for i in range(len(passages)) for row in values(i) for key in row}
        rows = sum(s["rows"] for s in passages)

        def of_key(key: str) -> MetadataTable:
            every = (row for i in range(len(passages)) for row in values(i))
            return MetadataTable.build([{key: row[key]} if key in row else {} for row in every])

        without_keys = MetadataTable.build([{}] * rows)
        table = MetadataTable.joined([without_keys, *map(of_key, sorted(keys))])
        with files.written() as folder:
            table.save(ArtifactWriter(folder), table_name(0))
        return {}

    run_tasks(stages.work.spark, 1, build)


def write_inverted_file(stages: Stages) -> None:
    """Above the flat limit: train on a sample, fill a part a task, and join the parts on disk."""
    work, files, spark = stages.work.files, stages.files, stages.work.spark
    windows = len(files.map("s0.windows"))
    if windows <= dense.FLAT_LIMIT:
        return

    def vectors() -> Stack:
        return Stack([files.map("s0.windows")])

    def train(_: int) -> Stats:
        with work.written() as folder:
            inverted_file.save(
                inverted_file.trained(vectors(), np.arange(windows)), folder / _TRAINED
            )
        return {}

    a_task = min(stages.a_task, _VECTORS_A_TASK)
    bounds = np.linspace(0, windows, math.ceil(windows / a_task) + 1).astype(np.int64)
    parts = [f"part{i:06d}.faiss" for i in range(len(bounds) - 1)]

    def fill(i: int) -> Stats:
        index = inverted_file.load(work.path(_TRAINED))
        inverted_file.add(index, vectors(), np.arange(bounds[i], bounds[i + 1]))
        with work.written() as folder:
            inverted_file.save(index, folder / parts[i])
        return {}

    def join(_: int) -> Stats:
        filled = [work.path(name) for name in parts]
        with files.written() as folder:
            join_inverted_files(work.path(_TRAINED), filled, folder / INVERTED_FILE)
        return {}

    for count, task in ((1, train), (len(parts), fill), (1, join)):
        run_tasks(spark, count, task)
