"""The Lightning module: one model, one loss, one metric, one rate."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import (
    InvalidDataset,
    InvalidFeatures,
    NotFinite,
    TrainingDiverged,
)
from graphagg.nn.training.batches import Batches, seeded
from graphagg.nn.training.config import Metric, TrainingConfig
from graphagg.nn.training.data.dataset import Level
from graphagg.nn.training.fit.epochs import EpochLog
from graphagg.nn.training.metrics import known, loss_of, score
from graphagg.nn.training.ranking import mean_over_graphs, reciprocal_ranks
from graphagg.nn.training.shares import here

_KEY = "graphagg"


class Learner(LightningModule):
    """Trains a model whose `forward` takes a `Data` and gives one row an answer.

    Args:
        model: the model.
        training: settings.
        metric: the metric to measure: `training.metric`, with `auto` resolved.
        level: what a row of answers is about.
        fingerprint: JSON of the run's settings, written into its checkpoints: `RunFolder.last`
            refuses those of another run.

    Raises:
        InvalidParameter: a loss that does not fit the metric.
        InvalidDataset: a metric that does not fit the level.
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
        self.stage = "evaluation"
        self._objective = training.objective(metric)
        check_level(metric, level)
        self._validation = Answers(self)
        self._losses: list[float] = []
        self._rate = 0.0
        self.log_to: EpochLog | None = None

    def answers(self, batch: Data) -> tuple[Tensor, Tensor]:
        """The answers that count, `[n, C]`, and their labels.

        Raises:
            InvalidFeatures: the model answers for another number of rows.
            TrainingDiverged: see `predict`.
        """
        predicted = self.predict(batch)
        wanted = batch.edge_label if self.level == "edge" else batch.y
        if predicted.size(0) != wanted.size(0):
            raise InvalidFeatures(
                f"the model gives {predicted.size(0):,} rows for {wanted.size(0):,} labels; "
                f"wanted one a {self.level}"
            )
        rows = batch.get("rows")
        return (predicted, wanted) if rows is None else (predicted[rows], wanted[rows])

    def scores(self, batch: Data, pairs: Tensor) -> Tensor:
        """One score `[P]` for each of other pairs `[2, P]` than the batch's own.

        Raises:
            InvalidFeatures: the model gives another number of scores.
            TrainingDiverged: see `predict`; or a score is NaN.
        """
        asked = copy.copy(batch)
        asked.edge_label_index = pairs
        predicted = self.predict(asked)
        if predicted.numel() != pairs.size(1):
            raise InvalidFeatures(
                f"the model gives {predicted.numel():,} scores for {pairs.size(1):,} pairs; "
                "wanted one each"
            )
        self.check_answers(predicted)
        return predicted.view(-1)

    def predict(self, batch: Data) -> Tensor:
        """All answers of the model, `[rows, C]`.

        Raises:
            TrainingDiverged: the model finds NaN or infinity in its own vectors, since all that it
                is given is finite.
        """
        try:
            predicted: Tensor = self.model(batch)
        except NotFinite as error:
            if not _is_finite(batch):
                raise
            raise self._diverged("the model's vectors hold NaN or infinity") from error
        return predicted.unsqueeze(1) if predicted.dim() == 1 else predicted

    def check_answers(self, predicted: Tensor) -> None:
        """Refuse answers that cannot be measured.

        Infinity is a logit like another where only the order of answers counts: a class that the
        model rules out.

        Raises:
            TrainingDiverged: NaN, or for `mae`, `roc-auc` and `ap` infinity.
        """
        numbers = self.metric in ("mae", "roc-auc", "ap")
        bad = ~predicted.isfinite() if numbers else predicted.isnan()
        if bool(bad.any()):
            raise self._diverged(
                "the model's answers hold NaN or infinity", f" ({int(bad.sum())} of {bad.numel()})"
            )

    def _diverged(self, found: str, more: str = "") -> TrainingDiverged:
        training = self.training_config
        clip = f"training.clip_norm ({training.clip_norm:g})"
        if not training.clip_norm:
            clip = "set training.clip_norm (now 0: off)"
        return TrainingDiverged(
            f"{found} in {self.stage}{more}; lower training.lr ({training.lr:g}) or {clip}"
        )

    def on_train_epoch_start(self) -> None:
        """Seed dropout by the epoch's number, so that a resumed run draws the same."""
        state = seeded(self.training_config.random_state, self.current_epoch)
        rank, _ = here()  # each device drops others
        torch.manual_seed(int(torch.randint(2**62, (1 + rank,), generator=state)[rank]))
        self.stage = f"epoch {self.current_epoch + 1}"
        self._losses = []
        self._rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def training_step(self, batch: Data) -> Tensor:
        """The loss of a batch.

        Raises:
            TrainingDiverged: the loss is no finite number.
        """
        predicted, wanted = self.answers(batch)
        if predicted.dtype is torch.bfloat16:
            predicted = predicted.float()
        loss = loss_of(self._objective, predicted, wanted)
        share = batch.get("share")
        if share is not None:
            loss = loss * share
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged(f"the loss is {value}")
        if bool(known(self._objective, wanted).any()):  # else its 0 says nothing
            self._losses.append(value)
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch's batches with a known label, and its rate.

        Raises:
            InvalidDataset: there was none.
        """
        total = torch.tensor([math.fsum(self._losses), len(self._losses)], dtype=torch.float64)
        if here()[1] > 1:
            total = self.trainer.strategy.reduce(total.to(self.device), reduce_op="sum")
        if not float(total[1]):
            raise InvalidDataset(
                "the training part has no known label, all are -1 or NaN; wanted at least one"
            )
        loss = float(total[0] / total[1])
        self.log_dict({"loss": loss, "lr": self._rate}, batch_size=1)
        if self.log_to is not None and self.trainer.is_global_zero:
            val = float(self.trainer.callback_metrics["val"])
            self.log_to.write(self.current_epoch + 1, loss, self._rate, val)

    def validation_step(self, batch: Data) -> None:
        """Collect the answers."""
        self._validation.add(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metric that chooses the best epoch."""
        self.log("val", self._validation.score("the validation part"), batch_size=1)
        self._validation = Answers(self)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW and the rate of each epoch."""
        training = self.training_config
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=training.lr, weight_decay=training.weight_decay,
            # One pass over all weights: a step of hundreds of small tensors is otherwise thousands
            # of operations, a tenth of the time of a small batch. Under autocast Lightning does not
            # clip beside it.
            fused=self.device.type in ("cpu", "cuda") and training.precision != "bfloat16",
        )  # fmt: skip
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: rate(training, e))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "epoch"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write the settings of the run into its checkpoint."""
        checkpoint[_KEY] = self.fingerprint


