"""`train`: trains a model on data, split by split, and writes results to a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from graphagg.checks import integer
from graphagg.errors import InvalidParameter, TrainingInterrupted
from graphagg.nn.config.model import GPSConfig
from graphagg.nn.config.training import Metric, TrainingConfig
from graphagg.nn.files import safetensors, write_json, write_whole
from graphagg.nn.model.saving import CONFIG, WEIGHTS
from graphagg.nn.presets import Preset
from graphagg.nn.training.batches import Feed, prepare
from graphagg.nn.training.data.dataset import GraphData, Shape, check_data
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.data.random_splits import with_splits
from graphagg.nn.training.data.sources import GraphSource
from graphagg.nn.training.device import few_threads, find_device
from graphagg.nn.training.fit.learner import Learner
from graphagg.nn.training.fit.loop import FitOptions, Logger, fit_split
from graphagg.nn.training.folder import RESULT, RESULTS, RunFolder, locked
from graphagg.nn.training.metrics import Measure
from graphagg.nn.training.plan import ModelMaker, TrainingPlan, check_task, make_plan, transform_for
from graphagg.nn.training.results import SplitResult, TrainingResult
from graphagg.progress import Progress, silent


def train(
    model: str | Preset | GPSConfig | ModelMaker,
    data: GraphSource,
    out: str | os.PathLike[str],
    *,
    training: TrainingConfig | None = None,
    name: str | None = None,
    splits: int = 1,
    device: str = "auto",
    resume: bool = False,
    force: bool = False,
    loggers: Sequence[Logger] = (),
    loss: Measure | None = None,
    progress: Progress = silent,
) -> TrainingResult:
    """Train on the first `splits` splits of the data, each from new weights, and evaluate.

    On each split, the epoch with the best validation score is chosen (the first on ties), and the
    test part is evaluated once, at that epoch. The weights of split s are seeded with
    `random_state + s`. On one CPU thread, equal settings produce equal results, even after an
    interruption.

    Args:
        model: a preset or its name, a `GPSConfig`, or a callable that takes the data's `Shape` and
            returns a module whose `forward` takes a `Data` or batch. `train_auto` compares models.
        data: a file (see `load_data`), a `GraphData`, one `Data` with masks, or a list or
            PyG `Dataset` of `Data` with `split` 0, 1 or 2 for train, val and test. Without
            splits, random splits 8 : 1 : 1 are drawn, named `random 0`, ... in the result.
        out: folder of the run; see `graphagg.nn.training.folder`.
        training: training settings; the default is those of the preset.
        name: name of the model in the results; the default is the preset's name.
        splits: number of splits.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
        resume: continue the run in `out`.
        force: replace the run in `out`.
        loggers: called after each epoch with a dict of `loss`, `lr` and `val`, and the epoch's
            number from 1, such as the method `log_metrics` of Lightning's loggers.
        loss: replaces the loss of the metric: called with predictions and known labels of a batch
            (`[n, C]` and `[n]` for classes, else one number each), returns a scalar.
        progress: called after each epoch.

    Raises:
        UnknownPreset: no preset has that name.
        InvalidDataset: the data are incomplete, or do not fit the model.
        InvalidFeatures: features contain NaN or infinity.
        DeviceUnavailable: the device is not available.
        RunBusy: another process is training in `out`.
        RunExists: `out` contains a run, and neither `resume` nor `force` is set.
        CheckpointMismatch: the run in `out` has other settings.
        TrainingDiverged: the loss is NaN or infinite.
        TrainingInterrupted: Ctrl-C was pressed; the last checkpoint is kept.

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
    options = FitOptions(find_device(device), progress, tuple(loggers), loss)
    if not isinstance(training, TrainingConfig | None):
        raise InvalidParameter(
            f"training is a {type(training).__name__}; expected a TrainingConfig, such as "
            "TrainingConfig(epochs=50)"
        )
    plan = make_plan(model, training, name)
    integer("splits", splits, 1)
    dataset = check_data(with_splits(data, splits, plan.training.random_state))
    if splits > len(dataset.splits):
        raise InvalidParameter(
            f"splits is {splits}, but the data have {len(dataset.splits)}; draw more at random "
            "with random_splits (`ratio`)"
        )
    if plan.model is not None:
        check_task(plan.model, dataset.level)  # before the metric, so that the error is clearer
    metric = dataset.resolve_metric(plan.training.metric)
    shape = dataset.shape(metric)
    plan.build(shape)  # raises errors before anything is written
    settings = _settings(plan, dataset, shape, metric, options)
    cuda = [options.device] if options.device.type == "cuda" else []
    small = few_threads(dataset, plan.training)
    with locked(Path(out)), small, torch.random.fork_rng(cuda):
        folder = RunFolder(Path(out), settings, resume=resume, force=force)
        try:
            return _Run(plan, dataset, shape, metric, folder, options).train_splits(splits)
        except KeyboardInterrupt:
            raise TrainingInterrupted(_interrupted(folder)) from None


