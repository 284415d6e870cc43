"""Train on one split: epochs, validation, checkpoints, early stopping, logs, Ctrl-C."""

from __future__ import annotations

import csv
import io
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from graphagg.errors import DeviceOutOfMemory, InvalidDataset, UnreadableFile
from graphagg.nn.files import write_tensors, write_whole
from graphagg.nn.training.batches import Feed, epoch_generator
from graphagg.nn.training.data.dataset import SUBSETS
from graphagg.nn.training.fit.learner import (
    Learner,
    collect_predictions,
    learning_rate_factor,
    move_batch,
)
from graphagg.nn.training.folder import AGAIN, LAST, LOG, RunFolder
from graphagg.nn.training.metrics import Measure, score
from graphagg.nn.training.results import SplitResult
from graphagg.progress import Progress

Logger = Callable[[dict[str, float], int], object]
"""Called after each epoch with a dict of `loss`, `lr` and `val`, and the epoch's number from 1."""

EpochRow = tuple[int, float, float, float]  # a row of `metrics.csv`: epoch, loss, lr, val

_PERFECT = 1.0 - 1e-6  # a perfect score, up to float32 rounding
SAVE_EVERY_S = 5.0


@dataclass(frozen=True)
class FitOptions:
    """Options of `train` that are the same for all splits."""

    device: torch.device
    progress: Progress
    loggers: tuple[Logger, ...] = ()
    loss: Measure | None = None


def fit_split(
    learner: Learner, feed: Feed, folder: RunFolder, index: int, name: str, run: FitOptions
) -> SplitResult:
    """Train on one split, and evaluate its three parts at the epoch with the best validation score.

    Raises `TrainingDiverged` and `DeviceOutOfMemory`.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    with explain_out_of_memory(learner.training_config.batch_size):
        loop = _fit(learner, feed, folder, index, run)
        learner.load_state_dict(loop.best_state)
        scores = _scores(learner, feed, run)
    return SplitResult(
        split=name,
        epoch=loop.best_epoch,
        epochs=loop.done,
        parameters=sum(p.numel() for p in learner.model.parameters() if p.requires_grad),
        seconds=round(time.perf_counter() - wall, 2),
        cpu_seconds=round(time.process_time() - cpu, 2),
        **scores,
    )


def _scores(learner: Learner, feed: Feed, run: FitOptions) -> dict[str, float]:
    """Compute the scores of the training, validation and test parts."""
    scores: dict[str, float] = {}
    for subset in SUBSETS:
        learner.stage = f"the {subset} part"
        rows = collect_predictions(learner.to(run.device), feed.evaluation(subset), run.device)
        scores[subset] = score(learner.metric, *rows, learner.stage)
    return scores


@contextmanager
def explain_out_of_memory(batch_size: int) -> Iterator[None]:
    """Convert PyTorch's out-of-memory error to `DeviceOutOfMemory`, which says what to lower."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceOutOfMemory(
            f"the device has too little memory for batches of {batch_size} "
            f"({str(error).splitlines()[0][:200]}); lower training.batch_size or "
            "model.channels"
        ) from None


def _fit(learner: Learner, feed: Feed, folder: RunFolder, index: int, run: FitOptions) -> Loop:
    """Train from the last checkpoint to the end.

    A checkpoint is written every five seconds, because syncing a file takes longer than an epoch
    of a small graph. If the process is killed, later epochs run again, with the same results.
    """
    where, stage, epochs = folder.split(index), f"split {index}", learner.training_config.epochs
    loop = Loop(learner, feed, run.device)
    if (saved := folder.last(index)) is not None:
        loop.restore(*saved, where / LAST)
    run.progress(stage, loop.done, epochs)
    written, saved_epochs = time.monotonic(), loop.done
    try:
        while not loop.over:
            values = loop.epoch()
            if time.monotonic() - written >= SAVE_EVERY_S:
                _save(where, loop, folder.digest)
                written, saved_epochs = time.monotonic(), loop.done
            for logger in run.loggers:
                logger(values, loop.done)
            run.progress(stage, epochs if loop.over else loop.done, epochs)
    finally:
        if loop.done > saved_epochs or not (where / LOG).exists():
            _save(where, loop, folder.digest)
    return loop


def _save(where: Path, loop: Loop, run: str) -> None:
    """Write the checkpoint and the log of a split."""
    text = io.StringIO()
    csv.writer(text).writerows([("epoch", "loss", "lr", "val"), *loop.rows])
    loop.save(where / LAST, run)
    write_whole(where / LOG, lambda partial: partial.write_text(text.getvalue(), newline=""))


