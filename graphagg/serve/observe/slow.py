"""The slowest requests of the last hour, with their stages."""

from __future__ import annotations

import time
from collections.abc import Callable

from graphagg.serve.models.about import SlowQuery
from graphagg.serve.observe.stages import Trace


class Slowest:
    """A bounded list of the slowest requests of a window of time; for the event loop alone.

    Args:
        kept: length of the list.
        window: seconds after which a request is forgotten.
        clock: seconds since the epoch.
    """

    def __init__(
        self, kept: int = 50, window: float = 3600.0, clock: Callable[[], float] = time.time
    ) -> None:
        self.kept, self._window, self._clock = kept, window, clock
        self._requests: list[SlowQuery] = []

    def add(self, trace: Trace, route: str, status: int, milliseconds: float) -> None:
        """Note a request that did work, if it is among the slowest."""
        if not trace.stages:
            return
        request = SlowQuery(
            time=self._clock(),
            request_id=trace.identifier,
            route=route,
            status=status,
            milliseconds=round(milliseconds, 3),
            stages=trace.milliseconds(),
            details=dict(trace.details),
        )
        slowest = sorted([*self.requests(), request], key=lambda each: -each.milliseconds)
        self._requests = slowest[: self.kept]

    def requests(self) -> list[SlowQuery]:
        """The requests of the window, slowest first."""
        oldest = self._clock() - self._window
        self._requests = [each for each in self._requests if each.time > oldest]
        return self._requests
