"""The community index by Spark: the same bytes as `CommunityIndex.build` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from graphagg.communities.config import CommunityConfig
from graphagg.communities.index import CommunityIndex
from graphagg.communities.indexing.spark import ENTRIES_PER_BLOCK, write_with_spark
from graphagg.communities.indexing.spark import job_of as job_of
from graphagg.communities.indexing.spark import stages as stages
from graphagg.graph.reading.settings import IndexedReadingOptions, indexed_reading
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
    config: CommunityConfig | None = None,
    work: Location | None = None,
    entries_per_block: int = ENTRIES_PER_BLOCK,
    progress: Progress = silent,
    force: bool = False,
    **reading: Unpack[IndexedReadingOptions],
) -> CommunityIndex:
    """Index a graph by Spark and open the index.

    Args:
        spark: the session; its settings are afterward what they were.
        edges: a DataFrame; a table, as `table:NAME`; or Parquet or text: files, folders or
            patterns, on any path that Spark reads.
        directory: where the index goes: on a file system that executors and driver share, or at an
            address of a store, such as `s3://bucket/comm`: then they share nothing else.
        config: the kind of graph, and the parameters.
        work: where an unfinished job lies, a shared folder or an address; None: beside the index.
        entries_per_block: entries of compressed rows that one task holds in memory.
        progress: called after each stage.
        force: build again also where nothing changed, or over an unfinished job.
        reading: the fields of `graphagg.graph.Reading`; where the index keeps weights also
            `weight`, their column.

    Raises:
        InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
        ParametersDiffer: an unfinished job there has other parameters.
        JobFailed: Spark gave up; the same call goes on after the last finished stage, but of a
            DataFrame begins anew.
        ArtifactBusy, ArtifactError, WriteFailed, StoreError: about the directory or its store.
    """
    config = config or CommunityConfig()
    report = write_with_spark(
        SparkBuild.of(spark, directory, work, progress, force),
        EdgeInput.of(edges, indexed_reading(config.weights, reading)),
        config,
        entries_per_block=entries_per_block,
    )
    index = CommunityIndex.open(directory)
    index.read_report = report
    return index
