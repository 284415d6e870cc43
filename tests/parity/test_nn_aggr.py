"""Aggregators beside PyG's.

PyG's LCM pads every segment to the longest of the batch and takes the padding as data. On one
segment there is no padding, and both must agree with ours; in a batch theirs is expected to
differ from itself, and the tests say so: one that fails means that PyG has changed.
"""

from __future__ import annotations

import torch
from hypothesis import given, settings
from torch import nn
from torch_geometric.nn.aggr import LCMAggregation as PyGLCMAggregation

from graphagg.nn.aggr import LCMAggregation
from tests.unit.nn.aggr.ragged import Ragged, alone, assert_same, outcome, ragged, randomized


def lcm_pair(project: bool) -> tuple[LCMAggregation, nn.Module]:
    theirs = randomized(PyGLCMAggregation(4, 4, project))
    ours = LCMAggregation(4, 4, project, operator="gru", order="given").double()
    ours.operator.load_state_dict(theirs.gru_cell.state_dict())
    if ours.lin is not None:
        ours.lin.load_state_dict(theirs.lin.state_dict())
    return ours, theirs


def by_name(module: nn.Module, batch: Ragged, separately: bool) -> dict[str, torch.Tensor]:
    """Output, gradient of x, and gradients of parameters under the names of ours."""
    x = batch.rows()
    if separately:
        found = alone(module, batch, x)
    else:
        found = outcome(module, x, module(x, batch.index, dim_size=len(batch.sizes)))
    names = (n.replace("gru_cell.", "operator.") for n, _ in module.named_parameters())
    return dict(zip(("out", "x", *names), found, strict=True))


def assert_equal_to_theirs(ours: nn.Module, theirs: nn.Module, batch: Ragged) -> None:
    found, wanted = by_name(ours, batch, False), by_name(theirs, batch, True)
    identity = found.pop("identity", None)  # theirs has none, and no segment is empty here
    assert identity is None or not identity.any()
    assert found.keys() == wanted.keys()
    assert_same([found[name] for name in wanted], list(wanted.values()))


@given(batch=ragged(40, empty=False))
@settings(max_examples=8, deadline=None)
def test_lcm_equals_pyg_on_each_vertex_alone(batch: Ragged) -> None:
    for project in (True, False):
        assert_equal_to_theirs(*lcm_pair(project), batch)


# 3 rows beside 8 rows, and a vertex without neighbors.
UNEVEN = Ragged((3, 8, 0), 0)


def difference(module: nn.Module) -> float:
    x = UNEVEN.rows().detach()
    together = module(x, UNEVEN.index, dim_size=3)[0]
    by_itself = module(x[:3], UNEVEN.index[:3], dim_size=1)[0]
    return float((together - by_itself).detach().abs().max())


def test_pyg_lcm_depends_on_the_batch_and_ours_does_not() -> None:
    for project in (True, False):
        ours, theirs = lcm_pair(project)
        assert difference(theirs) > 0.01
        assert difference(ours) < 1e-12


def test_pyg_lcm_gives_a_vertex_without_neighbors_what_the_batch_implies() -> None:
    ours, theirs = lcm_pair(True)
    rows = UNEVEN.rows().detach()
    deep = theirs(rows, UNEVEN.index, dim_size=3)[2]
    flat = theirs(rows[:1], torch.tensor([0]), dim_size=2)[1]
    assert float((deep - flat).detach().abs().max()) > 0.01
    assert torch.equal(ours(rows, UNEVEN.index, dim_size=3)[2], ours.identity)


def test_pyg_lcm_refuses_no_rows_and_an_unsorted_index() -> None:
    ours, theirs = lcm_pair(True)
    none = torch.zeros(0, dtype=torch.long)
    x = UNEVEN.rows().detach()
    for rows, index in ((x[:0], none), (x[:2], torch.tensor([1, 0]))):
        refused = False
        try:
            theirs(rows, index, dim_size=2)
        except ValueError:
            refused = True
        assert refused
        assert ours(rows, index, dim_size=2).shape == (2, 4)
