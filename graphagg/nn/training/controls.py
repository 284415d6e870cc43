"""Controls of a run: what simple models reach on the same split.

| level | controls |
| --- | --- |
| graph | constant, boosted trees on counts, `sage` |
| node | constant, label propagation (of classes), `mlp`, `gcn`, `sage` |
| edge | constant, Adamic-Adar, `mlp`, `sage` |

The networks are plain models of `graphagg.nn.presets.simple`, trained for at most as many epochs
as the model, whose epochs cost more; the other controls take seconds. Only the epoch is chosen by
validation.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import degree, one_hot, scatter

from graphagg.arrays import Doubles
from graphagg.errors import GraphAggError
from graphagg.nn.config.training import Metric, TrainingConfig
from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.simple import Simple, for_epochs, simple
from graphagg.nn.training.batches import Feed
from graphagg.nn.training.data.dataset import Shape
from graphagg.nn.training.fit.learner import Learner, evaluate
from graphagg.nn.training.fit.loop import Loop
from graphagg.nn.training.plan import make_plan
from graphagg.nn.training.results import Control

_NETWORKS: dict[str, tuple[Simple, ...]] = {
    "graph": ("sage",), "node": ("mlp", "gcn", "sage"), "edge": ("mlp", "sage"),
}  # fmt: skip
_MOST_GRAPHS, _MOST_COLUMNS = 20_000, 16  # limits for the trees


@dataclass(frozen=True)
class Task:
    """The data of a split, and the settings of the run."""

    feed: Feed
    shape: Shape
    metric: Metric
    training: TrainingConfig
    device: torch.device

    @property
    def classes(self) -> bool:
        """Whether labels are one column of classes."""
        return self.metric in ("accuracy", "f1")


def measure(task: Task, networks: Mapping[str, Preset] | None = None) -> tuple[Control, ...]:
    """Fit each control on the training part and evaluate it on the other two.

    `networks` are the networks to train by name; by default those of the table above.
    """
    if networks is None:
        networks = {name: simple(name, task.shape.level) for name in _NETWORKS[task.shape.level]}
    return tuple(_measured(name, fit, task) for name, fit in _controls(task, networks))


def _measured(name: str, fit: Callable[[], torch.nn.Module], task: Task) -> Control:
    start, note = time.process_time(), ""
    scores: list[float | None] = [None, None]
    try:
        learner = Learner(fit(), task.training, task.metric, task.shape.level)
        scores = [
            evaluate(learner, task.feed.evaluation(subset), task.device, f"the {subset} part")
            for subset in ("val", "test")
        ]
    except GraphAggError as error:  # a control that fails must not end the run
        note = str(error)
    seconds = round(time.process_time() - start, 2)
    return Control(name, scores[0], scores[1], seconds, note)


def _controls(
    task: Task, networks: Mapping[str, Preset]
) -> Iterator[tuple[str, Callable[[], torch.nn.Module]]]:
    level, labeled = task.shape.level, task.feed.part("train")
    yield "constant", lambda: _Constant(labeled, task)
    if level == "node" and task.feed.single and (task.classes or _is_binary(labeled.y)):
        yield "label propagation", lambda: _Propagation(labeled, task)
    if level == "graph" and task.shape.outputs <= _MOST_COLUMNS:
        yield "trees on counts", lambda: _Trees(labeled, task)
    if level == "edge":
        yield "Adamic-Adar", AdamicAdar
    for name, preset in networks.items():
        yield name, lambda preset=preset: train_model(preset, task)  # type: ignore[misc]


def train_model(preset: Preset, task: Task) -> torch.nn.Module:
    """Train a model without a folder, for at most the task's epochs; return its best epoch."""
    plain = for_epochs(preset.training, task.training.epochs)
    training = replace(
        task.training,
        epochs=plain.epochs,
        lr=plain.lr,
        weight_decay=plain.weight_decay,
        warmup_epochs=plain.warmup_epochs,
        patience=plain.patience,
    )
    with torch.random.fork_rng([task.device] if task.device.type == "cuda" else []):
        torch.manual_seed(training.random_state)
        model = make_plan(preset.model).build(task.shape)
        learner = Learner(model, training, task.metric, task.shape.level)
        loop, best = Loop(learner, task.feed, task.device, None), {}
        while not loop.over:
            if loop.epoch()[1]:
                best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return model


class _Constant(torch.nn.Module):
    """The best constant answer: the median, or the share of each class."""

    answer: Tensor

    def __init__(self, labeled: Data, task: Task) -> None:
        super().__init__()
        self.level = task.shape.level
        labels = part_labels(labeled, self.level)
        if task.metric == "mae":
            answer = labels.nanmedian(0).values
        elif task.classes:
            classes = labels.view(-1)
            counts = torch.bincount(classes[classes >= 0], minlength=task.shape.outputs)
            answer = (counts + 1e-9).log()
        else:
            answer = torch.zeros(task.shape.outputs)
        self.register_buffer("answer", answer.to(torch.get_default_dtype()))

    def forward(self, data: Data) -> Tensor:
        rows = data.edge_label_index.size(1) if self.level == "edge" else data.y.size(0)
        return self.answer.expand(rows, -1)


