"""What every local part refuses in what it is given, and what it takes all the same."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch_geometric.nn.conv import GATConv, LGConv, TransformerConv

from graphagg.errors import InvalidFeatures
from graphagg.nn.conv import NAMES, LocalPart, make_local_part
from tests.unit.nn.conv.graphs import random_graph

D = 4
GRAPH = random_graph(5, 12, D, 3)
X, EDGES, ATTR = GRAPH.x.float(), GRAPH.edge_index, GRAPH.edge_attr.float()
LOCAL_PARTS = {
    **{name: partial(make_local_part, name, D) for name in NAMES},
    "gatedgcn": lambda: make_local_part("gatedgcn", D, D),
    "gine": lambda: make_local_part("gine", D, D),
    "gatedgcn, no edges": lambda: make_local_part("gatedgcn", D),
    "gine, wide edges": lambda: make_local_part("gine", D, 3),
    "TransformerConv": lambda: make_local_part(TransformerConv(D, D, edge_dim=D), D, D),
    "given": lambda: make_local_part(GATConv(D, D, edge_dim=D), D, D),
    "no weights": lambda: make_local_part(LGConv(), D),
}


def run(part: LocalPart, x: Tensor = X, attr: Tensor = ATTR) -> Tensor:
    edges = attr[:, : part.edge_channels] if part.reads_edges else None
    out: Tensor = part(x, EDGES, edges)[0]
    return out


def spoilt(values: Tensor, row: int, value: float) -> Tensor:
    values = values.clone()
    values[row, 1] = value
    return values


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", LOCAL_PARTS)
def test_what_is_not_finite_is_refused_where_it_is_read(name: str, value: float) -> None:
    part = LOCAL_PARTS[name]()
    run(part)
    with pytest.raises(InvalidFeatures, match="row 2 of x holds NaN"):
        run(part, x=spoilt(X, 2, value))
    bad = spoilt(ATTR, 7, value)
    if part.reads_edges:
        with pytest.raises(InvalidFeatures, match="row 7 of edge_attr holds NaN"):
            run(part, attr=bad)


@pytest.mark.parametrize("name", LOCAL_PARTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64, torch.bool])
def test_x_of_another_type_than_the_weights(name: str, dtype: torch.dtype) -> None:
    part = LOCAL_PARTS[name]()
    if name in ("no weights", "propagation") and dtype.is_floating_point:
        assert run(part, x=X.to(dtype)).dtype == dtype
        return
    message = f"{type(part).__name__}: x is of type {dtype}; expected "
    with pytest.raises(InvalidFeatures, match=message):
        run(part, x=X.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", LOCAL_PARTS)
def test_autocast_brings_the_types_together(name: str, dtype: torch.dtype) -> None:
    part = LOCAL_PARTS[name]().eval()
    wanted = run(part)
    with torch.autocast("cpu", torch.bfloat16):
        found = run(part, X.to(dtype), ATTR.to(dtype))
    torch.testing.assert_close(found.float(), wanted, rtol=0.1, atol=0.1)
