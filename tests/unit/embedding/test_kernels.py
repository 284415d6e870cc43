"""The kernels against their formulas, written densely."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.graphs.vectors.measure import factorization
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Piece, PieceLayout, cut_piece
from graphagg.embedding.prone.factorization import Factorization, VectorArrays
from graphagg.embedding.prone.matrix import scaled_right_vectors
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.embedding.prone.propagation import COMMON, STEPS, rotation
from graphagg.embedding.sparse import gram, normalize_rows, one_thread, sparse_array
from graphagg.graph.csr import Csr
from tests.unit.embedding.graphs import graph, values_of

pytestmark = pytest.mark.usefixtures("compiled")


def prepared(network: NetworkMatrix, parts: np.ndarray, config: EmbeddingConfig) -> Factorization:
    """The stages over a partition, with D and q computed."""
    whole = factorization(
        network.matrix, PieceLayout.from_parts(parts, int(parts.max()) + 1), config
    )
    whole.prepare()
    return whole


def cut(matrix: Csr, layout: PieceLayout) -> list[Piece]:
    numbers = layout.numbers(matrix.rows)
    return [cut_piece(matrix, layout, numbers, i) for i in range(layout.pieces)]


def pieces_of(whole: Factorization) -> list[Piece]:
    return [whole.tasks.piece(i) for i in range(whole.tasks.layout.pieces)]


def dense(network: NetworkMatrix) -> np.ndarray:
    matrix = network.matrix
    whole = np.zeros((matrix.rows, matrix.rows))
    for row in range(matrix.rows):
        whole[row, matrix.row(row)] = values_of(matrix, row)
    return whole


def random_parts(network: NetworkMatrix, pieces: int, hubs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = np.concatenate((np.arange(pieces), rng.integers(0, pieces, network.nodes - pieces)))
    rng.shuffle(parts)
    parts[np.argsort(-network.matrix.degrees())[:hubs]] = -1
    parts[network.matrix.degrees() == 0] = -2
    return parts.astype(np.int32)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), pieces=st.integers(1, 9), hubs=st.integers(0, 3))
def test_pieces_hold_each_entry_once(seed, pieces, hubs):
    network = NetworkMatrix.from_graph(graph(60, 4, seed % 7))
    layout = PieceLayout.from_parts(random_parts(network, pieces, hubs, seed), pieces)
    found = np.zeros((network.nodes, network.nodes))
    for piece in cut(network.matrix, layout):
        rows = np.concatenate((np.arange(piece.first, piece.first + piece.owned), piece.hubs))
        for place, row in enumerate(rows):
            columns = piece.columns[piece.matrix.row(place)]
            found[layout.order[row], layout.order[columns]] += values_of(piece.matrix, place)
    np.testing.assert_array_equal(found, dense(network))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), pieces=st.integers(2, 30), hubs=st.integers(0, 2))
@example(seed=2, pieces=30, hubs=2)  # a piece whose only node is a hub
def test_full_leaves_merge_to_the_whole_decomposition(seed, pieces, hubs):
    """With leaves of full rank the merge, through a tree of several levels, loses nothing."""
    network = NetworkMatrix.from_graph(graph(70, 5, seed % 5))
    config = EmbeddingConfig(dim=16, leaf_rank=512)
    whole = prepared(network, random_parts(network, pieces, hubs, seed), config)
    pieces = pieces_of(whole)
    matrices = [whole.log_matrix(piece) for piece in pieces]
    ranks = []
    for piece, matrix in zip(pieces, matrices, strict=True):
        values = scaled_right_vectors(matrix, 70, [seed, piece.index])
        whole.tasks.arrays.blocks.save("leaf", piece.index, values=values)
        ranks.append(values.shape[1])
    whole.merge(ranks)
    found = whole.tasks.arrays.map("start")
    np.testing.assert_allclose(gram(found), np.eye(found.shape[1]), atol=2e-3)
    stacked = np.zeros((sum(m.rows for m in matrices), len(found)))
    at = 0
    for piece, matrix in zip(pieces, matrices, strict=True):
        for row in range(matrix.rows):
            stacked[at, piece.columns[matrix.row(row)]] = values_of(matrix, row)
            at += 1
    true = np.linalg.svd(stacked, compute_uv=False)
    np.testing.assert_allclose(
        np.linalg.norm(stacked @ found, axis=0)[:16], true[:16], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(("pieces", "hubs"), [(1, 0), (5, 0), (6, 2)])
def test_log_matrix_is_its_formula(pieces, hubs):
    network = NetworkMatrix.from_graph(graph(80))
    whole = prepared(network, random_parts(network, pieces, hubs, 1), EmbeddingConfig())
    weights = dense(network)
    steps = weights / weights.sum(axis=1, keepdims=True)
    q = steps.sum(axis=0) ** 0.75
    with np.errstate(divide="ignore"):
        wanted = np.where(weights > 0, np.log(steps) - np.log(q / q.sum()), 0.0)
    found = np.zeros_like(wanted)
    for piece in pieces_of(whole):
        matrix = whole.log_matrix(piece)
        rows = np.concatenate((np.arange(piece.first, piece.first + piece.owned), piece.hubs))
        for place, row in enumerate(rows):
            columns = whole.tasks.layout.order[piece.columns[matrix.row(place)]]
            found[whole.tasks.layout.order[row], columns] = values_of(matrix, place)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(("pieces", "hubs"), [(1, 0), (5, 0), (6, 2)])
def test_propagation_is_its_formula(pieces, hubs):
    network = NetworkMatrix.from_graph(graph(80))
    whole = prepared(network, random_parts(network, pieces, hubs, 1), EmbeddingConfig())
    order = whole.tasks.layout.order
    start = np.random.default_rng(0).standard_normal((80, 6)).astype(np.float32)
    looped = dense(network) + np.eye(80)
    degree = looped.sum(axis=1, keepdims=True)

    step = total = normalize_rows(start).astype(np.float64)
    for _ in range(STEPS - 1):
        step = looped @ step / degree
        total = total + step
    common = (degree * normalize_rows(start)).sum(axis=0) / degree.sum()
    wanted = looped @ (total - (STEPS - COMMON) * common) / np.sqrt(degree)
    wanted = wanted @ rotation(gram(wanted))
    whole.tasks.arrays.writer.array("given", start[order])
    whole.tasks.save_matrix("given.turn", np.eye(6, dtype=np.float32))
    propagated = whole.propagate(VectorArrays("given", "none"), 1)
    vectors, sources = whole.rotated(propagated, whole.tasks.layout.numbers(80))
    np.testing.assert_allclose(vectors, wanted, atol=2e-4)
    # A vector is its row of D1^(-1/2) A1 over the sources.
    np.testing.assert_allclose(looped @ sources / np.sqrt(degree), vectors, atol=1e-4)


def test_rotation_gives_left_vectors_times_root_of_values():
    rows = np.random.default_rng(0).standard_normal((50, 8))
    left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    turned = rows @ rotation(gram(rows))
    np.testing.assert_allclose(np.abs(turned), np.abs(left * np.sqrt(singular)), atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(0, 12), split=st.integers(0, 12))
def test_products_do_not_depend_on_how_rows_are_shared_out(seed, rows, split):
    rng = np.random.default_rng(seed)
    whole = rng.random((rows, 9)) * (rng.random((rows, 9)) < 0.4)
    places = np.argwhere(whole)
    values = whole[whole > 0].astype(np.float32)
    matrix = Csr.from_pairs(places[:, 0], places[:, 1], values, (rows, 9))
    x = rng.standard_normal((9, 4)).astype(np.float32)
    product = sparse_array(matrix) @ x
    np.testing.assert_allclose(product, whole @ x, atol=1e-5)
    upper = places[:, 0] < split
    top = Csr.from_pairs(places[upper, 0], places[upper, 1], values[upper], (min(split, rows), 9))
    np.testing.assert_array_equal(sparse_array(top) @ x, product[: min(split, rows)])


def test_one_thread_is_one():
    import threadpoolctl

    with one_thread():
        pools = threadpoolctl.threadpool_info()
        assert {p["num_threads"] for p in pools if p["user_api"] == "blas"} == {1}
