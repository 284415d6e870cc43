"""The embedding by Spark: the same vectors as `NodeEmbedding.build` gives.

Stages, each of which ends in `<directory>.work`, so that a job that was killed goes on after the
last one when it is started again:

1. `edges`, `entries`: ids numbered by a distributed sort; the symmetric matrix.
2. `matrix`, `partition`: the matrix as mapped rows, and its parts, in one task.
3. `pieces`: each piece in blocks; one shuffle of the entries.
4. `strength`, `arrived`, `leaves`: the log matrix and its decomposition, one task per piece.
5. `gram...`, `start`, `refined`: the merge and one refinement.
6. `pass...`: five products with the matrix per pass; tasks read the rows of their halo.
7. `vectors`: the arrays of the index, written again by each run.

Stages 4 to 6 are the stages of the build in process, `prone.engine`. A task holds one piece with
its halo or one range of 50,000 nodes; the task of the partition holds the graph (`metis`) or 60
bytes per node (`streaming`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.embedding.build import ranges
from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.prone.engine import Engine, Vectors
from graphagg.embedding.prone.propagation import STEPS
from graphagg.embedding.prone.sparse import one_thread
from graphagg.embedding.spark.entries import Entries, digests, prepare
from graphagg.embedding.spark.partition import SparkLoops, cut, state_of, write_pieces
from graphagg.embedding.writing import (
    KIND,
    Sizes,
    VectorFiles,
    index_manifest,
    write_report,
)
from graphagg.graph.graph import ReadReport
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.numbering import write_ids
from graphagg.spark.build import SparkBuild
from graphagg.spark.files import Files
from graphagg.spark.job import Work
from graphagg.store import Publication
from graphagg.store.artifact import is_current


def write_with_spark(build: SparkBuild, source: EdgeInput, config: EmbeddingConfig) -> ReadReport:
    """Embed a graph by Spark; see `NodeEmbedding.build`."""

    def write(work: Work, published: Publication) -> dict[str, Any]:
        _run(work, source, config, published, build)
        return source.counts(work)

    return ReadReport(**build.publish(KIND, job_of(source, config), source, write, stages(config)))


def stages(config: EmbeddingConfig) -> tuple[str, ...]:
    """Names of the stages of a job, in their order, as far as they are known beforehand."""
    passes = [f"pass{p}.{s}" for p in range(1, config.propagate + 1) for s in range(STEPS)]
    return (
        "edges", "entries", "matrix", "partition", "pieces", "strength", "arrived", "leaves",
        "start", "refined", *passes, "vectors",
    )  # fmt: skip


def job_of(source: EdgeInput, config: EmbeddingConfig) -> dict[str, Any]:
    """Identity of a job: its input and parameters."""
    return {"source": source.identity(), "config": config.to_json()}


def _run(
    work: Work,
    source: EdgeInput,
    config: EmbeddingConfig,
    published: Publication,
    build: SparkBuild,
) -> None:
    per_task = config.max_piece_edges or MAX_PIECE_EDGES
    entries = prepare(work, source, config, per_task)
    inputs = digests(work, entries, per_task)
    if not build.force and is_current(published.location, KIND, inputs, config.to_json()):
        return
    partition = cut(work, entries, config, per_task)
    write_pieces(work, entries, partition.layout)
    engine = Engine(partition.layout, config, state_of(work), SparkLoops(work))
    with one_thread():  # the driver merges and rotates
        engine.prepare()
        vectors = engine.factorize()
        for turn in range(1, config.propagate + 1):
            vectors = engine.propagate(vectors, turn)
    files = work.version(published)
    _write_ids(work, entries, files)
    _write_vectors(engine, vectors, entries, files)
    build.progress("vectors", 1, 1)
    files.gather(published.writer)
    write_report(published.writer, partition.report)
    sizes = Sizes(entries.rows.total, entries.columns.total, entries.edges)
    published.publish(
        index_manifest(config, inputs, sizes, partition.isolated, partition.layout.pieces)
    )


# --- the index -----------------------------------------------------------------------------------


def _write_ids(work: Work, entries: Entries, files: Files) -> None:
    write_ids(work.spark, entries.rows, files, "vertices")
    if entries.kind == "two-mode":
        write_ids(work.spark, entries.columns, files, "elements")


def _write_vectors(engine: Engine, vectors: Vectors, entries: Entries, files: Files) -> None:
    """The arrays of the index; a task writes a range of nodes.

    No stage that a later run could skip: each run writes a folder of its own.
    """
    blocks, nodes = ranges(entries.nodes), entries.nodes
    vector_files = VectorFiles(files, entries.rows.total, nodes, engine.config)

    def write(b: int) -> None:
        low, high = blocks[b]
        positions, piece_of = (
            np.asarray(engine.state.map(n)[low:high]) for n in ("numbers", "parts")
        )
        vector_files.write(
            low, piece_of, *engine.rotated(vectors, positions), engine.log_q_of(positions)
        )

    vector_files.create(engine.width(vectors))
    engine.loops.each(len(blocks), write)
