"""A segment's result does not depend on the batch around it, nor its gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.nn.aggr import LCMAggregation, make_aggregation
from tests.unit.nn.aggr.ragged import (
    PairMLP,
    Ragged,
    alone,
    assert_same,
    outcome,
    ragged,
    randomized,
)

NAMES = ("lcm", "lcm-gru", "lcm-given", "pna")
AGGREGATORS = {
    **{name: randomized(make_aggregation(name, 4)).eval() for name in NAMES},
    "lcm-own": randomized(LCMAggregation(4, 3, operator=PairMLP(3))).eval(),
    "lcm-plain": randomized(LCMAggregation(4, 4, project=False)).eval(),
}


@pytest.mark.parametrize("name", AGGREGATORS)
@given(batch=ragged())
@settings(max_examples=6, deadline=None)
def test_each_segment_alone_equals_the_batch(name: str, batch: Ragged) -> None:
    module, x = AGGREGATORS[name], batch.rows()
    together = outcome(module, x, module(x, batch.index, dim_size=len(batch.sizes)))
    assert_same(together, alone(module, batch, x))


@pytest.mark.parametrize("name", AGGREGATORS)
@given(batch=ragged(), seed=st.integers(0, 2**31))
@settings(max_examples=6, deadline=None)
def test_ptr_index_and_an_unsorted_index_agree(name: str, batch: Ragged, seed: int) -> None:
    module, x = AGGREGATORS[name], batch.rows()
    wanted = outcome(module, x, module(x, ptr=batch.ptr))
    assert_same(outcome(module, x, module(x, batch.index, dim_size=len(batch.sizes))), wanted)
    both = module(x, batch.index, ptr=batch.ptr)
    assert_same(outcome(module, x, both), wanted)
    # Segments are interleaved, but each keeps the order of its rows.
    generator = torch.Generator().manual_seed(seed)
    owners = batch.index[torch.randperm(len(batch.index), generator=generator)]
    order = torch.argsort(torch.argsort(owners, stable=True))
    mixed = module(x[order], owners, dim_size=len(batch.sizes))
    assert_same(outcome(module, x, mixed), wanted)


@given(batch=ragged(), seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_lcm_is_a_function_of_the_set_of_rows(batch: Ragged, seed: int) -> None:
    module, x = randomized(LCMAggregation(4, 4)), batch.rows()
    wanted = outcome(module, x, module(x, batch.index, dim_size=len(batch.sizes)))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    mixed = module(x[order], batch.index[order], dim_size=len(batch.sizes))
    assert_same(outcome(module, x, mixed), wanted)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 3])
def test_no_rows(name: str, count: int) -> None:
    module, x = make_aggregation(name, 4), torch.ones(0, 4, requires_grad=True)
    out = module(x, torch.zeros(0, dtype=torch.long), dim_size=count)
    out.sum().backward()
    assert out.shape == (count, 4) and x.grad is not None and x.grad.shape == (0, 4)
    assert module(x, ptr=torch.zeros(count + 1, dtype=torch.long)).shape == (count, 4)
