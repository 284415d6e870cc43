"""Export an embedding as a DataFrame, and find nearest neighbors of a column of vertices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.embedding.config import Side
from graphagg.errors import InvalidParameter, UnknownVertex
from graphagg.spark.answers import answered, one_by_one, worker_index

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

VECTORS_PER_TASK = 50_000


def vectors_frame(spark: SparkSession, index: Any, side: Side, per_task: int) -> DataFrame:
    """Return a DataFrame with columns `vertex` and `vector`; see `NodeEmbedding.to_spark`."""
    ids, _ = index.vectors_of(side)
    total, integer = len(ids), ids.is_integer
    worker = worker_index(index)

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        kind = pa.int64() if integer else pa.string()
        for batch in batches:
            for i in batch.column(0).to_pylist():
                names, rows = worker().vectors_of(side)
                low, high = i * per_task, min((i + 1) * per_task, total)
                block = np.ascontiguousarray(rows[low:high], dtype=np.float32)
                starts = np.arange(0, block.size + 1, block.shape[1], dtype=np.int32)
                lists = pa.ListArray.from_arrays(pa.array(starts), pa.array(block.ravel()))
                vertices = pa.array(names[low:high], kind)
                yield pa.RecordBatch.from_arrays([vertices, lists], names=["vertex", "vector"])

    count = -(-total // per_task)
    schema = f"vertex {'long' if integer else 'string'}, vector array<float>"
    return spark.range(0, count, 1, count).mapInArrow(each, schema)


def neighbors_frame(
    frame: DataFrame, index: Any, column: str, k: int, options: dict[str, Any]
) -> DataFrame:
    """Add neighbors to the rows of a DataFrame; see `NodeEmbedding.neighbors_on_spark`."""
    target_side = options["target_side"] or options["side"]
    kind = "long" if index.vectors_of(target_side)[0].is_integer else "string"
    fields = {"neighbor": kind, "score": "double"}

    def ask(embedding: Any, vertices: list[Any]) -> Any:
        def one(vertex: Any) -> Any:
            return [(n.id, n.score) for n in embedding.neighbors(vertex, k, **options)]

        return one_by_one(one, vertices, (UnknownVertex, InvalidParameter))

    return answered(frame, column, fields, worker_index(index), ask)
