"""OpenTelemetry: a trace for each request, with a span a stage, and the metrics beside Prometheus.

Requests are not slowed down: what ended is put into a bounded queue, and a thread of the SDK sends
it. Where the collector is down or slow, the oldest of the queue are dropped.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from graphagg import __version__
from graphagg.errors import InvalidParameter, MissingExtra
from graphagg.serve.observe.requests import Ended

try:
    from opentelemetry.metrics import Histogram
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    raise MissingExtra("opentelemetry-sdk", "otel") from None

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

_SEND_SECONDS = 5.0  # for one batch; the SDK's thread waits, nobody else
_LEAVE_SECONDS = 0.5  # that the end of the service waits for what is queued


class Telemetry:
    """Takes requests that ended to a collector.

    Args:
        spans: where spans go; sent in batches by a thread of the SDK.
        readers: of the metrics.
        service: the name that traces are found by.
    """

    def __init__(
        self, spans: SpanExporter, *readers: MetricReader, service: str = "graphagg"
    ) -> None:
        # Resource.create adds what the standard variable OTEL_RESOURCE_ATTRIBUTES says.
        about = Resource.create({"service.name": service, "service.version": __version__})
        self._traces = TracerProvider(resource=about, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(spans))
        self._tracer = self._traces.get_tracer("graphagg.serve", __version__)
        self._metrics = MeterProvider(readers, resource=about, shutdown_on_exit=False)
        meter = self._metrics.get_meter("graphagg.serve", __version__)
        self._seconds: Histogram = meter.create_histogram(
            "http.server.request.duration", "s", "Wall time of requests."
        )
        self._stages: Histogram = meter.create_histogram(
            "graphagg.stage.duration", "s", "Wall time of the stages of requests."
        )
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def to(cls, endpoint: str) -> Telemetry:
        """Send to a collector by OTLP over HTTP.

        Args:
            endpoint: its base address, such as `http://localhost:4318`.

        Raises:
            InvalidParameter: the address is not one of HTTP.
            MissingExtra: the exporter is not installed.
        """
        if not endpoint.startswith(("http://", "https://")):
            raise InvalidParameter(
                f"OTLP endpoint is {endpoint!r}, wanted an address such as http://localhost:4318"
            )
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise MissingExtra("opentelemetry-exporter-otlp-proto-http", "otel") from None
        base = endpoint.rstrip("/")
        metrics = OTLPMetricExporter(f"{base}/v1/metrics", timeout=_SEND_SECONDS)
        return cls(
            OTLPSpanExporter(f"{base}/v1/traces", timeout=_SEND_SECONDS),
            PeriodicExportingMetricReader(metrics),
        )

    def export(self, ended: Ended) -> None:
        """Make the spans of a request: one for it, and below it one a stage."""
        route = {"http.route": ended.route, "http.request.method": ended.method}
        self._seconds.record(ended.seconds, {**route, "http.response.status_code": ended.status})
        attributes: dict[str, AttributeValue] = {
            **route,
            "url.path": ended.path,
            "client.address": ended.client,
            "http.response.status_code": ended.status,
            "graphagg.request_id": ended.trace.identifier,
        }
        if "mode" in ended.trace.details:
            attributes["graphagg.mode"] = ended.trace.details["mode"]
        span = self._tracer.start_span(
            f"{ended.method} {ended.route}",
            self._propagator.extract({"traceparent": ended.parent}),
            SpanKind.SERVER,
            attributes,
            start_time=ended.begin,
        )
        if ended.status >= 500 or not ended.status:
            span.set_status(Status(StatusCode.ERROR))
        within = set_span_in_context(span)
        for stage in ended.trace.stages:
            shared = {"graphagg.questions": stage.shared}
            child = self._tracer.start_span(
                stage.name, within, attributes=shared, start_time=stage.begin
            )
            child.end(stage.end)
            self._stages.record(stage.seconds, {"graphagg.stage": stage.name})
        span.end(ended.end)

    def flush(self) -> None:
        """Send what is queued, and wait for it."""
        self._traces.force_flush()
        self._metrics.force_flush()

    def close(self) -> None:
        """Send what is queued if that is quick; a collector that is down delays nothing."""

        def leave() -> None:
            self._traces.shutdown()
            self._metrics.shutdown()

        leaving = threading.Thread(target=leave, name="telemetry", daemon=True)
        leaving.start()
        leaving.join(_LEAVE_SECONDS)
