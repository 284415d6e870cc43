"""The embedding by Spark, written and opened; and the jobs that stop before its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.index import NodeEmbedding
from graphagg.embedding.spark.entries import digests, prepare
from graphagg.embedding.spark.partition import cut
from graphagg.embedding.spark.write import Stage, job_of, write_with_spark
from graphagg.embedding.writing import KIND
from graphagg.graph.reading.settings import WeightedReading, WeightedReadingOptions
from graphagg.graph.spark.edges import EdgeInput
from graphagg.progress import Progress, silent
from graphagg.spark.build import SparkBuild
from graphagg.spark.session import small_driver
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
    index.read = read
    return index


def run_until(
    spark: SparkSession,
    edges: DataFrame | str | Sequence[str],
    directory: Location,
    stage: Stage,
    *,
    config: EmbeddingConfig | None = None,
    work: Location | None = None,
    progress: Progress = silent,
    force: bool = False,
    **reading: Unpack[WeightedReadingOptions],
) -> dict[str, Any]:
    """Run the stages up to the matrix or the partition; `build_with_spark` goes on from there.

    Arguments and errors are the same as for `build_with_spark`.

    Returns:
        Sizes of the matrix, or the partition report.
    """
    build = SparkBuild.of(spark, directory, work, progress, force)
    config = config or EmbeddingConfig()
    source = EdgeInput.of(edges, WeightedReading(**reading))
    job, a_task = job_of(source, config), config.max_piece_edges or MAX_PIECE_EDGES
    if build.recall(KIND, job) is not None:
        return _of_index(directory, stage)
    with small_driver(spark), build.claim(job, source) as job_folder:
        entries = prepare(job_folder, source, config, a_task)
        if stage == "entries":
            return {"nodes": entries.nodes, "entries": 2 * entries.edges, "edges": entries.edges}
        digests(job_folder, entries, a_task)
        return cut(job_folder, entries, config, a_task).report.to_json()


def _of_index(directory: Location, stage: Stage) -> dict[str, Any]:
    """The result of `run_until`, from the index that was built after it."""
    with NodeEmbedding.open(directory) as index:
        counts, report, kind = index.manifest.counts, index.report, index.config.kind
    if stage == "partition":
        return report.to_json()
    nodes = counts["vertices"] + (counts["elements"] if kind != "undirected" else 0)
    return {"nodes": nodes, "entries": 2 * counts["edges"], "edges": counts["edges"]}
