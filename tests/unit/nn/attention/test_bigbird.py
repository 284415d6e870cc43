"""BigBird: equal to a dense softmax over the pairs that it visits."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphagg.errors import InvalidParameter
from graphagg.nn.attention import attention
from graphagg.nn.attention.tiles import Tiles
from graphagg.nn.segments import Segments
from tests.unit.nn.attention.batches import CHANNELS, HEADS, Ragged, batches, built, ragged

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}
WIDTH = CHANNELS // HEADS
SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=5).filter(any)


def heads_of(rows: Tensor) -> Tensor:
    return rows.view(-1, HEADS, WIDTH)


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
    ("options", "message"),
    [
        ({"block": 0}, "block is 0"),
        ({"random_blocks": -2}, "random_blocks is -2"),
    ],
)
def test_options_out_of_range(options: dict, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        attention("bigbird", CHANNELS, HEADS, **options)
