"""The minutes that one call of a training may take; the same command goes on later."""

from __future__ import annotations

import time

from graphagg.checks import number


class TimeBudget:
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
        """Note how long an epoch took."""
        self._longest = max(self._longest, seconds)

    @property
    def over(self) -> bool:
        """Whether another epoch, as long as the longest so far, would end too late."""
        return self._ends is not None and time.monotonic() + self._longest > self._ends
