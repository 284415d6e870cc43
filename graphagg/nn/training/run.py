"""`train`: train a model on data, split by split, into a folder."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

import graphagg
from graphagg.checks import integer
from graphagg.errors import InvalidParameter, TrainingInterrupted
from graphagg.nn.config.model import GPSConfig
from graphagg.nn.config.training import Metric, TrainingConfig
from graphagg.nn.files import read_json, safetensors, write_json, write_whole
from graphagg.nn.model.saving import CONFIG, WEIGHTS
from graphagg.nn.presets import Preset
from graphagg.nn.presets.simple import AUTO
from graphagg.nn.training.auto import Auto, RaceResult, choose, resumed_choice
from graphagg.nn.training.batches import Feed, prepare
from graphagg.nn.training.controls import Task, measure
from graphagg.nn.training.data.dataset import PARTS, GraphData, Shape, check_data
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.data.random_splits import with_splits
from graphagg.nn.training.data.sources import Source
from graphagg.nn.training.device import few_threads, find_device
from graphagg.nn.training.fit.learner import Learner, check_level
from graphagg.nn.training.fit.loop import FitOptions, Logger, fit_split
from graphagg.nn.training.folder import CARD, RUN, RunFolder, check_free, locked
from graphagg.nn.training.metrics import Measure
from graphagg.nn.training.notes import notes_on
from graphagg.nn.training.plan import Build, TrainingPlan, check_task, make_plan, transform_for
from graphagg.nn.training.results import Control, SplitResult, TrainingResult
from graphagg.progress import Progress, silent


def train(
    model: str | Preset | GPSConfig | Build | Auto,
    data: Source,
    out: str | os.PathLike[str],
    *,
    training: TrainingConfig | None = None,
    name: str | None = None,
    splits: int = 1,
    device: str = "auto",
    resume: bool = False,
    force: bool = False,
    controls: bool = True,
    loggers: Sequence[Logger] = (),
    loss: Measure | None = None,
    metrics: Mapping[str, Measure] | None = None,
    progress: Progress = silent,
) -> TrainingResult:
    """Train on the first `splits` splits of the data, each from new weights, and evaluate.

    On each split, the epoch with the best validation score is chosen (the first of equal ones), and
    the test part is evaluated once, at that epoch. The weights of split s are seeded by
    `random_state + s`. On one CPU thread the same settings give the same numbers, also after an
    interruption.

    Args:
        model: a preset or its name, `auto` (see `graphagg.nn.training.auto`) or an `Auto`, a
            `GPSConfig`, or a callable that takes the data's `Shape` and returns a module whose
            `forward` takes a `Data` or batch.
        data: an `.npz` file (see `load_data`), a `GraphData`, one `Data` with masks, or a list or
            PyG `Dataset` of `Data` with `split` 0, 1 or 2 for train, val and test. Without
            splits, random ones 8 : 1 : 1 are drawn, and a note says so.
        out: folder of the run; see `graphagg.nn.training.folder`.
        training: settings; by default the preset's. Of `auto`, the values given to
            `TrainingConfig(...)` (see its `given`) replace the plain models' own.
        name: name of the model in the results; by default the preset's name.
        splits: number of splits.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
        resume: continue the run in `out`.
        force: replace the run in `out`.
        controls: also train and evaluate simple models; see `graphagg.nn.training.controls`.
        loggers: called after each epoch with a dict of `loss`, `lr` and `val`, and the epoch's
            number from 1, such as the method `log_metrics` of Lightning's loggers.
        loss: replaces the metric's loss: called with the predictions and known labels of a batch
            (`[n, C]` and `[n]` for classes, else one number each), returns a scalar. Controls do
            not use it.
        metrics: further metrics by name, called once at the end with all predictions and labels of
            a part, on the CPU. `training.metric` still chooses the epoch.
        progress: called after each epoch.

    Raises:
        UnknownPreset: no preset has that name.
        InvalidDataset: the data are incomplete, or do not fit the model.
        InvalidFeatures: NaN or infinity in features.
        DeviceUnavailable: there is no such device.
        RunBusy: another process trains in `out`.
        RunExists: `out` holds a run, and neither `resume` nor `force` is set.
        CheckpointMismatch: the run in `out` has other settings.
        TrainingDiverged: the loss is NaN or infinite.
        TrainingInterrupted: Ctrl-C; the last checkpoint stays.

    Examples:
        >>> import tempfile, torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import FeatureConfig, GPSConfig, TrainingConfig, train
        >>> edge = torch.tensor([[0, 1], [1, 0]])
        >>> graphs = [
        ...     Data(x=torch.full((2, 1), c), edge_index=edge, y=torch.tensor([c]), split=s)
        ...     for c in (0.0, 1.0)
        ...     for s in (0, 1, 2)
        ... ]
        >>> model = GPSConfig(FeatureConfig(width=1), channels=4, layers=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = train(model, graphs, folder, training=TrainingConfig(epochs=1))
        >>> result.metric, result.splits[0].epochs
        ('mae', 1)
    """
    options = FitOptions(find_device(device), progress, tuple(loggers), loss, metrics or {})
    plan = _plan(model, training, name)
    loaded, drawn = with_splits(data, splits, plan.training.random_state)
    dataset = check_data(loaded)
    if integer("splits", splits, 1) > len(dataset.splits):
        raise InvalidParameter(
            f"splits is {splits}, but the data have {len(dataset.splits)}; draw more at random "
            "with random_splits (`ratio`)"
        )
    if isinstance(plan, TrainingPlan) and plan.model is not None:
        check_task(plan.model, dataset.level)  # first, for an error about the task, not the metric
    metric = _metric(dataset, plan.training, metrics)
    race: RaceResult | None = None
    if isinstance(plan, Auto):
        race = _race(plan, dataset, metric, splits, options, Path(out), resume=resume, force=force)
        plan = make_plan(race.preset, name=name or AUTO)
    shape = dataset.shape(metric)
    plan.build(shape)  # before anything is written
    notes = [*drawn, *(race.reasons if race else ()), *notes_on(dataset, shape, metric, plan.model)]
    settings = _settings(plan, dataset, shape, metric, options)
    if race:
        settings["auto"] = race.to_json()
    cuda = [options.device] if options.device.type == "cuda" else []
    small = few_threads(dataset, plan.training)
    with locked(Path(out)), small, torch.random.fork_rng(cuda):
        folder = RunFolder(Path(out), settings, resume=resume, force=force)
        run = _Run(plan, dataset, shape, metric, folder, options, tuple(notes))
        try:
            return run.train_splits(splits, controls, race.raced if race else ())
        except KeyboardInterrupt:
            raise TrainingInterrupted(_interrupted(folder)) from None


def _plan(
    model: str | Preset | GPSConfig | Build | Auto, training: TrainingConfig | None,
    name: str | None,
) -> TrainingPlan | Auto:  # fmt: skip
    if not isinstance(training, TrainingConfig | None):
        raise InvalidParameter(
            f"training is a {type(training).__name__}; wanted a TrainingConfig, such as "
            "TrainingConfig(epochs=50)"
        )
    if model == AUTO:
        return Auto(partial(_with_changes, training=training or TrainingConfig()))
    return model if isinstance(model, Auto) else make_plan(model, training, name)


def _with_changes(preset: Preset, training: TrainingConfig) -> Preset:
    """A plain model with the values that were given to `TrainingConfig`."""
    given = {name: getattr(training, name) for name in training.given}
    warmup = min(preset.training.warmup_epochs, given.get("epochs", preset.training.epochs))
    return replace(preset, training=replace(preset.training, **{"warmup_epochs": warmup, **given}))


def _metric(
    data: GraphData, training: TrainingConfig, metrics: Mapping[str, Measure] | None
) -> Metric:
    """The metric of a run, after a check that the settings fit the data."""
    if training.fanouts and not data.single:
        raise InvalidParameter("fanouts sample one large graph, but the data are many graphs")
    metric = data.resolve_metric(training.metric)
    check_level(metric, data.level)
    if metric == "mrr" and metrics:
        raise InvalidParameter("metrics need answers to rows, but mrr ranks; set training.metric")
    training.objective(metric)  # refuses a loss that does not fit
    return metric


def _race(
    auto: Auto, data: GraphData, metric: Metric, splits: int, options: FitOptions, out: Path, *,
    resume: bool, force: bool,
) -> RaceResult:  # fmt: skip
    """The saved choice of a resumed run; otherwise race the models."""
    if resume and (out / RUN).exists():
        saved = read_json(out / RUN, "replace the run (`force=True`)").get("auto")
        if saved is not None:
            return resumed_choice(saved, auto, data)
    elif not force:
        check_free(out)
    try:
        with few_threads(data, auto.training):
            return choose(auto, data, metric, splits, options.device, options.progress)
    except KeyboardInterrupt:
        text = f"interrupted before the training began; nothing in {out} has changed"
        raise TrainingInterrupted(text) from None


def _settings(
    plan: TrainingPlan, data: GraphData, shape: Shape, metric: Metric, options: FitOptions
) -> dict[str, Any]:
    """Plain values that identify a run: only a run with the same ones can be resumed."""
    settings: dict[str, Any] = {
        "model": plan.settings(shape),
        "training": {**plan.training.to_dict(), "metric": metric},
        "data": {"name": data.name, "digest": data.digest()},
    }
    loss = options.loss
    if loss or options.metrics:  # only the names of code can be compared
        name = getattr(loss, "__qualname__", type(loss).__name__) if loss else "auto"
        settings["own"] = {"loss": name, "metrics": sorted(options.metrics)}
    return settings


def _interrupted(folder: RunFolder) -> str:
    if not folder.begun:
        return f"interrupted before the training began; nothing in {folder.path} has changed"
    return (
        f"interrupted; {folder.path} keeps the epochs and splits that were done: call train "
        "again with `resume=True` to continue"
    )


class _Run:
    """One call of `train` after all checks; the data are encoded at first use."""

    def __init__(
        self, plan: TrainingPlan, data: GraphData, shape: Shape, metric: Metric,
        folder: RunFolder, options: FitOptions, notes: tuple[str, ...],
    ) -> None:  # fmt: skip
        self._plan, self._data, self._shape, self._metric = plan, data, shape, metric
        self._folder, self._options, self._notes = folder, options, notes
        self._encoded: tuple[GraphData, Graphs | None] | None = None
        self._encoding_seconds = folder.encoding_seconds()

    def train_splits(
        self, splits: int, controls: bool, raced: Sequence[tuple[Control, ...]]
    ) -> TrainingResult:
        """Train the unfinished of the first `splits`; return the results of all finished ones.

        `raced` are controls measured before, for each split or for none.
        """
        earlier = {index: self._folder.done(index) for index in range(len(self._data.splits))}
        results = {index: result for index, result in earlier.items() if result is not None}
        if self._folder.begun:
            self._folder.begin()
        for index in range(splits):
            if index not in results:
                results[index] = self._split(index)
                self._folder.save_results(self._result(results).to_json())
            if controls and self._folder.controls(index) is None:
                of_split = raced[index] if raced else self._measure_controls(index)
                self._folder.save_controls(index, of_split)
        result = self._result(results)
        self._folder.save_results(result.to_json())
        for index, split in results.items():
            card = result.card(split, self._folder.controls(index) or (), self._origin(index))
            path = self._folder.split(index) / CARD
            write_whole(path, lambda partial, card=card: partial.write_text(card))  # type: ignore[misc]
        return result

    def _origin(self, index: int) -> dict[str, Any]:
        """How the model of a split was made, for its card."""
        data, split = self._data, self._data.splits[index]
        sizes = ", ".join(f"{len(getattr(split, key)):,} {key}" for key in PARTS)
        digest = self._folder.settings["data"]["digest"]
        return {
            "data": f"{data.name}, {len(data.graphs):,} graphs, digest {digest}",
            "split": f"{split.name}: {sizes}",
            "random state": self._plan.training.for_split(index).random_state,
            "command": f"`{shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`",
            "versions": f"graphagg {graphagg.__version__}, torch {torch.__version__}",
        }

    def _result(self, results: dict[int, SplitResult]) -> TrainingResult:
        splits = tuple(results[index] for index in sorted(results))
        controls = [self._folder.controls(index) for index in sorted(results)]
        return TrainingResult(
            self._shape.level, self._plan.name, self._data.name, splits[0].parameters,
            self._metric, splits, self._encoding_seconds,
            tuple(split for split in controls if split is not None), self._notes,
        )  # fmt: skip

    def _feed(self, index: int) -> Feed:
        if self._encoded is None:
            start = time.process_time()
            data, transform = self._data, transform_for(self._plan.model)
            if transform is not None:
                self._options.progress("encodings", 0, 0)
                data = data.transformed(transform)
                self._encoding_seconds = time.process_time() - start
            self._encoded = prepare(data, self._plan.training, self._options.device)
        data, graphs = self._encoded
        return Feed(data, graphs, data.splits[index], self._plan.training.for_split(index))

    def _measure_controls(self, index: int) -> tuple[Control, ...]:
        self._options.progress(f"controls of split {index}", 0, 0)
        feed, training = self._feed(index), self._plan.training.for_split(index)
        return measure(Task(feed, self._shape, self._metric, training, self._options.device))

    def _split(self, index: int) -> SplitResult:
        feed, training = self._feed(index), self._plan.training.for_split(index)
        self._folder.begin()
        torch.manual_seed(training.random_state)
        model = self._plan.build(self._shape)
        learner = Learner(model, training, self._metric, self._shape.level, self._options.loss)
        name = self._data.splits[index].name
        result = fit_split(learner, feed, self._folder, index, name, self._options)
        save_model(learner.model, self._folder.split(index), self._plan.settings(self._shape))
        self._folder.save_result(index, result)
        return result


def save_model(model: torch.nn.Module, folder: Path, settings: dict[str, Any]) -> None:
    """Write `model.safetensors` and `config.json`; a `GPS` writes them itself."""
    if isinstance(getattr(model, "config", None), GPSConfig):
        model.cpu().save(folder)  # type: ignore[operator]  # a GPS
        return
    save = safetensors().torch.save_model
    write_whole(folder / WEIGHTS, lambda partial: save(model.cpu(), str(partial)))
    write_json(folder / CONFIG, settings)
