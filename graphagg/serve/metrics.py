"""Metrics for Prometheus: one registry per service."""

from __future__ import annotations

import os
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

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
            "graphagg_reloads", "Published versions met, by outcome.", ["kind", "outcome"]
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
        """Set the label of a kind of index, in place of the one before; None: it has none."""
        if before is not None and before != to:
            gauge.remove(kind, before)
        if to is not None:
            gauge.labels(kind, to).set(1)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format, summed over the workers."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
