"""Loads training data from files or from graphs in memory."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphagg.errors import InvalidDataset, UnreadableFile
from graphagg.nn.config.model import TaskLevel
from graphagg.nn.files import read_tensors, write_tensors
from graphagg.nn.training.data.checks import REQUIREMENTS, USE_PYG_LAYERS, check_tensors
from graphagg.nn.training.data.dataset import SUBSETS, GraphData, Split, masked_splits

GraphSource: TypeAlias = str | os.PathLike[str] | GraphData | Data | Sequence[Data]

_SPLITS = (*(f"{subset}_mask" for subset in SUBSETS), "split")
_SUFFIX = ".safetensors"


def load_data(source: GraphSource) -> GraphData:
    """Load graphs, with labels and splits if there are any, from a file or from memory.

    Args:
        source: one of
            - a `.safetensors` file of `save_graphs`;
            - one `Data`, optionally with `train_mask`, `val_mask` and `test_mask`;
            - a list or a PyG `Dataset` of `Data`, optionally each with `split`: 0 train,
              1 validation, 2 test;
            - a `GraphData`, which is returned.

    Raises:
        UnreadableFile: the file does not exist or cannot be read.
        InvalidDataset: there is no graph, or an attribute has a wrong type or shape.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.training import load_data
        >>> graph = Data(x=torch.ones(3, 1), edge_index=torch.tensor([[0], [1]]), y=torch.arange(3))
        >>> graph.train_mask, graph.val_mask, graph.test_mask = torch.eye(3).bool()
        >>> load_data(graph).splits[0].test.tolist()
        [2]
    """
    if isinstance(source, GraphData):
        return source
    if isinstance(source, str | os.PathLike):
        return replace(load_data(_read_graphs(_existing(source))), name=data_name(source))
    graphs = [source] if isinstance(source, Data) else _listed(source)
    if not graphs:
        raise InvalidDataset("the list holds no graph; expected at least one for each part")
    check_tensors("the data", graphs)
    plain = [_plain(graph) for graph in graphs]
    level = label_level(plain)
    if len(graphs) == 1:
        return GraphData("graph", level, plain, masked_splits(graphs[0]))
    return GraphData("graphs", level, plain, _split_of(graphs))


def save_graphs(path: str | os.PathLike[str], graphs: Data | Sequence[Data]) -> None:
    """Write graphs to one `.safetensors` file, which `load_data` and `graphagg train` read.

    The tensor `3.x` is the attribute `x` of graph 3. The file has the attributes of training:
    `x`, `edge_index`, `edge_attr`, `y`, `edge_label_index`, `edge_label`, masks and `split`.

    Args:
        path: the file; its name ends in `.safetensors`.
        graphs: one `Data`, or a list or a PyG `Dataset` of `Data`.

    Raises:
        InvalidDataset: the suffix is wrong, there is no graph, or an attribute is invalid.
        WriteFailed: the file cannot be written.

    Examples:
        >>> import tempfile, torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import save_graphs
        >>> from graphagg.nn.training import load_data
        >>> graph = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_graphs(f"{folder}/two.safetensors", [graph, graph])
        ...     len(load_data(f"{folder}/two.safetensors").graphs)
        2
    """
    target = Path(path)
    if target.suffix != _SUFFIX:
        raise InvalidDataset(f"{target}: expected a file name that ends in {_SUFFIX}")
    listed = [graphs] if isinstance(graphs, Data) else _listed(graphs)
    load_data(listed)  # checks them
    tensors = {
        f"{number}.{name}": torch.as_tensor(graph[name])
        for number, graph in enumerate(listed)
        for name in (*REQUIREMENTS, *_SPLITS)
        if graph.get(name) is not None
    }
    write_tensors(target, tensors, {})


def _read_graphs(path: Path) -> list[Data]:
    _, tensors = read_tensors(path, "expected a file that graphagg.nn.save_graphs wrote")
    graphs: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        if not re.fullmatch("[0-9]{1,18}", number) or name not in (*REQUIREMENTS, *_SPLITS):
            raise InvalidDataset(f"{path}: unknown tensor {key!r}; expected a name such as '0.x'")
        graphs.setdefault(int(number), {})[name] = tensor
    return [Data(**graphs[number]) for number in sorted(graphs)]


def data_name(source: GraphSource) -> str:
    """Return the name of the data for results."""
    if isinstance(source, GraphData):
        return source.name
    if isinstance(source, str | os.PathLike):
        return Path(source).stem
    return "graphs"


def _existing(source: str | os.PathLike[str]) -> Path:
    """Check that a path is a file."""
    name = os.fspath(source)
    if not os.path.exists(name):  # unlike pathlib, returns False for invalid paths
        raise UnreadableFile(f"{name}: no such file")
    if os.path.isdir(name):
        raise InvalidDataset(f"{name} is a folder; expected a file of save_graphs")
    return Path(name)


def _listed(source: Sequence[Data]) -> list[Data]:
    """Return the graphs of a list or of a PyG `Dataset`."""
    iterable = hasattr(source, "__iter__") or hasattr(source, "__getitem__")
    if isinstance(source, HeteroData) or not iterable:
        raise InvalidDataset(
            f"the data are of type {type(source).__name__}; expected a PyG Data or a list of "
            f"them{USE_PYG_LAYERS if isinstance(source, HeteroData) else ''}"
        )
    if isinstance(source, torch.utils.data.DataLoader):
        raise InvalidDataset(
            f"the data are a {type(source).__name__}, which yields batches; expected the graphs: "
            "its `dataset` (training.batch_size is their number in a batch)"
        )
    return list(source)


def _split_of(graphs: Sequence[Data]) -> tuple[Split, ...]:
    """Return the split defined by the attribute `split` of graphs; empty if no graph has it."""
    if all(graph.get("split") is None for graph in graphs):
        return ()
    of = torch.tensor([_part(index, graph) for index, graph in enumerate(graphs)])
    return (Split.from_masks("0", of == 0, of == 1, of == 2),)


def _part(index: int, graph: Data) -> int:
    """Return the part that a graph belongs to: 0, 1 or 2."""
    subset = graph.get("split")
    whole = isinstance(subset, int | np.integer) and not isinstance(subset, bool)
    if isinstance(subset, Tensor):
        whole = subset.numel() == 1 and not subset.dtype.is_floating_point
    if not whole or int(subset) not in (0, 1, 2):
        raise InvalidDataset(
            f"graph {index} has split {subset!r}; expected 0 for training, 1 for validation or 2 "
            "for testing; graphagg.nn.random_splits draws parts"
        )
    return int(subset)


def _plain(graph: Data) -> Data:
    """Return a copy without masks and `split`, which are not features."""
    return Data(**{key: value for key, value in graph.to_dict().items() if key not in _SPLITS})


def label_level(graphs: Sequence[Data]) -> TaskLevel:
    """Return whether labels belong to graphs, vertices or pairs."""
    if all(graph.get("y") is None and graph.get("edge_label") is not None for graph in graphs):
        return "edge"
    labels = [graph.get("y") for graph in graphs]
    of_graphs = all(y is not None and (y.dim() == 0 or len(y) == 1) for y in labels)
    return "graph" if of_graphs else "node"
