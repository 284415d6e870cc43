"""Write graphs in the `.npz` form that `graphagg.nn.training.data.npz` reads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from graphagg.arrays import Array
from graphagg.errors import InvalidDataset
from graphagg.nn.files import write_whole
from graphagg.nn.training.data.checks import check_tensors, widen
from graphagg.nn.training.data.dataset import PARTS, GraphData, Split
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.data.sources import Source, load_data, load_graphs, mentions_parts

_FLAT = ("x", "edge_attr", "edge_index", "y", "edge_label", "edge_label_index")
_PTR = {"edge_index": "edge_ptr", "edge_label_index": "pair_ptr"}


def save_npz(path: str | os.PathLike[str], data: Source) -> None:
    """Write graphs, with their labels and splits if any, as one `.npz` file.

    `load_data` and `graphagg train --data` read the same features, edges in their order, labels and
    splits (real numbers as float32). `graphagg predict` needs no labels.

    Args:
        path: the file; its name ends in `.npz`.
        data: a `GraphData`, one `Data`, or a list of `Data` with the same attributes.

    Raises:
        InvalidDataset: another suffix, no graph, or graphs that differ in what they have.
        WriteFailed: the file cannot be written.

    Examples:
        >>> import tempfile, torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import save_npz
        >>> from graphagg.nn.training import load_graphs
        >>> graph = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_npz(f"{folder}/graphs.npz", [graph, graph])
        ...     len(load_graphs(f"{folder}/graphs.npz"))
        2
    """
    target = Path(path)
    if target.suffix != ".npz":
        raise InvalidDataset(f"{target}: wanted a file name that ends in .npz")
    splits: tuple[Split, ...] = ()
    if isinstance(data, GraphData) or (
        not isinstance(data, str | os.PathLike) and mentions_parts(data)
    ):
        loaded = load_data(data)
        graphs, splits = list(loaded.graphs), loaded.splits
    else:
        graphs = load_graphs(data)
    check_tensors(target.name, graphs)
    arrays = {**_columns(Graphs.from_list(widen(graphs))), **_splits(splits)}

    def write(partial: Path) -> None:
        with partial.open("wb") as file:  # numpy would append a suffix to the path
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its option

    write_whole(target, write)


def _columns(flat: Graphs) -> dict[str, Array]:
    missing = [name for name in ("x", "edge_index") if name not in flat.columns]
    if missing:
        raise InvalidDataset(f"the graphs have no {missing[0]!r}; wanted x and edge_index")
    arrays: dict[str, Array] = {
        "node_ptr": flat.vertex_ptr.numpy(),
        "directed": np.array(True),  # edges must not be mirrored
    }
    for name in _FLAT:
        column = flat.columns.get(name)
        if column is None:
            continue
        arrays[name] = column.values.detach().cpu().numpy()
        if name in _PTR:
            arrays[_PTR[name]] = column.ptr.numpy()
    return arrays


def _splits(splits: tuple[Split, ...]) -> dict[str, Array]:
    """`[S, n]` int64 a part, padded with -1."""
    if not splits:
        return {}
    return {
        subset: torch.nn.utils.rnn.pad_sequence(
            [getattr(split, subset) for split in splits], batch_first=True, padding_value=-1
        ).numpy()
        for subset in PARTS
    }
