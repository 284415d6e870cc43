"""Layers and aggregators beside PyG's on one device: the shapes of the README, and two larger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import GINEConv, GPSConv
from torch_geometric.nn.aggr import LCMAggregation as PyGLCMAggregation

from benchmarks.gpu.timing import figures
from benchmarks.learning.aggregation import Graph
from benchmarks.learning.attention import batch_of, log_normal_sizes, zinc_sizes
from graphagg.nn.aggr import LCMAggregation
from graphagg.nn.gps import GPSLayer

WIDTH, HEADS = 64, 4
KINDS = (torch.float32, torch.bfloat16)
SHAPES: dict[str, Callable[[], list[int]]] = {
    "128 ZINC-size graphs": zinc_sizes,
    "2000+1000+500+61x20": lambda: [2000, 1000, 500, *[20] * 61],
    "256 log-normal, N 28,537, max 3,270": log_normal_sizes,
    "one graph of 8,192": lambda: [8192],
    "2,048 ZINC-size graphs": lambda: zinc_sizes() * 16,
    "1,024 log-normal, N 114,148, max 3,270": lambda: log_normal_sizes() * 4,
}
SMALL: dict[str, Callable[[], list[int]]] = {
    "16 ZINC-size graphs": lambda: zinc_sizes()[:16],
    "100+50+5x20": lambda: [100, 50, *[20] * 5],
}
GRAPHS = (
    Graph("power law, 2,000", 2_000, True, 1),
    Graph("power law, 50,000", 50_000, True, 1),
    Graph("all 10, 50,000", 50_000, False, 1),
    Graph("power law, 500,000", 500_000, True, 1),
    Graph("all 10, 500,000", 500_000, False, 1),
)
SMALL_GRAPHS = (Graph("power law, 200", 200, True, 1),)


def layers(device: str, *, local: bool) -> Iterator[dict[str, Any]]:
    """Rows of a GPS layer beside GPSConv, with GINE or without message passing."""
    for name, sizes in (SMALL if device == "cpu" else SHAPES).items():
        x, edges, batch = (t.detach().to(device) for t in batch_of(sizes()))
        for kind in KINDS:
            rows = x.to(kind).requires_grad_()
            attr = torch.ones(edges.size(1), WIDTH, device=device, dtype=kind) if local else None
            pair = {}
            for who, layer in _pair(local).items():
                moved = layer.to(device, kind)
                call = _call(who, moved, rows, edges, attr, batch)
                pair[who] = figures(call, lambda m=moved, r=rows: _clear(m, r), device)  # type: ignore[misc]
            yield _row({"batch": name}, kind, pair)


def monoids(device: str) -> Iterator[dict[str, Any]]:
    """Rows of LCM aggregation beside PyG's, which pads to the largest degree."""
    for graph in SMALL_GRAPHS if device == "cpu" else GRAPHS:
        index = graph.index().to(device)
        for kind in KINDS:
            generator = torch.Generator().manual_seed(0)
            x = torch.randn(len(index), WIDTH, generator=generator).to(device, kind)
            x.requires_grad_()
            pair = {}
            for who, make in (("ours", LCMAggregation), ("PyG", PyGLCMAggregation)):
                module = make(WIDTH, WIDTH, project=False).to(device, kind)

                def call(module: Any = module, x: Tensor = x) -> Tensor:
                    out: Tensor = module(x, index, dim_size=graph.vertices)  # noqa: B023
                    return out

                pair[who] = figures(call, lambda m=module, r=x: _clear(m, r), device)  # type: ignore[misc]
            yield _row({"graph": graph.name}, kind, pair)


def _pair(local: bool) -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    conv = None
    if local:
        linear = torch.nn.Linear
        mlp = torch.nn.Sequential(linear(WIDTH, WIDTH), torch.nn.ReLU(), linear(WIDTH, WIDTH))
        conv = GINEConv(mlp)
    ours = GPSLayer(
        WIDTH, "gine" if local else None, "exact", heads=HEADS,
        edge_channels=WIDTH if local else None,
    )  # fmt: skip
    return {"ours": ours, "PyG": GPSConv(WIDTH, conv, heads=HEADS)}


def _call(
    who: str, layer: Any, x: Tensor, edges: Tensor, attr: Tensor | None, batch: Tensor
) -> Callable[[], Tensor]:
    if who == "ours":
        return lambda: layer(x, edges, attr, batch=batch)[0]
    more = {} if attr is None else {"edge_attr": attr}
    return lambda: layer(x, edges, batch, **more)


def _clear(module: torch.nn.Module, x: Tensor) -> None:
    module.zero_grad()
    x.grad = None


def _row(what: dict[str, Any], kind: torch.dtype, pair: dict[str, dict]) -> dict[str, Any]:
    ours, peer = pair["ours"], pair["PyG"]
    row = {**what, "type": str(kind).removeprefix("torch.")}
    for key in ("forward ms", "forward+backward ms", "peak MiB"):
        row[f"ours {key}"] = ours.get(key, "-")
        row[f"PyG {key}"] = peer.get(key, "-")
        if key in ours and key in peer and ours[key]:
            row[f"{key}: times"] = round(peer[key] / ours[key], 2)
    for who, found in pair.items():
        if "no result" in found:
            row[f"{who}: no result"] = found["no result"]
    return row
