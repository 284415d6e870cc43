"""One split: epochs, validation, checkpoints, early stopping, logs, Ctrl-C."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parallel import DistributedDataParallel

from graphagg.errors import InvalidDataset, TrainingInterrupted, TrainingPaused
from graphagg.nn.files import write_whole
from graphagg.nn.training.batches import Feed, seeded
from graphagg.nn.training.data.dataset import PARTS
from graphagg.nn.training.fit.epoch_log import EpochLog
from graphagg.nn.training.fit.interrupt import CtrlC
from graphagg.nn.training.fit.learner import Learner, answers_of, autocast, evaluate, moved, rate
from graphagg.nn.training.fit.processes import named_failures, on_all, summed
from graphagg.nn.training.fit.time_budget import TimeBudget
from graphagg.nn.training.folder import BEST, LAST, RunFolder, read_checkpoint
from graphagg.nn.training.results import SplitResult
from graphagg.nn.training.shares import here
from graphagg.progress import Progress

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Logger = Callable[[dict[str, float], int], object]
"""Called with `loss`, `lr` and `val` of an epoch, and its number from 1."""

_PERFECT = 1.0 - 1e-6  # of a float32


@dataclass(frozen=True)
class Fit:
    """What a call of `train` gives to every split.

    Attributes:
        devices: that it trains on; the first one evaluates.
        progress: told of each epoch.
        budget: the time of the call.
        loggers: the user's own, beside the files of the run.
    """

    devices: tuple[torch.device, ...]
    progress: Progress
    budget: TimeBudget
    loggers: tuple[Logger, ...] = ()

    @property
    def once(self) -> bool:
        """Whether a call trains one split only.

        Measuring a split begins with CUDA, and a process that has begun with it cannot be copied.
        """
        return len(self.devices) > 1 and self.devices[0].type == "cuda"


def fit_split(
    learner: Learner, feed: Feed, folder: RunFolder, number: int, name: str, run: Fit
) -> SplitResult:
    """Train on one split, and measure its three parts at the epoch that validation chose.

    Raises:
        TrainingInterrupted: Ctrl-C.
        TrainingPaused: the time of the call is over.
        TrainingDiverged: the loss is no finite number.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    where = folder.make_split(number)
    try:
        with named_failures(learner.training_config.batch_size):
            epochs = _fit(learner, feed, folder, number, run)
            best = read_checkpoint(where / BEST)
            learner.load_state_dict(best["state_dict"])
            scores = {
                part: evaluate(learner, feed.evaluation(part), run.devices[0], f"the {part} part")
                for part in PARTS
            }
    except KeyboardInterrupt:
        raise TrainingInterrupted(_interrupted(where)) from None
    return SplitResult(
        split=name,
        epoch=int(best["epoch"]) + 1,
        epochs=epochs,
        parameters=sum(p.numel() for p in learner.model.parameters() if p.requires_grad),
        seconds=round(time.perf_counter() - wall, 2),
        cpu_seconds=round(time.process_time() - cpu, 2),
        **scores,
    )


def _fit(learner: Learner, feed: Feed, folder: RunFolder, number: int, run: Fit) -> int:
    """Train until the end; return the number of epochs that took.

    Raises:
        TrainingPaused: the minutes ended before.
    """
    stage, epochs = f"split {number}", learner.training_config.epochs
    saved = folder.last(number)
    if saved is None or not saved["over"]:
        on_all(run.devices, partial(_train, learner, feed, folder, number, run, saved))
        saved = folder.last(number)
    done = 0 if saved is None else int(saved["epoch"]) + 1
    if saved is None or not saved["over"]:
        raise TrainingPaused(
            f"paused after epoch {done} of {epochs}, as the minutes are over: run the same command "
            "with --resume to go on"
        )
    run.progress(stage, epochs, epochs)
    return done


def _train(
    learner: Learner, feed: Feed, folder: RunFolder, number: int, run: Fit,
    saved: dict[str, Any] | None, device: torch.device,
) -> None:  # fmt: skip
    """Train on a device, from a checkpoint, until training or time is over."""
    loop = _Loop(learner, feed, device, saved)
    where, leads, stage = folder.split(number), here()[0] == 0, f"split {number}"
    logs = _Logs(where, loop.done, run.loggers) if leads else None
    with closing(logs) if logs else nullcontext(), loop.ctrl_c.awaited():
        stop = pause = 0.0
        while not (stop or pause):
            began = time.monotonic()
            values, better, stops = loop.epoch()
            run.budget.took(time.monotonic() - began)
            # All devices stop where one does.
            stop, pause = summed([stops, run.budget.over], device)
            state = loop.state(over=bool(stop), fingerprint=folder.fingerprint)
            if logs is not None:
                logs.write(values, loop.done)
                if better:
                    _save(where / BEST, state)
                _save(where / LAST, state)
                if loop.done < learner.training_config.epochs:
                    run.progress(stage, loop.done, learner.training_config.epochs)


