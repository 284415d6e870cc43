from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphagg.errors import InvalidBatch, InvalidFeatures, InvalidParameter
from graphagg.nn import AttentionConfig, GPSLayer, LayerOptions, LocalConfig
from graphagg.nn.dropout import Dropout, drop
from tests.unit.nn.descent import assert_a_step_lowers_the_loss
from tests.unit.nn.gps.graphs import ragged_batch

CHANNELS = 8
LOCALS = ("gatedgcn", "gine", "gcn", "none")
EXACT = {"rtol": 0.0, "atol": 1e-9}


def layer_of(local: str, attention: str, **given: object) -> GPSLayer:
    torch.manual_seed(5)
    attention_config = AttentionConfig(attention, heads=2)
    edge_channels = None if local in ("gcn", "none") else CHANNELS
    layer = GPSLayer(CHANNELS, local, attention_config, edge_channels=edge_channels, **given)
    return layer.double().eval()


def run(
    layer: GPSLayer, x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, list[Tensor]]:
    """Outputs for vertices and edges; gradients of a nonlinear sum of both: inputs, parameters."""
    x, edge_attr = x.clone().requires_grad_(), edge_attr.clone().requires_grad_()
    reads = layer.local is not None and layer.local.reads_edges
    out, edges = layer(x, edge_index, edge_attr if reads else None, batch=batch)
    edges = edge_attr if edges is None else edges
    loss = out.sin().sum() + edges.sin().sum()
    given = [x, edge_attr, *layer.parameters()]
    grads = torch.autograd.grad(loss, given, allow_unused=True)
    grads = [torch.zeros_like(p) if g is None else g for p, g in zip(given, grads, strict=True)]
    return out.detach(), edges.detach(), *grads[:2], grads[2:]


@pytest.mark.parametrize("attention", ["exact", "none"])
@pytest.mark.parametrize("local", LOCALS[:-1])
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_renaming_vertices_renames_the_result(local: str, attention: str, seed: int) -> None:
    layer = layer_of(local, attention)
    x, edge_index, edge_attr, _ = ragged_batch([7], CHANNELS, seed, torch.float64)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    new_name = order.argsort()
    out, edges, *_ = run(layer, x, edge_index, edge_attr, None)
    moved, moved_edges, *_ = run(layer, x[order], new_name[edge_index], edge_attr, None)
    torch.testing.assert_close(moved, out[order], **EXACT)
    torch.testing.assert_close(moved_edges, edges, **EXACT)


def test_the_order_of_gnn_plus() -> None:
    x, edge_index, edge_attr, _ = ragged_batch([6], CHANNELS, dtype=torch.float64)
    options = LayerOptions(norm="layer", feedforward=0, order="gnn+")
    layer = layer_of("gine", "none", layer=options)
    h, _ = layer.local(x, edge_index, edge_attr)
    wanted = x + torch.nn.functional.layer_norm(h, [CHANNELS]).relu()
    torch.testing.assert_close(layer(x, edge_index, edge_attr)[0], wanted, **EXACT)


@pytest.mark.parametrize("local", ["gatedgcn", "gine"])
def test_any_aggregator_is_a_part_of_the_local_part(local: str) -> None:
    """A GPS layer with an LCM aggregator trains."""
    from graphagg.nn import LCMAggregation

    torch.manual_seed(0)
    x, edge_index, edge_attr, batch = ragged_batch([6, 5], CHANNELS, dtype=torch.float64)
    layer = GPSLayer(CHANNELS, LocalConfig(local, "lcm"), edge_channels=CHANNELS).double()
    assert any(isinstance(m, LCMAggregation) for m in layer.modules())
    target = torch.randn_like(x)
    assert_a_step_lowers_the_loss(
        layer, lambda: (layer(x, edge_index, edge_attr, batch=batch)[0] - target).square().mean()
    )
    # The last edges of GatedGCN, and the vertices without neighbors, are not in this loss.
    unused = [n for n, p in layer.named_parameters() if p.grad is None]
    assert not [n for n in unused if "identity" not in n and "norm_e" not in n], unused


def test_what_cannot_be_is_said() -> None:
    x, edge_index, edge_attr, batch = ragged_batch([5, 4], CHANNELS)
    with pytest.raises(InvalidParameter, match=r"are None and layer\.feedforward is 0"):
        GPSLayer(CHANNELS, None, None, layer=LayerOptions(feedforward=0))
    plain = GPSLayer(CHANNELS, None, None, layer=LayerOptions(feedforward=0, order="plain"))
    torch.testing.assert_close(plain(x, edge_index)[0], x.relu())
    with pytest.raises(InvalidParameter, match="heads is 3, expected a divisor of channels"):
        GPSLayer(CHANNELS, None, AttentionConfig(heads=3))
    with pytest.raises(InvalidParameter, match="exact"):
        GPSLayer(CHANNELS, None, "exakt")
    with pytest.raises(InvalidParameter, match="gatedgcn"):
        GPSLayer(CHANNELS, "gatedgnc")
    with pytest.raises(
        InvalidParameter, match="norm is 'bach', expected one of batch, layer, none"
    ):
        LayerOptions(norm="bach")  # type: ignore[arg-type]
    layer = GPSLayer(CHANNELS, edge_channels=CHANNELS)
    with pytest.raises(InvalidFeatures, match="edge_attr"):
        layer(x, edge_index, None, batch=batch)
    for wrong in ({"batch": batch - 1}, {"ptr": torch.tensor([0, 9, 5, 9])}):
        with pytest.raises(InvalidBatch):
            layer(x, edge_index, edge_attr, **wrong)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(probability: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(401, 503, requires_grad=True)
    out = drop(x, probability)
    kept = out != 0
    assert abs(kept.float().mean() - (1 - probability)) < 5e-3
    wanted = torch.full_like(out[kept], 1 / (1 - probability))
    torch.testing.assert_close(out[kept], wanted, rtol=1e-3, atol=0)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(gradient, out.detach())
    assert torch.equal(Dropout(probability).eval()(x), x)
