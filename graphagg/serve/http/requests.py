"""ASGI middleware that follows a request to its end: id, figures, log, trace."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphagg.serve.http.failures import refusal
from graphagg.serve.observe.log import ACCESS
from graphagg.serve.observe.metrics import Metrics
from graphagg.serve.observe.slow import Slowest
from graphagg.serve.observe.stages import Trace, tracing

REQUEST_ID = "x-request-id"
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_UNKNOWN = "unmatched"
_QUIET = ("/healthz", "/readyz", "/metrics")
"""Asked every few seconds by machines: logged from `debug` on."""
_LONGEST = 200  # characters of a path in the log

_log, _faults = logging.getLogger(ACCESS), logging.getLogger("graphagg.serve")


@dataclass(frozen=True)
class Ended:
    """A request that has been answered.

    Attributes:
        trace: its id, stages and details.
        method, path, route: of the request; the route is the pattern that the path matched.
        client: its address; "" where it has none.
        status: of the answer; 0 where there was none.
        seconds: from the header to the end of the answer.
    """

    trace: Trace
    method: str
    path: str
    route: str
    client: str
    status: int
    seconds: float


class Exporter(Protocol):
    """Takes what ended to somewhere else, without waiting."""

    def instrument(self, app: FastAPI) -> None:
        """Prepare an application whose requests are exported."""

    def export(self, ended: Ended) -> None:
        """Take one request, in its context."""


class Observed:
    """Gives each request an id and a trace, and tells metrics, log, the slow list and exporters.

    An id that comes in `x-request-id` is taken over where it is short and plain, else one is made;
    every answer carries it. Figures are kept by route, never by raw path.

    Args:
        app: the application that answers.
        metrics: counts and times.
        slowest: the list of slow requests.
        exporters: further receivers.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, slowest: Slowest, exporters: Sequence[Exporter] = ()
    ) -> None:
        self._app, self._metrics, self._slowest = app, metrics, slowest
        self._exporters = exporters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and note what it took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0
        given = Headers(scope=scope).get(REQUEST_ID, "")
        trace = Trace(given if _SANE.fullmatch(given) else uuid.uuid4().hex)

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                pair = (REQUEST_ID.encode(), trace.identifier.encode())
                message["headers"] = [*message.get("headers", ()), pair]
            await send(message)

        with self._metrics.in_flight.track_inprogress(), tracing(trace):
            try:
                await self._app(scope, receive, noted)
            except Exception:
                _faults.exception("request %s failed", trace.identifier)
                if status:  # the answer has begun: the connection ends in its middle
                    raise
                message = "the service failed on this request; its log says why"
                await refusal(500, "InternalError", message)(scope, receive, noted)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"
                route = getattr(scope.get("route"), "path", _UNKNOWN)
                client = (scope.get("client") or ("",))[0]
                seconds = time.perf_counter() - begin
                self._tell(Ended(trace, method, scope["path"], route, client, status, seconds))

    def _tell(self, ended: Ended) -> None:
        self._metrics.answered(ended.route, ended.method, ended.status, ended.seconds)
        for stage in ended.trace.stages:
            self._metrics.stage(stage.name, stage.seconds)
        self._slowest.add(ended.trace, ended.route, ended.status, ended.seconds * 1000)
        level = logging.DEBUG if ended.route in _QUIET else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(level, "%s", _line(ended), extra={"fields": _fields(ended)})
        for exporter in self._exporters:
            exporter.export(ended)


def _line(ended: Ended) -> str:
    """A line for people; whatever a client sends stays on one line and inside its quotes."""
    request = json.dumps(f"{ended.method} {ended.path[:_LONGEST]}")
    client = json.dumps(ended.client)[1:-1] or "-"
    duration = f"{ended.seconds * 1000:.1f} ms"
    return f"{client} {request} {ended.status} {duration} {ended.trace.identifier}"


def _fields(ended: Ended) -> dict[str, Any]:
    return {
        "request_id": ended.trace.identifier,
        "client": ended.client,
        "method": ended.method,
        "path": ended.path[:_LONGEST],
        "route": ended.route,
        "status": ended.status,
        "ms": round(ended.seconds * 1000, 3),
        "stages": ended.trace.milliseconds(),
    }
