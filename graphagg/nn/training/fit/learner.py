"""The learner: a model with its loss, metric and learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidFeatures, NotFinite, TrainingDiverged
from graphagg.nn.config.model import TaskLevel
from graphagg.nn.config.training import LOSSES, Metric, TrainingConfig
from graphagg.nn.training.metrics import Measure, compute_loss, known


class Learner(torch.nn.Module):
    """A model with its loss and metric; the model returns one row per prediction for a `Data`.

    `metric` is `training.metric` with `auto` resolved; `level` is the task level; `loss` replaces
    the loss of the metric. `stage` is the stage of training, for errors; `losses` collects the
    losses of batches with a known label since the list was last cleared.
    """

    def __init__(
        self, model: torch.nn.Module, training: TrainingConfig, metric: Metric, level: TaskLevel,
        loss: Measure | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.model, self.training_config, self.metric, self.level = model, training, metric, level
        self.stage = "evaluation"
        self.losses: list[float] = []
        self._objective, self._own = LOSSES[metric], loss

    def labeled_predictions(self, batch: Data) -> tuple[Tensor, Tensor]:
        """Return the predictions for the rows of the batch's subset, `[n, C]`, and their labels.

        Raises `InvalidFeatures` for a wrong number of rows, and `TrainingDiverged` like `predict`.
        """
        predicted = self.predict(batch)
        labels = batch.edge_label if self.level == "edge" else batch.y
        if predicted.size(0) != labels.size(0):
            raise InvalidFeatures(
                f"the model returns {predicted.size(0):,} rows for {labels.size(0):,} labels; "
                f"expected one per {self.level}"
            )
        rows = batch.get("rows")
        return (predicted, labels) if rows is None else (predicted[rows], labels[rows])

    def predict(self, batch: Data) -> Tensor:
        """Return all predictions of the model, `[rows, C]`.

        Raises `TrainingDiverged` if the model's vectors contain NaN or infinity for finite input.
        """
        try:
            predicted: Tensor = self.model(batch)
        except NotFinite as error:
            if not _is_finite(batch):
                raise
            raise self._diverged("the model's vectors hold NaN or infinity") from error
        return predicted.unsqueeze(1) if predicted.dim() == 1 else predicted

    def check_predictions(self, predicted: Tensor) -> None:
        """Raise `TrainingDiverged` for NaN; for `mae`, `roc-auc` and `ap` also for infinity.

        Other metrics depend only on the order, and a model may use infinity to rule out a class.
        """
        finite = self.metric in ("mae", "roc-auc", "ap")
        bad = ~predicted.isfinite() if finite else predicted.isnan()
        if bool(bad.any()):
            raise self._diverged(
                "the predictions hold NaN or infinity", f" ({int(bad.sum())} of {bad.numel()})"
            )

    def _diverged(self, problem: str, more: str = "") -> TrainingDiverged:
        training = self.training_config
        clip = f"training.clip_norm ({training.clip_norm:g})"
        if not training.clip_norm:
            clip = "set training.clip_norm (now 0: off)"
        return TrainingDiverged(
            f"{problem} in {self.stage}{more}; lower training.lr ({training.lr:g}) or {clip}"
        )

    def forward(self, batch: Data) -> Tensor:
        """Compute the loss of a batch, and add it to `losses`; `TrainingDiverged` if not finite."""
        predicted, labels = self.labeled_predictions(batch)
        loss = compute_loss(self._objective, predicted, labels, self._own)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged(f"the loss is {value}")
        if bool(known(self._objective, labels).any()):  # otherwise the loss is a constant 0
            self.losses.append(value)
        return loss


def _is_finite(batch: Data) -> bool:
    """Return whether all numbers except labels are finite."""
    values = [value for name, value in batch.to_dict().items() if name not in ("y", "edge_label")]
    dense = [v for v in values if isinstance(v, Tensor) and v.layout is torch.strided]
    return all(bool(torch.isfinite(v).all()) for v in dense)


def learning_rate_factor(training: TrainingConfig, epoch: int) -> float:
    """Return the learning rate of an epoch, counted from 0, divided by `lr`.

    It is `(epoch + 1) / (W + 1)` in the W warm-up epochs, then
    `(1 + cos(pi (epoch - W) / (epochs - W))) / 2`.
    """
    warm = training.warmup_epochs
    if epoch < warm:
        return (epoch + 1) / (warm + 1)
    done = (epoch - warm) / max(training.epochs - warm, 1)
    return (1.0 + math.cos(math.pi * min(done, 1.0))) / 2.0


@torch.no_grad()
def collect_predictions(
    learner: Learner, batches: Iterable[Data], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Collect predictions and labels of a subset on the CPU; the model runs on the device."""
    learner.eval()
    rows = []
    for batch in batches:
        predicted, labels = learner.labeled_predictions(move_batch(batch, device))
        learner.check_predictions(predicted)
        rows.append((predicted.cpu(), labels.cpu()))
    answers, labels = (torch.cat(parts) for parts in zip(*rows, strict=True))
    return answers, labels


def move_batch(batch: Data, device: torch.device) -> Data:
    """Copy a batch to a device unless it is already there."""
    if batch.edge_index is not None and batch.edge_index.device == device:
        return batch
    there: Data = batch.to(str(device))
    return there
