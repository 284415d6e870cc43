"""The slowest requests of the last hour, with their stages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphagg.serve.observe.stages import Trace

KEPT = 50
WINDOW = 3600.0


@dataclass(frozen=True)
class SlowRequest:
    """A request that took long.

    Attributes:
        time: of its end, seconds since the epoch.
        request_id: as its answer carried it.
        route, status: what was asked and how it ended.
        milliseconds: until its end.
        stages: milliseconds by stage.
        details: what it was about, such as the question.
    """

    time: float
    request_id: str
    route: str
    status: int
    milliseconds: float
    stages: dict[str, float]
    details: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self)}


@dataclass
class Slowest:
    """A bounded list: the slowest of each hour, not of a lifetime.

    Args:
        kept: how many.
        window: seconds after which a request is forgotten.
        clock: seconds since the epoch.
    """

    kept: int = KEPT
    window: float = WINDOW
    clock: Callable[[], float] = time.time
    _requests: list[SlowRequest] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, trace: Trace, route: str, status: int, milliseconds: float) -> None:
        """Note a request that did work, if it is among the slowest."""
        if not trace.stages:
            return
        now = self.clock()
        with self._lock:
            self._forget(now)
            full = len(self._requests) >= self.kept
            if full and milliseconds <= self._requests[-1].milliseconds:
                return
            request = SlowRequest(
                now, trace.identifier, route, status, round(milliseconds, 3),
                trace.milliseconds(), dict(trace.details),
            )  # fmt: skip
            self._requests.append(request)
            self._requests.sort(key=lambda each: -each.milliseconds)
            del self._requests[self.kept :]

    def requests(self) -> list[SlowRequest]:
        """Slowest first."""
        with self._lock:
            self._forget(self.clock())
            return list(self._requests)

    def _forget(self, now: float) -> None:
        self._requests = [each for each in self._requests if each.time > now - self.window]