class Loop:
    """Runs the epochs of a split.

    Attributes:
        rows: number, loss, learning rate and validation metric of each epoch.
        best_epoch: the epoch with the best validation metric, from 1; 0 before the first epoch.
        best_state: the learner's state after the best epoch.
    """

    def __init__(self, learner: Learner, feed: Feed, device: torch.device) -> None:
        self._learner, self._feed, self._device = learner, feed, device
        self._training = learner.training_config
        self.rows: list[EpochRow] = []
        self.best_epoch, self.best_state = 0, dict[str, Tensor]()
        self._optimizer = torch.optim.AdamW(
            learner.to(device).parameters(), lr=self._training.lr,
            weight_decay=self._training.weight_decay,
            # The fused optimizer, one pass over all weights, saves 10 % of a small batch's time.
            fused=device.type in ("cpu", "cuda"),
        )  # fmt: skip

    @property
    def done(self) -> int:
        """Number of finished epochs."""
        return len(self.rows)

    @property
    def over(self) -> bool:
        """Whether training ends: no epochs or patience left, or a perfect score."""
        patience = self._training.patience
        perfect = self._learner.metric != "mae" and self.best_epoch and self._best > _PERFECT
        stops = patience and (perfect or self.done - self.best_epoch >= patience)
        return self.done >= self._training.epochs or bool(stops)

    @property
    def _best(self) -> float:
        return self.rows[self.best_epoch - 1][3]

    def epoch(self) -> dict[str, float]:
        """Run an epoch; return its loss, learning rate and validation metric.

        Raises `InvalidDataset` if the training part has no known label.
        """
        learner, training = self._learner, self._training
        state = epoch_generator(training.random_state, self.done)
        drawn = int(torch.randint(2**62, (1,), generator=state))
        # On a CPU avoid `torch.manual_seed`, which also seeds devices that are not used.
        seed = torch.default_generator.manual_seed if self._device.type == "cpu" else None
        (seed or torch.manual_seed)(drawn)
        lr = training.lr * learning_rate_factor(training, self.done)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        learner.stage, learner.losses = f"epoch {self.done + 1}", []
        loss = self._batch_losses()
        rows = collect_predictions(learner, self._feed.evaluation("val"), self._device)
        val = score(learner.metric, *rows, "the validation part")
        lower = learner.metric == "mae"
        better = not self.best_epoch or (val < self._best if lower else val > self._best)
        self.rows.append((self.done + 1, loss, lr, val))
        if better:
            self.best_epoch = self.done
            self.best_state = {n: v.detach().clone() for n, v in learner.state_dict().items()}
        return {"loss": loss, "lr": lr, "val": val}

    def _batch_losses(self) -> float:
        """Train on all batches; return the mean loss of the batches with a known label."""
        self._learner.train()
        for batch in self._feed.training(self.done):
            loss = self._learner(move_batch(batch, self._device))
            self._optimizer.zero_grad()
            loss.backward()
            if self._training.clip_norm:
                torch.nn.utils.clip_grad_norm_(self._learner.parameters(), self._training.clip_norm)
            self._optimizer.step()
        losses = self._learner.losses
        if not losses:
            raise InvalidDataset(
                "the training part has no known label, all are -1 or NaN; expected at least one"
            )
        return math.fsum(losses) / len(losses)

    def save(self, path: Path, run: str) -> None:
        """Write the checkpoint; `run` is the digest of the run's settings."""
        tensors = {f"model.{name}": value for name, value in self._learner.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best_state.items()}
        for index, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        tensors["rows."] = torch.tensor(self.rows, dtype=torch.float64)
        write_tensors(path, tensors, {"run": run, "best_epoch": str(self.best_epoch)})

    def restore(self, metadata: dict[str, str], tensors: dict[str, Tensor], path: Path) -> None:
        """Continue from a checkpoint; `UnreadableFile` names `path` if it does not fit."""
        groups: dict[str, dict[str, Tensor]] = defaultdict(dict)
        moments: dict[int, dict[str, Tensor]] = defaultdict(dict)
        try:
            for key, value in tensors.items():
                group, name = key.split(".", 1)
                groups[group][name] = value
            for key, value in groups["optimizer"].items():
                index, name = key.split(".", 1)
                moments[int(index)][name] = value
            self._learner.load_state_dict(groups["best"])  # checks names and shapes
            self._learner.load_state_dict(groups["model"])
            settings = self._optimizer.state_dict()["param_groups"]
            self._optimizer.load_state_dict({"state": moments, "param_groups": settings})
            for weight, state in self._optimizer.state.items():
                shapes = [state[name].shape for name in ("exp_avg", "exp_avg_sq", "step")]
                if shapes != [weight.shape, weight.shape, torch.Size()]:
                    raise ValueError("the optimizer's tensors have other shapes")
            rows = groups["rows"][""].tolist()
            self.rows = [(int(n), loss, lr, val) for n, loss, lr, val in rows]
            self.best_epoch, self.best_state = int(metadata["best_epoch"]), groups["best"]
            if not 1 <= self.best_epoch <= self.done:
                raise ValueError(
                    f"the best epoch {self.best_epoch} exceeds the number of epochs, {self.done}"
                )
        except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            raise UnreadableFile(f"{path} does not fit the run ({reason}); {AGAIN}") from None
