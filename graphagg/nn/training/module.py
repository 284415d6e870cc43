"""The Lightning module: one model, one loss, one metric, one rate."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import CheckpointMismatch, InvalidFeatures, TrainingDiverged
from graphagg.nn.training.batches import Batches, seeded
from graphagg.nn.training.config import Metric, TrainingConfig
from graphagg.nn.training.data import Level
from graphagg.nn.training.epochs import EpochLog
from graphagg.nn.training.metrics import loss_of, score

_KEY = "graphagg"


class Answers:
    """What a model said and what was wanted, over the batches of one part."""

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        self._vertices = 0

    def add(self, level: Level, batch: Data, predicted: Tensor, wanted: Tensor) -> None:
        """Keep one batch's."""
        query = wanted.new_zeros(0, dtype=torch.int64)
        if level == "edge":
            query = batch.edge_label_index[0].cpu() + self._vertices
        self._vertices += int(batch.num_nodes or 0)
        self._parts.append((predicted.detach().cpu(), wanted.cpu(), query.cpu()))

    def score(self, metric: Metric) -> float:
        """The metric over all of them."""
        predicted, wanted, query = (torch.cat(part) for part in zip(*self._parts, strict=True))
        return score(metric, predicted, wanted, query)


class Learner(LightningModule):
    """Trains a model whose `forward` takes a `Data` and gives one row an answer.

    Args:
        model: The model.
        training: Settings.
        metric: What is measured, with `training.metric` resolved.
        level: What a row of answers is about.
        fingerprint: JSON of the run's settings; a checkpoint of another one is refused.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        training: TrainingConfig,
        metric: Metric,
        level: Level,
        fingerprint: str = "",
    ) -> None:
        super().__init__()
        self.model, self.training_config, self.metric, self.level = model, training, metric, level
        self.fingerprint = fingerprint
        self._objective = training.objective(metric)
        self._validation = Answers()
        self._losses: list[Tensor] = []
        self._rate = 0.0
        self.log_to: EpochLog | None = None

    def answers(self, batch: Data) -> tuple[Tensor, Tensor]:
        """Answers that count, `[n, C]`, and what is wanted of them.

        Raises:
            InvalidFeatures: The model answers for another number of rows.
        """
        predicted = self.model(batch)
        wanted = batch.edge_label if self.level == "edge" else batch.y
        if predicted.dim() == 1:
            predicted = predicted.unsqueeze(1)
        if predicted.size(0) != wanted.size(0):
            raise InvalidFeatures(
                f"the model gives {predicted.size(0):,} rows for {wanted.size(0):,} labels; "
                f"wanted one a {self.level}"
            )
        rows = batch.get("rows")
        if rows is not None:
            return predicted[rows], wanted[rows]
        if self.level == "node" and not wanted.dtype.is_floating_point:
            known = (wanted.view(len(wanted), -1) >= 0).all(dim=1)
            return predicted[known], wanted[known]
        return predicted, wanted

    def on_train_epoch_start(self) -> None:
        """Dropout hangs on the epoch's number, so that a resumed run draws the same."""
        state = seeded(self.training_config.random_state, self.current_epoch)
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=state)))
        self._losses = []
        self._rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def training_step(self, batch: Data) -> Tensor:
        """The loss of a batch."""
        predicted, wanted = self.answers(batch)
        if predicted.dtype is torch.bfloat16:
            predicted = predicted.float()
        loss = loss_of(self._objective, predicted, wanted)
        self._losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch and its rate.

        Raises:
            TrainingDiverged: The loss is no finite number.
        """
        loss = float(torch.stack(self._losses).mean())
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} in epoch {self.current_epoch + 1}; lower training.lr "
                f"({self.training_config.lr:g}) or training.clip_norm"
            )
        self.log_dict({"loss": loss, "lr": self._rate}, batch_size=1)
        if self.log_to is not None:
            val = float(self.trainer.callback_metrics["val"])
            self.log_to.write(self.current_epoch + 1, loss, self._rate, val)

    def validation_step(self, batch: Data) -> None:
        """Collect the answers."""
        self._validation.add(self.level, batch, *self.answers(batch))

    def on_validation_epoch_end(self) -> None:
        """Log the metric that chooses the best epoch."""
        self.log("val", self._validation.score(self.metric), batch_size=1)
        self._validation = Answers()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW and the rate of each epoch."""
        training = self.training_config
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=training.lr, weight_decay=training.weight_decay
        )
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: rate(training, e))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "epoch"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say whose checkpoint it is."""
        checkpoint[_KEY] = self.fingerprint

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse another run's.

        Raises:
            CheckpointMismatch: The checkpoint says that it is another run's.
        """
        if checkpoint.get(_KEY) != self.fingerprint:
            raise CheckpointMismatch(
                "the checkpoint is of another configuration than this run; start without "
                "resuming, in another folder or with force"
            )


def rate(training: TrainingConfig, epoch: int) -> float:
    """Share of `lr` in an epoch, counted from 0.

    In the W epochs of the warm-up `(epoch + 1) / (W + 1)`; then 1 (`constant`), or
    `(1 + cos(pi (epoch - W) / (epochs - W))) / 2`.
    """
    warm = training.warmup_epochs
    if epoch < warm:
        return (epoch + 1) / (warm + 1)
    if training.schedule == "constant":
        return 1.0
    done = (epoch - warm) / max(training.epochs - warm, 1)
    return (1.0 + math.cos(math.pi * min(done, 1.0))) / 2.0


@torch.no_grad()
def evaluate(learner: Learner, batches: Batches, device: torch.device) -> float:
    """The metric of the model over a part of the data, in evaluation mode."""
    answers = Answers()
    learner.to(device).eval()
    low = learner.training_config.precision == "bfloat16"
    for batch in batches:
        moved = batch.to(device.type if device.index is None else str(device))
        with torch.autocast(device.type, torch.bfloat16) if low else nullcontext():
            predicted, wanted = learner.answers(moved)
        answers.add(learner.level, moved, predicted, wanted)
    return answers.score(learner.metric)
