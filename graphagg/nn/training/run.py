"""`train`: a model on data, split by split, into a folder."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from graphagg.nn.training.auto import Auto, Choice, again, choose
from graphagg.nn.training.batches import Feed, prepared
from graphagg.nn.training.controls import Task, measured
from graphagg.nn.training.data.dataset import PARTS, GraphData, Shape, checked
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.data.random_splits import with_splits
from graphagg.nn.training.data.sources import Source
from graphagg.nn.training.device import find_device
from graphagg.nn.training.fit.learner import Learner, check_level
from graphagg.nn.training.fit.loop import Fit, Logger, fit_split
from graphagg.nn.training.folder import CARD, RUN, RunFolder, alone_in, check_free
from graphagg.nn.training.metrics import Measure
from graphagg.nn.training.notes import notes_on
from graphagg.nn.training.plan import Build, Plan, check_task, plan_of
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
    """Train on the first `splits` official splits, each from new weights, and measure.

    On each split the epoch that is best on the validation part is chosen (the first of equal
    ones), and the test part is looked at once, at that epoch. The weights of split s are seeded by
    `random_state + s`. On one CPU thread the same settings give the same numbers, and a resumed run
    gives the numbers of an uninterrupted one.

    Args:
        model: a preset or its name, `auto` (see `graphagg.nn.training.auto`; an `Auto` is that with
            changed settings), a `GPSConfig`, or a callable that takes the data's `Shape` and
            returns a module whose `forward` takes a `Data` or batch.
        data: a file or `pyg:NAME@ROOT` (see `load_data`), a `GraphData`, one `Data` with
            masks, or a list or PyG `Dataset` of `Data` with `split` 0, 1 or 2 each for train, val
            and test. Without masks and `split`, random splits 8 : 1 : 1 are drawn.
        out: folder of the run; see `graphagg.nn.training.folder`.
        training: settings; by default the preset's.
        name: what results call the model; by default the preset's name.
        splits: number of splits.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
        resume: go on with the run in `out`.
        force: replace the run in `out`.
        controls: also measure simple models on each split; see `graphagg.nn.training.controls`.
        loggers: beside the run's CSV file, functions that are called with `loss`, `lr` and `val` of
            each epoch, a dict, and its number from 1; such as the method `log_metrics` of
            Lightning's loggers.
        loss: your own loss in place of the metric's: called with the answers and labels of a batch
            that are known (`[n, C]` and `[n]` of classes, else one number each), returns a scalar
            to minimize. Controls do not use it.
        metrics: your own metrics by name: called with all answers and labels of a part, on the CPU,
            once at the end. They are written beside the scores; `training.metric` still chooses.
        progress: told of each epoch.

    Raises:
        UnknownPreset: no preset has that name.
        InvalidDataset: the data are missing something, or do not fit the model.
        InvalidFeatures: NaN or infinity in features.
        DeviceUnavailable: the device is not there.
        RunBusy: another process trains in `out`.
        RunExists: `out` holds a run, and neither `resume` nor `force` is set.
        CheckpointMismatch: the run in `out` has other settings.
        TrainingDiverged: the loss is no finite number.
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
    if not isinstance(training, TrainingConfig | None):
        raise InvalidParameter(
            f"training is a {type(training).__name__}; wanted a TrainingConfig, such as "
            "TrainingConfig(epochs=50)"
        )
    where = find_device(device)
    fit = Fit(where, progress, tuple(loggers), loss, metrics or {})
    if model == AUTO:
        given = training
        model = Auto() if given is None else Auto(lambda preset: replace(preset, training=given))
    plan = model if isinstance(model, Auto) else plan_of(model, training, name)
    dataset = checked(with_splits(data, splits, plan.training.random_state))
    if integer("splits", splits, 1) > len(dataset.splits):
        raise InvalidParameter(
            f"splits is {splits}, but the data have {len(dataset.splits)}; draw more at random "
            "(--split-ratio; graphagg.nn.training.random_splits with count)"
        )
    if isinstance(plan, Plan) and plan.model is not None:
        check_task(plan.model, dataset.level)  # before the metric, which is of other labels then
    metric = _metric(dataset, plan.training, metrics)
    choice: Choice | None = None
    if isinstance(plan, Auto):
        saved = Path(out) / RUN
        choice = _choice(plan, dataset, metric, splits, fit, saved, resume=resume, force=force)
        plan = plan_of(choice.preset, name=name or AUTO)
    shape = dataset.shape(metric)
    plan.build(shape)  # a model that cannot be built is refused before anything is written
    notes = [*(choice.reasons if choice else ()), *notes_on(dataset, shape, metric, plan.model)]
    settings_of_run = {
        "model": plan.settings(shape),
        "training": {**plan.training.to_dict(), "metric": metric},
        "data": {"name": dataset.name, "digest": dataset.digest()},
    }
    if loss or metrics:  # code cannot be compared, its names can
        named = getattr(loss, "__qualname__", type(loss).__name__) if loss else "auto"
        settings_of_run["own"] = {"loss": named, "metrics": sorted(metrics or {})}
    if choice:
        settings_of_run["auto"] = choice.to_json()
    states = [where] if where.type == "cuda" else []
    with alone_in(Path(out)), torch.random.fork_rng(states):
        folder = RunFolder(Path(out), settings_of_run, resume=resume, force=force)
        try:
            run = _Run(plan, dataset, shape, metric, folder, fit, controls, tuple(notes))
            return run.all(splits, choice.raced if choice else ())
        except KeyboardInterrupt:
            raise TrainingInterrupted(_interrupted(folder)) from None


