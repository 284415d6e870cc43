"""Training data: graphs, labels and splits, with checks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset
from graphagg.nn.config.model import TaskLevel
from graphagg.nn.config.training import Metric, MetricOrAuto
from graphagg.nn.training.data.checks import (
    check_features,
    check_ids,
    check_labels,
    check_rows,
    check_tensors,
    unknown_rows,
    widen,
)
from graphagg.nn.training.data.graphs import Graphs

SUBSETS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Numbers of the graphs (or vertices of a single graph) in each part, `[n]` int64.

    Attributes:
        name: name of the split in messages and results.
        train: used for training.
        val: used to choose the best epoch.
        test: used for the reported score.

    Examples:
        >>> import torch
        >>> from graphagg.nn.training import Split
        >>> Split("a", torch.tensor([0, 1]), torch.tensor([2]), torch.tensor([3])).train.tolist()
        [0, 1]
    """

    name: str
    train: Tensor
    val: Tensor
    test: Tensor

    @classmethod
    def from_masks(cls, name: str, train: Tensor, val: Tensor, test: Tensor) -> Split:
        """Create a split from three boolean masks `[n]`; raise `InvalidDataset` for other masks.

        Examples:
            >>> import torch
            >>> from graphagg.nn.training import Split
            >>> Split.from_masks("a", *torch.eye(3).bool()).val.tolist()
            [1]
        """
        masks = (train, val, test)
        kinds = [f"{list(mask.shape)} of {mask.dtype}" for mask in masks]
        if any(mask.dtype is not torch.bool or mask.shape != (len(train),) for mask in masks):
            raise InvalidDataset(
                f"split {name}: the masks are {', '.join(kinds)}; expected three booleans [n]"
            )
        return cls(name, *(mask.nonzero().flatten() for mask in masks))


def masked_splits(graph: Data) -> tuple[Split, ...]:
    """Create splits from `train_mask`, `val_mask` and `test_mask`, `[N]` or `[N, S]` booleans.

    If other masks are `[N, S]`, a mask `[N]` is used for all splits, like the test part of WikiCS.
    A graph without masks has no splits. Raises `InvalidDataset` for a missing or invalid mask.
    """
    names = [f"{subset}_mask" for subset in SUBSETS]
    missing = [name for name in names if graph.get(name) is None]
    if len(missing) == len(names):
        return ()
    if missing:
        raise InvalidDataset(
            f"the graph has no {', '.join(missing)}; expected all three masks of its vertices, "
            "booleans, or none: graphagg.nn.random_splits draws parts"
        )
    vertices, masks = int(graph.num_nodes or 0), [graph[name] for name in names]
    for name, mask in zip(names, masks, strict=True):
        found = f"{list(mask.shape)} of {mask.dtype}" if isinstance(mask, Tensor) else type(mask)
        if not isinstance(mask, Tensor) or found != f"{[vertices, *mask.shape[1:2]]} of torch.bool":
            raise InvalidDataset(
                f"{name} is {found}; expected booleans [{vertices}] or [{vertices}, S], one row "
                "per vertex"
            )
    masks = [mask.unsqueeze(1) if mask.dim() == 1 else mask for mask in masks]
    counts = [mask.size(1) for mask in masks]
    if any(each not in (1, max(counts)) for each in counts):
        raise InvalidDataset(
            f"{names[0]}, {names[1]} and {names[2]} hold {counts[0]}, {counts[1]} and {counts[2]} "
            "splits; expected the same number of each, one column per split"
        )
    count = max(counts)
    wide = [mask.expand(-1, count) for mask in masks]
    return tuple(Split.from_masks(str(s), *(mask[:, s] for mask in wide)) for s in range(count))


