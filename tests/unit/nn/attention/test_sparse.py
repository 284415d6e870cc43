"""Sparse attentions: equal to a dense softmax over the pairs that they visit."""

from __future__ import annotations

import math

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphagg.errors import InvalidParameter
from graphagg.nn.attention import attention
from graphagg.nn.attention.sparse import edges as edge_module
from graphagg.nn.attention.sparse.edges import edge_dot, edge_sum
from graphagg.nn.attention.sparse.exphormer import expander
from graphagg.nn.attention.tiles import Tiles
from graphagg.nn.segments import Segments
from tests.unit.nn.attention.batches import CHANNELS, HEADS, Ragged, batches, built, ragged

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}
WIDTH = CHANNELS // HEADS
SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=5).filter(any)


def heads_of(rows: Tensor) -> Tensor:
    return rows.view(-1, HEADS, WIDTH)


@pytest.mark.parametrize("virtual", [0, 2])
@settings(max_examples=12, deadline=None)
@given(graphs=batches())
def test_exphormer_is_a_softmax_over_its_edges(virtual: int, graphs: Ragged) -> None:
    module = built("exphormer", virtual=virtual, cycles=2)
    outs = []
    for graph, size in enumerate(graphs.sizes):
        if not size:
            continue
        one = graphs.alone(graph)
        segments = Segments.from_ptr(one.ptr, size)
        walks = expander(segments, one.edge_index, 2, 0)
        outs.append(dense_exphormer(module, one.x, one.edge_index, walks))
    out = module(graphs.x, ptr=graphs.ptr, edge_index=graphs.edge_index)
    torch.testing.assert_close(out, torch.cat(outs), **TOLERANCE)


def dense_exphormer(module: torch.nn.Module, x: Tensor, edges: Tensor, walks: Tensor) -> Tensor:
    """One graph, vertex by vertex, head by head."""

    def project(rows: Tensor) -> list[Tensor]:
        parts = (rows @ module.in_proj_weight.T + module.in_proj_bias).chunk(3, 1)
        return [heads_of(part) for part in parts]

    q, k, v = project(x)
    root = math.sqrt(WIDTH)
    sources = [edges, walks]
    node_k = node_v = k[:0]
    if len(module.nodes):
        asked = project(module.nodes)[0]
        read = torch.zeros(len(module.nodes), HEADS, WIDTH, dtype=x.dtype)
        for node in range(len(module.nodes)):
            for head in range(HEADS):
                scores = k[:, head] @ (asked[node, head] * module.kinds[4, head]) / root
                read[node, head] = scores.softmax(0) @ v[:, head]
        state = module.nodes + module.out_proj(read.flatten(1))
        _, node_k, node_v = project(state)
    mixed = torch.zeros_like(q)
    for i in range(len(x)):
        for head in range(HEADS):
            kinds = [k[pairs[0][pairs[1] == i], head] for pairs in sources]
            kinds += [k[i : i + 1, head], node_k[:, head]]
            values = [v[pairs[0][pairs[1] == i], head] for pairs in sources]
            values += [v[i : i + 1, head], node_v[:, head]]
            scores = torch.cat(
                [
                    rows @ (q[i, head] * scale[head]) / root
                    for rows, scale in zip(kinds, module.kinds, strict=False)
                ]
            )
            mixed[i, head] = scores.softmax(0) @ torch.cat(values)
    return module.out_proj(mixed.flatten(1))


