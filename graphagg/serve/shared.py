"""Threads and models that the indices of a process share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from graphagg.errors import Overloaded
from graphagg.serve.encoding import Batcher
from graphagg.serve.limits import UNSURE, ServiceLimits
from graphagg.serve.observe.metrics import Metrics
from graphagg.serve.observe.questions import QuestionLog

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor

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
            self._release(None)
            raise
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def check(self) -> None:
        """Raise `Overloaded` if `capacity` calls run or wait."""
        if self._open >= self.capacity:
            raise Overloaded(
                f"{self._open} requests wait for {self.name} already; try again in a second"
            )

    def _release(self, _: Future[Any] | None) -> None:
        with self._lock:
            self._open -= 1

    def close(self) -> None:
        """Let running calls finish; drop waiting ones."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class SharedResources:
    """The threads of a process, and its loaded models by their sha256.

    `loading` is held while a model is loaded that several indices may use.
    """

    def __init__(
        self, limits: ServiceLimits, metrics: Metrics, device: str | None = None,
        question_log: Path | None = None,
    ) -> None:  # fmt: skip
        self.limits, self.metrics, self.device = limits, metrics, device
        self._questions = None if question_log is None else QuestionLog(question_log)
        self.pool = BoundedThreadPool("answers", limits.threads, limits.waiting)
        self.encoders: dict[str, Encoder] = {}
        self.extractors: dict[str, EntityExtractor] = {}
        self.batcher = Batcher(limits.waiting, metrics.batch.observe)
        self.loading = threading.RLock()

    def note(self, question: str, answer: Mapping[str, Any]) -> None:
        """Count an answer by its outcome, and log its question if there is a log."""
        confidence, outcome = answer["confidence"], "answered"
        if not answer["hits"]:
            outcome = "refused"
        elif confidence is not None and confidence < UNSURE:
            outcome = "unsure"
        self.metrics.answers.labels(outcome).inc()
        if self._questions is not None:
            self._questions.write(question, outcome, answer)

    def keep(self, encoder: Encoder | None, extractor: EntityExtractor | None) -> None:
        """Let other versions and indices use loaded models."""
        if encoder is not None:
            self.encoders[encoder.spec.sha256] = encoder
        if extractor is not None:
            self.extractors[extractor.spec.sha256] = extractor

    def close(self) -> None:
        """End the threads."""
        self.pool.close()
        self.batcher.close()