def _metric(
    data: GraphData, training: TrainingConfig, metrics: Mapping[str, Measure] | None
) -> Metric:
    """The metric of a run, once it is checked that the settings fit the data."""
    if training.fanouts and not data.single:
        raise InvalidParameter("fanouts sample one large graph, but the data are many graphs")
    metric = data.metric_of(training.metric)
    check_level(metric, data.level)
    if metric == "mrr" and metrics:
        raise InvalidParameter("metrics need answers to rows, but mrr ranks; set training.metric")
    training.objective(metric)  # refuses a loss that does not fit
    return metric


def _choice(
    auto: Auto, data: GraphData, metric: Metric, splits: int, fit: Fit, saved: Path, *,
    resume: bool, force: bool,
) -> Choice:  # fmt: skip
    """Take the choice of the run in the file `saved` where that goes on, else race."""
    if resume and saved.exists():
        kept = read_json(saved, "replace the run (--force)").get("auto")
        if kept is not None:
            return again(kept, auto, data)
    elif not force:
        check_free(saved.parent)
    try:
        return choose(auto, data, metric, splits, fit.device, fit.progress)
    except KeyboardInterrupt:
        text = f"interrupted before the training began; nothing in {saved.parent} has changed"
        raise TrainingInterrupted(text) from None


def _interrupted(folder: RunFolder) -> str:
    if not folder.begun:
        return f"interrupted before the training began; nothing in {folder.path} has changed"
    return (
        f"interrupted; {folder.path} keeps the epochs and splits that were done: run the same "
        "command with --resume to go on"
    )


