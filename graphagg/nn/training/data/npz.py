"""A data set as one `.npz` file of arrays, without pickle.

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

Real numbers are read as float32, others as int64.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.arrays import Array
from graphagg.errors import InvalidDataset, UnreadableFile
from graphagg.nn.files import write_whole
from graphagg.nn.training.data.checks import widen
from graphagg.nn.training.data.dataset import PARTS, GraphData, Level, Split
from graphagg.nn.training.data.graphs import Graphs

_Arrays = dict[str, Array]
# The offsets of each array's rows; those of `y` follow from its length.
_PTR = {
    "x": "node_ptr", "edge_index": "edge_ptr", "edge_attr": "edge_ptr",
    "edge_label_index": "pair_ptr", "edge_label": "pair_ptr",
}  # fmt: skip


def read_npz(path: Path, *, labeled: bool = True) -> GraphData:
    """Read graphs, labels and splits, if there are any.

    Raises `UnreadableFile`, or `InvalidDataset` for arrays that are missing or inconsistent; with
    `labeled` also for missing labels.
    """
    arrays = _load(path)
    pairs = "y" not in arrays and any(name.startswith("edge_label") for name in arrays)
    names = ["x", "edge_index", *(["edge_label_index"] if pairs else [])]
    missing = [name for name in ("node_ptr", *names) if name not in arrays]
    if labeled and not missing:
        missing = [name for name in (["edge_label"] if pairs else ["y"]) if name not in arrays]
    if missing:
        raise InvalidDataset(
            f"{path}: no array {', '.join(missing)}; found {', '.join(sorted(arrays)) or 'none'}"
        )
    columns = {name: _tensor(path, name, arrays) for name in (*_PTR, "y") if name in arrays}
    ends = {name: _offsets(path, name, columns[name], arrays) for name in columns if name != "y"}
    level: Level = "edge" if pairs else "graph"
    if "y" in columns:
        level, ends["y"] = _owners(path, columns["y"], ends["x"])
    graphs = [
        Data(**{
            name: rows.narrow(int(name.endswith("index")), ends[name][g], size)
            for name, rows in columns.items()
            for size in [ends[name][g + 1] - ends[name][g]]
        })
        for g in range(len(ends["x"]) - 1)
    ]  # fmt: skip
    if not ("directed" in arrays and arrays["directed"].any()) and _one_direction(graphs):
        graphs = [_mirrored(graph) for graph in graphs]
    return GraphData(path.stem, level, graphs, _splits(path, arrays))


def _load(path: Path) -> _Arrays:
    """All arrays of the file; members that are none are left out."""
    name = ""
    try:
        if not zipfile.is_zipfile(path):  # numpy would take it for a pickle
            raise ValueError("no zip archive")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {}
            for name in archive.files:
                arrays[name] = archive[name]
    # RuntimeError: encrypted; MemoryError: an impossible shape.
    except (
        OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile,
        zlib.error,
    ) as error:  # fmt: skip
        # Numpy advises to allow pickles.
        why = "it holds Python objects" if "pickle" in str(error) else str(error)
        where = f"{path}: array {name}" if name else path
        raise UnreadableFile(
            f"{where} cannot be read ({why}); wanted an .npz file of numbers, written with "
            "graphagg.nn.save_npz (of PyG's Data) or numpy.savez"
        ) from None
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}


def _tensor(path: Path, name: str, arrays: _Arrays) -> Tensor:
    """Features `[n, columns]`, pairs `[2, n]` or labels."""
    array, wanted = arrays[name], "numbers [rows] or [rows, columns], with at least one column"
    good = array.dtype.kind in "iufb" and array.ndim in (1, 2) and 0 not in array.shape[1:]
    if name.endswith("index"):
        wanted = "integers [2, E], in pairs"
        good = array.dtype.kind in "iu" and array.ndim == 2 and len(array) == 2
    if not good:
        raise InvalidDataset(f"{path}: {name} is {array.shape} of {array.dtype}; wanted {wanted}")
    tensor = torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))
    return tensor.unsqueeze(1) if name in ("x", "edge_attr") and tensor.dim() == 1 else tensor


def _offsets(path: Path, name: str, rows: Tensor, arrays: _Arrays) -> list[int]:
    """The graphs' offsets into the rows of an array."""
    key, count = _PTR[name], rows.size(1 if name.endswith("index") else 0)
    if key not in arrays:
        raise InvalidDataset(f"{path}: no array {key}; found {', '.join(sorted(arrays))}")
    ptr, length = arrays[key], arrays["node_ptr"].size
    good = ptr.ndim == 1 and ptr.dtype.kind in "iu" and len(ptr) == length > 0
    if not good or ptr[0] != 0 or ptr[-1] != count or (np.diff(ptr.astype(np.int64)) < 0).any():
        raise InvalidDataset(
            f"{path}: {key} must not decrease, from 0 to {count:,}, the rows of {name}, in "
            f"{length:,} integers, as many as in node_ptr; found {ptr.shape} of {ptr.dtype}, "
            f"{ptr.reshape(-1)[:1]} to {ptr.reshape(-1)[-1:]}"
        )
    starts: list[int] = ptr.tolist()
    return starts


