"""Data sets in neutral `.npz` files, read without pickle.

Three forms are known, told apart by the arrays they hold (the first that fits):

many graphs: `node_ptr[G+1]`, `edge_ptr[G+1]` offsets; `x[N,F]` categories (integers) or real
    features, and / or `node_attr[N,F]` real features (categories beside those become one-hot
    columns); `edge_index[2,E]` ids local to the graph; perhaps `edge_attr[E]` or `[E,k]`;
    `y[G]` or `y[G,T]`, or `y[N]` for labels of vertices. Without `y` they are pairs to predict:
    `pair_ptr[G+1]`, `edge_label_index[2,P]`, `edge_label[P]`.
heterophilous: one graph, `node_features[N,F]`, `node_labels[N]`, `edges[E,2]`.
planetoid: one graph, `x_indptr`, `x_indices`, `x_values`, `num_features` (sparse rows), `y[N]`
    with -1 for no label, `edges[E,2]`.

Splits, in this order; `FILE.npz#NAME` takes the one named: `train`, `val`, `test` numbers (`[n]` or
`[S,n]`, padded with -1); `bench_train`, ... in the same form; `train_masks`, ... booleans `[S,n]`;
`geom_splits`, packed bits `[S,3,n/8]`; `gin_fold`, `fold5` or another `*fold*`: `[G]` the fold of
each graph, from 0 without a gap, where split s tests on fold s, validates on fold s + 1 and trains
on the others. Of one graph they split the vertices. n and S are checked; nothing is cut to fit.
Where a file lists no edge in both directions, its edges are undirected and are mirrored, unless its
array `directed` is true. `graphagg.nn.training.save_npz` writes the first form.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset
from graphagg.nn.config.training import Metric
from graphagg.nn.training.data.arrays import (
    Arrays,
    columns,
    index_tensor,
    label_tensor,
    load_arrays,
    offsets,
    one_hot,
    sparse_rows,
    take,
)
from graphagg.nn.training.data.checks import unknown_rows
from graphagg.nn.training.data.dataset import GraphData, Level
from graphagg.nn.training.data.splits import read_splits

# The two-class sets of Platonov et al. (arXiv 2302.11640) are measured so.
_METRICS: dict[str, Metric] = {name: "roc-auc" for name in ("minesweeper", "tolokers", "questions")}


def read_npz(path: Path, splits: str | None = None) -> GraphData:
    """Read a data set.

    Args:
        path: the file.
        splits: which of its kinds of splits, such as `geom` or `gin_fold`; None: the first.

    Raises:
        UnreadableFile: it is missing or no `.npz` file.
        InvalidDataset: arrays are missing or do not fit, or there is no such split.
        InvalidFeatures: categories that are negative.
    """
    arrays = load_arrays(path)
    level, graphs = _graphs(path, arrays)
    rows = len(graphs) if level != "node" or len(graphs) > 1 else int(graphs[0].num_nodes or 0)
    known = None
    if level == "node" and len(graphs) == 1:
        known = ~unknown_rows(graphs[0].y)
    split_list = read_splits(path, arrays, rows, splits, known)
    return GraphData(path.stem, level, graphs, split_list, _METRICS.get(path.stem))


def read_graphs(path: Path) -> list[Data]:
    """The graphs of a data set, without its splits, and with labels only where it has some.

    Raises:
        As `read_npz`.
    """
    return _graphs(path, load_arrays(path), labeled=False)[1]


def _graphs(path: Path, arrays: Arrays, labeled: bool = True) -> tuple[Level, list[Data]]:
    if "node_ptr" in arrays:
        return _many(path, arrays, labeled)
    return "node", [read_graph(path, arrays, labeled)]


# --- many graphs ---------------------------------------------------------------------------------


def _many(path: Path, arrays: Arrays, labeled: bool) -> tuple[Level, list[Data]]:
    node_ptr, edge_ptr, edges = take(path, arrays, "node_ptr", "edge_ptr", "edge_index")
    features = _features(path, arrays)
    edge_index = index_tensor(path, "edge_index", edges)
    attributes = _edge_attributes(path, arrays, "edge_index", edge_index)
    nodes = offsets(path, "node_ptr", node_ptr, len(features))
    ends = offsets(path, "edge_ptr", edge_ptr, edge_index.size(1))
    _check_graphs(path, "edge_ptr", ends, nodes)
    owner = torch.repeat_interleave(torch.arange(len(ends) - 1), torch.tensor(ends).diff())
    mirror = _mirrors(arrays) and _one_direction(edge_index + torch.tensor(nodes)[owner])
    level, cut = _labels(path, arrays, nodes, labeled)
    graphs = []
    for g in range(len(nodes) - 1):
        rows, own = slice(nodes[g], nodes[g + 1]), slice(ends[g], ends[g + 1])
        values = {"x": features[rows], "edge_index": edge_index[:, own], **cut(g)}
        if attributes is not None:
            values["edge_attr"] = attributes[own]
        graphs.append(_mirrored(Data(**values)) if mirror else Data(**values))
    return level, graphs


def _check_graphs(path: Path, name: str, ptr: list[int], nodes: list[int]) -> None:
    if len(ptr) != len(nodes):
        raise InvalidDataset(
            f"{path}: {len(ptr)} offsets in {name}, {len(nodes)} in node_ptr; wanted as many, one "
            "a graph and one more"
        )


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
        f"{path}: {len(labels):,} labels in y; wanted {graphs:,}, one a graph, or {nodes[-1]:,}, "
        "one a vertex"
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
            "wanted one label a pair"
        )
    ends = offsets(path, "pair_ptr", ptr, index.size(1))
    _check_graphs(path, "pair_ptr", ends, nodes)

    def of_graph(g: int) -> dict[str, Tensor]:
        own = slice(ends[g], ends[g + 1])
        pairs = {"edge_label_index": index[:, own]}
        return pairs if label is None else {**pairs, "edge_label": label[own]}

    return of_graph


def _features(path: Path, arrays: Arrays) -> Tensor:
    if "node_attr" not in arrays:
        return columns(path, "x", take(path, arrays, "x")[0])
    parts = [columns(path, "node_attr", arrays["node_attr"]).float()]
    if "x" in arrays:
        x = columns(path, "x", arrays["x"])
        if len(x) != len(parts[0]):
            raise InvalidDataset(
                f"{path}: x has {len(x)} rows, node_attr {len(parts[0])}; wanted one a vertex"
            )
        parts.insert(0, x if x.dtype.is_floating_point else one_hot(path, "x", x))
    return torch.cat(parts, dim=1)


def _edge_attributes(path: Path, arrays: Arrays, edges: str, index: Tensor) -> Tensor | None:
    """As many rows as there are edges, which are not mirrored yet."""
    if "edge_attr" not in arrays:
        return None
    values = columns(path, "edge_attr", arrays["edge_attr"])
    if len(values) != index.size(1):
        raise InvalidDataset(
            f"{path}: edge_attr has {len(values)} rows, {edges} {index.size(1)}; wanted one an edge"
        )
    return values


# --- one graph -----------------------------------------------------------------------------------


def read_graph(path: Path, arrays: Arrays, labeled: bool = True) -> Data:
    """One graph from its arrays; its labels are wanted where it is `labeled`.

    Raises:
        InvalidDataset: arrays are missing or do not fit.
        InvalidFeatures: categories that are negative.
    """
    if "node_features" in arrays:
        x, _ = take(path, arrays, "node_features", "edges")
        features, labels = columns(path, "node_features", x), "node_labels"
    elif "x_indptr" in arrays:
        take(path, arrays, "edges")
        features, labels = sparse_rows(path, arrays), "y"
    else:
        features, labels = _features(path, arrays), "y"
    name = "edges" if "edges" in arrays else "edge_index"
    (pairs,) = take(path, arrays, name)
    edge_index = index_tensor(path, name, pairs, by_row=name == "edges")
    values = {"x": features, "edge_index": edge_index}
    if labeled or labels in arrays:
        values["y"] = label_tensor(path, labels, take(path, arrays, labels)[0])
    attributes = _edge_attributes(path, arrays, name, edge_index)
    if attributes is not None:
        values["edge_attr"] = attributes
    graph = Data(**values)
    return _mirrored(graph) if _mirrors(arrays) and _one_direction(edge_index) else graph


# --- edges ---------------------------------------------------------------------------------------


def _mirrors(arrays: Arrays) -> bool:
    """Whether edges may be undirected: the file does not say that they are listed as they are."""
    return "directed" not in arrays or not arrays["directed"].any()


def _one_direction(edges: Tensor) -> bool:
    """Whether no edge of `[2, E]` (loops left out) is there in the other direction too."""
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
