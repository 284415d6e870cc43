"""`auto`: one of the plain models, chosen by what the data are before anything is trained.

The rule has one number, fitted to small sets and tested leaving one out
(`python -m benchmarks.training.small_sets`): vertices get `gcn` where neighbors share their labels,
else `sage`; graphs get `gps`. Only labels of the training part are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from graphagg.nn.config.training import Metric
from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.simple import EXACT_UP_TO, Simple, simple
from graphagg.nn.training.data.dataset import GraphData

THRESHOLD = 0.03
"""Homophily above which `gcn` is taken."""
_LARGE = 200_000  # vertices of one graph that is sampled


@dataclass(frozen=True)
class Choice:
    """A preset, and a sentence per decision.

    Attributes:
        preset: the model and its training.
        reasons: why, in the order in which it was decided.
    """

    preset: Preset
    reasons: tuple[str, ...]


def choose(data: GraphData, metric: Metric) -> Choice:
    """Choose a model for data.

    Args:
        data: checked, with splits; labels of the first split's training part are read.
        metric: the metric of the run.
    """
    largest = max(int(graph.num_nodes or 0) for graph in data.graphs)
    name, reason = _model(data, metric)
    preset, reasons = simple(name, data.level, largest), [f"auto takes {name}: {reason}"]
    if name == "gps":
        kind = preset.model.attention.name
        reasons.append(f"attention is {kind}: {largest:,} vertices, exact up to {EXACT_UP_TO:,}")
    if data.single and largest > _LARGE:
        training = replace(preset.training, fanouts=(10, 5), batch_size=1024)
        preset = replace(preset, training=training)
        reasons.append(f"neighbors are sampled: {largest:,} vertices, over {_LARGE:,}")
    return Choice(preset, tuple(reasons))


def _model(data: GraphData, metric: Metric) -> tuple[Simple, str]:
    if data.level == "graph":
        return "gps", "graphs are told apart by their structure, which it encodes"
    if data.level == "edge":
        return "sage", "pairs are scored by their vertices' neighborhoods (not measured)"
    if not data.single or metric == "mae":
        return "sage", "labels are not the classes of one graph's vertices (not measured)"
    value, edges = homophily(data)
    measured = f"homophily of the {edges:,} edges between training labels is {value:.2f}"
    if value > THRESHOLD:
        return "gcn", f"{measured}, above {THRESHOLD:g}: neighbors are averaged with the vertex"
    return "sage", f"{measured}, at most {THRESHOLD:g}: a vertex is kept apart from its neighbors"


def homophily(data: GraphData) -> tuple[float, int]:
    """Measure how much more often than by chance an edge joins two vertices of a class.

    Returns:
        1 where every edge does, 0 where as many do as by chance, by the classes' shares of the
        training labels; and the number of edges between training labels. Two edges by chance are
        added, so that a few say little.
    """
    (graph,), rows = data.graphs, data.splits[0].train
    labels = graph.y.view(-1).long()
    chosen = torch.zeros(len(labels), dtype=torch.bool).index_fill_(0, rows, True)
    source, target = graph.edge_index
    inside = chosen[source] & chosen[target] & (source != target)
    same = labels[source[inside]] == labels[target[inside]]
    shares = torch.bincount(labels[rows].clamp(min=0)) / max(len(rows), 1)
    chance = float(shares.square().sum())
    rate = (int(same.sum()) + 2 * chance) / (len(same) + 2)
    return (rate - chance) / max(1 - chance, 1e-9), len(same)
