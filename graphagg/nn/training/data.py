"""What a model is trained on: graphs, labels and splits, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset, InvalidFeatures
from graphagg.nn.training.config import Metric, MetricOrAuto
from graphagg.nn.training.graphs import Column, Graphs

Level = Literal["graph", "node", "edge"]
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Numbers of graphs, or of vertices where the data are one graph, `[n]` int64 each.

    Attributes:
        name: Where it comes from, for messages and results.
        train: Trained on.
        val: Chooses the best epoch.
        test: Reported.
    """

    name: str
    train: Tensor
    val: Tensor
    test: Tensor

    @classmethod
    def of_masks(cls, name: str, train: Tensor, val: Tensor, test: Tensor) -> Split:
        """From three boolean masks `[n]`."""
        return cls(name, *(mask.nonzero().flatten() for mask in (train, val, test)))


@dataclass(frozen=True)
class Shape:
    """Widths that a model must fit.

    Attributes:
        level: What is predicted: one row a graph, a vertex or a pair of `edge_label_index`.
        features: Width F of real-valued `x` `[N, F]`; 0 where `x` holds categories.
        categories: Number of categories of each column of integer `x`; empty where it is real.
        edge_features: Width of real-valued `edge_attr`; 0 where there is none.
        edge_categories: Number of categories of each column of integer `edge_attr`.
        outputs: Columns that the model predicts.
    """

    level: Level
    features: int
    categories: tuple[int, ...]
    edge_features: int
    edge_categories: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class GraphData:
    """Graphs with labels and splits.

    Attributes:
        name: For results.
        level: What is predicted.
        graphs: `Data` with `x` (`[N, F]` float32, or int64 categories), `edge_index` `[2, E]`
            int64, perhaps `edge_attr`, and `y`: one row a graph, one a vertex where `level` is
            `node` (-1 or NaN: unknown), or `edge_label` `[P]` of `edge_label_index` `[2, P]`.
        splits: At least one.
        metric: What the benchmark measures; None where the data do not say.
    """

    name: str
    level: Level
    graphs: Sequence[Data]
    splits: tuple[Split, ...]
    metric: Metric | None = None

    @property
    def single(self) -> bool:
        """One graph whose vertices are split, in contrast to graphs that are."""
        return self.level == "node" and len(self.graphs) == 1

    @property
    def labels(self) -> str:
        """Name of the attribute with the labels."""
        return "edge_label" if self.level == "edge" else "y"

    def transformed(self, transform: Callable[[Data], Data]) -> GraphData:
        """The same with every graph transformed; the graphs given stay as they are."""
        return replace(self, graphs=[transform(graph.clone()) for graph in self.graphs])

    def metric_of(self, wanted: MetricOrAuto) -> Metric:
        """The metric wanted; for `auto` that of the data, or one for such labels."""
        if wanted != "auto":
            return wanted
        if self.metric is not None:
            return self.metric
        if self.level == "edge":
            return "mrr"
        labels = self.graphs[0][self.labels]
        if labels.dim() > 1 and labels.size(1) > 1 and not _is_real(labels):
            return "ap"
        return "mae" if labels.dtype.is_floating_point else "accuracy"

    def shape(self, metric: Metric) -> Shape:
        """What a model must fit.

        Raises:
            InvalidDataset: The metric is none of such labels.
        """
        flat = Graphs.of(self.graphs).columns
        features, categories = _widths(flat["x"].values)
        edges = flat.get("edge_attr")
        edge_features, edge_categories = (0, ()) if edges is None else _widths(edges.values)
        outputs = outputs_of(flat[self.labels].values, metric)
        return Shape(self.level, features, categories, edge_features, edge_categories, outputs)

    def digest(self) -> str:
        """A SHA-256 of features, edges, labels and splits: O(size of the data)."""
        state = hashlib.sha256()
        for name, column in Graphs.of(self.graphs).columns.items():
            state.update(f"{name} {tuple(column.values.shape)} {column.values.dtype}".encode())
            state.update(column.ptr.numpy().tobytes())
            state.update(column.values.contiguous().numpy().tobytes())
        for split in self.splits:
            for part in PARTS:
                state.update(getattr(split, part).numpy().tobytes() + b"|")
        return state.hexdigest()


def folded(fold: Tensor) -> tuple[Split, ...]:
    """Splits from the fold of each graph: s is tested on, s + 1 validates, the others train."""
    count = int(fold.max()) + 1
    return tuple(
        Split.of_masks(
            str(s),
            (fold != s) & (fold != (s + 1) % count),
            fold == (s + 1) % count,
            fold == s,
        )
        for s in range(count)
    )


def outputs_of(labels: Tensor, metric: Metric) -> int:
    """Columns to predict: of regression and binary labels their own, else one a class.

    Raises:
        InvalidDataset: The metric is none of such labels.
    """
    columns = 1 if labels.dim() == 1 else labels.size(1)
    whole = not labels.dtype.is_floating_point
    if metric == "mae":
        if whole:
            _wrong_metric(metric, f"integer labels, {_count(labels)} classes", "accuracy")
        return columns
    if metric in ("roc-auc", "ap", "mrr"):
        known = labels[labels == labels]  # NaN: unknown
        known = known[known != -1] if whole else known
        if known.numel() and not bool(((known == 0) | (known == 1)).all()):
            found = f"{_count(labels)} classes" if whole else "real-valued labels"
            _wrong_metric(metric, found, "accuracy" if whole else "mae")
        return columns
    if not whole or columns != 1:
        found = f"{columns} columns of labels" if columns != 1 else "real-valued labels"
        _wrong_metric(metric, found, "mae" if not whole else "ap")
    return _count(labels)


def _is_real(labels: Tensor) -> bool:
    known = labels[labels == labels]  # NaN: unknown
    return bool(((known != 0) & (known != 1) & (known != -1)).any())


