"""Training in small: what a short step against the gradient does is certain, on any machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

LENGTH = 1e-6  # so short that the loss is straight, so long that float64 sees its change


def assert_a_step_lowers_the_loss(module: nn.Module, loss: Callable[[], Tensor]) -> None:
    """The loss falls by the length of the step times that of the gradient.

    The module is in float64 and has gradients afterwards; random draws of the loss are repeated.
    """

    def drawn() -> Tensor:
        torch.manual_seed(0)
        return loss()

    before = drawn()
    assert before.dtype is torch.float64
    before.backward()
    reached = [p for p in module.parameters() if p.grad is not None]
    slope = float(torch.stack([p.grad.square().sum() for p in reached]).sum().sqrt())
    assert slope > 1e-3
    with torch.no_grad():
        for parameter in reached:
            parameter.sub_(parameter.grad, alpha=LENGTH / slope)
    assert float(before - drawn()) == pytest.approx(LENGTH * slope, rel=1e-2)
