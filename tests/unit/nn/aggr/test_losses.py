"""The monoid losses: 0 where the law holds, positive where it does not, and they teach it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphagg.nn.aggr import LCMAggregation, SymmetricGRU, SymmetricMLP, monoid_losses
from tests.unit.nn.descent import assert_a_step_lowers_the_loss


class Law(nn.Module):
    def __init__(self, rule: object) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.rule(a, b)  # type: ignore[operator]


ROWS = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
ZERO = torch.zeros(3, dtype=torch.float64)


def losses(rule: object, identity: Tensor = ZERO) -> tuple[float, float, float]:
    found = monoid_losses(Law(rule), ROWS, identity)
    return float(found.associativity), float(found.commutativity), float(found.identity)


def test_each_law_is_seen_to_hold_or_not() -> None:
    associative, commutative, identity = losses(torch.add)
    assert max(associative, commutative, identity) < 1e-25
    associative, commutative, identity = losses(lambda a, b: 0.5 * (a + b))  # mean
    assert associative > 0.1 and commutative < 1e-25 and identity > 0.1
    associative, commutative, identity = losses(lambda a, b: a)  # first
    assert associative < 1e-25 and commutative > 0.1 and identity > 0.1
    assert losses(torch.mul, ZERO + 1)[2] < 1e-25
    found = monoid_losses(Law(torch.sub), ROWS, ZERO)
    total = found.associativity + found.commutativity + found.identity
    assert torch.equal(found.total, total) and total > 1


def test_operators_of_the_package_commute() -> None:
    for operator in (SymmetricGRU(3), SymmetricMLP(3)):
        found = monoid_losses(operator.double(), ROWS, ZERO)
        assert float(found.commutativity) < 1e-25 < float(found.associativity)


def test_the_losses_teach_the_laws() -> None:
    torch.manual_seed(0)
    module = LCMAggregation(3, 3).double()
    assert_a_step_lowers_the_loss(module, lambda: module.monoid_losses(ROWS).total)
    assert module.identity.grad is not None and module.identity.grad.abs().sum() > 0


def test_no_rows_to_draw_from() -> None:
    found = LCMAggregation(3, 3).monoid_losses(torch.ones(0, 3))
    assert bool(torch.isfinite(found.total))
