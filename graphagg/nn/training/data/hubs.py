"""Benchmarks by name through PyG's and OGB's own loaders: `pyg:NAME@ROOT`, `ogb:NAME@ROOT`.

The loaders read the files in ROOT, and download them on the first use where there is a network.
Some of the archives are pickles, which can run code: use no ROOT from people you do not trust.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset, MissingExtra
from graphagg.nn.config.training import Metric
from graphagg.nn.resolver import find
from graphagg.nn.training.data.dataset import PARTS, GraphData, Level, Split, folded


@dataclass(frozen=True)
class _Benchmark:
    """Names and options by which PyG loads a benchmark.

    Attributes:
        loader: class in `torch_geometric.datasets`.
        options: of its constructor.
        level: the thing predicted.
        metric: what the benchmark measures.
        has_splits: `split=` has the three parts; else the loader gives one list.
        folds: into which such a list of graphs is cut.
    """

    loader: str
    options: dict[str, Any]
    level: Level
    metric: Metric
    has_splits: bool = True
    folds: int = 10


_LRGB: dict[str, tuple[Level, Metric]] = {
    "PascalVOC-SP": ("node", "f1"),
    "COCO-SP": ("node", "f1"),
    "PCQM-Contact": ("edge", "mrr"),
    "Peptides-func": ("graph", "ap"),
    "Peptides-struct": ("graph", "mae"),
}
_SUPERPIXELS: dict[str, tuple[Level, Metric]] = {
    "MNIST": ("graph", "accuracy"),
    "CIFAR10": ("graph", "accuracy"),
    "PATTERN": ("node", "weighted-accuracy"),
    "CLUSTER": ("node", "weighted-accuracy"),
}
BENCHMARKS: dict[str, _Benchmark] = {
    "ZINC": _Benchmark("ZINC", {"subset": True}, "graph", "mae"),
    "ZINC-full": _Benchmark("ZINC", {"subset": False}, "graph", "mae"),
    "MalNetTiny": _Benchmark("MalNetTiny", {}, "graph", "accuracy"),
    **{
        name: _Benchmark("LRGBDataset", {"name": name}, *what) for name, what in _LRGB.items()
    },
    **{
        name: _Benchmark("GNNBenchmarkDataset", {"name": name}, *what)
        for name, what in _SUPERPIXELS.items()
    },
    **{
        name: _Benchmark("TUDataset", {"name": name}, "graph", "accuracy", has_splits=False)
        for name in ("MUTAG", "PROTEINS", "ENZYMES", "NCI109", "IMDB-BINARY")
    },
    **{
        name: _Benchmark("Planetoid", {"name": name}, "node", "accuracy", has_splits=False)
        for name in ("Cora", "CiteSeer", "PubMed")
    },
    # Five folds, as in arXiv 2003.00982; the others have the masks of Geom-GCN.
    "CSL": _Benchmark(
        "GNNBenchmarkDataset", {"name": "CSL"}, "graph", "accuracy", has_splits=False, folds=5
    ),
    **{
        name: _Benchmark("WebKB", {"name": name}, "node", "accuracy", has_splits=False)
        for name in ("Texas", "Cornell", "Wisconsin")
    },
    **{
        name.title(): _Benchmark("WikipediaNetwork", {"name": name}, "node", "accuracy", False)
        for name in ("chameleon", "squirrel")
    },
    "Actor": _Benchmark("Actor", {}, "node", "accuracy", has_splits=False),
}  # fmt: skip
_OGB: dict[str, Metric] = {"ogbg-molhiv": "roc-auc", "ogbg-molpcba": "ap", "ogbg-ppa": "accuracy"}


def load_hub(source: str) -> GraphData:
    """A benchmark by name.

    Args:
        source: `pyg:ZINC@ROOT` or `ogb:ogbg-molhiv@ROOT`; ROOT is a folder, by default `data`.

    Raises:
        InvalidDataset: an unknown name, or data that are not in ROOT and cannot be fetched.
        MissingExtra: OGB's package is not installed.
    """
    hub, _, rest = source.partition(":")
    name, _, root = rest.partition("@")
    return (_from_pyg if hub == "pyg" else _from_ogb)(name, root or "data")


def _from_pyg(name: str, root: str) -> GraphData:
    benchmark = find("benchmark of pyg", name, BENCHMARKS, error=InvalidDataset)
    from torch_geometric import datasets

    loader = getattr(datasets, benchmark.loader)
    if benchmark.has_splits:
        lists = [
            _fetched(name, root, partial(loader, root, split=subset, **benchmark.options))
            for subset in PARTS
        ]
        graphs = [graph for subset in lists for graph in subset]
        splits: tuple[Split, ...] = (_consecutive([len(subset) for subset in lists]),)
    else:
        graphs = list(_fetched(name, root, partial(loader, root, **benchmark.options)))
        splits = (
            masked_splits(graphs[0])
            if benchmark.level == "node"
            else _folds(graphs, benchmark.folds)
        )
    return GraphData(name, benchmark.level, _prepared(name, graphs), splits, benchmark.metric)


def _from_ogb(name: str, root: str) -> GraphData:
    metric = find("benchmark of ogb", name, _OGB, error=InvalidDataset)
    try:
        loader = import_module("ogb.graphproppred").PygGraphPropPredDataset
    except ModuleNotFoundError:
        raise MissingExtra("ogb", "ogb") from None
    dataset = _fetched(name, root, partial(loader, name, root=root))
    ids = dataset.get_idx_split()
    split = Split("official", ids["train"], ids["valid"], ids["test"])
    graphs = _prepared(name, list(dataset))
    if name == "ogbg-ppa":
        for graph in graphs:
            graph.y = graph.y.view(-1)
    return GraphData(name, "graph", graphs, (split,), metric)


def _fetched(name: str, root: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # the loaders raise whatever the network and the archives do
        raise InvalidDataset(
            f"{name} is not in {root!r} and could not be fetched ({type(error).__name__}: "
            f"{error}); fetch it where there is a network and name its folder, or give an .npz "
            f"file; where a download ended half-way, first remove what it left in {root!r}"
        ) from error


def _prepared(name: str, graphs: Sequence[Data]) -> list[Data]:
    """Plain `Data` with what training reads.

    MalNet's vertices get their degree profile, those without features (CSL) one category.
    """
    if name == "MalNetTiny":
        from torch_geometric.transforms import LocalDegreeProfile

        graphs = [LocalDegreeProfile()(graph) for graph in graphs]
    names = ("x", "edge_index", "edge_attr", "y", "edge_label_index", "edge_label")
    plain = []
    for graph in graphs:
        values = {key: graph[key] for key in names if graph.get(key) is not None}
        values.setdefault("x", torch.zeros(int(graph.num_nodes or 0), 1, dtype=torch.int64))
        if "y" in values:
            values["y"] = torch.as_tensor(values["y"])
        if "y" in values and values["y"].dtype.is_floating_point and name.startswith("ogbg"):
            values["y"] = values["y"].view(1, -1)
        if "edge_label_index" in values:
            values.pop("y", None)
        plain.append(Data(**values))
    return plain


def _consecutive(sizes: Sequence[int]) -> Split:
    ends = torch.tensor([0, *sizes]).cumsum(0).tolist()
    subsets = [torch.arange(ends[i], ends[i + 1]) for i in range(3)]
    return Split("official", *subsets)


def _folds(graphs: Sequence[Data], count: int) -> tuple[Split, ...]:
    """Stratified folds: split s tests on fold s and validates on fold s + 1."""
    from sklearn.model_selection import StratifiedKFold

    labels = torch.cat([torch.as_tensor(graph.y).view(-1) for graph in graphs]).numpy()
    cutter = StratifiedKFold(count, shuffle=True, random_state=0)
    fold = torch.zeros(len(labels), dtype=torch.int64)
    for index, (_, test) in enumerate(cutter.split(labels, labels)):
        fold[torch.from_numpy(test)] = index
    return folded(fold, "the folds")


def masked_splits(graph: Data) -> tuple[Split, ...]:
    """Splits from `train_mask`, `val_mask` and `test_mask`, `[N]` or `[N, S]` booleans.

    A mask `[N]` beside others `[N, S]` holds for all splits, as WikiCS has its test part.

    Raises:
        InvalidDataset: a mask is missing, or is none of the graph's vertices.
    """
    names = [f"{subset}_mask" for subset in PARTS]
    missing = [name for name in names if graph.get(name) is None]
    if missing:
        raise InvalidDataset(
            f"the graph has no {', '.join(missing)}; wanted all three masks of its vertices, "
            "booleans, or none: random_splits (--split-ratio) draws parts"
        )
    masks = [_mask(name, graph[name], int(graph.num_nodes or 0)) for name in names]
    counts = [mask.size(1) for mask in masks]
    if len({*counts} - {1}) > 1 or 0 in counts:
        raise InvalidDataset(
            f"{names[0]}, {names[1]} and {names[2]} hold {counts[0]}, {counts[1]} and {counts[2]} "
            "splits; wanted the same number of each, one column per split"
        )
    count = max(counts)
    each = [mask.expand(-1, count) for mask in masks]
    return tuple(Split.of_masks(str(s), *(mask[:, s] for mask in each)) for s in range(count))


def _mask(name: str, mask: object, vertices: int) -> Tensor:
    """`[N, S]` booleans."""
    requirement = f"wanted booleans [{vertices}] or [{vertices}, S], one row per vertex"
    if not isinstance(mask, Tensor):
        raise InvalidDataset(f"{name} is of type {type(mask).__name__}; {requirement}")
    good = mask.dim() in (1, 2) and len(mask) == vertices
    if not good or mask.dtype is not torch.bool:
        raise InvalidDataset(f"{name} is {list(mask.shape)} of {mask.dtype}; {requirement}")
    return mask.unsqueeze(1) if mask.dim() == 1 else mask
