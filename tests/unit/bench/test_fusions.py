"""Bases and fusions: turned back, repeated, and refused where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fusions import bases
from benchmarks.fusions.bases import BASES
from benchmarks.fusions.fusion import Fusion, turn_onto
from benchmarks.vectors.measure import auc
from graphagg.embedding import EmbeddingConfig
from graphagg.embedding.prone.network import Network
from graphagg.errors import PieceTooLarge
from graphagg.graph import load_graph
from tests.unit.embedding.graphs import communities, graph

FOUND = 0.65


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(8, 40))
def test_procrustes_undoes_a_rotation(seed, rows):
    rng = np.random.default_rng(seed)
    target = rng.standard_normal((rows, 6))
    rotation, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    found = turn_onto(target @ rotation, target)
    np.testing.assert_allclose(target @ rotation @ found, target, atol=1e-8)
    np.testing.assert_allclose(found @ found.T, np.eye(6), atol=1e-8)


def grouped_auc(vectors: np.ndarray, group: np.ndarray) -> float:
    """How often two of a group are more alike than two of different groups.

    0.5 for vectors that know nothing of the groups. On graphs of other seeds all bases and fusions
    are between 0.78 and 1, so rounding does not decide whether they are above FOUND.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    alike = unit @ unit.T
    same = group[:, None] == group[None, :]
    upper = np.triu(np.ones_like(same), 1)
    return auc(alike[same & upper], alike[~same & upper])


@pytest.mark.parametrize("base", list(BASES))
def test_every_base_finds_planted_groups_and_repeats(base):
    network = Network.of(graph(240, 8))
    group = np.random.default_rng(0).integers(0, 8, 240)
    first = BASES[base](network.matrix, 16, [0, 0])
    assert first.shape == (240, 16)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert grouped_auc(first, group) > FOUND
    np.testing.assert_array_equal(first, BASES[base](network.matrix, 16, [0, 0]))
    assert np.abs(first - BASES[base](network.matrix, 16, [0, 1])).max() > 0


@pytest.mark.parametrize("fusion", ["concat", "procrustes"])
@pytest.mark.parametrize("base", ["prone", "cleora"])
def test_every_fusion_finds_planted_groups(fusion, base):
    network = Network.of(graph(240, 8))
    group = np.random.default_rng(0).integers(0, 8, 240)
    config, embed = EmbeddingConfig(dim=32, pieces=3), Fusion(fusion, BASES[base])
    vectors = embed(network, config)
    assert vectors.shape == (240, 32)
    assert grouped_auc(vectors, group) > FOUND
    np.testing.assert_array_equal(vectors, embed(network, config))


def test_concat_cuts_a_large_border_again():
    network = Network.of(graph(240, 8))
    config = EmbeddingConfig(dim=64, max_piece_edges=500, propagate=0)
    vectors = Fusion("concat")(network, config)
    assert np.isfinite(vectors).all()
    assert vectors.any(axis=1).all()


def test_netmf_is_its_formula():
    network = Network.of(graph(40, 3))
    weights = np.zeros((40, 40))
    for row in range(40):
        weights[row, network.matrix.row(row)] = 1
    degree = weights.sum(axis=1)
    step = weights / degree[:, None]
    total = sum(np.linalg.matrix_power(step, r) for r in range(1, 11))
    matrix = np.log(np.maximum(degree.sum() / 10 * total / degree[None, :], 1))
    left, singular, _ = np.linalg.svd(matrix)
    wanted = left[:, :6] * np.sqrt(singular[:6])
    found = bases.netmf(network.matrix, 6, [0])
    np.testing.assert_allclose(np.abs(found), np.abs(wanted), atol=2e-2)


def test_netmf_refuses_what_would_not_fit(monkeypatch):
    monkeypatch.setattr(bases, "NETMF_NODES", 50)
    with pytest.raises(PieceTooLarge, match=r"a piece of 60 nodes, base 'netmf' takes 50"):
        bases.netmf(Network.of(graph(60)).matrix, 8, [0])


def test_a_hub_is_embedded_by_other_fusions_too():
    star = [(0, v) for v in range(1, 200)] + communities(200, 5)
    network = Network.of(load_graph(star))
    config = EmbeddingConfig(dim=16, pieces=5, max_piece_edges=600)
    assert Fusion("procrustes")(network, config).any(axis=1).all()
