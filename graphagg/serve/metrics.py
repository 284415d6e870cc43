"""Metrics for Prometheus: one registry a service."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_QUESTIONS = (1, 2, 4, 8, 16, 32, 64, 128)
_UNKNOWN = "unmatched"


class Metrics:
    """Counters and histograms of a service, with those of its process (memory, CPU, files)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        kept: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "graphagg_requests", "Requests answered.", ["route", "method", "status"], **kept
        )
        self.seconds = Histogram(
            "graphagg_request_seconds", "Wall time of requests.", ["route"], buckets=_SECONDS,
            **kept,
        )  # fmt: skip
        self.in_flight = Gauge("graphagg_requests_in_flight", "Requests being answered.", **kept)
        self.batch = Histogram(
            "graphagg_encoder_batch_questions", "Questions encoded by one call of the model.",
            buckets=_QUESTIONS, **kept,
        )  # fmt: skip
        self.reloads = Counter(
            "graphagg_reloads", "Published versions met, by outcome.", ["kind", "outcome"], **kept
        )
        self.index = Gauge(
            "graphagg_index_info", "1 for the version that is served.", ["kind", "version"], **kept
        )

    def serving(self, kind: str, version: str, before: str | None = None) -> None:
        """Note the version of a kind of index that is served now."""
        if before is not None and before != version:
            self.index.remove(kind, before)
        self.index.labels(kind, version).set(1)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)


class Observed:
    """ASGI middleware that counts and times requests by route, never by raw path.

    Args:
        app: what answers.
        metrics: where counts go.
        clock: seconds.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app, self._metrics, self._clock = app, metrics, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and note what it took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = self._clock(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, noted)
            finally:
                route = getattr(scope.get("route"), "path", _UNKNOWN)
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.requests.labels(route, method, str(status)).inc()
                self._metrics.seconds.labels(route).observe(self._clock() - begin)


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
