"""Distinct ids in ascending order, numbered by a distributed sort."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphagg.arrays import Array, offsets
from graphagg.errors import InvalidGraph
from graphagg.execution.runner import Stats
from graphagg.execution.task_arrays import TaskArrays
from graphagg.graph.ids import VertexIds
from graphagg.spark.job import SparkJob
from graphagg.spark.tasks import write_blocks
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Numbering:
    """Distinct ids in ascending order, in blocks on disk."""

    blocks: TaskArrays  # arrays of the blocks
    stats: list[Stats]  # of each block, in the order of the ids; `ids` is their count

    @property
    def total(self) -> int:
        """Number of ids."""
        return sum(s["ids"] for s in self.stats)

    @property
    def is_integer(self) -> bool:
        """Whether the ids are integers."""
        return not self.stats or self.blocks.stage in self.stats[0]

    def write(self, job: SparkJob) -> None:
        """Write the ids to the job's arrays, as `VertexIds.save` would."""
        name = self.blocks.stage
        names = [name] if self.is_integer else [f"{name}.utf8", f"{name}.offsets"]
        self.blocks.join(job, self.stats, job.arrays, names)

    def frame(self, spark: SparkSession) -> DataFrame:
        """Columns `id` and `number`, its dense number."""
        starts = offsets([s["ids"] for s in self.stats]).tolist()
        name, integer = self.blocks.stage, self.is_integer

        def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for i in batch.column(0).to_pylist():
                    array = partial(self.blocks.array, self.stats[i]["block"])
                    ids = VertexIds.read(name, array, lambda _: integer)
                    values = pa.array(ids.table) if integer else pa.array(list(ids), pa.string())
                    numbers = np.arange(starts[i], starts[i + 1], dtype=np.int32)
                    yield pa.RecordBatch.from_arrays([values, pa.array(numbers)], ["id", "number"])

        count = len(self.stats)
        schema = f"id {'long' if integer else 'string'}, number int"
        return spark.range(0, count, 1, count).mapInArrow(each, schema)


def number_ids(ids: DataFrame, blocks: TaskArrays, partitions: int) -> Numbering:
    """Number the distinct ids of the only column `id` by a distributed sort."""
    integer, name = dict(ids.dtypes)["id"] == "bigint", blocks.stage

    def write(block: int, table: pa.Table) -> Stats:
        column = table.column(0)
        if integer:
            values = column.to_numpy()
            return blocks.save(block, {name: values}, ids=len(values), smallest=int(values[0]))
        packed = StringTable.pack(column.to_pylist())
        arrays: dict[str, Array] = {f"{name}.utf8": packed.data, f"{name}.offsets": packed.offsets}
        return blocks.save(block, arrays, ids=len(packed))

    ordered = ids.distinct().repartitionByRange(partitions, "id").sortWithinPartitions("id")
    stats = write_blocks(ordered, write)
    if integer and stats and stats[0]["smallest"] < 0:
        raise InvalidGraph(
            f"negative id {stats[0]['smallest']}, wanted integers of 0 to 2^63 - 1; renumber, or "
            "write the ids as strings"
        )
    return Numbering(blocks, stats)


def numbered(job: SparkJob, frames: dict[str, Any], partitions: int) -> list[Numbering]:
    """Stage `vertices`: number the ids of frames, and write them under their names."""
    blocks = [TaskArrays(job.blocks, name) for name in frames]

    def number() -> list[list[Stats]]:
        numberings = [number_ids(frames[each.stage], each, partitions) for each in blocks]
        for numbering in numberings:
            numbering.write(job)
        return [numbering.stats for numbering in numberings]

    return list(map(Numbering, blocks, job.stage("vertices", number)))
