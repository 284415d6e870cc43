"""The embedding by Spark: the same vectors as `NodeEmbedding.build` gives.

Stages, each of which ends in `<directory>.work`, so that a job that was killed goes on after the
last one when it is started again:

1. `edges`, `entries`: ids numbered by a distributed sort; the symmetric matrix.
2. `matrix`, `partition`: the matrix as mapped rows, and its parts, in one task.
3. `pieces`: each piece in blocks; one shuffle of the entries.
4. `strength`, `arrived`, `leaves`: the log matrix and its decomposition, a task a piece.
5. `gram...`, `start`, `refined`: the merge and one refinement.
6. `pass...`: five products with the matrix a pass; tasks read the rows of their halo.
7. `vectors`: the arrays of the index, written again by each run.

Stages 4 to 6 are those of the build in process, `prone.engine`. Executors and driver must share the
file system of the directory. A task holds one piece with its halo or one range of 50,000 nodes; the
task of the partition holds the graph (`metis`) or 60 bytes a node (`streaming`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from graphagg.embedding.build import ranges
from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.index import NodeEmbedding
from graphagg.embedding.prone.engine import Engine, Vectors
from graphagg.embedding.prone.propagation import STEPS
from graphagg.embedding.prone.threads import one_thread
from graphagg.embedding.spark.engine import on_spark
from graphagg.embedding.spark.entries import Entries, digests, prepare
from graphagg.embedding.spark.partition import cut, write_pieces
from graphagg.embedding.writing import (
    KIND,
    Sizes,
    VectorFiles,
    index_manifest,
    write_report,
)
from graphagg.errors import InvalidParameter
from graphagg.graph.graph import ReadReport
from graphagg.graph.reading.settings import WeightedReading, WeightedReadingOptions
from graphagg.graph.spark import EdgePaths, write_ids
from graphagg.progress import Progress, silent
from graphagg.spark.job import Work, claimed, recall, remember
from graphagg.spark.session import small_driver
from graphagg.store import write_artifact
from graphagg.store.index import is_current

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Stage = Literal["entries", "partition"]


def build_with_spark(
    spark: SparkSession,
    edges: str | Sequence[str],
    directory: str | Path,
    *,
    config: EmbeddingConfig | None = None,
    progress: Progress = silent,
    force: bool = False,
    **reading: Unpack[WeightedReadingOptions],
) -> NodeEmbedding:
    """Embed a graph by Spark and open the index.

    Args:
        spark: the session.
        edges: Parquet or text: files, folders or patterns, on any path that Spark reads.
        directory: where the index goes, on a file system that executors and driver share.
        config: parameters.
        progress: called after each stage.
        force: build again also where nothing changed, or over an unfinished job.
        reading: the fields of `graphagg.graph.WeightedReading`.

    Raises:
        InvalidGraph, EmptyGraph, UnreadableFile: about the edges.
        InvalidParameter, PieceTooLarge: the parameters do not fit the graph.
        ParametersDiffer: an unfinished job there has other parameters.
        JobFailed: Spark gave up; the same call goes on after the last finished stage.
        ArtifactBusy, ArtifactError, WriteFailed: about the directory.
    """
    config = config or EmbeddingConfig()
    if config.fusion != "merge":
        raise InvalidParameter(
            f"fusion is {config.fusion!r}, the Spark engine has 'merge'; take --engine local for "
            "the others"
        )
    source = EdgePaths.of(edges, WeightedReading(**reading))
    with write_artifact(directory) as published, small_driver(spark):
        job = job_of(source, config)
        known = None if force else recall(directory, KIND, job)
        if known is None:
            with claimed(spark, directory, job, progress, force) as work:
                _run(work, source, config, published, progress, force)
                read = source.counts(work)
            remember(directory, KIND, job, read)
            work.remove()
        else:
            read = known["report"]
    index = NodeEmbedding.open(directory)
    index.read = ReadReport(**read)
    return index


def run_until(
    spark: SparkSession,
    edges: str | Sequence[str],
    directory: str | Path,
    stage: Stage,
    *,
    config: EmbeddingConfig | None = None,
    progress: Progress = silent,
    force: bool = False,
    **reading: Unpack[WeightedReadingOptions],
) -> dict[str, Any]:
    """Run the stages up to the matrix or the partition; `build_with_spark` goes on from there.

    Arguments and errors are those of `build_with_spark`.

    Returns:
        Sizes of the matrix, or the partition report.
    """
    config = config or EmbeddingConfig()
    source = EdgePaths.of(edges, WeightedReading(**reading))
    job, a_task = job_of(source, config), config.max_piece_edges or MAX_PIECE_EDGES
    if not force and recall(directory, KIND, job) is not None:
        return _known(directory, stage)
    with small_driver(spark), claimed(spark, directory, job, progress, force) as work:
        entries = prepare(work, source, config, a_task)
        if stage == "entries":
            return {"nodes": entries.nodes, "entries": 2 * entries.edges, "edges": entries.edges}
        digests(work, entries, a_task)
        return cut(work, entries, config, a_task).report.to_json()


def stages(config: EmbeddingConfig, until: Stage | None = None) -> tuple[str, ...]:
    """The stages of a job that have a name beforehand, in their order."""
    passes = [f"pass{p}.{s}" for p in range(1, config.propagate + 1) for s in range(STEPS)]
    names = (
        "edges", "entries", "matrix", "partition", "pieces", "strength", "arrived", "leaves",
        "start", "refined", *passes, "vectors",
    )  # fmt: skip
    return names if until is None else names[: names.index(until) + 1]


def _known(directory: str | Path, stage: Stage) -> dict[str, Any]:
    """What `run_until` gave on the way to the index that is there."""
    with NodeEmbedding.open(Path(directory)) as index:
        counts, report, kind = index.manifest.counts, index.report, index.config.kind
    if stage == "partition":
        return report.to_json()
    nodes = counts["vertices"] + (counts["elements"] if kind != "undirected" else 0)
    return {"nodes": nodes, "entries": 2 * counts["edges"], "edges": counts["edges"]}


def job_of(source: EdgePaths, config: EmbeddingConfig) -> dict[str, Any]:
    """What tells a job from another: its input and parameters."""
    return {"source": source.identity(), "config": config.to_json()}


def _run(
    work: Work,
    source: EdgePaths,
    config: EmbeddingConfig,
    published: Any,
    progress: Progress,
    force: bool,
) -> None:
    a_task = config.max_piece_edges or MAX_PIECE_EDGES
    entries = prepare(work, source, config, a_task)
    inputs = digests(work, entries, a_task)
    directory = published.writer.folder.parent
    if not force and is_current(directory, KIND, inputs, config.to_json()):
        return
    partition = cut(work, entries, config, a_task)
    write_pieces(work, entries, partition.layout)
    engine = on_spark(work, partition.layout, config)
    with one_thread():  # the driver merges and rotates
        engine.prepare()
        vectors = engine.factorize()
        for number in range(1, config.propagate + 1):
            vectors = engine.propagate(vectors, number)
    writer = published.writer
    _write_ids(work, entries, writer.folder)
    _write_vectors(engine, vectors, entries, writer.folder)
    progress("vectors", 1, 1)
    write_report(writer, partition.report)
    sizes = Sizes(entries.rows.total, entries.columns.total, entries.edges)
    published.publish(
        index_manifest(config, inputs, sizes, partition.isolated, partition.layout.pieces)
    )


# --- the index -----------------------------------------------------------------------------------


def _write_ids(work: Work, entries: Entries, folder: Path) -> None:
    write_ids(work.spark, entries.rows, folder, "vertices")
    if entries.kind == "two-mode":
        write_ids(work.spark, entries.columns, folder, "elements")


def _write_vectors(engine: Engine, vectors: Vectors, entries: Entries, folder: Path) -> None:
    """The arrays of the index; a task writes a range of nodes.

    No stage that a later run could skip: each run writes a folder of its own.
    """
    blocks, nodes = ranges(entries.nodes), entries.nodes
    files = VectorFiles(folder, entries.rows.total, nodes, engine.config)

    def write(b: int) -> None:
        low, high = blocks[b]
        numbers, parts = (np.asarray(engine.state.rows(n)[low:high]) for n in ("numbers", "parts"))
        files.write(low, parts, *engine.rotated(vectors, numbers), engine.log_q_of(numbers))

    files.create(engine.width(vectors))
    engine.loops.each(len(blocks), write)