@dataclass(frozen=True)
class Shape:
    """Widths of the data, which a model must match.

    Attributes:
        level: predict for each `graph`, `node` or pair of `edge_label_index` (`edge`).
        features: width F of real-valued `x` `[N, F]`; 0 if `x` holds categories.
        categories: number of categories of each column of integer `x`; empty if it is real.
        edge_features: width of real-valued `edge_attr`, or 0.
        edge_categories: number of categories of each column of integer `edge_attr`.
        outputs: number of columns to predict.

    Examples:
        >>> from graphagg.nn.training import Shape
        >>> Shape("node", 16, (), 0, (), outputs=3).features
        16
    """

    level: TaskLevel
    features: int
    categories: tuple[int, ...]
    edge_features: int
    edge_categories: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class GraphData:
    """Graphs with labels and splits.

    Attributes:
        name: name of the data in results.
        level: `graph`, `node` or `edge`; see `Shape`.
        graphs: `Data` with `x` (`[N, F]` float32, or int64 categories), `edge_index` `[2, E]`
            int64, optional `edge_attr`, and `y`: one row per graph, one per vertex if `level` is
            `node` (-1 or NaN: unknown), or `edge_label` `[P]` of `edge_label_index` `[2, P]`.
        splits: empty if the data have none; `train` then draws a random split.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.training import GraphData, Split
        >>> edge, ids = torch.tensor([[0], [1]]), torch.arange(3)
        >>> graphs = [Data(x=torch.ones(2, 4), edge_index=edge, y=torch.tensor([0])) for _ in ids]
        >>> data = GraphData("pairs", "graph", graphs, (Split("a", *ids.split(1)),))
        >>> data.resolve_metric("auto"), data.shape("accuracy").features
        ('accuracy', 4)
    """

    name: str
    level: TaskLevel
    graphs: Sequence[Data]
    splits: tuple[Split, ...]

    @property
    def single(self) -> bool:
        """Whether the data are one graph with splits of its vertices."""
        return self.level == "node" and len(self.graphs) == 1

    @property
    def size(self) -> int:
        """Total number of vertices and edges in all graphs."""
        return sum(int(graph.num_nodes or 0) + graph.num_edges for graph in self.graphs)

    @property
    def labels(self) -> str:
        """Name of the attribute with the labels."""
        return "edge_label" if self.level == "edge" else "y"

    def transformed(self, transform: Callable[[Data], Data]) -> GraphData:
        """Return a copy with every graph transformed."""
        return replace(self, graphs=[transform(graph.clone()) for graph in self.graphs])

    def resolve_metric(self, metric: MetricOrAuto) -> Metric:
        """Resolve `auto` to a metric that fits the labels."""
        if metric != "auto":
            return metric
        labels = self.graphs[0][self.labels]
        # NaN and -1 are unknown labels.
        binary = (labels == 0) | (labels == 1) | (labels == -1) | (labels != labels)
        pairs_or_columns = self.level == "edge" or (labels.dim() > 1 and labels.size(1) > 1)
        if pairs_or_columns and bool(binary.all()):
            return "ap"
        return "mae" if labels.dtype.is_floating_point else "accuracy"

    def shape(self, metric: Metric) -> Shape:
        """Return the widths of the data; `InvalidDataset` if the metric does not fit the labels."""
        flat = Graphs.from_list(self.graphs).columns
        features, categories = _widths(flat["x"].values)
        edges = flat.get("edge_attr")
        edge_features, edge_categories = (0, ()) if edges is None else _widths(edges.values)
        outputs = output_width(flat[self.labels].values, metric)
        return Shape(self.level, features, categories, edge_features, edge_categories, outputs)

    def digest(self) -> str:
        """Return the SHA-256 of features, edges, labels and splits; O(size of the data)."""
        state = hashlib.sha256()
        for name, column in Graphs.from_list(self.graphs).columns.items():
            state.update(f"{name} {tuple(column.values.shape)} {column.values.dtype}".encode())
            state.update(column.ptr.numpy().tobytes())
            # Hash bytes, because numpy has no bfloat16.
            values = column.values.detach().cpu().flatten()
            state.update(values.view(torch.uint8).numpy().tobytes())
        for split in self.splits:
            for subset in SUBSETS:
                state.update(getattr(split, subset).numpy().tobytes() + b"|")
        return state.hexdigest()


