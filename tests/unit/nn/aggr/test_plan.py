"""The tree plan against a fold written out."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.nn.aggr import LCMAggregation, LCMPlan
from graphagg.nn.aggr.cache import cached_plan
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


def test_an_unsorted_index_is_sorted_stably() -> None:
    index = torch.tensor([2, 0, 2, 0, 0])
    plan = LCMPlan.from_index(index, 4)
    assert plan.order is not None and plan.order.tolist() == [1, 3, 4, 0, 2]
    assert plan.ptr.tolist() == [0, 3, 3, 5, 5] and plan.index.tolist() == [0, 0, 0, 2, 2]
    assert LCMPlan.from_index(torch.tensor([0, 1, 1])).order is None


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

    def test_a_plan_made_in_inference_mode_serves_training(self) -> None:
        module, index = LCMAggregation(2, 2), torch.tensor([1, 0, 1])
        with torch.inference_mode():
            module(torch.ones(3, 2), index)
        module(torch.ones(3, 2), index).sum().backward()

    def test_offsets_and_an_index_of_equal_values_have_two_plans(self) -> None:
        module, x = LCMAggregation(2, 2), torch.rand(2, 2)
        values = torch.tensor([0, 2])
        assert module(x, ptr=values).shape == (1, 2)
        assert module(x, values).shape == (3, 2)
