"""A data set as one `.npz` file of arrays, without pickle.

N vertices, E edges and P pairs are counted over all G graphs:

x `[N, F]`: categories (integers from 0) or real features.
edge_index `[2, E]`: vertices are numbered from 0 in each graph; an undirected edge is listed twice.
node_ptr, edge_ptr `[G + 1]`: offsets of each graph's vertices and edges; not needed for one graph.
edge_attr `[E]` or `[E, k]`: optional edge features.
y `[G]` or `[G, T]`: labels of graphs; `[N]`: labels of vertices. Without `y` the task is to predict
    pairs: pair_ptr `[G + 1]`, edge_label_index `[2, P]`, edge_label `[P]`.
train, val, test `[n]` or `[S, n]`: the numbers of the graphs in each part, for S splits, padded
    with -1. If there is one graph with labels per vertex, they number its vertices.

Real numbers are read as float32, others as int64.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor
from torch_geometric.data import Data

from graphagg.arrays import Array
from graphagg.errors import InvalidDataset, UnreadableFile
from graphagg.nn.config.model import TaskLevel
from graphagg.nn.files import write_whole
from graphagg.nn.training.data.checks import widen
from graphagg.nn.training.data.dataset import SUBSETS, GraphData, Split
from graphagg.nn.training.data.graphs import Graphs

# The offsets of each array's rows; those of `y` follow from its length.
_POINTERS = {
    "x": "node_ptr", "edge_index": "edge_ptr", "edge_attr": "edge_ptr",
    "edge_label_index": "pair_ptr", "edge_label": "pair_ptr",
}  # fmt: skip
_NAMES = {*_POINTERS, *_POINTERS.values(), "y", *SUBSETS}
_DEFLATE = 1032  # largest compression ratio of zip's format


def read_npz(path: Path) -> GraphData:
    """Read graphs, and their labels and splits if there are any.

    Raises `UnreadableFile`, or `InvalidDataset` for arrays that are missing or inconsistent.
    """
    arrays = _load(path)
    missing = [name for name in ("x", "edge_index") if name not in arrays]
    if missing:
        found = ", ".join(sorted(arrays)) or "none"
        raise InvalidDataset(f"{path}: no array {', '.join(missing)}; found {found}")
    rows = {name: _rows(path, name, arrays[name]) for name in _POINTERS if name in arrays}
    ptrs = {name: _offsets(path, name, rows[name], arrays) for name in rows}
    graphs, vertices = len(ptrs["x"]) - 1, ptrs["x"][-1]
    level: TaskLevel = "edge" if "edge_label_index" in rows else "graph"
    if "y" in arrays:
        labels = rows["y"] = _rows(path, "y", arrays["y"])
        if len(labels) not in (graphs, vertices):
            raise InvalidDataset(
                f"{path}: y has {len(labels):,} labels; wanted {graphs:,}, one per graph, or "
                f"{vertices:,}, one per vertex"
            )
        level = "graph" if len(labels) == graphs else "node"
        ptrs["y"] = list(range(graphs + 1)) if level == "graph" else ptrs["x"]
    if len({len(ptr) for ptr in ptrs.values()}) > 1:
        counts = ", ".join(f"{len(ptr) - 1:,} by {name}" for name, ptr in ptrs.items())
        raise InvalidDataset(f"{path}: the arrays describe {counts} graphs; wanted equal numbers")
    parts = [
        {name: _slice(name, values, ptrs[name], g) for name, values in rows.items()}
        for g in range(graphs)
    ]
    return GraphData(path.stem, level, [Data(**part) for part in parts], _splits(path, arrays))


def _load(path: Path) -> dict[str, Array]:
    """The known arrays of the file; each is checked before memory is reserved for it."""
    name, arrays = "", {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            for name, info in members.items():
                if name in _NAMES:
                    _check_size(archive, info)
                    with archive.open(info) as file:
                        arrays[name] = npy.read_array(file, allow_pickle=False)
    # RuntimeError: encrypted; NotImplementedError: another compression.
    except (
        OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, OverflowError,
        SyntaxError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        # Numpy advises to allow pickles.
        why = "it holds Python objects" if "pickle" in str(error) else str(error)
        where = f"{path}: array {name}" if name else path
        raise UnreadableFile(
            f"{where} cannot be read ({why}); wanted an .npz file of numbers, written with "
            "graphagg.nn.save_npz (of PyG's Data) or numpy.savez"
        ) from None
    return arrays


def _check_size(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Raise `ValueError` if a member claims more bytes than it can have."""
    with archive.open(info) as file:
        first = npy.read_magic(file) == (1, 0)
        read = npy.read_array_header_1_0 if first else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    size = math.prod(shape) * dtype.itemsize
    if size > info.file_size or info.file_size > _DEFLATE * info.compress_size + 1024:
        raise ValueError(f"its header claims {size:,} bytes, more than the file has")


