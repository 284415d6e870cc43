"""Distinct ids in ascending order, numbered by a distributed sort."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphagg.errors import InvalidGraph
from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import Blocks
from graphagg.graph.ids import VertexIds
from graphagg.spark.job import SparkJob
from graphagg.spark.tasks import write_blocks
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Numbering:
    """Distinct ids in ascending order, in blocks on disk.

    Attributes:
        blocks: the folder of the blocks.
        name: stage of the blocks.
        counts: number of ids in each block.
        block_ids: number of each block in its file names.
        sizes: bytes of each block's strings; None for integers.
    """

    blocks: Blocks
    name: str
    counts: tuple[int, ...]
    block_ids: tuple[int, ...]
    sizes: tuple[int, ...] | None

    def to_json(self) -> dict[str, Any]:
        """The fields that a note of an unfinished job holds."""
        return {k: getattr(self, k) for k in ("name", "counts", "block_ids", "sizes")}

    @classmethod
    def from_json(cls, blocks: Blocks, note: dict[str, Any]) -> Numbering:
        """The numbering that `to_json` described."""
        sizes = None if note["sizes"] is None else tuple(note["sizes"])
        return cls(blocks, note["name"], tuple(note["counts"]), tuple(note["block_ids"]), sizes)

    @property
    def total(self) -> int:
        """Number of ids."""
        return sum(self.counts)

    def start(self, i: int) -> int:
        """The dense number of the first id of block `i`."""
        return sum(self.counts[:i])

    def load(self, i: int) -> VertexIds:
        """The ids of block `i`."""
        block = self.block_ids[i]
        if self.sizes is None:
            return VertexIds(self.blocks.load(self.name, block, "ids"))
        data = self.blocks.load(self.name, block, "utf8")
        return VertexIds(StringTable(data, self.blocks.load(self.name, block, "offsets")))

    def frame(self, spark: SparkSession) -> DataFrame:
        """Columns `id` and `number` (dense)."""
        starts = [self.start(i) for i in range(len(self.counts))]
        integer = self.sizes is None

        def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for i in batch.column(0).to_pylist():
                    ids = self.load(i)
                    dense = np.arange(starts[i], starts[i] + len(ids), dtype=np.int32)
                    values = pa.array(ids.table) if integer else pa.array(list(ids), pa.string())
                    yield pa.RecordBatch.from_arrays([values, pa.array(dense)], ["id", "number"])

        count = len(self.counts)
        schema = f"id {'long' if integer else 'string'}, number int"
        return spark.range(0, count, 1, count).mapInArrow(each, schema)


def number_ids(ids: DataFrame, blocks: Blocks, name: str, partitions: int) -> Numbering:
    """Number the distinct ids of a frame's only column `id` by a distributed sort.

    Raises:
        InvalidGraph: a negative id.
    """
    integer = dict(ids.dtypes)["id"] == "bigint"

    def write(block: int, table: pa.Table) -> dict[str, int]:
        column = table.column(0)
        if integer:
            values = column.to_numpy()
            blocks.save(name, block, ids=values)
            return {"count": len(values), "smallest": int(values[0])}
        packed = StringTable.pack(column.to_pylist())
        blocks.save(name, block, utf8=packed.data, offsets=packed.offsets)
        return {"count": len(packed), "bytes": len(packed.data)}

    ordered = ids.distinct().repartitionByRange(partitions, "id").sortWithinPartitions("id")
    stats = write_blocks(ordered, write)
    if integer and stats and stats[0]["smallest"] < 0:
        raise InvalidGraph(
            f"negative id {stats[0]['smallest']}, wanted integers of 0 to 2^63 - 1; renumber, or "
            "write the ids as strings"
        )
    return Numbering(
        blocks,
        name,
        tuple(s["count"] for s in stats),
        tuple(s["block"] for s in stats),
        None if integer else tuple(s["bytes"] for s in stats),
    )


def write_ids(job: SparkJob, numbering: Numbering, arrays: FileArrays) -> None:
    """Write the ids as `VertexIds.save` would; each task writes the range of one block."""
    n, sizes, name = numbering.total, numbering.sizes, numbering.name
    if sizes is None:
        arrays.create(name, np.int64, (n,))
    else:
        arrays.create(f"{name}.utf8", np.uint8, (sum(sizes),))
        arrays.create(f"{name}.offsets", np.int64, (n + 1,))

    def copy(i: int) -> None:
        table, start = numbering.load(i).table, numbering.start(i)
        if isinstance(table, StringTable):
            before = sum(sizes[:i]) if sizes else 0
            arrays.write(f"{name}.utf8", before, table.data)
            arrays.write(f"{name}.offsets", start + 1, table.offsets[1:] + before)
        else:
            arrays.write(name, start, table)

    job.run(len(numbering.counts), copy)
