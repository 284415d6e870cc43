"""Progress of long work, reported to a callback."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with a stage, the units of it that are done, and their total (0: not yet known)."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report progress."""


def silent(stage: str, done: int, total: int) -> None:
    """A `Progress` that reports nothing."""


def renamed(progress: Progress, name: str) -> Progress:
    """Report to `progress` under one name, whatever the stage."""

    def report(stage: str, done: int, total: int) -> None:
        progress(name, done, total)

    return report
