"""OpenTelemetry: a span per request by its instrumentation of FastAPI, and a span per stage.

Requests are not slowed down: spans are put into a bounded queue, and a thread of the SDK sends
them. Where the collector is down or slow, the oldest spans of the queue are dropped.
"""

from __future__ import annotations

import os
import threading

from fastapi import FastAPI

from graphagg import __version__
from graphagg.errors import InvalidParameter, MissingExtra
from graphagg.serve.http.requests import REQUEST_ID
from graphagg.serve.observe.stages import Trace

# Names of metrics and attributes as they are stable since semantic conventions 1.23.
os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
try:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
except ImportError as error:
    raise MissingExtra.of(error, "otel") from None

_SEND_SECONDS = 5.0  # for one batch; the SDK's thread waits, nobody else
_CLOSE_SECONDS = 0.5  # that the end of the service waits for queued spans


class Telemetry:
    """Takes requests that ended to a collector.

    Args:
        spans: sends spans, in batches, by a thread of the SDK.
        readers: of the metrics.
    """

    def __init__(self, spans: SpanExporter, *readers: MetricReader) -> None:
        # Resource.create adds the attributes of the standard variable OTEL_RESOURCE_ATTRIBUTES.
        about = Resource.create({"service.name": "graphagg", "service.version": __version__})
        self._traces = TracerProvider(resource=about, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(spans))
        self._tracer = self._traces.get_tracer("graphagg.serve", __version__)
        self._metrics = MeterProvider(readers, resource=about, shutdown_on_exit=False)
        self._stages = self._metrics.get_meter("graphagg.serve", __version__).create_histogram(
            "graphagg.stage.duration", "s", "Wall time of the stages of requests."
        )

    @classmethod
    def to(cls, endpoint: str) -> Telemetry:
        """Send to a collector by OTLP over HTTP.

        Args:
            endpoint: its base address, such as `http://localhost:4318`.

        Raises:
            InvalidParameter: the address is not one of HTTP.
        """
        if not endpoint.startswith(("http://", "https://")):
            raise InvalidParameter(
                f"OTLP endpoint is {endpoint!r}, wanted an address such as http://localhost:4318"
            )
        base = endpoint.rstrip("/")
        metrics = OTLPMetricExporter(f"{base}/v1/metrics", timeout=_SEND_SECONDS)
        return cls(
            OTLPSpanExporter(f"{base}/v1/traces", timeout=_SEND_SECONDS),
            PeriodicExportingMetricReader(metrics),
        )

    def instrument(self, app: FastAPI) -> None:
        """Make a span, and measure the duration, of each request of an application."""
        FastAPIInstrumentor.instrument_app(
            app,
            tracer_provider=self._traces,
            meter_provider=self._metrics,
            http_capture_headers_server_response=[REQUEST_ID],
            exclude_spans=["receive", "send"],
        )

    def export(self, trace: Trace) -> None:
        """Make the spans of the stages of a request, below its own."""
        mode = trace.details.get("mode", "")
        for stage in trace.stages:
            attributes: dict[str, str | int] = {
                "graphagg.questions": stage.shared,
                "graphagg.mode": mode,
            }
            span = self._tracer.start_span(
                stage.name, attributes=attributes, start_time=stage.begin
            )
            span.end(stage.end)
            self._stages.record(stage.seconds, {"graphagg.stage": stage.name})

    def flush(self) -> None:
        """Send the queued spans and metrics, and wait for it."""
        self._traces.force_flush()
        self._metrics.force_flush()

    def close(self) -> None:
        """Send what can be sent quickly; a collector that is down delays nothing."""

        def shut_down() -> None:
            self._traces.shutdown()
            self._metrics.shutdown()

        closing = threading.Thread(target=shut_down, name="telemetry", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