class _Loop:
    """The epochs of a split on one device.

    Attributes:
        done: epochs done.
        ctrl_c: asked before each batch.
    """

    def __init__(
        self, learner: Learner, feed: Feed, device: torch.device, saved: dict[str, Any] | None
    ) -> None:
        self._learner, self._device, self._training = learner, device, learner.training_config
        self.done, self._best, self._waited, self.ctrl_c = 0, math.nan, 0, CtrlC()
        if saved is not None:
            learner.load_state_dict(saved["state_dict"])
        learner.to(device)
        self._optimizer = torch.optim.AdamW(
            learner.parameters(), lr=self._training.lr, weight_decay=self._training.weight_decay,
            # One pass over all weights: a step of hundreds of small tensors is otherwise thousands
            # of operations, a tenth of the time of a small batch.
            fused=device.type in ("cpu", "cuda"),
        )  # fmt: skip
        if saved is not None:
            self._optimizer.load_state_dict(saved["optimizer"])
            self.done, self._best = int(saved["epoch"]) + 1, saved["best"]
            self._waited = saved["waited"]
        self._batches = feed.training(lambda: self.done)
        self._validation = feed.evaluation("val")
        self._step: torch.nn.Module = learner
        if here()[1] > 1:
            ids = [device] if device.type == "cuda" else None
            self._step = DistributedDataParallel(learner, device_ids=ids)

    def epoch(self) -> tuple[dict[str, float], bool, bool]:
        """Do an epoch: its loss, rate and validation metric, whether it is the best, or the last.

        Raises:
            InvalidDataset: the training part has no known label.
        """
        learner, training = self._learner, self._training
        state = seeded(training.random_state, self.done)
        rank, _ = here()  # each device drops others
        torch.manual_seed(int(torch.randint(2**62, (1 + rank,), generator=state)[rank]))
        lr = training.lr * rate(training, self.done)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        learner.stage, learner.losses = f"epoch {self.done + 1}", []
        loss = self._batch_losses()
        validation = answers_of(learner, self._validation, self._device, self.ctrl_c.check)
        val = validation.score("the validation part")
        self.done += 1
        better, stops = self._compared(val)
        return {"loss": loss, "lr": lr, "val": val}, better, stops

    def _batch_losses(self) -> float:
        """Train on every batch; return the mean loss of those with a known label."""
        self._learner.train()
        for batch in self._batches:
            self.ctrl_c.check()
            with autocast(self._training, self._device):
                loss = self._step(moved(batch, self._device))
            self._optimizer.zero_grad()
            loss.backward()
            if self._training.clip_norm:
                torch.nn.utils.clip_grad_norm_(self._learner.parameters(), self._training.clip_norm)
            self._optimizer.step()
        losses = self._learner.losses
        total, count = summed([math.fsum(losses), len(losses)], self._device)
        if not count:
            raise InvalidDataset(
                "the training part has no known label, all are -1 or NaN; wanted at least one"
            )
        return total / count

    def _compared(self, val: float) -> tuple[bool, bool]:
        """Whether the epoch is better than all before, and whether the training ends here."""
        low = self._learner.metric == "mae"
        better = math.isnan(self._best) or (val < self._best if low else val > self._best)
        self._best, self._waited = (val, 0) if better else (self._best, self._waited + 1)
        last, patience = self.done >= self._training.epochs, self._training.patience
        # Nothing is better than all of it: the first epoch that gets there is the best one.
        perfect = not low and val > _PERFECT
        return better, last or bool(patience and (perfect or self._waited >= patience))

    def state(self, *, over: bool, fingerprint: str) -> dict[str, Any]:
        """The checkpoint of the epochs done; `fingerprint` is JSON of the run's settings."""
        return {
            "epoch": self.done - 1,
            "state_dict": self._learner.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "best": self._best,
            "waited": self._waited,
            "over": over,
            "graphagg": fingerprint,
        }


class _Logs:
    """`metrics.csv`, TensorBoard's events, and the user's own loggers."""

    def __init__(self, where: Path, done: int, loggers: tuple[Logger, ...]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._log = EpochLog(where / "metrics.csv", done)
        self._board: SummaryWriter = SummaryWriter(where, purge_step=done + 1)
        self._loggers = loggers

    def write(self, values: dict[str, float], epoch: int) -> None:
        """Write the values of an epoch, counted from 1."""
        self._log.write(epoch, **values)
        for name, value in values.items():
            self._board.add_scalar(name, value, epoch)
        for logger in self._loggers:
            logger(values, epoch)

    def close(self) -> None:
        """Write out what is buffered."""
        self._board.close()


def _save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all; `WriteFailed` where the disk refuses."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, lambda partial: partial.write_bytes(buffer.getbuffer()))


def _interrupted(where: Path) -> str:
    if not (where / LAST).exists():
        return f"interrupted before the first epoch was done; {where} holds no checkpoint"
    return (
        f"interrupted; {where / LAST} keeps the epochs that were done: run the same command with "
        "--resume to go on"
    )