def output_width(labels: Tensor, metric: Metric) -> int:
    """Return the number of outputs: columns of regression or binary labels, else one per class.

    Raises `InvalidDataset` if the metric does not fit the labels.
    """
    columns = 1 if labels.dim() == 1 else labels.size(1)
    whole = not labels.dtype.is_floating_point
    if metric == "mae":
        if whole:
            _wrong_metric(metric, f"integer labels, {_count(labels)} classes", "accuracy")
        return columns
    if metric in ("roc-auc", "ap"):
        values = labels[labels == labels]  # NaN: unknown
        values = values[values != -1] if whole else values
        if values.numel() and not bool(((values == 0) | (values == 1)).all()):
            given = f"{_count(labels)} classes" if whole else "real-valued labels"
            _wrong_metric(metric, given, "accuracy" if whole else "mae")
        return columns
    if not whole or columns != 1:
        given = f"{columns} columns of labels" if columns != 1 else "real-valued labels"
        _wrong_metric(metric, given, "mae" if not whole else "ap")
    return _count(labels)


def _count(labels: Tensor) -> int:
    return int(labels.max()) + 1 if labels.numel() else 0


def _wrong_metric(metric: str, labels: str, instead: str) -> None:
    raise InvalidDataset(
        f"metric {metric!r} does not fit the data, which have {labels}; "
        f"set the training's metric, e.g. {instead!r}"
    )


def _widths(values: Tensor) -> tuple[int, tuple[int, ...]]:
    rows = values.view(-1, 1) if values.dim() == 1 else values
    if rows.dtype.is_floating_point:
        return rows.size(1), ()
    if not rows.numel():
        return 0, (1,) * rows.size(1)
    return 0, tuple(int(top) + 1 for top in rows.amax(dim=0))


def check_data(data: GraphData) -> GraphData:
    """Check all data that training reads, and widen types with `widen`.

    Raises:
        InvalidDataset: an attribute is missing or has a wrong shape, ids are out of range, labels
            are missing or below -1, or a split is empty, overlaps, is out of range or has a part
            without known labels.
        InvalidFeatures: NaN or infinity in features, infinity in labels, or negative categories.
    """
    if data.level not in get_args(TaskLevel):
        raise InvalidDataset(
            f"{data.name}: the level is {data.level!r}; expected one of "
            f"{', '.join(get_args(TaskLevel))}"
        )
    check_tensors(data.name, data.graphs)
    graphs = widen(data.graphs)
    data = data if graphs is data.graphs else replace(data, graphs=graphs)
    flat = Graphs.from_list(data.graphs)
    pairs = ("edge_label_index",) if data.level == "edge" else ()
    for name in ("x", "edge_index", *pairs, data.labels):
        if name not in flat.columns:
            raise InvalidDataset(
                f"{data.name}: the graphs have no {name!r}; found {', '.join(sorted(flat.columns))}"
                + ("; a column of ones is enough: torch.ones(N, 1)" if name == "x" else "")
            )
    _check_graphs(data, flat)
    _check_splits(data, flat)
    return data


def check_inputs(name: str, level: TaskLevel, graphs: Sequence[Data]) -> list[Data]:
    """Return graphs with only the attributes that a model reads, checked as in `check_data`."""
    check_tensors(name, graphs)
    required = ("x", "edge_index", *(("edge_label_index",) if level == "edge" else ()))
    plain = []
    for index, graph in enumerate(widen(graphs)):
        missing = [key for key in required if graph.get(key) is None]
        if missing:
            raise InvalidDataset(
                f"{name}: graph {index} has no {missing[0]!r}; expected {', '.join(required)}"
                + ("" if level != "edge" else " (the pairs to predict, [2, P])")
            )
        keys = [key for key in (*required, "edge_attr") if graph.get(key) is not None]
        plain.append(Data(**{key: graph[key] for key in keys}))
    _check_inputs(name, level, Graphs.from_list(plain))
    return plain


