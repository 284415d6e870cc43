"""Resources that the indices of a process share: threads, models and Prometheus metrics."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from graphagg.errors import Overloaded
from graphagg.serve.limits import UNSURE, ServiceLimits

if TYPE_CHECKING:  # a service without passages does not import these libraries
    from graphagg.rag.config.modes import Mode
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor
    from graphagg.rag.modes.protocol import EncodedQuestion, Retriever

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """Counters and histograms of a service and its process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        latest = partial(Gauge, registry=self.registry, multiprocess_mode="livemax")
        self.requests = counter(
            "graphagg_requests", "Requests answered.", ["route", "method", "status"]
        )
        self.seconds = Histogram(
            "graphagg_request_seconds", "Wall time of requests.", ["route"],
            registry=self.registry, buckets=_SECONDS,
        )  # fmt: skip
        self.in_flight = Gauge(
            "graphagg_requests_in_flight", "Requests being answered.", registry=self.registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.answers = counter(
            "graphagg_answers",
            "Questions by outcome: answered, unsure (low confidence) or refused (no passage).",
            ["outcome"],
        )
        self.reloads = counter(
            "graphagg_reloads", "Published versions opened, by outcome.", ["kind", "outcome"]
        )
        self.index = latest(
            "graphagg_index_info", "1 for the version that is served.", ["kind", "version"]
        )
        self.part_missing = latest(
            "graphagg_part_missing", "1 while a part does not answer, by address.", ["part"]
        )
        self.ready = latest("graphagg_ready", "1 when every model is loaded.")
        self.problem = latest(
            "graphagg_index_problem",
            "1 while the published version cannot be opened, by error; an older one is served.",
            ["kind", "error"],
        )

    @staticmethod
    def moved(gauge: Gauge, kind: str, to: str | None, before: str | None = None) -> None:
        """Replace the label `before` of a kind of index with `to`; None means no label."""
        if before is not None and before != to:
            gauge.remove(kind, before)
        if to is not None:
            gauge.labels(kind, to).set(1)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format, summed over the workers."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


R = TypeVar("R")
_CACHED = 256  # questions; about 5 MiB with the default encoder


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
                f"{self._open} requests already wait for {self.name}; try again in a second"
            )

    def _release(self, _: Future[Any] | None) -> None:
        with self._lock:
            self._open -= 1

    def close(self) -> None:
        """Let running calls finish; drop waiting ones."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class QuestionEncoder:
    """Encodes questions in one thread, with an LRU cache.

    The next page of hits and the themes of an answer repeat a question, so they hit the cache. At
    most `capacity` questions run or wait.
    """

    def __init__(self, capacity: int) -> None:
        self._pool = BoundedThreadPool("encoder", 1, capacity)
        self._cache: OrderedDict[tuple[str, Mode, str, str], EncodedQuestion] = OrderedDict()

    async def encode(self, retriever: Retriever, scope: object, question: str) -> EncodedQuestion:
        """Encode a checked question; raises `Overloaded`.

        `scope` holds the filters that select the retriever's passages, as JSON values.
        """
        snapshot, models = retriever.snapshot, retriever.snapshot.models
        version, mode = snapshot.artifact.manifest.data, retriever.mode
        about = version, mode, json.dumps(scope, sort_keys=True), question

        def encode() -> EncodedQuestion:
            if about not in self._cache:
                reading = retriever.read([question], models)
                (self._cache[about],) = retriever.encode(reading, models)
            self._cache.move_to_end(about)
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
            return self._cache[about]

        return await self._pool.run(encode)

    def close(self) -> None:
        """Stop the thread."""
        self._pool.close()


class SharedResources:
    """The threads of a process, and its loaded models by their sha256.

    The lock `loading` is held while a model that several indices may share is loaded.
    """

    def __init__(self, limits: ServiceLimits, metrics: Metrics) -> None:
        self.limits, self.metrics = limits, metrics
        self.pool = BoundedThreadPool("answers", limits.threads, limits.waiting)
        self.encoders: dict[str, Encoder] = {}
        self.extractors: dict[str, EntityExtractor] = {}
        self.question_encoder = QuestionEncoder(limits.waiting)
        self.loading = threading.RLock()

    def note(self, answer: Mapping[str, Any]) -> None:
        """Count an answer by its outcome."""
        confidence, outcome = answer["confidence"], "answered"
        if not answer["hits"]:
            outcome = "refused"
        elif confidence is not None and confidence < UNSURE:
            outcome = "unsure"
        self.metrics.answers.labels(outcome).inc()

    def keep(self, encoder: Encoder | None, extractor: EntityExtractor | None) -> None:
        """Register loaded models, so that other versions and indices reuse them."""
        if encoder is not None:
            self.encoders[encoder.spec.sha256] = encoder
        if extractor is not None:
            self.extractors[extractor.spec.sha256] = extractor

    def close(self) -> None:
        """Stop the threads."""
        self.pool.close()
        self.question_encoder.close()
