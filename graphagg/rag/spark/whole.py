"""Files over all rows that are no stages of the tables: orders, metadata, inverted lists."""

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
from graphagg.rag.indexing.build import write_lists_of
from graphagg.rag.indexing.passage_files import write_id_order, write_text_order
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.spark.records import PASSAGES
from graphagg.rag.tables.segments import table_name
from graphagg.spark.job import SparkJob
from graphagg.spark.tasks import write_blocks
from graphagg.store import ArtifactWriter

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

IDS = "ids"
_NO_ROW = -1


def write_order(
    job: SparkJob,
    arrays: BuildArrays,
    passages: Sequence[Stats],
    starts: Sequence[int],
    per_task: int,
) -> None:
    """Stage `ids`: write the order of ids, by a distributed sort; raises `DuplicateId`."""
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
    """Rows that tasks make of blocks 0 to `count - 1`; `make(i)` returns columns by name."""

    def each(batches: Any) -> Any:
        import pyarrow as pa

        for batch in batches:
            for i in batch.column(0).to_pylist():
                yield from pa.table(make(i)).to_batches(max_chunksize=65_536)

    return job.spark.range(0, count, 1, count).mapInArrow(each, schema)


def write_tables(job: SparkJob, arrays: BuildArrays, passages: Sequence[Stats]) -> None:
    """Write the order of texts, metadata, and the inverted lists of a large corpus."""
    stage, files = arrays.stage(PASSAGES), arrays.version

    def write(_: int) -> None:
        digests = files.map("s0.passages.text_digests")
        lines = (
            line for s in passages for line in stage.strings(s["block"], "s0.passages.metadata")
        )
        with files.written() as folder:
            writer = ArtifactWriter(folder)
            write_text_order(writer, digests, np.ones(len(digests), np.bool_))
            MetadataTable.build(map(json.loads, lines)).save(writer, table_name(0))
            write_lists_of(folder, 0, files.map("s0.windows"), files.map("s0.sentences.vectors"))

    job.run(1, write)
