"""`LCMAggregation`: its fold, its gradients, and its ways to compute them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from graphagg.nn.aggr import LCMAggregation, LCMPlan, SymmetricGRU, fold, monoid_losses
from graphagg.nn.segments import Segments
from tests.unit.nn.aggr.ragged import Ragged, assert_same, operator_of, outcome, ragged, randomized
from tests.unit.nn.descent import assert_a_step_lowers_the_loss


class Recorder(nn.Module):
    """Any module: takes two tensors, returns one; counts the pairs that it has combined."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.calls = inner, []

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        self.calls.append(len(a))
        return self.inner(a, b)


def by_hand(module: LCMAggregation, batch: Ragged, x: Tensor) -> Tensor:
    """The fold of each segment, one combine at a time, under plain autograd."""
    if module.lin is not None:
        x = module.lin(x).relu()
    out = []
    for low, high in batch.ptr.unfold(0, 2, 1).tolist():
        elements = [x[i : i + 1] for i in range(low, high)] or [module.identity.unsqueeze(0)]
        while len(elements) > 1:
            odd = elements[-1:] if len(elements) % 2 else []
            pairs = zip(elements[:-1:2], elements[1::2], strict=True)
            elements = [*(module.operator(a, b) for a, b in pairs), *odd]
        out.append(elements[0])
    return torch.cat(out)


@pytest.mark.parametrize("operator", ["gru", "gate", "own"])
@pytest.mark.parametrize("project", [True, False])
@given(batch=ragged(20))
@settings(max_examples=5, deadline=None)
def test_equals_the_fold_written_out(operator: str, project: bool, batch: Ragged) -> None:
    module, x = (
        randomized(LCMAggregation(4, 4, project, operator=operator_of(operator, 4), order="given")),
        batch.rows(),
    )
    wanted = outcome(module, x, by_hand(module, batch, x))
    assert_same(outcome(module, x, module(x, batch.index, dim_size=len(batch.sizes))), wanted)


def test_combines_are_rows_less_segments_in_log2_levels() -> None:
    recorder = Recorder(SymmetricGRU(4))
    module = LCMAggregation(4, 4, operator=recorder)
    batch = Ragged((1, 0, 37, 8, 2, 3), 0)
    module(batch.rows().float().detach(), batch.index)
    assert sum(recorder.calls) == 51 - 5
    assert len(recorder.calls) == 6  # ceil(log2(37)), one pass a level


@pytest.mark.parametrize("operator", ["gru", "gate", "own"])
@given(batch=ragged(60))
@settings(max_examples=4, deadline=None)
def test_blocks_and_passes_of_any_size_agree(operator: str, batch: Ragged) -> None:
    """Also where backward folds each block again."""
    module, x = randomized(LCMAggregation(4, 4, operator=operator_of(operator, 4))), batch.rows()
    segments = Segments.from_ptr(batch.ptr, sum(batch.sizes))
    wanted = outcome(module, x, module(x, ptr=batch.ptr))
    for sizes in ({"block_rows": 1, "pass_nodes": 3}, {"block_rows": 25, "pass_nodes": 1}):
        plan = LCMPlan.from_segments(segments, **sizes)
        for kept in (1 << 12, 0):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(fold, "KEPT_BY_FORWARD", kept)
                assert_same(outcome(module, x, module(x, plan=plan)), wanted)


def test_only_the_input_and_the_weights_are_kept_for_backward() -> None:
    module, kept = LCMAggregation(64, 64, project=False), []
    x = torch.randn(3000, 64, requires_grad=True)
    ptr = torch.tensor([0, 1000, 1000, 3000])
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        module(x, ptr=ptr)
    weights = sum(p.numel() for p in module.operator.parameters())
    assert sum(t.numel() for t in kept) == x.numel() + weights


@pytest.mark.gpu
def test_the_device_gives_the_result_of_the_cpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    for operator in ("gate", "gru", "own"):
        module, batch = (
            randomized(LCMAggregation(4, 4, operator=operator_of(operator, 4))),
            Ragged((900, 0, 31), 2),
        )
        x = batch.rows()
        wanted = outcome(module, x, module(x, batch.index))
        module, y = module.cuda(), x.detach().cuda().requires_grad_()
        out = module(y, batch.index.cuda())
        weights = torch.linspace(-1.0, 1.0, 4, dtype=torch.float64, device="cuda")
        grads = torch.autograd.grad((out * weights).sum(), [y, *module.parameters()])
        assert_same([t.detach().cpu() for t in (out, *grads)], wanted)


def test_the_identity_is_what_an_empty_segment_gives_and_learns() -> None:
    module = LCMAggregation(2, 2)
    nn.init.constant_(module.identity, 0.5)
    out = module(torch.ones(1, 2), torch.tensor([1]), dim_size=3)
    assert out[[0, 2]].tolist() == [[0.5, 0.5]] * 2
    out.sum().backward()
    assert module.identity.grad is not None and module.identity.grad.tolist() == [2.0, 2.0]


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


def test_the_losses_teach_the_laws() -> None:
    torch.manual_seed(0)
    module = LCMAggregation(3, 3, operator="gru").double()  # smooth
    assert_a_step_lowers_the_loss(module, lambda: module.monoid_losses(ROWS).total)
    assert module.identity.grad is not None and module.identity.grad.abs().sum() > 0
