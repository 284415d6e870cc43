"""Ctrl-C between batches."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class CtrlC(Callback):
    """Ends a fit between two batches; a second Ctrl-C ends it at once.

    Python raises `KeyboardInterrupt` wherever it happens to be, also while it holds the lock of a
    log's queue; the lock is then never released, and the process can hang. Here the interrupt is
    raised between batches, where no lock is held.
    """

    def __init__(self) -> None:
        self._asked = False

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Handle Ctrl-C inside the `with` block, and restore the handler, which Lightning does not.

        The caller's own handler stays, and so does a fit in another thread than the main one.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
        self._end()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            signal.default_int_handler(number, frame)
        self._asked = True

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Raise here if Ctrl-C was pressed."""
        self._end()

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Raise here if Ctrl-C was pressed."""
        self._end()

    def _end(self) -> None:
        if self._asked:
            raise KeyboardInterrupt
