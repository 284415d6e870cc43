"""One split on Lightning's trainer: checkpoints, early stopping, logs, Ctrl-C."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from graphagg.errors import TrainingInterrupted, TrainingPaused
from graphagg.nn.training.batches import Feed
from graphagg.nn.training.config import TrainingConfig
from graphagg.nn.training.data.dataset import PARTS
from graphagg.nn.training.fit.checkpoints import BestEpoch, LastEpoch, WholeFiles, is_over
from graphagg.nn.training.fit.children import named_failures
from graphagg.nn.training.fit.epochs import EpochLog
from graphagg.nn.training.fit.interrupt import CtrlC
from graphagg.nn.training.fit.module import Learner, evaluate
from graphagg.nn.training.fit.quiet import quiet
from graphagg.nn.training.fit.slices import PauseBetweenEpochs, Slice
from graphagg.nn.training.folder import BEST, LAST, RunFolder, read_checkpoint
from graphagg.nn.training.results import SplitResult
from graphagg.progress import Progress


@dataclass(frozen=True)
class Fit:
    """What a call of `train` gives to every split.

    Attributes:
        devices: that it trains on; the first one evaluates.
        progress: told of each epoch.
        limit: the time of the call.
        callbacks: the user's own.
        loggers: the user's own, beside the files of the run.
    """

    devices: tuple[torch.device, ...]
    progress: Progress
    limit: Slice
    callbacks: tuple[Callback, ...] = ()
    loggers: tuple[Logger, ...] = ()

    @property
    def once(self) -> bool:
        """Whether a call trains one split only.

        Measuring a split begins with CUDA, and a process that has begun with it cannot be copied.
        """
        return len(self.devices) > 1 and self.devices[0].type == "cuda"


def fit_split(
    learner: Learner,
    feed: Feed,
    folder: RunFolder,
    number: int,
    name: str,
    run: Fit,
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
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the one into the other
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


def _fit(
    learner: Learner,
    feed: Feed,
    folder: RunFolder,
    number: int,
    run: Fit,
) -> int:
    """Train until the end; how many epochs that took."""
    where, saved = folder.split(number), folder.last(number)
    training, stage = learner.training_config, f"split {number}"
    done = 0 if saved is None else int(saved["epoch"]) + 1
    learner.log_to = EpochLog(where / "metrics.csv", done)
    if saved is None or not is_over(saved):
        ctrl_c = CtrlC()
        callbacks = [ctrl_c, *_callbacks(learner, where, stage, run)]
        with quiet(), ctrl_c.awaited():
            trainer = _trainer(training, where, callbacks, run)
            trainer.fit(
                learner,
                feed.training(lambda: trainer.current_epoch),
                feed.evaluation("val"),
                ckpt_path=None if saved is None else str(where / LAST),
                weights_only=True,
            )
        done = _done(folder, number, training.epochs)
    run.progress(stage, training.epochs, training.epochs)
    return done


def _done(folder: RunFolder, number: int, epochs: int) -> int:
    """How many epochs are done, all that there will be.

    Raises:
        TrainingPaused: the fit ended before.
    """
    last = folder.last(number)
    done = 0 if last is None else int(last["epoch"]) + 1
    if last is None or not is_over(last):
        raise TrainingPaused(
            f"paused after epoch {done} of {epochs}, as the minutes are over: run the same command "
            "with --resume to go on"
        )
    return done


def _trainer(training: TrainingConfig, where: Path, callbacks: list[Callback], run: Fit) -> Trainer:
    precision: Any = "bf16-mixed" if training.precision == "bfloat16" else "32-true"
    kind, count = run.devices[0].type, len(run.devices)
    board = TensorBoardLogger(where, name="", version="", default_hp_metric=False)
    return Trainer(
        accelerator={"cuda": "gpu"}.get(kind, kind),
        devices=[device.index or 0 for device in run.devices] if kind == "cuda" else count,
        # Processes that begin as copies of this one: data and model need not be pickled.
        strategy="ddp_fork" if count > 1 else "auto",
        precision=precision,
        max_epochs=training.epochs,
        gradient_clip_val=training.clip_norm or None,
        callbacks=[*callbacks, *run.callbacks],
        plugins=[WholeFiles()],
        logger=[board, *run.loggers],
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=where,
    )


def _callbacks(learner: Learner, where: Path, stage: str, run: Fit) -> list[Callback]:
    mode = "min" if learner.metric == "mae" else "max"
    training = learner.training_config
    callbacks: list[Callback] = [_Report(stage, training.epochs, run.progress)]
    if training.patience:
        # Nothing is better than all of it: the first epoch that gets there is the best one.
        perfect = None if mode == "min" else 1.0 - 1e-6  # of a float32
        callbacks.append(
            EarlyStopping("val", mode=mode, patience=training.patience, stopping_threshold=perfect)
        )
    pause = PauseBetweenEpochs(run.limit)  # after what stops early, which ends the training
    return [
        *callbacks,
        pause,
        BestEpoch(where, mode),
        LastEpoch(where, pause),
    ]  # in this order, at an epoch's end


class _Report(Callback):
    """Tells `progress` about every epoch."""

    def __init__(self, stage: str, epochs: int, progress: Progress) -> None:
        self._stage, self._epochs, self._progress = stage, epochs, progress

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One more epoch."""
        done = trainer.current_epoch + 1
        if done < self._epochs and trainer.is_global_zero:
            self._progress(self._stage, done, self._epochs)


def _interrupted(where: Path) -> str:
    if not (where / LAST).exists():
        return f"interrupted before the first epoch was done; {where} holds no checkpoint"
    return (
        f"interrupted; {where / LAST} keeps the epochs that were done: run the same command with "
        "--resume to go on"
    )
