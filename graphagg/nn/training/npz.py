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
`[S,n]`, padded with -1); `bench_train`, ... likewise; `train_masks`, ... booleans `[S,n]`;
`geom_splits`, packed bits `[S,3,n/8]`; `gin_fold`, `fold5` or another `*fold*`: `[G]` the fold of
each graph, where split s tests on fold s, validates on fold s + 1 and trains on the others.
Where a file lists no edge in both directions, its edges are undirected and are mirrored.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset, InvalidFeatures, UnreadableFile
from graphagg.nn.training.config import Metric
from graphagg.nn.training.data import PARTS, GraphData, Level, Split, folded

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

# The two-class sets of Platonov et al. (arXiv 2302.11640) are measured so.
_METRICS: dict[str, Metric] = {name: "roc-auc" for name in ("minesweeper", "tolokers", "questions")}


def read_npz(path: Path, splits: str | None = None) -> GraphData:
    """Read a data set.

    Args:
        path: The file.
        splits: Which of its kinds of splits, such as `geom` or `gin_fold`; None: the first.

    Raises:
        UnreadableFile: It is missing or no `.npz` file.
        InvalidDataset: Arrays are missing or do not fit, or there is no such split.
        InvalidFeatures: Categories that are negative.
    """
    arrays = load_arrays(path)
    if "node_ptr" in arrays:
        level, graphs = _many(path, arrays)
    else:
        level, graphs = "node", [read_graph(path, arrays)]
    rows = len(graphs) if level != "node" or len(graphs) > 1 else int(graphs[0].num_nodes or 0)
    known = None
    if level == "node" and len(graphs) == 1:
        known = graphs[0].y != -1
    found = tuple(_splits(path, arrays, rows, splits, known))
    return GraphData(path.stem, level, graphs, found, _METRICS.get(path.stem))


def load_arrays(path: Path) -> Arrays:
    """All arrays of an `.npz` file.

    Raises:
        UnreadableFile: It is missing, no `.npz` file, broken, or holds pickled objects.
    """
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise UnreadableFile(f"{path}: one array; wanted an .npz file of several")
        with archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise UnreadableFile(
            f"{path}: not readable as .npz without pickle ({error}); write it with numpy.savez"
        ) from None


def _take(path: Path, arrays: Arrays, *names: str) -> list[Array]:
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InvalidDataset(
            f"{path}: no array {', '.join(missing)}; found {', '.join(sorted(arrays)) or 'none'}"
        )
    return [arrays[name] for name in names]


# --- many graphs ---------------------------------------------------------------------------------


def _many(path: Path, arrays: Arrays) -> tuple[Level, list[Data]]:
    node_ptr, edge_ptr, edges = _take(path, arrays, "node_ptr", "edge_ptr", "edge_index")
    features = _features(path, arrays)
    edge_index = _edge_index(path, edges)
    attributes = _edge_attributes(arrays.get("edge_attr"))
    nodes = _offsets(path, "node_ptr", node_ptr, len(features))
    ends = _offsets(path, "edge_ptr", edge_ptr, edge_index.size(1))
    if len(nodes) != len(ends):
        raise InvalidDataset(f"{path}: {len(nodes)} offsets of vertices, {len(ends)} of edges")
    if attributes is not None and len(attributes) != edge_index.size(1):
        raise InvalidDataset(
            f"{path}: edge_attr has {len(attributes)} rows, edge_index {edge_index.size(1)}"
        )
    owner = torch.repeat_interleave(torch.arange(len(ends) - 1), torch.tensor(ends).diff())
    mirror = _one_direction(edge_index + torch.tensor(nodes)[owner])
    level, cut = _labels(path, arrays, nodes)
    graphs = []
    for g in range(len(nodes) - 1):
        rows, own = slice(nodes[g], nodes[g + 1]), slice(ends[g], ends[g + 1])
        values = {"x": features[rows], "edge_index": edge_index[:, own], **cut(g)}
        if attributes is not None:
            values["edge_attr"] = attributes[own]
        graphs.append(_mirrored(Data(**values)) if mirror else Data(**values))
    return level, graphs