@given(SIZES, st.integers(1, 4), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_the_expander_is_regular_connected_and_stays_in_its_graph(
    sizes: list[int], cycles: int, seed: int
) -> None:
    graphs = Segments.from_ptr(torch.tensor([0, *sizes]).cumsum(0), sum(sizes))
    walk = expander(graphs, torch.zeros(2, 0, dtype=torch.int64), cycles, seed)
    assert torch.equal(graphs.index[walk[0]], graphs.index[walk[1]])
    assert not bool((walk[0] == walk[1]).any())
    expected = torch.where(graphs.sizes > 1, 2 * cycles, 0)[graphs.index]
    for side in walk:
        assert torch.equal(torch.bincount(side, minlength=graphs.rows), expected)
    network = nx.Graph(walk.T.tolist())
    assert nx.number_connected_components(network) == sum(size > 1 for size in sizes)


def test_the_expander_hangs_on_the_graph_and_the_seed() -> None:
    graphs, none = Segments.from_ptr(torch.tensor([0, 30, 60]), 60), torch.zeros(2, 0).long()
    one, other = (expander(graphs, none, 2, seed) for seed in (0, 1))
    assert not torch.equal(one, other)
    first = one[:, one[0] < 30]
    second = one[:, one[0] >= 30] - 30
    assert torch.equal(first, second)  # two graphs with the same content
    edge = torch.tensor([[30], [31]])
    moved = expander(graphs, edge, 2, 0)
    assert torch.equal(moved[:, moved[0] < 30], first)
    assert not torch.equal(moved[:, moved[0] >= 30] - 30, second)


def test_the_expander_has_a_spectral_gap() -> None:
    """Random 6-regular graphs have a second eigenvalue near 2 sqrt(5) = 4.47, of 6."""
    graphs = Segments.from_ptr(torch.tensor([0, 400]), 400)
    walk = expander(graphs, torch.zeros(2, 0).long(), 3, 0)
    matrix = torch.zeros(400, 400, dtype=torch.float64).index_put_(
        (walk[0], walk[1]), torch.ones(walk.shape[1], dtype=torch.float64), accumulate=True
    )
    assert torch.linalg.eigvalsh(matrix)[:-1].abs().max() < 5.2


@settings(max_examples=20, deadline=None)
@given(graphs=batches(10))
def test_bigbird_of_small_graphs_is_exact(graphs: Ragged) -> None:
    module, exact = built("bigbird"), built("exact", 1)
    exact.load_state_dict(module.state_dict())
    assert module.exact_up_to == 10
    wanted = exact(graphs.x, ptr=graphs.ptr)
    torch.testing.assert_close(module(graphs.x, ptr=graphs.ptr), wanted, **TOLERANCE)


@settings(max_examples=20, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 2**31))
def test_bigbird_is_a_softmax_over_its_blocks(sizes: list[int], seed: int) -> None:
    graphs, module = ragged(sizes, seed), built("bigbird")
    outs = []
    for x in graphs.x.split(sizes):
        q, k, v = (
            heads_of(part)
            for part in (x @ module.in_proj_weight.T + module.in_proj_bias).chunk(3, 1)
        )
        scores = torch.einsum("ihd,jhd->hij", q, k) / math.sqrt(WIDTH)
        scores = scores.masked_fill(~visited(module, len(x)), -math.inf)
        mixed = torch.einsum("hij,jhd->ihd", scores.softmax(-1), v)
        outs.append(module.out_proj(mixed.flatten(1)))
    torch.testing.assert_close(module(graphs.x, ptr=graphs.ptr), torch.cat(outs), **TOLERANCE)


def visited_blocks(module: torch.nn.Module, size: int) -> Tensor:
    """`[B, B]` bool: which block attends to which in a graph of this size."""
    tiles = Tiles.of_side(Segments.from_ptr(torch.tensor([0, size]), size), module.block)
    slots, used = module._slots(tiles)
    blocks = torch.zeros(len(slots), len(slots), dtype=torch.bool)
    blocks[torch.arange(len(slots)).unsqueeze(1).expand_as(slots)[used], slots[used]] = True
    blocks[: module.global_blocks] = True
    assert int(used.sum()) == int(torch.unique(used.nonzero()[:, 0] * 10_000 + slots[used]).numel())
    return blocks


def visited(module: torch.nn.Module, size: int) -> Tensor:
    """`[n, n]` bool: which key a query of a graph of this size attends to."""
    if size <= module.exact_up_to:
        return torch.ones(size, size, dtype=torch.bool)
    blocks = visited_blocks(module, size)
    wide = blocks.repeat_interleave(module.block, 0).repeat_interleave(module.block, 1)
    return wide[:size, :size]


@given(st.integers(11, 400), st.integers(0, 50), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_bigbird_visits_window_global_and_random_blocks(
    size: int, seed: int, global_blocks: int
) -> None:
    module = attention(
        "bigbird", CHANNELS, HEADS, block=2, random_blocks=1, global_blocks=global_blocks, seed=seed
    )
    blocks = visited_blocks(module, size)
    number = torch.arange(len(blocks))
    certain = (number[:, None] - number).abs() <= 1
    certain[:global_blocks] = certain[:, :global_blocks] = True
    assert bool(blocks[certain].all())
    assert int((blocks & ~certain).sum(1).max()) <= 1  # at most one drawn block each
    assert bool((blocks & ~certain).any()) or size < 40


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("exphormer", {"cycles": -1}, "cycles is -1"),
        ("exphormer", {"virtual": -1}, "virtual is -1"),
        ("bigbird", {"block": 0}, "block is 0"),
        ("bigbird", {"random_blocks": -2}, "random_blocks is -2"),
    ],
)
def test_options_out_of_range(name: str, options: dict, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        attention(name, CHANNELS, HEADS, **options)


@given(st.integers(0, 30), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_products_and_sums_along_edges_are_each_others_derivative(edges: int, seed: int) -> None:
    """Both against plain indexing, values and gradients, whatever the size of a chunk."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    left, right, weights = draw(5, 2, 3), draw(4, 2, 3), draw(edges, 2)
    target = torch.randint(0, 5, (edges,), generator=generator)
    source = torch.randint(0, 4, (edges,), generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge_module, "CHUNK", 7)
        dots = edge_dot(left, right, target, source)
        sums = edge_sum(weights, right, target, source, 5)
        mine = torch.autograd.grad(
            dots.square().sum() + sums.square().sum(), [left, right, weights]
        )
    plain_dots = (left[target] * right[source]).sum(-1)
    plain_sums = torch.zeros(5, 2, 3, dtype=torch.float64).index_add(
        0, target, weights.unsqueeze(-1) * right[source]
    )
    wanted = torch.autograd.grad(
        plain_dots.square().sum() + plain_sums.square().sum(), [left, right, weights]
    )
    pairs = zip((dots, sums, *mine), (plain_dots, plain_sums, *wanted), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, **TOLERANCE)
