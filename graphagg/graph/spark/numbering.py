"""Number distinct ids in ascending order with a distributed sort."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphagg.arrays import Array, distinct, offsets
from graphagg.errors import InvalidGraph
from graphagg.execution.arrays import TaskArrays
from graphagg.execution.runner import Stats
from graphagg.graph.spark.sorting import SAMPLES, sort_keys
from graphagg.spark.job import SparkJob
from graphagg.spark.tasks import write_blocks
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Numbering:
    """Distinct ids in ascending order, in blocks on disk."""

    blocks: TaskArrays  # arrays of the blocks
    stats: list[Stats]  # one per block, in the order of the ids; `ids` is their count

    @property
    def total(self) -> int:
        """Number of ids."""
        return sum(s["ids"] for s in self.stats)

    @property
    def is_integer(self) -> bool:
        """Whether the ids are integers."""
        return not self.stats or self.blocks.stage in self.stats[0]

    def write(self, job: SparkJob) -> None:
        """Write the ids to the job's arrays, in the format of `VertexIds.save`."""
        name = self.blocks.stage
        names = [name] if self.is_integer else [f"{name}.utf8", f"{name}.offsets"]
        self.blocks.join(job, self.stats, job.arrays, names)

    def frame(self, spark: SparkSession) -> DataFrame:
        """Return columns `id` and `number`: each string and its dense number."""
        starts = offsets([s["ids"] for s in self.stats]).tolist()

        def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for i in batch.column(0).to_pylist():
                    ids = self.blocks.strings(self.stats[i]["block"], self.blocks.stage)
                    numbers = np.arange(starts[i], starts[i + 1], dtype=np.int32)
                    yield pa.record_batch([pa.array(list(ids)), numbers], ["id", "number"])

        count = len(self.stats)
        return spark.range(0, count, 1, count).mapInArrow(each, "id string, number int")


def number_ids(ids: DataFrame, blocks: TaskArrays, per_task: int, count: int) -> Numbering:
    """Number the distinct ids of all columns of `count` rows with a distributed sort."""
    integer, name = dict(ids.dtypes)[ids.columns[0]] == "bigint", blocks.stage
    column = reduce(lambda a, b: a.union(b), [ids.select(c).toDF("id") for c in ids.columns])

    def save(block: int, keys: Array, _: Array | None) -> Stats:
        values = distinct(keys)
        return blocks.save(block, {name: values}, ids=len(values), smallest=int(values[0]))

    def write(block: int, table: pa.Table) -> Stats:
        packed = StringTable.pack(table.column(0).to_pylist())
        arrays: dict[str, Array] = {f"{name}.utf8": packed.data, f"{name}.offsets": packed.offsets}
        return blocks.save(block, arrays, ids=len(packed))

    if not integer:
        ordered = column.distinct().repartitionByRange(math.ceil(count / per_task), "id")
        return Numbering(blocks, write_blocks(ordered.sortWithinPartitions("id"), write))
    # Sample by a hash of the id, so that ids with many edges are not sampled more often.
    sample = column.filter(f"pmod(xxhash64(id), {max(1, per_task // SAMPLES)}) = 0").distinct()
    stats = sort_keys(ids, sample, lambda b: (np.concatenate(b.columns), None), per_task, save)
    if stats and stats[0]["smallest"] < 0:
        raise InvalidGraph(
            f"negative id {stats[0]['smallest']}, expected integers of 0 to 2^63 - 1; renumber the "
            "vertices, or write the ids as strings"
        )
    return Numbering(blocks, stats)


def numbered(job: SparkJob, frames: dict[str, Any], per_task: int, count: int) -> list[Numbering]:
    """Run stage `vertices`: number the ids of each frame, and write them under its name."""
    blocks = [TaskArrays(job.blocks, name) for name in frames]

    def number() -> list[list[Stats]]:
        numberings = [number_ids(frames[each.stage], each, per_task, count) for each in blocks]
        for numbering in numberings:
            numbering.write(job)
        return [numbering.stats for numbering in numberings]

    return list(map(Numbering, blocks, job.stage("vertices", number)))