class _Run:
    """One call of `train`, once everything is checked; the data are encoded when needed."""

    def __init__(
        self, plan: Plan, data: GraphData, shape: Shape, metric: Metric, folder: RunFolder,
        fit: Fit, controls: bool, notes: tuple[str, ...],
    ) -> None:  # fmt: skip
        self._plan, self._data, self._shape, self._metric = plan, data, shape, metric
        self._folder, self._fit, self._controls, self._notes = folder, fit, controls, notes
        self._encoded: tuple[GraphData, Graphs | None] | None = None
        self._encoding = 0.0

    def all(self, splits: int, raced: Sequence[tuple[Control, ...]] = ()) -> TrainingResult:
        """Train each of the first `splits` that is not done; return the result of all done.

        `raced` are controls that are measured already, of each split or of none.
        """
        earlier = {index: self._folder.done(index) for index in range(len(self._data.splits))}
        results = {index: result for index, result in earlier.items() if result is not None}
        self._encoding = self._folder.encoding_seconds()
        if self._folder.begun:
            self._folder.begin()
        for index in range(splits):
            if index not in results:
                results[index] = self._split(index)
                self._folder.save_results(self._result(results).to_json())
            if self._controls and self._folder.controls(index) is None:
                of_split = raced[index] if raced else self._measure_controls(index)
                self._folder.save_controls(index, of_split)
        result = self._result(results)
        self._folder.save_results(result.to_json())
        for index, split in results.items():
            text = result.card(split, self._folder.controls(index) or (), self._made(index))
            path = self._folder.split(index) / CARD
            write_whole(path, lambda partial, text=text: partial.write_text(text))  # type: ignore[misc]
        return result

    def _made(self, index: int) -> dict[str, Any]:
        """Say how the model of a split was made."""
        data = self._data
        sizes = (f"{len(getattr(data.splits[index], key)):,} {key}" for key in PARTS)
        return {
            "data": f"{data.name}, {len(data.graphs):,} graphs, "
            f"digest {self._folder.settings['data']['digest']}",
            "split": f"{data.splits[index].name}: {', '.join(sizes)}",
            "random state": self._settings(index).random_state,
            "command": f"`{shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`",
            "versions": f"graphagg {graphagg.__version__}, torch {torch.__version__}",
        }

    def _result(self, results: dict[int, SplitResult]) -> TrainingResult:
        splits = tuple(results[index] for index in sorted(results))
        controls = [self._folder.controls(index) for index in sorted(results)]
        return TrainingResult(
            self._shape.level,
            self._plan.name,
            self._data.name,
            splits[0].parameters,
            self._metric,
            splits,
            self._encoding,
            tuple(split for split in controls if split is not None),
            self._notes,
        )

    def _settings(self, index: int) -> TrainingConfig:
        return self._plan.training.of_split(index)

    def _feed(self, index: int) -> Feed:
        data, graphs = self._prepared()
        return Feed(data, graphs, data.splits[index], self._settings(index))

    def _measure_controls(self, index: int) -> tuple[Control, ...]:
        self._fit.progress(f"controls of split {index}", 0, 0)
        training = self._settings(index)
        feed = self._feed(index)
        return measured(Task(feed, self._shape, self._metric, training, self._fit.device))

    def _split(self, index: int) -> SplitResult:
        feed, training = self._feed(index), self._settings(index)
        self._folder.begin()
        torch.manual_seed(training.random_state)
        model = self._plan.build(self._shape)
        if training.precision == "float64":
            model = model.double()
        learner = Learner(model, training, self._metric, self._shape.level, self._fit.loss)
        name = self._data.splits[index].name
        result = fit_split(learner, feed, self._folder, index, name, self._fit)
        save_model(learner.model, self._folder.split(index), self._plan.settings(self._shape))
        self._folder.save_result(index, result)
        return result

    def _prepared(self) -> tuple[GraphData, Graphs | None]:
        """The data with encodings, on the device where they are one graph."""
        if self._encoded is None:
            start = time.process_time()
            data, transform = self._data, self._plan.transform()
            if transform is not None:
                data = data.transformed(transform)
                self._encoding = time.process_time() - start
            self._encoded = prepared(data, self._plan.training, self._fit.device)
        return self._encoded


def save_model(model: torch.nn.Module, folder: Path, settings: dict[str, Any]) -> None:
    """Write `model.safetensors` and `config.json`; a `GPS` writes them itself."""
    if isinstance(getattr(model, "config", None), GPSConfig):
        model.cpu().save(folder)  # type: ignore[operator]  # a GPS
        return
    save = safetensors().torch.save_model
    write_whole(folder / WEIGHTS, lambda partial: save(model.cpu(), str(partial)))
    write_json(folder / CONFIG, settings)
