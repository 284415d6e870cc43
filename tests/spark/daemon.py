"""Spark's daemon of Python workers, with imports done: each worker is a copy of it."""

from __future__ import annotations

from importlib import import_module

from pyspark.daemon import manager

IMPORTED = (
    "pandas", "pyarrow", "pyspark.worker", "graphagg.communities.indexing.engine",
    "graphagg.embedding.spark.write", "graphagg.rag.spark.build", "graphagg.spark.answers",
    "tests.spark.test_passages",
)  # fmt: skip
"""What tasks import. Nothing of it starts threads."""

if __name__ == "__main__":
    for name in IMPORTED:
        import_module(name)
    manager()