def _settings(
    plan: TrainingPlan, data: GraphData, shape: Shape, metric: Metric, options: FitOptions
) -> dict[str, Any]:
    """Return the settings that identify a run; it can only be resumed with the same settings."""
    settings: dict[str, Any] = {
        "model": plan.settings(shape),
        "training": {**plan.training.to_dict(), "metric": metric},
        "data": {"name": data.name, "digest": data.digest()},
    }
    if (loss := options.loss) is not None:  # code can only be compared by name
        settings["loss"] = getattr(loss, "__qualname__", type(loss).__name__)
    return settings


def _interrupted(folder: RunFolder) -> str:
    if not folder.begun:
        return f"interrupted before the training began; nothing in {folder.path} has changed"
    return (
        f"interrupted; {folder.path} keeps the epochs and splits that were done: call train "
        "again with `resume=True` to continue"
    )


class _Run:
    """One call of `train` after all checks; the data are encoded on first use."""

    def __init__(
        self, plan: TrainingPlan, data: GraphData, shape: Shape, metric: Metric,
        folder: RunFolder, options: FitOptions,
    ) -> None:  # fmt: skip
        self._plan, self._data, self._shape, self._metric = plan, data, shape, metric
        self._folder, self._options = folder, options
        self._encoded: tuple[GraphData, Graphs | None] | None = None
        self._encoding_seconds = 0.0

    def train_splits(self, splits: int) -> TrainingResult:
        """Train the unfinished splits of the first `splits`; return all finished results."""
        earlier = {index: self._folder.done(index) for index in range(len(self._data.splits))}
        results = {index: result for index, result in earlier.items() if result is not None}
        for index in range(splits):
            if index not in results:
                results[index] = self._split(index)
        result = self._result(results)
        write_json(self._folder.path / RESULTS, result.to_json())
        return result

    def _result(self, results: dict[int, SplitResult]) -> TrainingResult:
        splits = tuple(results[index] for index in sorted(results))
        return TrainingResult(
            self._shape.level, self._plan.name, self._data.name, splits[0].parameters,
            self._metric, splits, self._encoding_seconds,
        )  # fmt: skip

    def _feed(self, index: int) -> Feed:
        if self._encoded is None:
            start = time.process_time()
            data, transform = self._data, transform_for(self._plan.model)
            if transform is not None:
                self._options.progress("encodings", 0, 0)
                data = data.transformed(transform)
                self._encoding_seconds = time.process_time() - start
            self._encoded = prepare(data, self._options.device)
        data, graphs = self._encoded
        return Feed(data, graphs, data.splits[index], self._plan.training.for_split(index))

    def _split(self, index: int) -> SplitResult:
        feed, training = self._feed(index), self._plan.training.for_split(index)
        self._folder.begin()
        torch.manual_seed(training.random_state)
        model = self._plan.build(self._shape)
        learner = Learner(model, training, self._metric, self._shape.level, self._options.loss)
        name = self._data.splits[index].name
        result = fit_split(learner, feed, self._folder, index, name, self._options)
        save_model(learner.model, self._folder.split(index), self._plan.settings(self._shape))
        values = {**result.to_json(), "run": self._folder.digest}
        write_json(self._folder.split(index) / RESULT, values)
        return result


def save_model(model: torch.nn.Module, folder: Path, settings: dict[str, Any]) -> None:
    """Write `model.safetensors` and `config.json`; a `GPS` writes them itself."""
    if isinstance(getattr(model, "config", None), GPSConfig):
        model.cpu().save(folder)  # type: ignore[operator]  # a GPS
        return
    save = safetensors().torch.save_model
    write_whole(folder / WEIGHTS, lambda partial: save(model.cpu(), str(partial)))
    write_json(folder / CONFIG, settings)
