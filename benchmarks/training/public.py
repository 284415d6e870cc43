"""Public data sets, read from the forms in which they were published.

Files lie in `$GRAPHAGG_DATA/graph_learning`. One graph is given dense (`node_features`, `edges`) or
in sparse rows (`x_indptr`, ...); many graphs by `node_ptr`, perhaps with categories beside real
features. Splits are lists of numbers, masks, packed masks or folds: `load("tu/ENZYMES.npz#bench")`
takes those named; split s of folds tests on fold s and validates on fold s + 1. The file is
converted to the form of `graphagg.nn.save_npz`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array
from torch_geometric.data import Data

from graphagg.nn.training import GraphData, load_data
from graphagg.nn.training.data.dataset import check_data
from tests.conftest import DATA

ROOT = DATA / "graph_learning"
PARTS = ("train", "val", "test")
Arrays = dict[str, np.ndarray]


def load(name: str) -> GraphData:
    """A set by its path below the folder, with `#` and the kind of its splits."""
    path, _, kind = name.partition("#")
    with np.load(ROOT / path) as file:
        arrays = converted(dict(file), kind)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(path).name
        np.savez(copy, **arrays)
        data = check_data(load_data(copy))
    once = all(graph.is_directed() or not graph.num_edges for graph in data.graphs)
    return data.transformed(mirrored) if once else data


def mirrored(graph: Data) -> Data:
    """Undirected edges that the file lists once, in both directions."""
    other = (graph.edge_index[0] != graph.edge_index[1]).nonzero().flatten()
    graph.edge_index = torch.cat([graph.edge_index, graph.edge_index[:, other].flip(0)], dim=1)
    if graph.edge_attr is not None:
        graph.edge_attr = torch.cat([graph.edge_attr, graph.edge_attr[other]])
    return graph


def converted(arrays: Arrays, kind: str = "") -> Arrays:
    """The arrays in the form of `save_npz`."""
    if "edges" in arrays:
        graph = one_graph(arrays)
    else:
        names = ("node_ptr", "edge_ptr", "edge_index", "edge_attr", "x", "y")
        graph = {name: arrays[name] for name in names if name in arrays}
    if "node_attr" in arrays:
        one_hot = np.eye(int(arrays["x"].max()) + 1, dtype=np.float32)[arrays["x"][:, 0]]
        graph["x"] = np.hstack([one_hot, arrays["node_attr"]])
    return graph | splits(arrays, graph, kind)


def one_graph(arrays: Arrays) -> Arrays:
    x, y = arrays.get("node_features"), arrays.get("node_labels", arrays.get("y"))
    if x is None:
        rows = (arrays[f"x_{name}"] for name in ("values", "indices", "indptr"))
        x = csr_array(tuple(rows), (len(y), int(arrays["num_features"]))).toarray()
    edges = arrays["edges"].T
    ends = {"node_ptr": np.array([0, len(x)]), "edge_ptr": np.array([0, edges.shape[1]])}
    return {"x": x, "y": y, "edge_index": edges, **ends}


def splits(arrays: Arrays, graph: Arrays, kind: str) -> Arrays:
    """`[S, n]` numbers of each part, padded with -1."""
    prefix = "bench_" if kind == "bench" else ""
    if kind != "geom" and f"{prefix}train" in arrays:
        return {name: arrays[prefix + name] for name in PARTS}
    labels = graph["y"]
    if "train_masks" in arrays:
        masks = np.stack([arrays[f"{name}_masks"] for name in PARTS], axis=1)
    elif kind == "geom":
        bits = np.unpackbits(arrays["geom_splits"], axis=-1)[..., : len(labels)]
        masks = bits.astype(bool) & (labels >= 0)  # they cover vertices without a label too
    else:
        fold = arrays[kind or next(name for name in ("gin_fold", "fold5") if name in arrays)]
        count = int(fold.max()) + 1
        tests = np.stack([fold == s for s in range(count)])
        validates = np.roll(tests, -1, axis=0)
        masks = np.stack([~tests & ~validates, validates, tests], axis=1)
    return {name: padded([np.flatnonzero(m) for m in masks[:, i]]) for i, name in enumerate(PARTS)}


def padded(rows: list[np.ndarray]) -> np.ndarray:
    table = np.full((len(rows), max(map(len, rows))), -1)
    for row, ids in zip(table, rows, strict=True):
        row[: len(ids)] = ids
    return table
