"""The tree plan against a fold written out."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from math import ceil, log2

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.nn.aggr import LCMAggregation, LCMPlan
from graphagg.nn.aggr.cache import cached_plan
from graphagg.nn.aggr.inputs import sorted_segments
from graphagg.nn.segments import Segments
from tests.unit.nn.aggr.ragged import Ragged, ragged


def trees(plan: LCMPlan) -> dict[int, object]:
    """The tree of each non-empty segment as nested pairs of element numbers."""
    out: dict[int, object] = {}
    for block in plan.blocks:
        values: list[object] = list(range(*block.rows))
        for low, high in block.passes:
            pairs = zip(*(ids.tolist() for ids in block.children(low, high)), strict=True)
            values += [(values[a], values[b]) for a, b in pairs]
        for segment, root in zip(block.filled.tolist(), block.roots.tolist(), strict=True):
            out[segment] = values[root]
    return out


def tree(elements: list[object]) -> object:
    while len(elements) > 1:
        odd = elements[-1:] if len(elements) % 2 else []
        elements = [*zip(elements[:-1:2], elements[1::2], strict=True), *odd]
    return elements[0]


@given(batch=ragged(40), block_rows=st.integers(1, 60), pass_nodes=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_trees_are_those_of_each_segment_alone(
    batch: Ragged, block_rows: int, pass_nodes: int
) -> None:
    segments = Segments.from_ptr(batch.ptr, sum(batch.sizes))
    plan = LCMPlan.from_segments(segments, block_rows=block_rows, pass_nodes=pass_nodes)
    bounds = batch.ptr.tolist()
    wanted = {
        s: tree(list(range(bounds[s], bounds[s + 1]))) for s, n in enumerate(batch.sizes) if n
    }
    assert trees(plan) == wanted


@given(batch=ragged(300))
@settings(max_examples=25, deadline=None)
def test_combines_and_levels(batch: Ragged) -> None:
    segments = Segments.from_ptr(batch.ptr, sum(batch.sizes))
    plan = LCMPlan.from_segments(segments, block_rows=10_000, pass_nodes=10_000)
    largest = max(batch.sizes)
    assert plan.combines == sum(batch.sizes) - sum(n > 0 for n in batch.sizes)
    assert [len(b.passes) for b in plan.blocks] == ([ceil(log2(largest))] if largest else [])


def test_a_segment_larger_than_a_block_is_one_block() -> None:
    segments = Segments.from_ptr(torch.tensor([0, 2, 1002, 1003]), 1003)
    plan = LCMPlan.from_segments(segments, block_rows=10, pass_nodes=64)
    assert [block.rows for block in plan.blocks] == [(0, 1002), (1002, 1003)]
    assert max(high - low for low, high in plan.blocks[0].passes) == 64


def test_an_unsorted_index_is_sorted_stably() -> None:
    index = torch.tensor([2, 0, 2, 0, 0])
    plan = LCMPlan.from_index(index, 4)
    assert plan.order is not None and plan.order.tolist() == [1, 3, 4, 0, 2]
    assert plan.ptr.tolist() == [0, 3, 3, 5, 5] and plan.index.tolist() == [0, 0, 0, 2, 2]
    assert LCMPlan.from_index(torch.tensor([0, 1, 1])).order is None


@pytest.mark.parametrize("index", [torch.tensor([0, 0, 3]), torch.tensor([3, 0, 0])])
def test_segments_of_an_index(index: torch.Tensor) -> None:
    segments, _ = sorted_segments(index, 5)
    assert segments.sizes.tolist() == [2, 0, 0, 1, 0]


class TestCache:
    def make_plan(self, tensor: torch.Tensor, count: int | None = None) -> LCMPlan:
        return cached_plan(tensor, count, lambda: LCMPlan.from_index(tensor, count))

    def test_fresh_views_of_one_tensor_share_a_plan(self) -> None:
        edge_index = torch.tensor([[0, 1, 2], [1, 1, 2]])
        plan = self.make_plan(edge_index[1], 3)
        assert self.make_plan(edge_index[1], 3) is plan
        assert self.make_plan(edge_index[0], 3) is not plan
        assert self.make_plan(edge_index[1], 4).count == 4

    def test_a_tensor_changed_in_place_is_planned_anew(self) -> None:
        edge_index = torch.tensor([[0, 1, 2], [1, 1, 2]])
        assert self.make_plan(edge_index[1], 3).combines == 1
        edge_index[1, 0] = 0
        assert self.make_plan(edge_index[1], 3).combines == 0

    def test_changes_through_shared_memory_are_seen(self) -> None:
        values = np.array([0, 0, 1])
        index = torch.from_numpy(values)
        assert self.make_plan(index, 3).combines == 1
        values[1] = 1
        assert self.make_plan(index, 3).index.tolist() == [0, 1, 1]
        index.data[1] = 2
        assert self.make_plan(index, 3).combines == 0
        index.data = torch.tensor([2, 2, 2])
        assert self.make_plan(index, 3).combines == 2

    def test_a_plan_made_in_inference_mode_serves_training(self) -> None:
        module, index = LCMAggregation(2, 2), torch.tensor([1, 0, 1])
        with torch.inference_mode():
            module(torch.ones(3, 2), index)
        module(torch.ones(3, 2), index).sum().backward()

    def test_threads_may_share_a_tensor(self) -> None:
        index = torch.arange(50) % 7
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as pool:
                sizes = [7 + number % 9 for number in range(2000)]
                plans = list(pool.map(lambda size: self.make_plan(index, size), sizes))
        finally:
            sys.setswitchinterval(before)
        assert [plan.count for plan in plans] == sizes

    def test_only_the_last_plans_are_kept(self) -> None:
        index = torch.tensor([0, 0, 1])
        plans = [self.make_plan(index, count) for count in range(2, 8)]
        again = [self.make_plan(index, count) for count in range(7, 1, -1)]
        assert [one is other for one, other in zip(plans, again[::-1], strict=True)] == [
            count > 3 for count in range(2, 8)
        ]

    def test_offsets_and_an_index_of_equal_values_have_two_plans(self) -> None:
        module, x = LCMAggregation(2, 2), torch.rand(2, 2)
        values = torch.tensor([0, 2])
        assert module(x, ptr=values).shape == (1, 2)
        assert module(x, values).shape == (3, 2)
