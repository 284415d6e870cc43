"""Train on one split: epochs, validation, checkpoints, early stopping, logs, Ctrl-C."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from graphagg.errors import DeviceOutOfMemory, InvalidDataset, InvalidParameter
from graphagg.nn.files import write_whole
from graphagg.nn.training.batches import Feed, epoch_generator
from graphagg.nn.training.data.dataset import PARTS
from graphagg.nn.training.fit.learner import (
    Learner,
    autocast,
    collect_answers,
    learning_rate_factor,
    move_batch,
)
from graphagg.nn.training.folder import BEST, LAST, RunFolder, read_checkpoint
from graphagg.nn.training.metrics import Measure
from graphagg.nn.training.results import SplitResult
from graphagg.progress import Progress

Logger = Callable[[dict[str, float], int], object]
"""Called with `loss`, `lr` and `val` of an epoch, and its number from 1."""

Row = tuple[int, float, float, float]  # of `metrics.csv`: epoch, loss, lr, val

_PERFECT = 1.0 - 1e-6  # of a float32
SAVE_EVERY_S = 5.0


@dataclass(frozen=True)
class FitOptions:
    """Options of a call of `train` that all splits share; see there."""

    device: torch.device
    progress: Progress
    loggers: tuple[Logger, ...] = ()
    loss: Measure | None = None
    metrics: Mapping[str, Measure] = field(default_factory=dict)


def fit_split(
    learner: Learner, feed: Feed, folder: RunFolder, index: int, name: str, run: FitOptions
) -> SplitResult:
    """Train on one split, and evaluate its three parts at the epoch with the best validation.

    Raises `TrainingDiverged` and `DeviceOutOfMemory`.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    where = folder.split(index)
    with explain_out_of_memory(learner.training_config.batch_size):
        epochs = _fit(learner, feed, folder, index, run)
        best = read_checkpoint(where / BEST)
        learner.load_state_dict(best["state_dict"])
        scores, measures = _measured(learner, feed, run)
    return SplitResult(
        split=name,
        epoch=int(best["epoch"]) + 1,
        epochs=epochs,
        parameters=sum(p.numel() for p in learner.model.parameters() if p.requires_grad),
        seconds=round(time.perf_counter() - wall, 2),
        cpu_seconds=round(time.process_time() - cpu, 2),
        **scores,
        measures=measures,
    )


