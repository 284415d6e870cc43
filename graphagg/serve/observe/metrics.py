"""Metrics for Prometheus: one registry per service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_QUESTIONS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and histograms of a service, and of its process (memory, CPU, files)."""

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
        self.stages = Histogram(
            "graphagg_stage_seconds", "Wall time of the stages of requests.", ["stage"],
            buckets=_SECONDS, **kept,
        )  # fmt: skip
        self.in_flight = Gauge("graphagg_requests_in_flight", "Requests being answered.", **kept)
        self.batch = Histogram(
            "graphagg_encoder_batch_questions", "Questions encoded by one call of the model.",
            buckets=_QUESTIONS, **kept,
        )  # fmt: skip
        self.vectors = Counter(
            "graphagg_question_vectors", "Vectors of questions, by whether they were kept.",
            ["outcome"], **kept,
        )  # fmt: skip
        self.reloads = Counter(
            "graphagg_reloads", "Published versions met, by outcome.", ["kind", "outcome"], **kept
        )
        self.index = Gauge(
            "graphagg_index_info", "1 for the version that is served.", ["kind", "version"], **kept
        )
        self.ready = Gauge("graphagg_ready", "1 when every model is loaded.", **kept)
        self.problem = Gauge(
            "graphagg_index_problem",
            "1 while the published version cannot be opened, by error; an older one is served.",
            ["kind", "error"], **kept,
        )  # fmt: skip
        self._add_workers(kept)

    def _add_workers(self, kept: dict[str, Any]) -> None:
        self.workers = Gauge("graphagg_workers", "Worker processes that answer.", **kept)
        self.workers_lost = Counter(
            "graphagg_workers_lost", "Worker processes that ended unasked.", **kept
        )
        self.worker_bytes = Gauge(
            "graphagg_worker_own_bytes", "Memory of a worker that is its own, not the index's.",
            ["worker"], **kept,
        )  # fmt: skip

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note a request."""
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def encoded(self, questions: int) -> None:
        """Note a batch of questions."""
        self.batch.observe(questions)

    def question_vectors(self, kept: int, made: int) -> None:
        """Note vectors of questions: found in the table, and encoded."""
        self.vectors.labels("kept").inc(kept)
        self.vectors.labels("made").inc(made)

    def serving(self, kind: str, version: str, before: str | None = None) -> None:
        """Note the version of a kind of index that is served now."""
        if before is not None and before != version:
            self.index.remove(kind, before)
        self.index.labels(kind, version).set(1)

    def troubled(self, kind: str, error: str | None, before: str | None) -> None:
        """Note why the published version of a kind of index cannot be opened; None: it can."""
        if before is not None and before != error:
            self.problem.remove(kind, before)
        if error is not None:
            self.problem.labels(kind, error).set(1)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


def own_memory() -> int | None:
    """Bytes of anonymous memory of this process, without the pages of index files.

    Processes share the pages of index files. None where the system does not tell.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
    return sizes[0] * 1024 if sizes else None
