"""Performer: equal to its full kernel matrix, graph by graph, and near softmax attention."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphagg.nn.attention import ExactAttention, GraphAttention, PerformerAttention
from graphagg.nn.attention.performer import orthogonal_vectors
from tests.unit.nn.attention.batches import CHANNELS, HEADS, Ragged, batches, built, ragged

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}
WIDTH = CHANNELS // HEADS


def by_head(module: GraphAttention, x: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Queries, keys and values `[n, d]` of each head."""
    q, k, v = (x @ module.in_proj_weight.T + module.in_proj_bias).chunk(3, 1)
    return list(zip(*(part.split(WIDTH, 1) for part in (q, k, v)), strict=True))


def positive_kernel(module: GraphAttention, q: Tensor, k: Tensor) -> Tensor:
    """exp(w.x - |x|^2 / 2), each divided by the largest of the query, or of all the keys."""
    q, k = q / WIDTH**0.25, k / WIDTH**0.25
    left = torch.exp(q @ module.projection.T - (q**2).sum(1, keepdim=True) / 2)
    right = torch.exp(k @ module.projection.T - (k**2).sum(1, keepdim=True) / 2)
    return (left / left.amax(1, keepdim=True) + 1e-6) @ (right / right.amax() + 1e-6).T


@settings(max_examples=15, deadline=None)
@given(graphs=batches())
def test_it_is_the_full_kernel_matrix_of_each_graph(graphs: Ragged) -> None:
    module = built("performer")
    outs = []
    for x in graphs.x.split(graphs.sizes):
        if not len(x):
            continue
        heads = []
        for q, k, v in by_head(module, x):
            weights = positive_kernel(module, q, k)
            heads.append(weights @ v / weights.sum(1, keepdim=True))
        outs.append(torch.cat(heads, 1) @ module.out_proj.weight.T + module.out_proj.bias)
    torch.testing.assert_close(module(graphs.x, ptr=graphs.ptr), torch.cat(outs), **TOLERANCE)


def favor_error(features: int, seed: int) -> float:
    """Mean distance of FAVOR+ with so many features to softmax attention of the same weights."""
    torch.manual_seed(0)
    exact, graphs = ExactAttention(CHANNELS, HEADS).double(), ragged([30, 11, 1, 50], 7)
    module = PerformerAttention(CHANNELS, HEADS, features=features, random_state=seed).double()
    module.load_state_dict(exact.state_dict(), strict=False)
    with torch.no_grad():
        gap = module(graphs.x, ptr=graphs.ptr) - exact(graphs.x, ptr=graphs.ptr)
    return float(gap.norm(dim=1).mean())


def test_favor_comes_nearer_to_softmax_as_its_features_grow() -> None:
    errors = [
        sum(favor_error(features, seed) for seed in range(8)) / 8 for features in (8, 128, 2048)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_random_vectors_are_orthogonal_in_blocks(rows: int, d: int, seed: int) -> None:
    vectors = orthogonal_vectors(rows, d, seed)
    assert vectors.shape == (rows, d)
    for block in vectors.split(d):
        products = block @ block.T
        off = products - torch.diag(products.diagonal())
        assert off.abs().max() < 1e-9
    assert torch.equal(vectors, orthogonal_vectors(rows, d, seed))


def test_far_out_features_stay_finite() -> None:
    """Exponents of several hundred: the maximum of the graph keeps them in range."""
    graphs = ragged([6, 4], 9)
    module = built("performer").float()
    x = (graphs.x.float() * 100).requires_grad_()
    out = module(x, ptr=graphs.ptr)
    out.sum().backward()
    assert out.isfinite().all() and x.grad.isfinite().all()
