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
from typing import Any

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
    node_ptr, edge_ptr, edges, x = take(path, arrays, "node_ptr", "edge_ptr", "edge_index", "x")
    features, edge_index = columns(path, "x", x), index_tensor(path, "edge_index", edges)
    attributes = _edge_attributes(path, arrays, edge_index)
    nodes = offsets(path, "node_ptr", node_ptr, len(features))
    ends = _graph_offsets(path, "edge_ptr", edge_ptr, edge_index.size(1), nodes)
    owner = torch.repeat_interleave(torch.arange(len(ends) - 1), torch.tensor(ends).diff())
    directed = "directed" in arrays and bool(arrays["directed"].any())
    mirror = not directed and _one_direction(edge_index + torch.tensor(nodes)[owner])
    level, labels_of = _labels(path, arrays, nodes, labeled)
    graphs = []
    for g in range(len(nodes) - 1):
        rows, edges_here = slice(nodes[g], nodes[g + 1]), slice(ends[g], ends[g + 1])
        values = {"x": features[rows], "edge_index": edge_index[:, edges_here], **labels_of(g)}
        if attributes is not None:
            values["edge_attr"] = attributes[edges_here]
        graphs.append(_mirrored(Data(**values)) if mirror else Data(**values))
    return level, graphs


def _graph_offsets(path: Path, name: str, ptr: Any, rows: int, nodes: list[int]) -> list[int]:
    """Check offsets into `rows` rows, as many as those of the vertices."""
    starts = offsets(path, name, ptr, rows)
    if len(starts) != len(nodes):
        raise InvalidDataset(
            f"{path}: {len(starts)} offsets in {name}, {len(nodes)} in node_ptr; wanted as many, "
            "one per graph and one more"
        )
    return starts


def _labels(path: Path, arrays: Arrays, nodes: list[int], labeled: bool) -> tuple[Level, Any]:
    if "y" not in arrays and ("edge_label" in arrays or "edge_label_index" in arrays):
        return "edge", _pairs(path, arrays, nodes, labeled)
    if "y" not in arrays and not labeled:
        return "graph", lambda g: {}
    (y,) = take(path, arrays, "y")
    labels, graphs = label_tensor(path, "y", y), len(nodes) - 1
    if len(labels) == graphs:
        return "graph", lambda g: {"y": labels[g : g + 1]}
    if len(labels) == nodes[-1]:
        return "node", lambda g: {"y": labels[nodes[g] : nodes[g + 1]]}
    raise InvalidDataset(
        f"{path}: {len(labels):,} labels in y; wanted {graphs:,}, one per graph, or "
        f"{nodes[-1]:,}, one per vertex"
    )


def _pairs(path: Path, arrays: Arrays, nodes: list[int], labeled: bool) -> Any:
    ptr, pairs = take(path, arrays, "pair_ptr", "edge_label_index")
    index = index_tensor(path, "edge_label_index", pairs)
    label = None
    if labeled or "edge_label" in arrays:
        label = label_tensor(path, "edge_label", take(path, arrays, "edge_label")[0])
    if label is not None and len(label) != index.size(1):
        raise InvalidDataset(
            f"{path}: edge_label has {len(label)} rows, edge_label_index {index.size(1)} pairs; "
            "wanted one label per pair"
        )
    ends = _graph_offsets(path, "pair_ptr", ptr, index.size(1), nodes)

    def of_graph(g: int) -> dict[str, Tensor]:
        pairs_here = slice(ends[g], ends[g + 1])
        pairs = {"edge_label_index": index[:, pairs_here]}
        return pairs if label is None else {**pairs, "edge_label": label[pairs_here]}

    return of_graph


def _edge_attributes(path: Path, arrays: Arrays, index: Tensor) -> Tensor | None:
    """Read the edge features: one row per listed edge, before edges are mirrored."""
    if "edge_attr" not in arrays:
        return None
    values = columns(path, "edge_attr", arrays["edge_attr"])
    if len(values) != index.size(1):
        raise InvalidDataset(
            f"{path}: edge_attr has {len(values)} rows, edge_index {index.size(1)}; wanted one each"
        )
    return values


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
