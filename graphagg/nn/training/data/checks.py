"""Checks graphs before training: types, shapes, ids and labels."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphagg.errors import InvalidDataset, InvalidFeatures
from graphagg.nn.training.data.graphs import GraphColumn, Graphs

REQUIREMENTS = {
    "x": "a tensor [N, F] of real numbers or categories, with at least one column",
    "edge_index": "[2, E] integers, a tensor",
    "edge_attr": "a tensor [E] or [E, k] of real numbers or categories",
    "y": "a tensor of labels, such as torch.tensor([1]) for a graph",
    "edge_label_index": "[2, P] integers, a tensor",
    "edge_label": "a tensor [P] of labels",
}
USE_PYG_LAYERS = (
    ". Graphs of several kinds of vertices are for a model of your own, with aggregators of "
    "graphagg in PyG's layers: HeteroConv({('paper', 'by', 'author'): SAGEConv((-1, -1), 64, "
    "aggr=LCMAggregation(WIDTH, WIDTH))})"
)
_KEPT = (torch.float32, torch.float64, torch.int64)


def check_tensors(name: str, graphs: Sequence[object]) -> None:
    """Check types and shapes of each graph's attributes; `name` is used in `InvalidDataset`."""
    for index, graph in enumerate(graphs):
        if not isinstance(graph, Data):
            raise InvalidDataset(
                f"{name}: item {index} is a {type(graph).__name__}, expected a PyG Data"
                f"{USE_PYG_LAYERS if isinstance(graph, HeteroData) else ''}"
            )
        for key, requirement in REQUIREMENTS.items():
            value = graph.get(key)
            where = f"{name}: {key} of graph {index} is"
            if value is None:
                continue
            if not isinstance(value, Tensor):
                raise InvalidDataset(
                    f"{where} of type {type(value).__name__}; expected {requirement}"
                )
            if not _can_be(key, value):
                raise InvalidDataset(
                    f"{where} {list(value.shape)} of {value.dtype}; expected {requirement}"
                )


def _can_be(key: str, value: Tensor) -> bool:
    if key.endswith("index"):
        whole = not value.dtype.is_floating_point and not value.dtype.is_complex
        pairs = value.dim() == 2 and value.size(0) == 2
        return whole and pairs and value.dtype is not torch.bool
    scalar = value.dim() == 0 and key not in ("y", "edge_label")
    return not scalar and 0 not in value.shape[1:] and not value.dtype.is_complex


def widen(graphs: Sequence[Data]) -> Sequence[Data]:
    """Convert 16-bit floats to float32 and small integers to int64, in copies.

    Layers, embeddings and gathers support only these types. If nothing changes, returns `graphs`.
    """
    wide = [_wide(graph) for graph in graphs]
    same = all(new is old for new, old in zip(wide, graphs, strict=True))
    return graphs if same else wide


def _wide(graph: Data) -> Data:
    odd = {
        key: value
        for key in REQUIREMENTS
        if (value := graph.get(key)) is not None and value.dtype not in _KEPT
    }
    if not odd:
        return graph
    graph = copy(graph)
    for key, value in odd.items():
        graph[key] = value.float() if value.dtype.is_floating_point else value.long()
    return graph


def check_features(name: str, key: str, column: GraphColumn) -> None:
    """Raise `InvalidFeatures` for NaN, infinity or a negative category."""
    values = column.values
    if values.dtype.is_floating_point:
        bad = ~torch.isfinite(values)
        if bool(bad.any()):
            position = bad.nonzero()[0].tolist()
            raise InvalidFeatures(
                f"{name}: {key} holds {values[tuple(position)].item()} in row {position[0]}, "
                f"{int(bad.sum()):,} such values in all; expected finite numbers"
            )
    elif values.numel() and int(values.min()) < 0:
        raise InvalidFeatures(
            f"{name}: {key} holds the category {int(values.min())}; expected 0, 1, ..."
        )


def check_ids(name: str, flat: Graphs, key: str) -> None:
    """Raise `InvalidDataset` if an edge, or a pair to predict, refers to a missing vertex."""
    column = flat.columns[key]
    owner = torch.repeat_interleave(torch.arange(len(flat)), column.ptr.diff())
    limit = flat.vertex_ptr.diff()[owner]
    bad = ((column.values < 0) | (column.values >= limit)).any(dim=0)
    if bool(bad.any()):
        at = int(bad.nonzero()[0])
        graph = int(owner[at])
        raise InvalidDataset(
            f"{name}: {'an edge' if key == 'edge_index' else 'a pair'} of graph {graph} joins "
            f"{column.values[:, at].tolist()}, but its vertices are 0 to {int(limit[at]) - 1}"
        )


def check_rows(name: str, flat: Graphs, key: str, counts: Tensor, what: str) -> None:
    """Raise `InvalidDataset` unless each graph has `counts[g]` rows of `key`, one per `what`."""
    rows = flat.columns[key].ptr.diff()
    odd = (rows != counts).nonzero().flatten()
    if len(odd):
        at = int(odd[0])
        raise InvalidDataset(
            f"{name}: graph {at} has {int(rows[at]):,} rows of {key}, expected "
            f"{int(counts[at]):,}, one per {what}"
        )


def check_labels(name: str, key: str, labels: Tensor) -> None:
    """Raise an error for infinity or a class below -1; NaN and -1 are unknown labels."""
    if labels.dtype.is_floating_point:
        if bool(labels.isinf().any()):
            at = int(labels.isinf().nonzero()[0, 0])
            raise InvalidFeatures(
                f"{name}: {key} holds inf in row {at}; expected finite numbers, or NaN where a "
                "label is unknown"
            )
    elif labels.numel() and int(labels.min()) < -1:
        at = int((labels < -1).nonzero()[0, 0])
        raise InvalidDataset(
            f"{name}: {key} holds the class {int(labels[at].min())} in row {at}; expected "
            "0, 1, ..., or -1 where a label is unknown"
        )


def unknown_rows(labels: Tensor) -> Tensor:
    """Return a mask `[n]` of the rows of `[n]` or `[n, T]` labels that are all NaN or -1."""
    rows = labels.flatten(1) if labels.dim() > 1 else labels.unsqueeze(1)
    missing = rows.isnan() if rows.dtype.is_floating_point else rows == -1
    return missing.all(dim=1)
