"""Read a data set from one `.npz` file of arrays, without pickle. `save_npz` writes this form.

N vertices, E edges and P pairs are counted over all G graphs:

node_ptr `[G + 1]`, edge_ptr `[G + 1]`: offsets of each graph's vertices and edges.
x `[N, F]`: categories (integers from 0) or real features.
edge_index `[2, E]`: vertices are numbered from 0 in each graph.
edge_attr `[E]` or `[E, k]`: optional edge features.
y `[G]` or `[G, T]`: labels of graphs; `[N]`: labels of vertices. Without `y` the task is to predict
    pairs: pair_ptr `[G + 1]`, edge_label_index `[2, P]`, edge_label `[P]`.
train, val, test `[n]` or `[S, n]`: the numbers of the graphs in each part, for S splits, padded
    with -1. If there is one graph with labels per vertex, they number its vertices.
directed: one boolean. If it is missing or false and no edge is listed in both directions, the edges
    are undirected, and are mirrored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset
from graphagg.nn.training.data.arrays import (
    INTEGERS,
    Arrays,
    columns,
    index_tensor,
    label_tensor,
    load_arrays,
    misfit,
    offsets,
    take,
)
from graphagg.nn.training.data.dataset import PARTS, GraphData, Level, Split

_Parts = dict[str, tuple[Tensor, list[int]]]
"""Attributes of all graphs, each with the offsets of the graphs."""


def read_npz(path: Path) -> GraphData:
    """Read graphs, labels and splits.

    Raises `UnreadableFile`, or `InvalidDataset` for arrays that are missing or inconsistent.
    """
    arrays = load_arrays(path)
    level, graphs = _graphs(path, arrays, labeled=True)
    return GraphData(path.stem, level, graphs, _splits(path, arrays))


def read_graphs(path: Path) -> list[Data]:
    """Read the graphs without splits; labels are optional. Raises as `read_npz`."""
    return _graphs(path, load_arrays(path), labeled=False)[1]


def _graphs(path: Path, arrays: Arrays, labeled: bool) -> tuple[Level, list[Data]]:
    node_ptr, x, pairs = take(path, arrays, "node_ptr", "x", "edge_index")
    features, edges = columns(path, "x", x), index_tensor(path, "edge_index", pairs)
    nodes = offsets(path, "node_ptr", node_ptr, len(features))
    edge_ends = _graph_offsets(path, "edge_ptr", arrays, edges, nodes)
    parts: _Parts = {"x": (features, nodes), "edge_index": (edges, edge_ends)}
    if "edge_attr" in arrays:
        attributes = columns(path, "edge_attr", arrays["edge_attr"])
        _check_rows(path, "edge_attr", attributes, "edge_index", edges)
        parts["edge_attr"] = attributes, edge_ends
    level, labels = _labels(path, arrays, nodes, labeled)
    parts |= labels
    graphs = []
    for g in range(len(nodes) - 1):
        values = {
            name: rows.narrow(int(name.endswith("index")), ptr[g], ptr[g + 1] - ptr[g])
            for name, (rows, ptr) in parts.items()
        }
        graphs.append(Data(**values))
    directed = "directed" in arrays and bool(arrays["directed"].any())
    owner = torch.repeat_interleave(torch.arange(len(graphs)), torch.tensor(edge_ends).diff())
    if not directed and _one_direction(edges + torch.tensor(nodes)[owner]):
        graphs = [_mirrored(graph) for graph in graphs]
    return level, graphs


def _graph_offsets(
    path: Path, name: str, arrays: Arrays, pairs: Tensor, nodes: list[int]
) -> list[int]:
    """Read offsets into pairs `[2, n]`, as many as those of the vertices."""
    starts = offsets(path, name, take(path, arrays, name)[0], pairs.size(1))
    if len(starts) != len(nodes):
        raise InvalidDataset(
            f"{path}: {len(starts)} offsets in {name}, {len(nodes)} in node_ptr; wanted as many, "
            "one per graph and one more"
        )
    return starts


def _check_rows(path: Path, name: str, values: Tensor, of: str, pairs: Tensor) -> None:
    """Raise `InvalidDataset` unless there is one row for each of the pairs `[2, n]`."""
    if len(values) != pairs.size(1):
        raise InvalidDataset(
            f"{path}: {name} has {len(values)} rows, {of} {pairs.size(1)} pairs; wanted one each"
        )


def _labels(path: Path, arrays: Arrays, nodes: list[int], labeled: bool) -> tuple[Level, _Parts]:
    if "y" not in arrays and ("edge_label" in arrays or "edge_label_index" in arrays):
        return "edge", _pairs(path, arrays, nodes, labeled)
    if "y" not in arrays and not labeled:
        return "graph", {}
    (y,) = take(path, arrays, "y")
    labels, graphs = label_tensor(path, "y", y), len(nodes) - 1
    if len(labels) == graphs:
        return "graph", {"y": (labels, list(range(graphs + 1)))}
    if len(labels) == nodes[-1]:
        return "node", {"y": (labels, nodes)}
    raise InvalidDataset(
        f"{path}: {len(labels):,} labels in y; wanted {graphs:,}, one per graph, or "
        f"{nodes[-1]:,}, one per vertex"
    )


def _pairs(path: Path, arrays: Arrays, nodes: list[int], labeled: bool) -> _Parts:
    (pairs,) = take(path, arrays, "edge_label_index")
    index = index_tensor(path, "edge_label_index", pairs)
    ends = _graph_offsets(path, "pair_ptr", arrays, index, nodes)
    parts: _Parts = {"edge_label_index": (index, ends)}
    if labeled or "edge_label" in arrays:
        labels = label_tensor(path, "edge_label", take(path, arrays, "edge_label")[0])
        _check_rows(path, "edge_label", labels, "edge_label_index", index)
        parts["edge_label"] = labels, ends
    return parts


def _splits(path: Path, arrays: Arrays) -> tuple[Split, ...]:
    missing = [subset for subset in PARTS if subset not in arrays]
    if missing:
        raise InvalidDataset(
            f"{path}: no split; wanted arrays train, val and test, found no {', '.join(missing)}: "
            "graphagg.nn.random_splits draws them"
        )
    tables = []
    for name in PARTS:
        array = arrays[name]
        if array.ndim not in (1, 2) or (array.size and array.dtype.kind not in INTEGERS):
            raise misfit(path, name, array, "integers [n] or [S, n], padded with -1")
        ids = np.atleast_2d(array).astype(np.int64)
        if ids.size and ids.min() < -1:
            raise InvalidDataset(
                f"{path}: {name} holds {ids.min()}; wanted numbers from 0, or -1 as padding"
            )
        tables.append(ids)
    rows = [len(ids) for ids in tables]
    if len(set(rows)) != 1:
        raise InvalidDataset(
            f"{path}: train, val and test hold {rows[0]}, {rows[1]} and {rows[2]} splits; wanted "
            "the same number of each, one row per split"
        )
    return tuple(
        Split(str(s), *(torch.from_numpy(ids[s][ids[s] >= 0]) for ids in tables))
        for s in range(rows[0])
    )


def _one_direction(edges: Tensor) -> bool:
    """Whether no edge of `[2, E]`, except loops, is listed in both directions."""
    pairs = edges[:, edges[0] != edges[1]]
    if not pairs.numel():
        return False
    base = int(pairs.max()) + 1
    there, back = pairs[0] * base + pairs[1], pairs[1] * base + pairs[0]
    return not bool(torch.isin(there, back).any())


def _mirrored(graph: Data) -> Data:
    edges = graph.edge_index
    assert edges is not None
    other = (edges[0] != edges[1]).nonzero().flatten()
    graph.edge_index = torch.cat([edges, edges[:, other].flip(0)], dim=1)
    if graph.edge_attr is not None:
        graph.edge_attr = torch.cat([graph.edge_attr, graph.edge_attr[other]])
    return graph
