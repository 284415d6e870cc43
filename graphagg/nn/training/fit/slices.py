"""A training in slices: so many minutes of it now, the rest by the same command later."""

from __future__ import annotations

import time

from lightning.pytorch import Callback, LightningModule, Trainer

from graphagg.checks import number


class Slice:
    """The time that one call may take.

    Args:
        minutes: of wall time, counted from here; None: no limit.

    Raises:
        InvalidParameter: no minutes.
    """

    def __init__(self, minutes: float | None) -> None:
        self._ends: float | None = None
        if minutes is not None:
            self._ends = time.monotonic() + 60 * number("minutes", minutes, above=0.0)
        self._longest = 0.0

    def took(self, seconds: float) -> None:
        """An epoch took so long."""
        self._longest = max(self._longest, seconds)

    @property
    def over(self) -> bool:
        """Whether another epoch, as long as the longest so far, would end too late."""
        return self._ends is not None and time.monotonic() + self._longest > self._ends


class PauseBetweenEpochs(Callback):
    """Ends the fit before an epoch that would end too late; the first one of a call is always done.

    So every call gets ahead, however short its slice is. With several devices all of them stop
    where one has no time left.

    Attributes:
        asked: the fit ends for this reason, and for no other.

    Args:
        limit: the time of the call.
    """

    def __init__(self, limit: Slice) -> None:
        self._limit, self._began, self.asked = limit, 0.0, False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the time."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop here, or go on; the epoch is saved after this."""
        self._limit.took(time.monotonic() - self._began)
        over = trainer.strategy.reduce_boolean_decision(self._limit.over, all=False)
        if over and not trainer.should_stop:
            self.asked = trainer.should_stop = True
