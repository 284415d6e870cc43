"""`auto`: race plain models and take the one with the best validation score.

The race trains the controls of the run (`graphagg.nn.training.controls`) and a GPS model on each
split; the best mean validation score wins. Test labels are not used, and the rule has no parameter
that was fitted to data sets. `python -m benchmarks.training.small_sets` compares the choice with
the best model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from graphagg.nn.config.training import Metric, TrainingConfig
from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.simple import SIMPLE, Simple, for_epochs, simple
from graphagg.nn.training.batches import Feed, prepare
from graphagg.nn.training.controls import Task, measure
from graphagg.nn.training.data.dataset import GraphData, Level
from graphagg.nn.training.plan import transform_for
from graphagg.nn.training.results import Control
from graphagg.progress import Progress, silent

ORDER: dict[Level, tuple[Simple, ...]] = {
    "graph": ("gps", "sage", "gcn", "mlp"),
    "node": ("sage", "gcn", "gps", "mlp"),
    "edge": ("sage", "gcn", "mlp"),
}  # ties go to the first
_LARGE = 200_000  # above this, vertices of one graph are sampled, and there is no race
_READ = 20_000_000  # vertices and edges that a network of a race reads in all its epochs
_FEWEST = 5  # minimum epochs of a race


@dataclass(frozen=True)
class Auto:
    """The model `auto`; `change` is applied to each of the plain models.

    With fewer epochs, rate and warm-up follow the number of epochs, unless `change` sets them.
    """

    change: Callable[[Preset], Preset] = lambda preset: preset

    @property
    def training(self) -> TrainingConfig:
        """Its training settings for vertices; the defaults differ for other tasks."""
        return self.change(simple("sage", "node")).training


@dataclass(frozen=True)
class RaceResult:
    """The plain model that won, and why."""

    name: Simple
    preset: Preset
    reasons: tuple[str, ...]  # a sentence per decision
    # Per split the other models of the race, if they trained as long as controls.
    raced: tuple[tuple[Control, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for `resumed_choice`."""
        return {"name": self.name, "reasons": list(self.reasons)}


def resumed_choice(saved: dict[str, Any], auto: Auto, data: GraphData) -> RaceResult:
    """The choice that `to_json` wrote, without a race."""
    return RaceResult(saved["name"], _plain(saved["name"], auto, data), tuple(saved["reasons"]))


def choose(
    auto: Auto, data: GraphData, metric: Metric, splits: int, device: torch.device,
    progress: Progress = silent,
) -> RaceResult:  # fmt: skip
    """Race the plain models on the first `splits` splits of checked data, and choose one."""
    if data.single and _vertices(data) > _LARGE:
        preset = _plain("sage", auto, data)
        reason = f"auto takes sage with sampled neighbors: {_vertices(data):,} vertices, over "
        return RaceResult("sage", preset, (f"{reason}{_LARGE:,}, which are not raced",))
    presets: dict[str, Preset] = {name: _plain(name, auto, data) for name in ORDER[data.level]}
    longest = presets["sage"].training
    epochs = min(longest.epochs, max(_FEWEST, _READ // max(data.size, 1)))
    training = replace(longest, epochs=epochs, warmup_epochs=0)  # of each model its own
    encode = transform_for(presets["gps"].model) if "gps" in presets else None
    encoded, graphs = prepare(data.transformed(encode) if encode else data, training, device)
    shape, raced = data.shape(metric), []
    for index in range(splits):
        progress(f"race of split {index}", 0, 0)
        of_split = training.for_split(index)
        feed = Feed(encoded, graphs, data.splits[index], of_split)
        raced.append(measure(Task(feed, shape, metric, of_split, device), presets))
    name, reasons = winner(raced, ORDER[data.level], metric)
    others = tuple(tuple(c for c in of_split if c.name != name) for of_split in raced)
    return RaceResult(name, presets[name], reasons, others if epochs == longest.epochs else ())


def winner(
    raced: Sequence[Sequence[Control]], names: Sequence[Simple], metric: Metric
) -> tuple[Simple, tuple[str, ...]]:
    """The best network by mean validation score, and the sentences that explain it.

    `raced` are the controls of each split, `names` the networks among them; ties go to the first.
    """
    scores: dict[str, list[float]] = {}
    for control in (control for of_split in raced for control in of_split):
        scores.setdefault(control.name, []).append(np.nan if control.val is None else control.val)
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    means = {name: mean for name, mean in means.items() if not np.isnan(mean)}
    ranked = sorted(means, key=lambda name: means[name], reverse=metric != "mae")
    best = next((means[name] for name in ranked if name in SIMPLE), None)
    # If none could be trained, the run reports why.
    name = next((name for name in names if means.get(name) == best), names[0])
    listed = ", ".join(f"{other} {means[other]:.3f}" for other in ranked)
    over = f" over {len(raced)} splits" if len(raced) > 1 else ""
    reasons = [f"auto takes {name}: {metric} of the validation part{over}: {listed}"]
    if ranked and ranked[0] not in SIMPLE and means[ranked[0]] != best:
        reasons.append(
            f"no network of the race comes up to the control {ranked[0]!r} on the validation part: "
            "take that"
        )
    return name, tuple(reasons)


def _plain(name: Simple, auto: Auto, data: GraphData) -> Preset:
    plain = simple(name, data.level, _vertices(data))
    if data.single and _vertices(data) > _LARGE:
        training = replace(plain.training, fanouts=(10, 5), batch_size=1024)
        plain = replace(plain, training=training)
    brief = for_epochs(plain.training, auto.change(plain).training.epochs)
    return auto.change(replace(plain, training=brief))


def _vertices(data: GraphData) -> int:
    """Number of vertices of the largest graph."""
    return max(int(graph.num_nodes or 0) for graph in data.graphs)
