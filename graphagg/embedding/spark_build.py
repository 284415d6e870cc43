"""The embedding by Spark, written and opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.index import NodeEmbedding
from graphagg.embedding.spark.write import write_with_spark
from graphagg.graph.reading.settings import WeightedReading, WeightedReadingOptions
from graphagg.graph.spark.edges import EdgeInput
from graphagg.progress import Progress, silent
from graphagg.spark.build import SparkBuild
from graphagg.store.addresses import Location

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def build_with_spark(
    spark: SparkSession,
    edges: DataFrame | str | Sequence[str],
    directory: Location,
    *,
    config: EmbeddingConfig | None = None,
    work: Location | None = None,
    progress: Progress = silent,
    force: bool = False,
    **reading: Unpack[WeightedReadingOptions],
) -> NodeEmbedding:
    """Embed a graph by Spark and open the index.

    Args:
        spark: the session; its settings are afterward what they were.
        edges: a DataFrame; a table, as `table:NAME`; or Parquet or text: files, folders or
            patterns, on any path that Spark reads.
        directory: where the index goes: on a file system that executors and driver share, or at an
            address of a store, such as `s3://bucket/emb`: then they share nothing else.
        config: parameters.
        work: where an unfinished job lies, a shared folder or an address; None: beside the index.
        progress: called after each stage.
        force: build again also where nothing changed, or over an unfinished job.
        reading: the fields of `graphagg.graph.WeightedReading`.

    Raises:
        InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
        InvalidParameter, PieceTooLarge: the parameters do not fit the graph.
        ParametersDiffer: an unfinished job there has other parameters.
        JobFailed: Spark gave up; the same call goes on after the last finished stage, but of a
            DataFrame begins anew.
        ArtifactBusy, ArtifactError, WriteFailed, StoreError: about the directory or its store.
    """
    build = SparkBuild.of(spark, directory, work, progress, force)
    source = EdgeInput.of(edges, WeightedReading(**reading))
    read = write_with_spark(build, source, config or EmbeddingConfig())
    index = NodeEmbedding.open(directory)
    index.read_report = read
    return index
