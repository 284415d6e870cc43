"""GPSLayer against PyTorch Geometric's GPSConv with the same weights.

What differs on purpose: GPSConv has no edge updates, and adds its own residual around convolutions
that have one; its attentions other than `multihead` let padding into the normalizer, so they are
compared on a single graph only.
"""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch_geometric")

import torch
from torch import Tensor
from torch_geometric.nn import GATConv, GCNConv, GINEConv, GPSConv, ResGatedGraphConv

from graphagg.nn import AttentionConfig, GPSLayer, LayerOptions
from graphagg.nn.config.model import Norm
from tests.unit.nn.gps.graphs import ragged_batch

CHANNELS, HEADS = 16, 4
TOLERANCE = {"rtol": 0.0, "atol": 1e-6}
Norms = {"batch": "batch_norm", "layer": "layer_norm", "none": None}


def gine() -> torch.nn.Module:
    linear = torch.nn.Linear(CHANNELS, CHANNELS)
    return GINEConv(torch.nn.Sequential(linear, torch.nn.ReLU(), torch.nn.Linear(16, CHANNELS)))


def gcn() -> torch.nn.Module:
    return GCNConv(CHANNELS, CHANNELS)


def gat() -> torch.nn.Module:
    return GATConv(CHANNELS, CHANNELS // HEADS, HEADS, edge_dim=CHANNELS)


def pair(
    conv: torch.nn.Module | None, norm: Norm, edge_channels: int | None
) -> tuple[GPSConv, GPSLayer]:
    theirs = GPSConv(CHANNELS, conv, heads=HEADS, norm=Norms[norm], norm_kwargs=_per_vertex(norm))
    ours = GPSLayer(
        CHANNELS,
        copy.deepcopy(conv),
        AttentionConfig(heads=HEADS),
        edge_channels=edge_channels,
        layer=LayerOptions(norm=norm),
    )
    for target, source in (
        (ours.attention, theirs.attn),
        (ours.feedforward, theirs.mlp),
        (getattr(ours, "local_norm", None), theirs.norm1),
        (ours.attention_norm, theirs.norm2),
        (ours.norm, theirs.norm3),
    ):
        if source is not None and target is not None:
            target.load_state_dict(weights(source))
    return theirs, ours


def _per_vertex(norm: Norm) -> dict[str, str] | None:
    # PyG's LayerNorm takes statistics over a whole graph by default, GraphGPS over a vertex.
    return {"mode": "node"} if norm == "layer" else None


def weights(module: torch.nn.Module) -> dict[str, Tensor]:
    """The state of a module, or of what PyG's BatchNorm wraps."""
    return {name.removeprefix("module."): value for name, value in module.state_dict().items()}


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize(("conv", "takes_edges"), [(gine, True), (gcn, False), (gat, True)])
@pytest.mark.parametrize("training", [False, True])
def test_equals_gpsconv(conv, takes_edges: bool, norm: Norm, training: bool) -> None:
    torch.manual_seed(0)
    theirs, ours = pair(conv(), norm, CHANNELS if takes_edges else None)
    x, edge_index, edge_attr, batch = ragged_batch((5, 1, 12, 3), CHANNELS)
    theirs.train(training), ours.train(training)
    left, right = x.clone().requires_grad_(), x.clone().requires_grad_()
    extra = {"edge_attr": edge_attr} if takes_edges else {}
    wanted = theirs(left, edge_index, batch, **extra)
    found, edges = ours(right, edge_index, extra.get("edge_attr"), batch=batch)
    torch.testing.assert_close(found, wanted, **TOLERANCE)
    assert edges is extra.get("edge_attr")
    weight = torch.randn_like(wanted)
    (wanted * weight).sum().backward()
    (found * weight).sum().backward()
    assert left.grad is not None and right.grad is not None
    torch.testing.assert_close(right.grad, left.grad, rtol=1e-5, atol=1e-5)


def test_equals_gpsconv_without_a_local_part() -> None:
    torch.manual_seed(1)
    theirs, ours = pair(None, "batch", None)
    x, edge_index, _, batch = ragged_batch((4, 9), CHANNELS)
    found, _ = ours(x, edge_index, batch=batch)
    torch.testing.assert_close(found, theirs(x, edge_index, batch), **TOLERANCE)


def test_gpsconv_keeps_edges_and_doubles_residuals_where_gatedgcn_does_not() -> None:
    torch.manual_seed(2)
    x, edge_index, edge_attr, batch = ragged_batch((6, 6), CHANNELS)
    theirs = GPSConv(CHANNELS, ResGatedGraphConv(CHANNELS, CHANNELS, edge_dim=CHANNELS), HEADS)
    assert isinstance(theirs(x, edge_index, batch, edge_attr=edge_attr), Tensor)
    ours = GPSLayer(CHANNELS, "gatedgcn", AttentionConfig(heads=HEADS), edge_channels=CHANNELS)
    _, edges = ours(x, edge_index, edge_attr, batch=batch)
    assert edges.shape == edge_attr.shape and not torch.allclose(edges, edge_attr)


def test_gpsconv_with_performer_depends_on_the_batch() -> None:
    """An expected difference: padded keys stay in PyG's normalizer."""
    torch.manual_seed(3)
    theirs = GPSConv(CHANNELS, None, heads=HEADS, attn_type="performer", norm=None).eval()
    x, edge_index, _, batch = ragged_batch((5, 60), CHANNELS)
    alone = theirs(x[:5], edge_index[:, :0], batch[:5])
    assert (theirs(x, edge_index[:, :0], batch)[:5] - alone).abs().max() > 1e-3