class _Propagation(torch.nn.Module):
    """Labels spread over the edges (Zhu and Ghahramani 2002, by PyG): 50 steps, alpha .9."""

    shares: Tensor

    def __init__(self, labeled: Data, task: Task) -> None:
        super().__init__()
        from torch_geometric.nn.models import LabelPropagation

        spread = LabelPropagation(num_layers=50, alpha=0.9)
        labels = labeled.y.view(-1).clamp(min=0).long()
        shares = spread(labels, labeled.edge_index, mask=labeled.rows)
        width = task.shape.outputs if task.classes else 2
        shares = torch.nn.functional.pad(shares, (0, width - shares.size(1)))
        self.register_buffer("shares", shares if task.classes else shares[:, 1:])

    def forward(self, data: Data) -> Tensor:
        return self.shares


class _Trees(torch.nn.Module):
    """Gradient-boosted trees on counts of each graph, a model per column of labels."""

    def __init__(self, labeled: Data, task: Task) -> None:
        super().__init__()
        from sklearn.ensemble import HistGradientBoostingClassifier as Classifier
        from sklearn.ensemble import HistGradientBoostingRegressor as Regressor

        self.task, self.columns = task, []
        counts = graph_counts(labeled, task.shape)[:_MOST_GRAPHS]
        for labels in part_labels(labeled, "graph").T.cpu().numpy()[:, :_MOST_GRAPHS]:
            there = ~np.isnan(labels) if task.metric == "mae" else labels >= 0
            # The default, 20, is too many for few graphs.
            least = max(2, min(20, int(there.sum()) // 20))
            regression = Regressor(loss="absolute_error", random_state=0, min_samples_leaf=least)
            classifier = Classifier(random_state=0, min_samples_leaf=least)
            model = regression if task.metric == "mae" else classifier
            one = len(np.unique(labels[there])) < 2  # no classifier can be fitted
            self.columns.append(None if one else model.fit(counts[there], labels[there]))

    def forward(self, data: Data) -> Tensor:
        counts = graph_counts(data, self.task.shape)
        columns = [self._answers(model, counts) for model in self.columns]
        return torch.from_numpy(np.concatenate(columns, axis=1)).float().to(data.edge_index.device)

    def _answers(self, model, counts: Doubles) -> Doubles:  # type: ignore[no-untyped-def]  # noqa: ANN001
        if model is None or self.task.metric == "mae":
            return np.zeros((len(counts), 1)) if model is None else model.predict(counts)[:, None]
        shares: Doubles = np.log(model.predict_proba(counts) + 1e-12)
        if not self.task.classes:
            return shares[:, 1:] - shares[:, :1]
        answers = np.full((len(counts), self.task.shape.outputs), -30.0)
        answers[:, model.classes_.astype(int)] = shares
        return answers


class AdamicAdar(torch.nn.Module):
    """Common neighbors of a pair, each by the inverse logarithm of its degree."""

    def forward(self, data: Data) -> Tensor:
        """`[P]` scores of the pairs of `edge_label_index`."""
        from scipy.sparse import csr_array

        size, edges = int(data.num_nodes or 0), data.edge_index.cpu().numpy()
        matrix = csr_array((np.ones(edges.shape[1]), (edges[0], edges[1])), (size, size))
        matrix = ((matrix + matrix.T) > 0).astype(np.float64)
        weights = 1 / np.log(np.maximum(matrix.sum(axis=1), 2.0))
        source, target = data.edge_label_index.cpu().numpy()
        scores = matrix[source].multiply(matrix[target]) @ weights
        return torch.from_numpy(np.asarray(scores)).float().to(data.edge_index.device)


def graph_counts(batch: Data, shape: Shape) -> Doubles:
    """Statistics of each graph, `[G, columns]`.

    Counts of edges, of degrees 0 to 7 and 8 or more, and of each category; mean and maximum of real
    features, of vertices and of edges.
    """
    count, owner = batch.num_graphs, batch.batch
    of_edges = owner[batch.edge_index[0]]
    degrees = degree(batch.edge_index[1], batch.num_nodes, dtype=torch.int64)
    columns = [
        scatter(torch.ones(len(of_edges), 1, device=owner.device), of_edges, 0, count, "sum"),
        scatter(one_hot(degrees.clamp(max=8), 9), owner, 0, count, "sum"),
    ]
    of_vertices = (batch.x, shape.categories, owner)
    for values, categories, rows in (
        of_vertices, (batch.get("edge_attr"), shape.edge_categories, of_edges)
    ):  # fmt: skip
        if values is None:
            continue
        values = values.view(len(rows), -1)
        if not categories:
            columns += [scatter(values, rows, 0, count, how) for how in ("mean", "max")]
        for column, size in enumerate(categories):
            seen = one_hot(values[:, column].clamp(max=size - 1), size)
            columns.append(scatter(seen, rows, 0, count, "sum"))
    table: Doubles = np.asarray(torch.cat(columns, dim=1).double().cpu())
    return table


def part_labels(labeled: Data, level: str) -> Tensor:
    """Labels of a part, `[n, T]`, real ones as floats."""
    labels: Tensor = labeled.edge_label if level == "edge" else labeled.y
    rows = labeled.get("rows")
    labels = labels if rows is None else labels[rows]
    return labels.view(len(labels), -1)


def _is_binary(labels: Tensor) -> bool:
    """Whether labels are one column of 0 and 1, beside unknown ones."""
    values = labels[labels == labels]
    whole = bool(((values == 0) | (values == 1) | (values == -1)).all())
    return whole and labels.numel() == labels.size(0)
