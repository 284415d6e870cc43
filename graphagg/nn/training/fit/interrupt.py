"""Ctrl-C between batches."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class CtrlC:
    """Ends a training between two batches; a second Ctrl-C ends it at once.

    Python raises `KeyboardInterrupt` anywhere, also while it holds the lock of a log's queue; the
    lock is then never released, and the process can hang. No lock is held between batches.
    """

    def __init__(self) -> None:
        self._asked = False

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Handle Ctrl-C inside the `with` block, then restore the handler.

        Does nothing if the caller has a handler, or outside of the main thread. Raises
        `KeyboardInterrupt` at the end if Ctrl-C was pressed.
        """
        before = signal.getsignal(signal.SIGINT)
        main = threading.current_thread() is threading.main_thread()
        if not main or before is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        self.check()

    def _ask(self, signum: int, frame: FrameType | None) -> None:
        if self._asked:
            signal.default_int_handler(signum, frame)
        self._asked = True

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if Ctrl-C was pressed."""
        if self._asked:
            raise KeyboardInterrupt
