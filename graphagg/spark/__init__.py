"""Spark: sessions, tasks that write blocks, jobs that resume, and error translation."""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

if TYPE_CHECKING:
    from graphagg.spark.build import SparkOptions as SparkOptions
else:
    __getattr__, __dir__, __all__ = lazy_names(__name__, extra="spark")
