"""Every encoding against its definition on dense matrices or by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch_geometric.data import Data

from graphagg.nn.encodings import RWSE, LapPE
from tests.unit.nn.encodings.graphs import (
    adjacency,
    graphs,
    labels,
    laplacian,
    undirected,
)

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


@pytest.mark.parametrize("kind", ["sym", "rw", "none"])
@pytest.mark.parametrize("trivial", [False, True])
def test_laplacian_vectors_are_eigenvectors(kind: str, trivial: bool) -> None:
    @settings(max_examples=25, deadline=None)
    @given(graphs())
    def check(data: Data) -> None:
        matrix = undirected(data)
        own = laplacian(matrix, "none" if kind == "none" else "sym")
        values = np.linalg.eigvalsh(own)
        parts = labels(matrix)
        zeros = parts.max(initial=-1) + 1  # one a component
        wanted = values if trivial else values[zeros:]
        found = LapPE(5, kind, trivial, dtype=F64)(data)
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
        if kind == "rw":  # D^-1 (D - W) v = l v; the vectors of sym are sqrt(D) times them
            degrees = np.where(matrix.sum(1) > 0, matrix.sum(1), 1)
            own = laplacian(matrix, "none") / degrees[:, None]
        else:
            np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), **EXACT)
        np.testing.assert_allclose(own @ vectors, vectors * wanted[:count], **EXACT)
        largest = np.abs(vectors).max(0)
        assert (vectors.max(0) >= largest * (1 - 1e-5)).all()  # the sign is fixed

    check()
