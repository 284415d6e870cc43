"""Threads for work that would block the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from graphagg.errors import Overloaded

R = TypeVar("R")


class BoundedThreadPool:
    """A thread pool with a bounded queue: at most `capacity` calls run or wait."""

    def __init__(self, name: str, threads: int, capacity: int) -> None:
        self.name, self.capacity = name, capacity
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._open = 0

    async def run(self, call: Callable[..., R], *arguments: Any, begun: bool = False) -> R:
        """Run a call in a thread.

        A full pool raises `Overloaded`, except for a later step (`begun`) of an accepted request.
        """
        with self._lock:
            if not begun:
                self.check()
            self._open += 1
        try:
            future = self._pool.submit(call, *arguments)
        except BaseException:
            self._ended(None)
            raise
        future.add_done_callback(self._ended)
        return await asyncio.wrap_future(future)

    def check(self) -> None:
        """Raise `Overloaded` if `capacity` calls run or wait."""
        if self._open >= self.capacity:
            raise Overloaded(
                f"{self._open} requests wait for {self.name} already; try again in a second"
            )

    def _ended(self, _: Future[Any] | None) -> None:
        with self._lock:
            self._open -= 1

    def close(self) -> None:
        """Let running calls finish; drop waiting ones."""
        self._pool.shutdown(wait=False, cancel_futures=True)
