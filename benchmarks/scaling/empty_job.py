"""The empty job: it starts a session and sends one row through a Python worker."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from graphagg.spark.session import create_session


def unchanged(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


if __name__ == "__main__":
    spark = create_session("graphagg empty")
    spark.range(0, 1, 1, 1).mapInArrow(unchanged, "id long").collect()
    spark.stop()
