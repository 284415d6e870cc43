"""The engine over files, as tasks of Spark run it, gives the bytes of the engine in memory."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Layout, cut
from graphagg.embedding.prone import merge
from graphagg.embedding.prone.engine import Engine, in_process
from graphagg.embedding.prone.loops import save_piece
from graphagg.embedding.prone.network import Network
from graphagg.embedding.prone.sparse import one_thread
from graphagg.embedding.spark import partition as by_spark
from graphagg.embedding.spark import partition as matrices
from graphagg.graph.csr import Csr
from graphagg.spark.job import Work
from tests.unit.embedding.graphs import graph
from tests.unit.embedding.test_kernels import random_parts

SHUFFLED = np.random.default_rng(0)


def in_any_order(spark, count, task):
    """`run_tasks` without Spark: tasks in any order, one of them twice."""
    results = [None] * count
    for i in [*SHUFFLED.permutation(count), *range(min(count, 1))]:
        results[i] = task(int(i))
    return results


@pytest.fixture(autouse=True)
def without_spark(monkeypatch):
    monkeypatch.setattr(by_spark, "run_tasks", in_any_order)
    monkeypatch.setattr(matrices, "run_tasks", in_any_order)


def begun(folder: str) -> Work:
    work = Work(None, Path(folder) / "job", lambda *_: None)
    work.claim({"source": ["edges", 1]})
    return work


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    pieces=st.integers(1, 9),
    hubs=st.integers(0, 3),
    passes=st.integers(0, 2),
)
@example(seed=0, pieces=9, hubs=2, passes=1)
def test_files_and_memory_give_the_same_bytes(seed, pieces, hubs, passes):
    network = Network.of(graph(90, 5, seed % 5))
    config = EmbeddingConfig(dim=8, leaf_rank=16, propagate=passes)
    layout = Layout.of(random_parts(network, pieces, hubs, seed), pieces)
    numbers = layout.numbers(network.nodes)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, one_thread():
        patch.setattr(merge, "MOST_COLUMNS", 100)  # a tree of several levels
        patch.setattr(merge, "NODES_PER_SHARD", 40)
        work = begun(folder)
        engines = [
            in_process(network.matrix, layout, config),
            Engine(layout, config, by_spark.state_of(work), by_spark.SparkLoops(work)),
        ]
        for piece in cut(network.matrix, layout):
            save_piece(engines[1].state, piece)
        results = []
        for engine in engines:
            engine.prepare()
            vectors = engine.factorize()
            for number in range(1, passes + 1):
                vectors = engine.propagate(vectors, number)
            results.append((*engine.rotated(vectors, numbers), engine.log_q_of(numbers)))
        for first, second in zip(*results, strict=True):
            np.testing.assert_array_equal(first, second)
        work.release()


def test_a_finished_stage_is_not_run_again(tmp_path):
    network = Network.of(graph(60, 4))
    layout = Layout.of(random_parts(network, 3, 1, 0), 3)
    config = EmbeddingConfig(dim=8)
    work = begun(str(tmp_path))
    engine = Engine(layout, config, by_spark.state_of(work), by_spark.SparkLoops(work))
    for piece in cut(network.matrix, layout):
        save_piece(engine.state, piece)
    engine.prepare()
    first = engine.propagate(engine.factorize(), 1)
    before = {path: path.stat().st_mtime_ns for path in work.folder.glob("*.npy")}
    engine.prepare()
    assert engine.propagate(engine.factorize(), 1) == first
    assert {path: path.stat().st_mtime_ns for path in work.folder.glob("*.npy")} == before
    work.release()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 12),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    weighted=st.booleans(),
)
def test_sorted_blocks_become_the_rows_of_the_matrix(seed, n, cuts, weighted):
    """Blocks may end inside a row, be empty, and hold entries of weight 0."""
    rng = np.random.default_rng(seed)
    row, column = np.nonzero(rng.random((n, n)) < 0.4)
    weight = np.where(rng.random(len(row)) < 0.3, 0, 1).astype(np.float32)
    bounds = sorted({0, len(row), *(c for c in cuts if c < len(row))})
    filled = weight > 0 if weighted else np.ones(len(row), dtype=bool)
    wanted = Csr.from_pairs(row[filled], column[filled], None, (n, n))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        work = begun(folder)
        blocks = list(range(max(len(bounds) - 1, 1)))
        for b in blocks:
            mine = slice(*bounds[b : b + 2]) if len(bounds) > 1 else slice(0, 0)
            work.blocks.save("sorted", b, row=row[mine], col=column[mine], weight=weight[mine])
        patch.setattr(matrices, "sorted_blocks", lambda *_: blocks)
        matrices._write_matrix(work, SimpleNamespace(nodes=n, weighted=weighted), 1)
        np.testing.assert_array_equal(np.load(work.path("indptr")), wanted.indptr)
        np.testing.assert_array_equal(np.load(work.path("indices")), wanted.indices)
        work.release()
