"""Encodings are their definition, and the same in any batch and under any numbering."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from graphagg.nn.encodings import RWSE, Encoding, LapPE
from tests.unit.nn.encodings.graphs import (
    adjacency,
    graphs,
    laplacian,
    permuted,
    undirected,
)

F64 = torch.float64
EVERY: list[Encoding] = [LapPE(4, dtype=F64), RWSE(8, dtype=F64)]
every = pytest.mark.parametrize("transform", EVERY, ids=repr)


@every
def test_a_batch_is_encoded_as_its_graphs_are(transform: Encoding) -> None:
    @settings(max_examples=12, deadline=None)
    @given(st.lists(graphs(), min_size=1, max_size=5), st.booleans())
    def check(many: list[Data], with_ptr: bool) -> None:
        for data in many:  # all of them or none have weights
            data.edge_weight = data.get("edge_weight", torch.ones(data.edge_index.size(1))).double()
        alone = Batch.from_data_list([transform(data) for data in many])
        batch = Batch.from_data_list(many)
        if not with_ptr:
            if many[-1].num_nodes == 0:
                return  # without ptr, a last graph of no vertices cannot be known
            del batch.ptr
        together = transform(batch)
        for name in transform.names:
            wanted, found = alone[name], together[name]
            assert found.dtype == wanted.dtype
            assert found.shape == wanted.shape
            if found.is_floating_point():
                assert torch.allclose(found, wanted, rtol=0, atol=1e-9)
            else:
                assert torch.equal(found, wanted)

    check()


@pytest.mark.parametrize("transform", [t for t in EVERY if not isinstance(t, LapPE)], ids=repr)
def test_vectors_move_with_the_vertices(transform: Encoding) -> None:
    @settings(max_examples=12, deadline=None)
    @given(graphs(), st.randoms(use_true_random=False))
    def check(data: Data, draw) -> None:
        order = np.array(draw.sample(range(data.num_nodes), data.num_nodes), dtype=np.int64)
        (name,) = transform.names
        one, other = transform(data)[name], transform(permuted(data, order))[name]
        assert torch.allclose(other[order], one, rtol=0, atol=1e-9)

    check()


def test_eigenspaces_move_with_the_vertices() -> None:
    """Vectors are unique up to a rotation within an eigenspace; projectors are unique."""

    @settings(max_examples=20, deadline=None)
    @given(graphs(), st.randoms(use_true_random=False))
    def check(data: Data, draw) -> None:
        size = data.num_nodes
        order = np.array(draw.sample(range(size), size), dtype=np.int64)
        transform = LapPE(max(size, 1), dtype=F64)
        one, other = transform(data), transform(permuted(data, order))
        if size == 0:
            return
        values = one.lap_values[0].numpy()
        np.testing.assert_allclose(values, other.lap_values[0], rtol=0, atol=1e-9)
        for value in values:
            space = np.abs(values - value) < 1e-6
            mine, moved = (out.lap_vectors.numpy()[:, space] for out in (one, other))
            moved = moved[order]
            np.testing.assert_allclose(moved @ moved.T, mine @ mine.T, rtol=0, atol=1e-8)

    check()


EXACT = {"rtol": 0, "atol": 1e-9}
F64 = torch.float64


def transition(data: Data) -> np.ndarray:
    matrix = adjacency(data)
    sums = matrix.sum(1, keepdims=True)
    return np.divide(matrix, sums, out=np.zeros_like(matrix), where=sums > 0)


@pytest.mark.parametrize("steps", [1, 2, 3, 9])
@pytest.mark.parametrize("directed", [False, True])
def test_random_walks_are_powers_of_the_transition(directed: bool, steps: int) -> None:
    @settings(max_examples=25, deadline=None)
    @given(graphs(directed=directed))
    def check(data: Data) -> None:
        powers = [np.linalg.matrix_power(transition(data), m) for m in range(steps + 1)]
        found = RWSE(steps, dtype=F64)(data).rwse.numpy()
        np.testing.assert_allclose(found, np.stack([p.diagonal() for p in powers[1:]], 1), **EXACT)

    check()


def test_laplacian_vectors_are_eigenvectors() -> None:
    @settings(max_examples=25, deadline=None)
    @given(graphs())
    def check(data: Data) -> None:
        matrix = undirected(data)
        own = laplacian(matrix)
        wanted = np.linalg.eigvalsh(own)
        found = LapPE(5, dtype=F64)(data)
        count = min(5, len(wanted))
        vectors, mask = found.lap_vectors.numpy(), found.lap_mask.numpy()
        assert mask[:, :count].all()
        assert not mask[:, count:].any()
        assert not vectors[:, count:].any()
        assert not found.lap_values[:, count:].any()
        if len(matrix) == 0:
            return
        np.testing.assert_allclose(found.lap_values[0, :count], wanted[:count], **EXACT)
        vectors = vectors[:, :count]
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1, **EXACT)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), **EXACT)
        np.testing.assert_allclose(own @ vectors, vectors * wanted[:count], **EXACT)
        largest = np.abs(vectors).max(0)
        assert (vectors.max(0) >= largest * (1 - 1e-5)).all()  # the sign is fixed

    check()