def _labels(path: Path, arrays: Arrays, nodes: list[int]) -> tuple[Level, Any]:
    if "y" not in arrays and "edge_label" in arrays:
        ptr, pairs, wanted = _take(path, arrays, "pair_ptr", "edge_label_index", "edge_label")
        index, label = _edge_index(path, pairs), _label_tensor(path, wanted)
        ends = _offsets(path, "pair_ptr", ptr, len(label))

        def of_pairs(g: int) -> dict[str, Tensor]:
            own = slice(ends[g], ends[g + 1])
            return {"edge_label_index": index[:, own], "edge_label": label[own]}

        return "edge", of_pairs
    (y,) = _take(path, arrays, "y")
    labels, graphs = _label_tensor(path, y), len(nodes) - 1
    if len(labels) == graphs:
        return "graph", lambda g: {"y": labels[g : g + 1]}
    if len(labels) == nodes[-1]:
        return "node", lambda g: {"y": labels[nodes[g] : nodes[g + 1]]}
    raise InvalidDataset(
        f"{path}: {len(labels):,} labels in y; wanted {graphs:,}, one a graph, or {nodes[-1]:,}, "
        "one a vertex"
    )


def _offsets(path: Path, name: str, ptr: Array, rows: int) -> list[int]:
    good = ptr.ndim == 1 and len(ptr) > 0 and np.issubdtype(ptr.dtype, np.integer)
    if not good or ptr[0] != 0 or ptr[-1] != rows or (np.diff(ptr.astype(np.int64)) < 0).any():
        raise InvalidDataset(
            f"{path}: {name} must not decrease, from 0 to {rows:,}, the rows it cuts; "
            f"found {ptr.shape} of {ptr.dtype}, {ptr.reshape(-1)[:1]} to {ptr.reshape(-1)[-1:]}"
        )
    offsets: list[int] = ptr.tolist()
    return offsets


def _features(path: Path, arrays: Arrays) -> Tensor:
    x, real = arrays.get("x"), arrays.get("node_attr")
    if real is None:
        (x,) = _take(path, arrays, "x")
        return _columns(x)
    if x is None or np.issubdtype(x.dtype, np.floating):
        parts = [real] if x is None else [x, real]
    else:
        parts = [*_one_hot(path, x), real]
    if len({len(part) for part in parts}) != 1:
        raise InvalidDataset(f"{path}: x and node_attr have {[len(p) for p in parts]} rows")
    return _columns(np.concatenate([np.asarray(p, dtype=np.float32) for p in parts], axis=1))


def _one_hot(path: Path, x: Array) -> Iterator[Array]:
    for column in np.atleast_2d(x.T):
        if column.size and int(column.min()) < 0:
            raise InvalidFeatures(f"{path}: x holds the category {column.min()}; wanted 0, 1, ...")
        yield np.eye(int(column.max(initial=0)) + 1, dtype=np.float32)[column]


def _columns(values: Array) -> Tensor:
    """`[N, F]` float32, or int64 categories."""
    rows = values.reshape(len(values), -1) if values.size else values.reshape(len(values), 1)
    real = np.issubdtype(values.dtype, np.floating)
    return torch.from_numpy(rows.astype(np.float32 if real else np.int64))


def _edge_attributes(values: Array | None) -> Tensor | None:
    return None if values is None else _columns(values)


def _label_tensor(path: Path, values: Array) -> Tensor:
    if values.dtype.kind not in "iufb" or values.ndim not in (1, 2):
        raise InvalidDataset(
            f"{path}: labels are {values.shape} of {values.dtype}; wanted numbers, one row each"
        )
    real = values.dtype.kind == "f"
    return torch.from_numpy(values.astype(np.float32 if real else np.int64))


# --- one graph -----------------------------------------------------------------------------------


def read_graph(path: Path, arrays: Arrays) -> Data:
    """One graph from its arrays.

    Raises:
        InvalidDataset: Arrays are missing or do not fit.
        InvalidFeatures: Categories that are negative.
    """
    if "node_features" in arrays:
        x, y, edges = _take(path, arrays, "node_features", "node_labels", "edges")
        features = _columns(x)
    elif "x_indptr" in arrays:
        y, edges = _take(path, arrays, "y", "edges")
        features = _sparse_rows(path, arrays)
    else:
        _, y = _take(path, arrays, "x", "y")
        edges = arrays["edges"] if "edges" in arrays else _take(path, arrays, "edge_index")[0].T
        features = _features(path, arrays)
    edge_index = _edge_index(path, edges.T)
    values = {"x": features, "edge_index": edge_index, "y": _label_tensor(path, y)}
    attributes = _edge_attributes(arrays.get("edge_attr"))
    if attributes is not None:
        values["edge_attr"] = attributes
    graph = Data(**values)
    return _mirrored(graph) if _one_direction(edge_index) else graph