def _count(labels: Tensor) -> int:
    return int(labels.max()) + 1 if labels.numel() else 0


def _wrong_metric(metric: str, found: str, instead: str) -> None:
    raise InvalidDataset(
        f"metric {metric!r} does not fit the data, which have {found}; "
        f"set the training's metric, e.g. {instead!r}"
    )


def _widths(values: Tensor) -> tuple[int, tuple[int, ...]]:
    rows = values.view(-1, 1) if values.dim() == 1 else values
    if rows.dtype.is_floating_point:
        return rows.size(1), ()
    if not rows.numel():
        return 0, (1,) * rows.size(1)
    return 0, tuple(int(top) + 1 for top in rows.amax(dim=0))


def checked(data: GraphData) -> GraphData:
    """The data, once everything that training reads has been looked at.

    Raises:
        InvalidDataset: An attribute that is missing or of a wrong shape, ids out of range, labels
            that are missing, a split that is empty, overlaps or goes out of range.
        InvalidFeatures: NaN or infinity in features or labels, negative categories.
    """
    flat = Graphs.of(data.graphs)
    for name in ("x", "edge_index", data.labels):
        if name not in flat.columns:
            raise InvalidDataset(
                f"{data.name}: the graphs have no {name!r}; found {', '.join(sorted(flat.columns))}"
            )
    _check_features(data.name, "x", flat.columns["x"])
    _check_edges(data.name, flat)
    labels = flat.columns[data.labels]
    rows = {
        "graph": len(flat),
        "node": int(flat.vertex_ptr[-1]),
        "edge": flat.columns.get("edge_label_index", labels).values.shape[-1],
    }[data.level]
    if labels.values.size(0) != rows:
        raise InvalidDataset(
            f"{data.name}: {labels.values.size(0):,} rows of {data.labels}, wanted {rows:,}, "
            f"one a {data.level}"
        )
    if labels.values.dtype.is_floating_point and bool(labels.values.isinf().any()):
        at = int(labels.values.isinf().view(rows, -1).any(dim=1).nonzero()[0])
        raise InvalidFeatures(
            f"{data.name}: {data.labels} holds inf in row {at}; wanted finite numbers, or NaN "
            "where a label is unknown"
        )
    if data.level != "graph" and not data.single:
        rows = len(flat)
    _check_splits(data, labels.values, rows if data.level != "edge" else len(flat))
    return data


def _check_features(name: str, key: str, column: Column) -> None:
    values = column.values
    if values.dtype.is_floating_point:
        bad = ~torch.isfinite(values)
        if bool(bad.any()):
            place = bad.nonzero()[0].tolist()
            raise InvalidFeatures(
                f"{name}: {key} holds {values[tuple(place)].item()} in row {place[0]}, "
                f"{int(bad.sum()):,} such values in all; wanted finite numbers"
            )
    elif values.numel() and int(values.min()) < 0:
        raise InvalidFeatures(
            f"{name}: {key} holds the category {int(values.min())}; wanted 0, 1, ..."
        )


def _check_edges(name: str, flat: Graphs) -> None:
    column = flat.columns["edge_index"]
    edges = column.values
    if edges.dtype.is_floating_point or edges.dim() != 2 or edges.size(0) != 2:
        raise InvalidDataset(
            f"{name}: edge_index is {list(edges.shape)} of {edges.dtype}, wanted [2, E] integers"
        )
    owner = torch.repeat_interleave(torch.arange(len(flat)), column.ptr.diff())
    limit = flat.vertex_ptr.diff()[owner]
    bad = ((edges < 0) | (edges >= limit)).any(dim=0)
    if bool(bad.any()):
        at = int(bad.nonzero()[0])
        graph = int(owner[at])
        raise InvalidDataset(
            f"{name}: an edge of graph {graph} joins {edges[:, at].tolist()}, but its vertices "
            f"are 0 to {int(limit[at]) - 1}"
        )
    attributes = flat.columns.get("edge_attr")
    if attributes is None:
        return
    if attributes.values.size(0) != edges.size(1):
        raise InvalidDataset(
            f"{name}: {attributes.values.size(0):,} rows of edge_attr, but {edges.size(1):,} edges"
        )
    _check_features(name, "edge_attr", attributes)


def _check_splits(data: GraphData, labels: Tensor, count: int) -> None:
    if not data.splits:
        raise InvalidDataset(f"{data.name}: there is no split; wanted train, val and test")
    unknown = _unknown(labels)
    for split in data.splits:
        seen = torch.zeros(count, dtype=torch.int64)
        for part in PARTS:
            ids = getattr(split, part)
            where = f"{data.name}: {part} of split {split.name}"
            if not ids.numel():
                raise InvalidDataset(f"{where} is empty")
            if int(ids.min()) < 0 or int(ids.max()) >= count:
                raise InvalidDataset(
                    f"{where} holds {int(ids.min())} to {int(ids.max())}; wanted 0 to {count - 1}"
                )
            if (data.single or data.level == "graph") and bool(unknown[ids].any()):
                raise InvalidDataset(
                    f"{where} holds {int(unknown[ids].sum()):,} without a label, "
                    f"the first {int(ids[unknown[ids]][0])}; label them or leave them out"
                )
            seen.index_add_(0, ids, torch.ones_like(ids))
        if bool((seen > 1).any()):
            raise InvalidDataset(
                f"{data.name}: split {split.name} names {int((seen > 1).nonzero()[0])} more than "
                "once; train, val and test must not overlap"
            )


def _unknown(labels: Tensor) -> Tensor:
    rows = labels.view(labels.size(0), -1)
    missing = rows.isnan() if rows.dtype.is_floating_point else rows == -1
    return missing.all(dim=1)
