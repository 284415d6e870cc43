"""Wall and CPU time of an answer."""

from __future__ import annotations

import time


class Watch:
    """Wall and thread milliseconds since it was made, for one thread."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    @property
    def latency_ms(self) -> float:
        """Wall time so far."""
        return round((time.perf_counter() - self._wall) * 1000, 3)

    @property
    def cpu_ms(self) -> float:
        """Thread time so far; of use only in the thread that made the watch."""
        return (time.thread_time() - self._cpu) * 1000