def _sparse_rows(path: Path, arrays: Arrays) -> Tensor:
    ptr, columns, values, width = _take(
        path, arrays, "x_indptr", "x_indices", "x_values", "num_features"
    )
    rows, count = len(ptr) - 1, int(width)
    at = columns.astype(np.int64)
    if int(ptr[-1]) != len(at) or len(at) != len(values):
        raise InvalidDataset(
            f"{path}: x_indptr ends at {int(ptr[-1])}, with {len(at)} columns and {len(values)} "
            "values; wanted the same number"
        )
    if len(at) and not (at.min() >= 0 and at.max() < count):
        raise InvalidDataset(
            f"{path}: x_indices holds {at.min()} to {at.max()}; wanted 0 to {count - 1}"
        )
    dense = np.zeros((rows, count), dtype=np.float32)
    dense[np.repeat(np.arange(rows), np.diff(ptr)), at] = values
    return torch.from_numpy(dense)


# --- edges ---------------------------------------------------------------------------------------


def _edge_index(path: Path, edges: Array) -> Tensor:
    if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype.kind not in "iu":
        raise InvalidDataset(
            f"{path}: edges are {edges.shape} of {edges.dtype}; wanted pairs of integers"
        )
    return torch.from_numpy(np.ascontiguousarray(edges).astype(np.int64))


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


# --- splits --------------------------------------------------------------------------------------


def _splits(
    path: Path, arrays: Arrays, count: int, wanted: str | None, known: Tensor | None
) -> Iterator[Split]:
    kinds = _split_kinds(arrays)
    if not kinds:
        raise InvalidDataset(
            f"{path}: no split; wanted arrays train, val and test, masks of them, or folds"
        )
    kind = next(iter(kinds)) if wanted is None else wanted
    if kind not in kinds:
        raise InvalidDataset(f"{path}: no split {kind!r}; it has {', '.join(kinds)}")
    for name, parts in kinds[kind](arrays, count):
        if known is not None and kind == "geom":
            # These masks cover every vertex, those without a label too.
            inside = [part[known[part]] if len(known) == count else part for part in parts]
            parts = inside
        yield Split(name, *parts)


def _split_kinds(arrays: Arrays) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for prefix, name in (("", "official"), ("bench_", "bench")):
        if all(prefix + part in arrays for part in PARTS):
            kinds[name] = lambda a, n, prefix=prefix: _listed(a, prefix)
    if all(f"{part}_masks" in arrays for part in PARTS):
        kinds["masks"] = lambda a, n: _masked([np.atleast_2d(a[f"{p}_masks"]) for p in PARTS])
    if "geom_splits" in arrays:
        kinds["geom"] = _packed
    for name in sorted(arrays, key=lambda name: (name != "gin_fold", name)):
        if "fold" in name and arrays[name].ndim == 1:
            kinds[name] = lambda a, n, name=name: _folded(a[name])
    return kinds


def _listed(arrays: Arrays, prefix: str) -> Iterator[tuple[str, list[Tensor]]]:
    parts = [np.atleast_2d(arrays[prefix + part]) for part in PARTS]
    for s in range(min(len(part) for part in parts)):
        ids = [part[s].astype(np.int64) for part in parts]
        yield str(s), [torch.from_numpy(part[part >= 0]) for part in ids]


def _masked(masks: list[Array]) -> Iterator[tuple[str, list[Tensor]]]:
    for s in range(min(len(mask) for mask in masks)):
        yield str(s), [torch.from_numpy(np.flatnonzero(mask[s])) for mask in masks]


def _packed(arrays: Arrays, count: int) -> Iterator[tuple[str, list[Tensor]]]:
    bits = np.unpackbits(arrays["geom_splits"], axis=-1)[..., :count].astype(bool)
    return _masked([bits[:, part] for part in range(3)])


def _folded(fold: Array) -> Iterator[tuple[str, list[Tensor]]]:
    for split in folded(torch.from_numpy(fold.astype(np.int64))):
        yield split.name, [split.train, split.val, split.test]
