"""Reads public data sets in the formats in which they were published.

Files are in `$GRAPHAGG_DATA/graph_learning`. A single graph is dense (`node_features`, `edges`) or
has sparse rows (`x_indptr`, ...); many graphs have `node_ptr`, some with categories and real
features. Splits are lists of numbers, masks, packed masks or folds: `load("tu/ENZYMES.npz#bench")`
selects them by name. With folds, split s tests on fold s and validates on fold s + 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array
from torch_geometric.data import Data

from graphagg.nn.config.model import TaskLevel
from graphagg.nn.training import GraphData, Split
from graphagg.nn.training.data.dataset import check_data
from tests.conftest import DATA

ROOT = DATA / "graph_learning"
PARTS = ("train", "val", "test")
Arrays = dict[str, np.ndarray]


def load(name: str) -> GraphData:
    """Load a set by its path below the folder, optionally with `#` and the kind of its splits."""
    path, _, kind = name.partition("#")
    with np.load(ROOT / path) as file:
        arrays = dict(file)
    graph = converted(arrays)
    nodes, edges = (np.diff(graph.pop(f"{of}_ptr")).tolist() for of in ("node", "edge"))
    level: TaskLevel = "graph" if len(graph["y"]) == len(nodes) else "node"
    labels = [1] * len(nodes) if level == "graph" else nodes
    sizes = {"x": nodes, "edge_index": edges, "edge_attr": edges, "y": labels}
    columns = {
        name: torch.split(tensor_of(name, values), sizes[name], int(name == "edge_index"))
        for name, values in graph.items()
    }
    graphs = [
        Data(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]
    data = check_data(GraphData(Path(path).stem, level, graphs, splits(arrays, graph, kind)))
    once = all(graph.is_directed() or not graph.num_edges for graph in data.graphs)
    return data.transformed(mirrored) if once else data


def tensor_of(name: str, values: np.ndarray) -> torch.Tensor:
    """Convert real numbers to float32 and others to int64; features get a column dimension."""
    tensor = torch.from_numpy(values.astype(np.float32 if values.dtype.kind == "f" else np.int64))
    return tensor.view(-1, 1) if name in ("x", "edge_attr") and tensor.dim() == 1 else tensor


def mirrored(graph: Data) -> Data:
    """Add the reverse of each edge, for files that list undirected edges once."""
    other = (graph.edge_index[0] != graph.edge_index[1]).nonzero().flatten()
    graph.edge_index = torch.cat([graph.edge_index, graph.edge_index[:, other].flip(0)], dim=1)
    if graph.edge_attr is not None:
        graph.edge_attr = torch.cat([graph.edge_attr, graph.edge_attr[other]])
    return graph


def converted(arrays: Arrays, kind: str = "") -> Arrays:
    """Return features, edges, labels and pointers of all graphs."""
    if "edges" in arrays:
        graph = one_graph(arrays)
    else:
        names = ("node_ptr", "edge_ptr", "edge_index", "edge_attr", "x", "y")
        graph = {name: arrays[name] for name in names if name in arrays}
    if "node_attr" in arrays:
        one_hot = np.eye(int(arrays["x"].max()) + 1, dtype=np.float32)[arrays["x"][:, 0]]
        graph["x"] = np.hstack([one_hot, arrays["node_attr"]])
    return graph


def one_graph(arrays: Arrays) -> Arrays:
    x, y = arrays.get("node_features"), arrays.get("node_labels", arrays.get("y"))
    if x is None:
        rows = (arrays[f"x_{name}"] for name in ("values", "indices", "indptr"))
        x = csr_array(tuple(rows), (len(y), int(arrays["num_features"]))).toarray()
    edges = arrays["edges"].T
    ends = {"node_ptr": np.array([0, len(x)]), "edge_ptr": np.array([0, edges.shape[1]])}
    return {"x": x, "y": y, "edge_index": edges, **ends}


def splits(arrays: Arrays, graph: Arrays, kind: str) -> tuple[Split, ...]:
    prefix = "bench_" if kind == "bench" else ""
    if kind != "geom" and f"{prefix}train" in arrays:
        tables = (np.atleast_2d(arrays[prefix + name]) for name in PARTS)  # padded with -1
        rows = [[ids[ids >= 0] for ids in three] for three in zip(*tables, strict=True)]
        return named(rows)
    labels = graph["y"]
    if "train_masks" in arrays:
        masks = np.stack([arrays[f"{name}_masks"] for name in PARTS], axis=1)
    elif kind == "geom":
        bits = np.unpackbits(arrays["geom_splits"], axis=-1)[..., : len(labels)]
        masks = bits.astype(bool) & (labels >= 0)  # bits also cover vertices without a label
    else:
        fold = arrays[kind or next(name for name in ("gin_fold", "fold5") if name in arrays)]
        count = int(fold.max()) + 1
        tests = np.stack([fold == s for s in range(count)])
        validates = np.roll(tests, -1, axis=0)
        masks = np.stack([~tests & ~validates, validates, tests], axis=1)
    return named([[np.flatnonzero(mask) for mask in three] for three in masks])


def named(rows: list[list[np.ndarray]]) -> tuple[Split, ...]:
    return tuple(
        Split(str(s), *(torch.from_numpy(ids.astype(np.int64)) for ids in three))
        for s, three in enumerate(rows)
    )
