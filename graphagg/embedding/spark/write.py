"""The embedding by Spark: the same vectors as a build in process.

Each stage ends on disk, so that a killed job resumes after the last one:

1. `edges` to `holders`: the rows of the graph (`graphagg.graph.spark.rows`).
2. `matrix`, `partition`, `pieces`: the matrix of the network, cut in one task (`matrix`).
3. `strength`, `arrived`, `leaves`: the log matrix and its decomposition, one task per piece.
4. `gram...`, `start`, `refined`: the merge and one refinement.
5. `pass...`: five products with the matrix per pass; tasks read the rows of their halo.
6. `vectors`: the arrays of the index, written again by each run.

Stages 3 to 5 are `prone.factorization`. A task holds one piece with its halo or one range of 50,000
nodes; the task of the partition holds the graph (`metis`) or 60 bytes per node (`streaming`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.embedding.build import ranges
from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.prone.factorization import Factorization, factorized
from graphagg.embedding.prone.propagation import STEPS
from graphagg.embedding.prone.sparse import one_thread
from graphagg.embedding.prone.tasks import PieceTasks
from graphagg.embedding.spark.matrix import (
    NUMBERS,
    PARTS,
    mapped_graph,
    write_matrix,
    write_pieces,
)
from graphagg.embedding.writing import KIND, VectorFiles, index_manifest, inputs_of, write_report
from graphagg.graph.graph import ReadReport
from graphagg.graph.spark.edges import EdgeInput
from graphagg.graph.spark.rows import ELEMENTS, SETS, VERTICES, GraphRows, graph_stages
from graphagg.spark.build import SparkBuild
from graphagg.spark.job import SparkJob
from graphagg.store import Publication
from graphagg.store.artifact import is_current


def write_with_spark(build: SparkBuild, source: EdgeInput, config: EmbeddingConfig) -> ReadReport:
    """Embed a graph by Spark; see `NodeEmbedding.build`."""

    def write(job: SparkJob, publication: Publication) -> dict[str, Any]:
        per_task = config.max_piece_edges or MAX_PIECE_EDGES
        report = GraphRows(job, source, config.kind, per_task).write()
        graph = mapped_graph(job.arrays, config.kind, report)
        weighted = job.arrays.exists(f"{SETS}.data")
        network = write_matrix(job, graph, weighted, per_task)
        inputs = job.note("digests", lambda: inputs_of(network))
        if not build.force and is_current(publication.location, KIND, inputs, config.to_json()):
            return report.to_json()
        partition = write_pieces(job, config)
        factors = Factorization(PieceTasks(partition.layout, job.arrays, job), config)
        with one_thread():  # the driver merges and rotates
            vectors = factorized(factors)
        arrays, blocks = job.version(publication), ranges(network.nodes)
        files = VectorFiles(arrays, len(graph.rows), network.nodes, config)
        files.create(factors.width(vectors))

        def write_range(b: int) -> None:
            low, high = blocks[b]
            numbers, parts = (np.asarray(job.arrays.map(n)[low:high]) for n in (NUMBERS, PARTS))
            files.write(low, parts, *factors.rotated(vectors, numbers), factors.log_q_of(numbers))

        factors.tasks.run(len(blocks), write_range)
        build.progress("vectors", 1, 1)
        arrays.gather(publication.writer)
        ids = [VERTICES, ELEMENTS]
        names = [*ids, *(f"{name}.{part}" for name in ids for part in ("utf8", "offsets"))]
        job.arrays.gather(publication.writer, names)
        write_report(publication.writer, partition.report)
        publication.publish(
            index_manifest(config, inputs, graph, partition.isolated, partition.layout.pieces)
        )
        return report.to_json()

    noted = build.publish(KIND, job_of(source, config), source, write, stages(config))
    return ReadReport(**noted)


def stages(config: EmbeddingConfig) -> tuple[str, ...]:
    """The stages of a job, in their order, as far as they are known beforehand."""
    passes = [f"pass{p}.{s}" for p in range(1, config.propagate + 1) for s in range(STEPS)]
    return (
        *graph_stages(config.kind), "matrix", "partition", "pieces", "strength", "arrived",
        "leaves", "start", "refined", *passes, "vectors",
    )  # fmt: skip


def job_of(source: EdgeInput, config: EmbeddingConfig) -> dict[str, Any]:
    """Identity of a job: its input and parameters."""
    return {"source": source.identity(), "config": config.to_json()}