def _rows(path: Path, name: str, array: Array) -> Tensor:
    """Features `[n, columns]`, pairs `[2, n]` or labels."""
    wanted = "numbers [rows] or [rows, columns], with at least one column"
    good = array.dtype.kind in "iufb" and array.ndim in (1, 2) and 0 not in array.shape[1:]
    if name.endswith("index"):
        wanted = "integers [2, E], in pairs"
        good = array.dtype.kind in "iu" and array.ndim == 2 and len(array) == 2
    if not good:
        raise InvalidDataset(f"{path}: {name} is {array.shape} of {array.dtype}; wanted {wanted}")
    tensor = torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))
    return tensor.unsqueeze(1) if name in ("x", "edge_attr") and tensor.dim() == 1 else tensor


def _slice(name: str, rows: Tensor, ptr: list[int], graph: int) -> Tensor:
    return rows.narrow(int(name.endswith("index")), ptr[graph], ptr[graph + 1] - ptr[graph])


def _offsets(path: Path, name: str, rows: Tensor, arrays: dict[str, Array]) -> list[int]:
    """The graphs' offsets into the rows of an array."""
    count = rows.size(int(name.endswith("index")))
    ptr = arrays.get(_POINTERS[name], np.array([0, count]))
    good = ptr.ndim == 1 and ptr.dtype.kind in "iu" and len(ptr) > 0
    steps = np.diff(ptr.astype(np.int64)) if good else ptr
    if not good or ptr[0] != 0 or ptr[-1] != count or (steps < 0).any():
        raise InvalidDataset(
            f"{path}: {_POINTERS[name]} is {ptr.shape} of {ptr.dtype}; wanted integers that do not "
            f"decrease, from 0 to {count:,}, the rows of {name}"
        )
    starts: list[int] = ptr.tolist()
    return starts


def _splits(path: Path, arrays: dict[str, Array]) -> tuple[Split, ...]:
    if not any(name in arrays for name in SUBSETS):
        return ()
    tables = [np.atleast_2d(arrays.get(name, np.empty((0, 0, 0)))) for name in SUBSETS]
    good = all(t.ndim == 2 and (not t.size or t.dtype.kind in "iu") for t in tables)
    if not good or len({len(table) for table in tables}) != 1:
        found = ", ".join(f"{list(table.shape)} of {table.dtype}" for table in tables)
        raise InvalidDataset(
            f"{path}: train, val and test are {found}; wanted integers [n], or [S, n] for S "
            "splits, padded with -1, or none of them: random splits are drawn then"
        )
    ids = [torch.from_numpy(table.astype(np.int64)) for table in tables]
    return tuple(
        Split(str(s), *(part[s][part[s] != -1] for part in ids)) for s in range(len(tables[0]))
    )


def write_npz(path: Path, data: GraphData) -> None:
    """Write graphs, labels and splits in this form; `InvalidDataset` without x or edges."""
    flat = Graphs.from_list(widen(data.graphs))
    missing = [name for name in ("x", "edge_index") if name not in flat.columns]
    if missing:
        raise InvalidDataset(f"the graphs have no {missing[0]!r}; wanted x and edge_index")
    arrays: dict[str, Array] = {"node_ptr": flat.vertex_ptr.numpy()}
    for name in (*_POINTERS, "y"):
        if name in flat.columns:
            arrays[name] = flat.columns[name].values.detach().cpu().numpy()
            if name.endswith("index"):
                arrays[_POINTERS[name]] = flat.columns[name].ptr.numpy()
    for subset in SUBSETS if data.splits else ():
        ids = [getattr(split, subset) for split in data.splits]
        table = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-1)
        arrays[subset] = table.numpy()

    def write(partial: Path) -> None:
        with partial.open("wb") as file:  # numpy would append a suffix to the path
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its option

    write_whole(path, write)