class Answers:
    """Answers of a model and their labels, over the batches of one part."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._rows: list[tuple[Tensor, Tensor]] = []
        self._ranks: list[Tensor] = []

    def add(self, batch: Data) -> None:
        """Run the model on one batch, and keep its answers.

        Raises:
            TrainingDiverged: answers that cannot be measured.
        """
        learner = self._learner
        if learner.metric == "mrr":
            self._ranks.append(reciprocal_ranks(batch, partial(learner.scores, batch)))
            return
        predicted, wanted = learner.answers(batch)
        learner.check_answers(predicted)
        self._rows.append((predicted.detach().cpu(), wanted.cpu()))

    def score(self, part: str) -> float:
        """The metric over all of them.

        Raises:
            InvalidDataset: it is not defined on them.
        """
        metric = self._learner.metric
        if metric == "mrr":
            return mean_over_graphs(self._ranks, part)
        predicted, wanted = (torch.cat(rows) for rows in zip(*self._rows, strict=True))
        return score(metric, predicted, wanted, part)


def _is_finite(batch: Data) -> bool:
    """Whether all numbers are but the labels, which may be unknown."""
    values = [value for name, value in batch.to_dict().items() if name not in ("y", "edge_label")]
    dense = [v for v in values if isinstance(v, Tensor) and v.layout is torch.strided]
    return all(bool(torch.isfinite(v).all()) for v in dense)


def check_level(metric: Metric, level: Level) -> None:
    """Check that a metric is one of such labels.

    Raises:
        InvalidDataset: `mrr` of labels that are not of pairs.
    """
    if metric == "mrr" and level != "edge":
        raise InvalidDataset(
            f"metric 'mrr' ranks pairs of vertices, but the data have labels of each {level}; set "
            "the training's metric, e.g. 'accuracy' or 'mae'"
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
def evaluate(
    learner: Learner, batches: Batches, device: torch.device, part: str = "a part of the data"
) -> float:
    """The metric of the model over a part of the data, in evaluation mode.

    Args:
        learner: the model.
        batches: the part.
        device: where the model runs.
        part: what errors call it.

    Raises:
        InvalidDataset: the metric is not defined on the part.
        TrainingDiverged: answers that cannot be measured.
    """
    learner.stage = part
    answers = Answers(learner)
    learner.to(device).eval()
    low = learner.training_config.precision == "bfloat16"
    for batch in batches:
        moved = batch.to(device.type if device.index is None else str(device))
        with torch.autocast(device.type, torch.bfloat16) if low else nullcontext():
            answers.add(moved)
    return answers.score(part)
