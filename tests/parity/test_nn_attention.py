"""Attention beside PyTorch Geometric: equal where PyG's is right, and where its padding leaks.

The modules marked as leaking give a graph another output beside a larger graph than alone, because
padded keys stay in their normalizer, and SGFormer's n is the padded one. Should PyG mend that, the
tests that assert the difference fail, and say so.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GPSConv
from torch_geometric.nn.attention import PerformerAttention, PolynormerAttention, SGFormerAttention
from torch_geometric.utils import to_dense_batch

from graphagg.nn.attention import ExactAttention

CHANNELS, HEADS, WIDTH = 32, 4, 8
SIZES = [5, 60]


def batch_of(sizes: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(sum(sizes), CHANNELS, generator=generator)
    return x, torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


def padded(module: torch.nn.Module, x: Tensor, batch: Tensor) -> Tensor:
    """What PyG's module gives for a batch: padded to the largest graph, with its mask."""
    dense, mask = to_dense_batch(x, batch)
    return module(dense, mask)[mask]


def leak(module: torch.nn.Module) -> float:
    """Relative change of the smaller graph's output when the larger one joins its batch."""
    x, batch = batch_of(SIZES)
    with torch.no_grad():
        alone = padded(module, x[: SIZES[0]], batch[: SIZES[0]])
        beside = padded(module, x, batch)[: SIZES[0]]
    return float((beside - alone).norm() / alone.norm())


@pytest.mark.parametrize(
    ("module", "least"),
    [
        (lambda: PerformerAttention(CHANNELS, HEADS, WIDTH, qkv_bias=True), 0.01),
        (lambda: SGFormerAttention(CHANNELS, 1, CHANNELS, qkv_bias=True), 0.05),
        (lambda: PolynormerAttention(CHANNELS, HEADS, WIDTH), 0.01),
    ],
)
def test_padding_leaks_into_linear_attentions_of_pyg(
    module: Callable[[], torch.nn.Module], least: float
) -> None:
    """An expected difference."""
    torch.manual_seed(0)
    assert leak(module().eval()) > least


@pytest.mark.parametrize(("kind", "near"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
def test_exact_attention_equals_gpsconv(kind: torch.dtype, near: float) -> None:
    """Output and gradients of GPSConv with its attention, and with ours in the same place."""
    torch.manual_seed(0)
    conv = GPSConv(CHANNELS, None, HEADS, norm="layer_norm", dropout=0.0).to(kind)
    ours = ExactAttention(CHANNELS, HEADS).to(kind)
    ours.load_state_dict(conv.attn.state_dict())
    x, batch = batch_of([9, 1, 40, 9, 23])
    results = []
    for attend in (None, ours):
        features = x.to(kind).requires_grad_()
        if attend is None:
            out = conv(features, torch.zeros(2, 0).long(), batch)
            weights = [conv.attn.in_proj_weight, conv.attn.out_proj.weight]
        else:
            h = conv.norm2(features + attend(features, batch), batch=batch)
            out = conv.norm3(h + conv.mlp(h), batch=batch)
            weights = [attend.in_proj_weight, attend.out_proj.weight]
        gradients = torch.autograd.grad(out.square().sum(), [features, *weights])
        results.append([out.detach(), *gradients])
    for mine, wanted in zip(*results, strict=True):
        scale = max(1.0, float(wanted.abs().max()))
        assert (mine - wanted).abs().max() <= near * scale


@pytest.mark.parametrize(("kind", "near"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
def test_exact_attention_takes_the_state_of_multihead_attention(
    kind: torch.dtype, near: float
) -> None:
    torch.manual_seed(1)
    theirs = torch.nn.MultiheadAttention(CHANNELS, HEADS, batch_first=True, dtype=kind)
    ours = ExactAttention(CHANNELS, HEADS).to(kind)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict(theirs.state_dict())
    x, batch = batch_of([3, 17, 3], 1)
    x = x.to(kind)
    dense, mask = to_dense_batch(x, batch)
    wanted = theirs(dense, dense, dense, key_padding_mask=~mask, need_weights=False)[0][mask]
    assert (ours(x, batch) - wanted).abs().max() <= near