def _owners(path: Path, labels: Tensor, nodes: list[int]) -> tuple[Level, list[int]]:
    """Whether labels are those of graphs or of vertices, and the graphs' offsets into them."""
    if len(labels) == len(nodes) - 1:
        return "graph", list(range(len(nodes)))
    if len(labels) == nodes[-1]:
        return "node", nodes
    raise InvalidDataset(
        f"{path}: {len(labels):,} labels in y; wanted {len(nodes) - 1:,}, one per graph, or "
        f"{nodes[-1]:,}, one per vertex"
    )


def _splits(path: Path, arrays: _Arrays) -> tuple[Split, ...]:
    missing = [subset for subset in PARTS if subset not in arrays]
    if len(missing) == len(PARTS):
        return ()
    tables = []
    for name in PARTS:
        array = arrays.get(name, np.empty(0))
        if (
            name in missing
            or array.ndim not in (1, 2)
            or (array.size and array.dtype.kind not in "iu")
        ):
            found = "not there" if name in missing else f"{array.shape} of {array.dtype}"
            raise InvalidDataset(
                f"{path}: {name} is {found}; wanted train, val and test, integers [n] or [S, n], "
                "padded with -1, or none of them: random splits are drawn then"
            )
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


def _one_direction(graphs: Sequence[Data]) -> bool:
    """Whether there are edges, and none is listed in both directions, except loops."""
    base, count = max((int(graph.num_nodes or 0) for graph in graphs), default=0), 0
    for graph in graphs:
        source, target = graph.edge_index[:, graph.edge_index[0] != graph.edge_index[1]]
        count += len(source)
        if bool(torch.isin(source * base + target, target * base + source).any()):
            return False
    return count > 0


def _mirrored(graph: Data) -> Data:
    other = (graph.edge_index[0] != graph.edge_index[1]).nonzero().flatten()
    graph.edge_index = torch.cat([graph.edge_index, graph.edge_index[:, other].flip(0)], dim=1)
    if graph.edge_attr is not None:
        graph.edge_attr = torch.cat([graph.edge_attr, graph.edge_attr[other]])
    return graph


def write_npz(path: Path, data: GraphData) -> None:
    """Write graphs, labels and splits in this form; `InvalidDataset` without x or edges."""
    flat = Graphs.from_list(widen(data.graphs))
    missing = [name for name in ("x", "edge_index") if name not in flat.columns]
    if missing:
        raise InvalidDataset(f"the graphs have no {missing[0]!r}; wanted x and edge_index")
    arrays: _Arrays = {
        "node_ptr": flat.vertex_ptr.numpy(),
        "directed": np.array(True),  # edges must not be mirrored
    }
    for name in (*_PTR, "y"):
        if name in flat.columns:
            arrays[name] = flat.columns[name].values.detach().cpu().numpy()
            if name.endswith("index"):
                arrays[_PTR[name]] = flat.columns[name].ptr.numpy()
    for subset in PARTS if data.splits else ():
        ids = [getattr(split, subset) for split in data.splits]
        table = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-1)
        arrays[subset] = table.numpy()

    def write(partial: Path) -> None:
        with partial.open("wb") as file:  # numpy would append a suffix to the path
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its option

    write_whole(path, write)
