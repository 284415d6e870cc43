"""What `graphagg.nn.compat` assumes of PyTorch, and its public fallbacks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphagg.nn import LCMAggregation, compat


def test_the_owner_of_a_view_is_the_tensor_that_it_shows() -> None:
    edges = torch.arange(8).view(2, 4).clone()
    for view in (edges[1], edges[1][1:], edges.view(-1), edges.t(), edges):
        assert compat.owner_and_version(view)[0] is edges
    copied = edges[1].clone()
    assert compat.owner_and_version(copied)[0] is copied


def test_every_change_in_place_raises_the_version_through_any_view() -> None:
    edges = torch.arange(8).view(2, 4).clone()
    view, versions = edges[1], []
    for change in (
        lambda: edges.add_(1),
        lambda: view.add_(1),
        lambda: edges.__setitem__((0, 0), 7),
        lambda: edges.resize_(2, 3),
    ):
        versions.append(compat.owner_and_version(edges)[1])
        change()
    versions.append(compat.owner_and_version(edges)[1])
    assert versions == sorted(set(versions))
    with torch.inference_mode():
        assert compat.owner_and_version(torch.zeros(2)) is None


def test_without_versions_nothing_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = LCMAggregation(3, 3), torch.randn(4, 3)
    index = torch.tensor([0, 0, 1, 1])
    cached = module(x, index)
    monkeypatch.setattr(compat, "_HAS_VERSIONS", False)
    assert compat.owner_and_version(index) is None
    assert torch.equal(module(x, index), cached)
    index.data.copy_(torch.tensor([1, 1, 0, 0]))
    assert torch.equal(module(x, index), module(x, index.clone()))


@pytest.mark.parametrize("fused", [True, False])
@given(seed=st.integers(0, 2**31), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_gradients_of_gates_are_those_of_autograd(
    fused: bool, seed: int, dtype: torch.dtype
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compat, "_FUSED", fused)
        generator = torch.Generator().manual_seed(seed)
        grad, x = torch.randn(2, 7, 5, generator=generator, dtype=dtype)
        for function, backward in (
            (torch.sigmoid, compat.sigmoid_backward_),
            (torch.tanh, compat.tanh_backward_),
        ):
            leaf = x.clone().requires_grad_()
            output = function(leaf)
            (wanted,) = torch.autograd.grad(output, leaf, grad)
            into = torch.empty_like(x)
            backward(grad, output.detach(), into)
            torch.testing.assert_close(into, wanted)
            itself = grad.clone()
            backward(itself, output.detach(), itself)
            torch.testing.assert_close(itself, wanted)
