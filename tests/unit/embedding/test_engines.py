"""The stages over files, as tasks of Spark, give the bytes of the stages in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.graphs.vectors.measure import factorization
from graphagg.embedding.build import embed, embed_matrix
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import PieceLayout, save_piece
from graphagg.embedding.prone import merge, tasks
from graphagg.embedding.prone.factorization import Factorization, factorized
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.embedding.prone.tasks import PieceTasks
from graphagg.embedding.spark.write import write_matrix
from graphagg.embedding.sparse import one_thread
from graphagg.graph.adjacency import transpose
from graphagg.graph.kinds import GRAPH_KINDS
from graphagg.graph.spark.rows import HOLDERS, SETS
from graphagg.graph.weights import load_weighted
from graphagg.spark import job as spark_job
from graphagg.spark.job import SparkJob
from tests.unit.embedding.graphs import graph
from tests.unit.embedding.test_kernels import cut, random_parts

pytestmark = pytest.mark.usefixtures("compiled")

SHUFFLED = np.random.default_rng(0)


def in_any_order(spark, count, task):
    """`run_tasks` without Spark: tasks in any order, one of them twice."""
    results = [{}] * count
    for i in [*SHUFFLED.permutation(count), *range(min(count, 1))]:
        results[i] = {"block": int(i)} | (task(int(i)) or {})
    return results


@pytest.fixture(autouse=True)
def without_spark(monkeypatch):
    monkeypatch.setattr(spark_job, "run_tasks", in_any_order)


def begun(folder: str) -> SparkJob:
    job = SparkJob(None, Path(folder) / "job", lambda *_: None)
    job.claim({"source": ["edges", 1]})
    return job


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    pieces=st.integers(1, 9),
    hubs=st.integers(0, 3),
    passes=st.integers(1, 2),
)
@example(seed=0, pieces=9, hubs=2, passes=1)
def test_files_and_memory_give_the_same_bytes(seed, pieces, hubs, passes):
    network = NetworkMatrix.from_graph(graph(90, 5, seed % 5))
    config = EmbeddingConfig(dim=8, leaf_rank=16, propagate=passes)
    layout = PieceLayout.from_parts(random_parts(network, pieces, hubs, seed), pieces)
    numbers = layout.numbers(network.nodes)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, one_thread():
        patch.setattr(merge, "MOST_COLUMNS", 100)  # a tree of several levels
        patch.setattr(merge, "NODES_PER_SHARD", 40)
        patch.setattr(tasks, "_SUMS", 3)
        job = begun(folder)
        engines = [
            factorization(network.matrix, layout, config),
            Factorization(PieceTasks(layout, job.arrays, job), config),
        ]
        for piece in cut(network.matrix, layout):
            save_piece(job.arrays, piece)
        results = []
        for engine in engines:
            vectors = factorized(engine)
            results.append(engine.rotated(vectors, numbers))
        for first, second in zip(*results, strict=True):
            np.testing.assert_array_equal(first, second)
        job.release()


def test_a_finished_stage_is_not_run_again(tmp_path):
    network = NetworkMatrix.from_graph(graph(60, 4))
    layout = PieceLayout.from_parts(random_parts(network, 3, 1, 0), 3)
    config = EmbeddingConfig(dim=8)
    job = begun(str(tmp_path))
    stages = Factorization(PieceTasks(layout, job.arrays, job), config)
    for piece in cut(network.matrix, layout):
        save_piece(job.arrays, piece)
    first = factorized(stages)
    before = {path: path.stat().st_mtime_ns for path in job.folder.glob("*.npy")}
    assert factorized(stages) == first
    assert {path: path.stat().st_mtime_ns for path in job.folder.glob("*.npy")} == before
    job.release()


def test_a_task_of_the_merge_maps_the_leaves_and_reads_none_whole(tmp_path):
    """All leaves of 10^8 edges take 12 GB."""
    network = NetworkMatrix.from_graph(graph(60, 4))
    layout = PieceLayout.from_parts(random_parts(network, 3, 1, 0), 3)
    job = begun(str(tmp_path))
    stages = Factorization(PieceTasks(layout, job.arrays, job), EmbeddingConfig(dim=8))
    for piece in cut(network.matrix, layout):
        save_piece(job.arrays, piece)
    stages.prepare()
    stages.tasks.run(3, stages._leaf, "leaves")
    leaves = stages._leaf_rows(0, 20)
    assert len(leaves) == 3 and any(len(leaf.values) for leaf in leaves)
    assert all(isinstance(part, np.memmap) for leaf in leaves for part in vars(leaf).values())
    job.release()


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(GRAPH_KINDS),
    weighted=st.booleans(),
    per_task=st.integers(1, 60),
)
def test_a_job_cuts_the_matrix_of_the_build_in_process(seed, kind, weighted, per_task):
    """Ranges of rows by tasks, with entries of weight 0; the same matrix and the same pieces."""
    rng = np.random.default_rng(seed)
    edges = rng.integers(0, 30, (80, 2))
    if weighted:
        edges = np.column_stack([edges, rng.integers(0, 3, 80).astype(float)])
    graph, data = load_weighted(edges, kind)
    network = NetworkMatrix.from_graph(graph, data)
    config = EmbeddingConfig(kind=kind, pieces=3)
    with TemporaryDirectory() as folder:
        job = begun(folder)
        forward = replace(graph.adjacency, data=data)
        forward.save(job.arrays.writer, SETS)
        transpose(forward).save(job.arrays.writer, HOLDERS)
        found = write_matrix(job, graph, weighted, per_task).matrix
        for name in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(found, name), getattr(network.matrix, name))
        by_job = embed_matrix(lambda: network.matrix, job.arrays, job, config)
        whole = embed(network, config)
        assert by_job.report == whole.report
        np.testing.assert_array_equal(by_job.piece_of, whole.piece_of)
        for i in range(whole.stages.tasks.layout.pieces):
            first, second = (one.stages.tasks.piece(i) for one in (by_job, whole))
            assert (first.first, first.owned) == (second.first, second.owned)
            for name in ("hubs", "columns"):
                np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
            for name in ("indptr", "indices", "data"):
                np.testing.assert_array_equal(
                    getattr(first.matrix, name), getattr(second.matrix, name)
                )
        job.release()
