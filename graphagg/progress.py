"""Progress of long-running work, reported to a callback."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Callback with the stage, the units done, and the total number of units (0: unknown yet)."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report progress."""


def silent(stage: str, done: int, total: int) -> None:
    """A `Progress` that reports nothing."""


def renamed(progress: Progress, name: str) -> Progress:
    """Return a `Progress` that reports every stage to `progress` under one name."""

    def report(stage: str, done: int, total: int) -> None:
        progress(name, done, total)

    return report