def _check_inputs(name: str, level: TaskLevel, flat: Graphs) -> None:
    check_rows(name, flat, "x", flat.vertex_ptr.diff(), "vertex")
    check_features(name, "x", flat.columns["x"])
    check_ids(name, flat, "edge_index")
    if "edge_attr" in flat.columns:
        edges = flat.columns["edge_index"].ptr.diff()
        check_rows(name, flat, "edge_attr", edges, "edge")
        check_features(name, "edge_attr", flat.columns["edge_attr"])
    if level == "edge":
        check_ids(name, flat, "edge_label_index")


def _check_graphs(data: GraphData, flat: Graphs) -> None:
    _check_inputs(data.name, data.level, flat)
    vertices = flat.vertex_ptr.diff()
    if data.level == "edge":
        rows, what = flat.columns["edge_label_index"].ptr.diff(), "pair of edge_label_index"
    elif data.level == "node":
        rows, what = vertices, "vertex"
    else:
        rows, what = torch.ones_like(vertices), "graph"
    check_rows(data.name, flat, data.labels, rows, what)
    check_labels(data.name, data.labels, flat.columns[data.labels].values)


def _check_splits(data: GraphData, flat: Graphs) -> None:
    if not data.splits:
        raise InvalidDataset(f"{data.name}: the data have no split; expected train, val and test")
    label_counts = _known(data, flat)
    for split in data.splits:
        if not isinstance(split, Split):
            raise InvalidDataset(
                f"{data.name}: the splits hold a {type(split).__name__}; expected Split objects"
            )
        seen = torch.zeros_like(label_counts)
        for subset in SUBSETS:
            where, ids = f"{data.name}: {subset} of split {split.name}", getattr(split, subset)
            _check_ids(where, ids, len(label_counts))
            _check_known(where, ids, label_counts, data.single or data.level == "graph")
            seen.index_add_(0, ids, torch.ones_like(ids))
        if bool((seen > 1).any()):
            raise InvalidDataset(
                f"{data.name}: split {split.name} names {int((seen > 1).nonzero()[0])} more than "
                "once; train, val and test must not overlap"
            )


def _known(data: GraphData, flat: Graphs) -> Tensor:
    """Count the known labels of each graph, or of each vertex of a single graph: int64."""
    column = flat.columns[data.labels]
    labeled = (~unknown_rows(column.values)).long()
    if data.single:
        return labeled
    owner = torch.repeat_interleave(torch.arange(len(flat)), column.ptr.diff())
    return labeled.new_zeros(len(flat)).index_add_(0, owner, labeled)


def _check_ids(where: str, ids: Tensor, count: int) -> None:
    if not isinstance(ids, Tensor):
        raise InvalidDataset(f"{where} is a {type(ids).__name__}; expected a tensor [n] int64")
    if ids.dim() != 1 or ids.dtype is not torch.int64:
        raise InvalidDataset(
            f"{where} is {list(ids.shape)} of {ids.dtype}; expected [n] int64 numbers; "
            "Split.from_masks converts masks"
        )
    if not ids.numel():
        raise InvalidDataset(f"{where} is empty")
    if int(ids.min()) < 0 or int(ids.max()) >= count:
        raise InvalidDataset(
            f"{where} holds {int(ids.min())} to {int(ids.max())}; expected 0 to {count - 1}"
        )


def _check_known(where: str, ids: Tensor, label_counts: Tensor, every: bool) -> None:
    """Raise `InvalidDataset` if any id lacks a label (with `every`), or if all of them do."""
    without = ids[label_counts[ids] == 0]
    if every and len(without):
        raise InvalidDataset(
            f"{where} holds {len(without):,} ids without a label, the first is {int(without[0])}; "
            "label them or leave them out"
        )
    if len(without) == len(ids):
        raise InvalidDataset(
            f"{where} has no known label in its {len(ids):,} graphs, only NaN or -1; label some "
            "of them"
        )
