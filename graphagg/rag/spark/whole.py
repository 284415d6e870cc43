"""Files over all rows that Spark makes in its own way: orders, metadata, inverted lists."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.errors import DuplicateId
from graphagg.execution.runner import Stats
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.indexing.build import is_large
from graphagg.rag.indexing.passage_files import write_id_order, write_text_order
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.spark.records import PASSAGES
from graphagg.rag.tables.lists import labels_of, trained, write_lists
from graphagg.rag.tables.segments import table_name
from graphagg.spark.job import SparkJob
from graphagg.spark.tasks import write_blocks
from graphagg.store import ArtifactWriter

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

IDS = "ids"
_NO_ROW = -1
_CENTROIDS, _NEAREST, _PRODUCTS = "lists.centroids", "lists.nearest", "lists.products"
_VECTORS_PER_TASK = 100_000
"""Vectors that a task assigns to their lists; about 400 bytes each, and a block of them in full."""


def write_order(
    job: SparkJob,
    arrays: BuildArrays,
    passages: Sequence[Stats],
    starts: Sequence[int],
    per_task: int,
) -> None:
    """Stage `ids`: write the order of ids, by a distributed sort.

    Args:
        job: runs the tasks.
        arrays: of the job.
        passages: the results of stage `passages`.
        starts: the first row of each block, and the number of rows.
        per_task: ids that a task sorts.

    Raises:
        DuplicateId: two passages share an id.
    """
    import pyarrow as pa

    stage, ids = arrays.stage(PASSAGES), arrays.stage(IDS)
    partitions = math.ceil(starts[-1] / per_task)

    def identifiers(i: int) -> dict[str, Any]:
        block = passages[i]["block"]
        names = list(stage.strings(block, "s0.passages.ids"))
        rows = np.arange(starts[i], starts[i + 1], dtype=np.int32)
        # The id of a document that was split is taken too, by its first chunk.
        positions = stage.array(block, "s0.passages.positions")
        is_first = stage.array(block, "split") & (positions == 0)
        documents = stage.strings(block, "s0.passages.documents")
        names += [documents[i] for i in np.flatnonzero(is_first).tolist()]
        rows = np.concatenate([rows, np.full(np.count_nonzero(is_first), _NO_ROW, np.int32)])
        return {"id": pa.array(names, pa.string()), "row": pa.array(rows)}

    def sort(partition: int, table: pa.Table) -> Stats:
        column = table.column("id").to_pylist()
        for one, next_one in pairwise(column):
            if one == next_one:
                raise DuplicateId(
                    f"id {one!r} is used by two passages; ids must be unique in a corpus"
                )
        rows = table.column("row").to_numpy()
        return ids.save(partition, {"rows": rows[rows != _NO_ROW]})

    frame = _task_frame(job, len(passages), identifiers, "id string, row int")
    ordered = frame.repartitionByRange(partitions, "id").sortWithinPartitions("id")
    stats = job.stage(IDS, lambda: write_blocks(ordered, sort))
    files, row_count = arrays.version, starts[-1]

    def write(_: int) -> None:
        by_id = np.concatenate([ids.array(s["block"], "rows") for s in stats])
        with files.written() as folder:
            write_id_order(ArtifactWriter(folder), by_id, row_count)

    job.run(1, write)


def _task_frame(
    job: SparkJob, count: int, make: Callable[[int], dict[str, Any]], schema: str
) -> DataFrame:
    """Rows that tasks make of blocks 0 to `count - 1`: `make(i)` gives columns by name."""

    def each(batches: Any) -> Any:
        import pyarrow as pa

        for batch in batches:
            for i in batch.column(0).to_pylist():
                yield from pa.table(make(i)).to_batches(max_chunksize=65_536)

    return job.spark.range(0, count, 1, count).mapInArrow(each, schema)


def write_copies(job: SparkJob, arrays: BuildArrays) -> None:
    """Write the order of the digests of all texts: one task, 12 bytes per passage."""
    files = arrays.version

    def write(_: int) -> None:
        digests = files.map("s0.passages.text_digests")
        with files.written() as folder:
            write_text_order(ArtifactWriter(folder), digests, np.ones(len(digests), np.bool_))

    job.run(1, write)


def write_metadata(job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats]) -> None:
    """Write the table of metadata: one task, key by key, so that it holds one key's values."""
    stage, files = arrays.stage(PASSAGES), arrays.version

    def values(i: int) -> list[dict[str, Any]]:
        table = stage.strings(passages[i]["block"], "s0.passages.metadata")
        return [json.loads(line) for line in table]

    def build(_: int) -> None:
        keys = {key for i in range(len(passages)) for row in values(i) for key in row}
        rows = sum(s["rows"] for s in passages)

        def of_key(key: str) -> MetadataTable:
            every = (row for i in range(len(passages)) for row in values(i))
            return MetadataTable.build([{key: row[key]} if key in row else {} for row in every])

        without_keys = MetadataTable.build([{}] * rows)
        table = MetadataTable.joined([without_keys, *map(of_key, sorted(keys))])
        with files.written() as folder:
            table.save(ArtifactWriter(folder), table_name(0))

    job.run(1, build)


def write_inverted_lists(job: SparkJob, arrays: BuildArrays, per_task: int) -> None:
    """Write inverted lists of a large corpus: train, assign windows in tasks, and write in one."""
    work, files = arrays.work, arrays.version
    windows = files.map("s0.windows")
    if not is_large(windows):
        return
    per_task = min(per_task, _VECTORS_PER_TASK)
    bounds = np.linspace(0, len(windows), math.ceil(len(windows) / per_task) + 1).astype(np.int64)
    for name, dtype in ((_NEAREST, np.int32), (_PRODUCTS, np.float32)):
        work.create(name, dtype, (len(windows),))

    def train(_: int) -> None:
        work.write_whole({_CENTROIDS: trained(files.map("s0.windows"))})

    def assign(i: int) -> None:
        vectors = files.map("s0.windows")[bounds[i] : bounds[i + 1]]
        labels, products = labels_of(vectors, work.map(_CENTROIDS))
        work.write(_NEAREST, int(bounds[i]), labels)
        work.write(_PRODUCTS, int(bounds[i]), products)

    def write(_: int) -> None:
        vectors, sentences = files.map("s0.windows"), files.map("s0.sentences.vectors")
        nearest = work.map(_NEAREST), work.map(_PRODUCTS)
        with files.written() as folder:
            write_lists(folder, "s0.", vectors, sentences, work.map(_CENTROIDS), nearest)

    job.run(1, train)
    job.run(len(bounds) - 1, assign)
    job.run(1, write)