def _measured(
    learner: Learner, feed: Feed, run: FitOptions
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Scores of the three parts, and the user's metrics of them."""
    scores: dict[str, float] = {}
    measures: dict[str, dict[str, float]] = {name: {} for name in run.metrics}
    for subset in PARTS:
        learner.stage = f"the {subset} part"
        answers = collect_answers(learner.to(run.device), feed.evaluation(subset), run.device)
        scores[subset] = answers.score(learner.stage)
        for name, measure in run.metrics.items():
            value = measure(*answers.rows())
            try:
                measures[name][subset] = float(value)
            except (TypeError, ValueError, RuntimeError):
                shown = f"{type(value).__name__} {tuple(getattr(value, 'shape', ()))}"
                raise InvalidParameter(f"metric {name!r} gives {shown}; wanted a number") from None
    return scores, measures


@contextmanager
def explain_out_of_memory(batch_size: int) -> Iterator[None]:
    """Turn PyTorch's out-of-memory error into `DeviceOutOfMemory`, which says what to lower."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceOutOfMemory(
            f"the device has too little memory for batches of {batch_size} "
            f"({str(error).splitlines()[0][:200]}); lower training.batch_size, set "
            "training.precision to 'bfloat16', or, of one large graph, set training.fanouts"
        ) from None


def _fit(learner: Learner, feed: Feed, folder: RunFolder, index: int, run: FitOptions) -> int:
    """Train from the last checkpoint to the end; return the number of epochs."""
    where, stage, epochs = folder.split(index), f"split {index}", learner.training_config.epochs
    loop = Loop(learner, feed, run.device, folder.last(index))
    log, kept = where / "metrics.csv", _Checkpoints(where)
    text = io.StringIO()  # with the rows of the checkpoint
    csv.writer(text).writerows([("epoch", "loss", "lr", "val"), *loop.rows])
    write_whole(log, lambda partial: partial.write_text(text.getvalue(), newline=""))
    run.progress(stage, loop.done, epochs)
    with closing(kept):
        while not loop.over:
            values, better = loop.epoch()
            kept.keep(loop, folder.fingerprint, better)
            with log.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(loop.rows[-1])
            for logger in run.loggers:
                logger(values, loop.done)
            run.progress(stage, epochs if loop.over else loop.done, epochs)
    return loop.done


class Loop:
    """The epochs of a split; `rows` has number, loss, rate and validation metric of each."""

    def __init__(
        self, learner: Learner, feed: Feed, device: torch.device, saved: dict[str, Any] | None
    ) -> None:
        self._learner, self._feed, self._device = learner, feed, device
        self._training = learner.training_config
        self.rows: list[Row] = []
        self._best, self._waited = math.nan, 0
        if saved is not None:
            learner.load_state_dict(saved["state_dict"])
        learner.to(device)
        self._optimizer = torch.optim.AdamW(
            learner.parameters(), lr=self._training.lr, weight_decay=self._training.weight_decay,
            # Fused: one pass over all weights saves a tenth of a small batch's time.
            fused=device.type in ("cpu", "cuda"),
        )  # fmt: skip
        if saved is not None:
            self._optimizer.load_state_dict(saved["optimizer"])
            self.rows = [(int(row[0]), *row[1:]) for row in saved["rows"].tolist()]
            self._best, self._waited = saved["best"], saved["waited"]

    @property
    def done(self) -> int:
        """Epochs done."""
        return len(self.rows)

    @property
    def over(self) -> bool:
        """Whether the training ends: no epochs or patience left, or a perfect score."""
        patience = self._training.patience
        perfect = self._learner.metric != "mae" and self._best > _PERFECT
        stops = patience and (perfect or self._waited >= patience)
        return self.done >= self._training.epochs or bool(stops)

    def epoch(self) -> tuple[dict[str, float], bool]:
        """Run an epoch; return its loss, rate and validation metric, and whether it is the best.

        Raises `InvalidDataset` if the training part has no known label.
        """
        learner, training = self._learner, self._training
        state = epoch_generator(training.random_state, self.done)
        drawn = int(torch.randint(2**62, (1,), generator=state))
        # `torch.manual_seed` also seeds devices that are not used.
        seed = torch.default_generator.manual_seed if self._device.type == "cpu" else None
        (seed or torch.manual_seed)(drawn)
        lr = training.lr * learning_rate_factor(training, self.done)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        learner.stage, learner.losses = f"epoch {self.done + 1}", []
        loss = self._batch_losses()
        validation = collect_answers(learner, self._feed.evaluation("val"), self._device)
        val = validation.score("the validation part")
        self.rows.append((self.done + 1, loss, lr, val))
        low = learner.metric == "mae"
        better = math.isnan(self._best) or (val < self._best if low else val > self._best)
        self._best, self._waited = (val, 0) if better else (self._best, self._waited + 1)
        return {"loss": loss, "lr": lr, "val": val}, better

    def _batch_losses(self) -> float:
        """Train on all batches; return the mean loss of those with a known label."""
        self._learner.train()
        for batch in self._feed.training(self.done):
            with autocast(self._training, self._device):
                loss = self._learner(move_batch(batch, self._device))
            self._optimizer.zero_grad()
            loss.backward()
            if self._training.clip_norm:
                torch.nn.utils.clip_grad_norm_(self._learner.parameters(), self._training.clip_norm)
            self._optimizer.step()
        losses = self._learner.losses
        if not losses:
            raise InvalidDataset(
                "the training part has no known label, all are -1 or NaN; wanted at least one"
            )
        return math.fsum(losses) / len(losses)

    def state(self, *, fingerprint: str) -> dict[str, Any]:
        """The checkpoint; `fingerprint` is JSON of the run's settings."""
        return {
            "epoch": self.done - 1,
            "state_dict": _copied(self._learner.state_dict()),
            "optimizer": _copied(self._optimizer.state_dict()),
            "rows": torch.tensor(self.rows, dtype=torch.float64),
            "best": self._best,
            "waited": self._waited,
            "graphagg": fingerprint,
        }


def _copied(state: Any) -> Any:
    """Copy a state; `copy.deepcopy` takes as long as a small epoch."""
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return state


class _Checkpoints:
    """Writes the files `LAST` and `BEST` every five seconds, and when the training ends.

    Syncing two files after each epoch would take several times an epoch of a small graph. If the
    process is killed, the epochs since the last write are run again, with the same numbers.
    """

    def __init__(self, where: Path) -> None:
        self._where, self._written = where, time.monotonic()
        self._pending: dict[str, dict[str, Any]] = {}

    def keep(self, loop: Loop, fingerprint: str, better: bool) -> None:
        """Save this epoch as `last`; also as `best` if it improves the metric."""
        state = loop.state(fingerprint=fingerprint)
        self._pending |= {LAST: state, **({BEST: state} if better else {})}
        if time.monotonic() - self._written >= SAVE_EVERY_S:
            self.close()

    def close(self) -> None:
        """Write the pending files, the best first: the last one refers to its score."""
        pending, self._pending = self._pending, {}
        for name in sorted(pending):
            _save(self._where / name, pending[name])
        self._written = time.monotonic()


def _save(path: Path, state: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, lambda partial: partial.write_bytes(buffer.getbuffer()))
