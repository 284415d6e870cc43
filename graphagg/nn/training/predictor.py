"""Loads the model of a training run, and predicts with it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from graphagg.arrays import Array
from graphagg.checks import integer
from graphagg.errors import InvalidParameter, UnreadableFile
from graphagg.nn.config.training import Metric, TrainingConfig
from graphagg.nn.files import read_json
from graphagg.nn.model.network import GPS
from graphagg.nn.model.saving import CONFIG
from graphagg.nn.training.auto import winner_folder
from graphagg.nn.training.batches import graph_batches
from graphagg.nn.training.data.dataset import check_inputs
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.data.sources import GraphSource, data_name, load_data
from graphagg.nn.training.device import find_device
from graphagg.nn.training.folder import RESULT, RUN
from graphagg.nn.training.plan import transform_for
from graphagg.nn.training.results import SplitResult

_REMEDY = "expected the folder that `graphagg train` or `train` wrote"


class Predictor:
    """A trained model with the transforms that write its encodings; use `load_model`.

    Attributes:
        model: the model of the split's best epoch, in evaluation mode.
        metric: the metric of the run.
        split: the number of the split.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import GPS, FeatureConfig, GPSConfig, TrainingConfig
        >>> from graphagg.nn.training import Predictor
        >>> model = GPS(GPSConfig(FeatureConfig(width=1), channels=4, layers=1))
        >>> predictor = Predictor(model, TrainingConfig(), "mae", 0, torch.device("cpu"))
        >>> predictor.predict(Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]]))).shape
        (1, 1)
    """

    def __init__(
        self, model: GPS, training: TrainingConfig, metric: Metric, split: int, device: torch.device
    ) -> None:
        self.model, self.metric, self.split = model.to(device).eval(), metric, split
        self._training, self._device = training, device

    @torch.no_grad()
    def predict(self, data: GraphSource, *, batch_size: int | None = None) -> Array:
        """Predict in the same way as the evaluation of the run.

        Args:
            data: graphs for `graphagg.nn.training.load_data` (a list of `Data`, one `Data`, a
                file), with the attributes of the run's data except labels. An edge task predicts
                for the pairs of `edge_label_index`.
            batch_size: graphs per step; the default is that of training. Does not change results.

        Returns:
            `[rows, *shape]` floats: a row per graph, vertex or pair, in the order of the graphs.
            For classes they are logits: the class is `argmax(axis=1)`. For `roc-auc` and `ap` they
            are also logits: `1 / (1 + exp(-logit))` is the probability.

        Raises:
            InvalidDataset, InvalidFeatures: attributes are missing or invalid.
            UnreadableFile: the file does not exist or cannot be read.
        """
        size = integer("batch_size", batch_size or self._training.batch_size, 1)
        level = self.model.config.head.task
        graphs = check_inputs(data_name(data), level, load_data(data).graphs)
        transform = transform_for(self.model.config)
        if transform is not None:
            graphs = [transform(graph) for graph in graphs]
        device, predictions = self._device, []
        for batch in graph_batches(Graphs.from_list(graphs), torch.arange(len(graphs)), size):
            predictions.append(self.model(batch.to(str(device))))
        rows: Array = torch.cat(predictions).cpu().numpy()
        return rows


def load_model(
    run: str | os.PathLike[str], split: int | None = None, *, device: str = "auto"
) -> Predictor:
    """Load the model of a training run, ready to predict.

    Args:
        run: the folder of the run; from a folder of `train_auto`, the best model is loaded.
        split: the number of a split; the default is the split with the best validation score (the
            first on ties).
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...

    Raises:
        UnreadableFile: there is no run, or one of its files is missing or broken.
        InvalidParameter: the split does not exist, or the model is a custom module.
        CheckpointMismatch: the weights belong to another config.
        DeviceUnavailable: the device is not available.

    Examples:
        >>> import tempfile, torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import FeatureConfig, GPSConfig, TrainingConfig, load_model, train
        >>> edge = torch.tensor([[0, 1], [1, 0]])
        >>> graphs = [
        ...     Data(x=torch.ones(2, 1), edge_index=edge, y=torch.tensor([1.0]), split=s)
        ...     for s in (0, 1, 2)
        ... ]
        >>> model = GPSConfig(FeatureConfig(width=1), channels=4, layers=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = train(model, graphs, folder, training=TrainingConfig(epochs=1))
        ...     load_model(folder).predict(graphs).shape
        (3, 1)
    """
    path, where = winner_folder(Path(run), _REMEDY), find_device(device)
    settings = read_json(path / RUN, _REMEDY)
    training = _training(path, settings)
    metric = "accuracy" if training.metric == "auto" else training.metric
    scores = _validation(path)
    chosen = _best(scores, metric) if split is None else split
    if chosen not in scores:
        trained = ", ".join(map(str, sorted(scores)))
        raise InvalidParameter(f"{path}: no split {chosen}; the trained ones are {trained}")
    folder = path / f"split-{chosen}"
    if "head" not in read_json(folder / CONFIG, _REMEDY):
        raise InvalidParameter(
            f"{folder}: the model is a module of your own, which graphagg cannot build; make it, "
            "and read its weights with safetensors.torch.load_model(module, 'model.safetensors')"
        )
    return Predictor(GPS.load(folder), training, metric, chosen, where)


def _training(path: Path, settings: dict[str, Any]) -> TrainingConfig:
    try:
        return TrainingConfig.from_dict(settings.get("training", {}))
    except InvalidParameter as error:
        raise UnreadableFile(f"{path / RUN} does not describe a run ({error}); {_REMEDY}") from None


def _validation(path: Path) -> dict[int, float]:
    """The validation score of each finished split, by its number."""
    scores: dict[int, float] = {}
    for folder in path.iterdir():
        match = re.fullmatch(r"split-([0-9]{1,9})", folder.name)
        if match and (file := folder / RESULT).exists():
            values = read_json(file, _REMEDY)
            values.pop("run", None)
            scores[int(match[1])] = SplitResult.from_json(values, file, _REMEDY).val
    if not scores:
        raise UnreadableFile(
            f"{path}: no split is fully trained; continue the run (`resume=True` of train)"
        )
    return scores


def _best(scores: dict[int, float], metric: Metric) -> int:
    sign = 1 if metric == "mae" else -1
    return min(sorted(scores), key=lambda index: sign * scores[index])
