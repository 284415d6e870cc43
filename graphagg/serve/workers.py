"""Lanes: threads for work that would hold up the event loop, with an end to what may wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from graphagg.errors import Overloaded

R = TypeVar("R")


class Lane:
    """A queue of bounded length before a few threads.

    Args:
        name: of what runs here, for messages.
        threads: that work.
        capacity: calls that run or wait; the next is refused.
    """

    def __init__(self, name: str, threads: int, capacity: int) -> None:
        self.name, self.capacity = name, capacity
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._open = 0

    @property
    def open(self) -> int:
        """Calls that run or wait."""
        return self._open

    async def run(self, call: Callable[..., R], *arguments: Any, begun: bool = False) -> R:
        """Run a call in a thread; a call that has begun keeps its place until it ends.

        Args:
            call: what to run.
            arguments: of the call.
            begun: it is a later step of a request that was taken on: it is not refused.

        Raises:
            Overloaded: `capacity` calls run or wait.
        """
        with self._lock:
            if self._open >= self.capacity and not begun:
                raise Overloaded(
                    f"{self._open} requests wait for {self.name} already; try again in a second"
                )
            self._open += 1
        try:
            future = self._pool.submit(call, *arguments)
        except BaseException:
            self._left(None)
            raise
        future.add_done_callback(self._left)
        return await asyncio.wrap_future(future)

    def _left(self, _: Future[Any] | None) -> None:
        with self._lock:
            self._open -= 1

    def close(self) -> None:
        """Let what runs finish; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
