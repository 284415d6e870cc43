"""ASGI middleware that observes requests: id, metrics and log."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphagg.serve.http.failures import INTERNAL, refusal
from graphagg.serve.service import Service

REQUEST_ID = "x-request-id"
ACCESS = "graphagg.access"
"""The logger of requests."""
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_UNKNOWN = "unmatched"
_QUIET = ("/healthz", "/readyz", "/metrics")
"""Polled every few seconds by machines: logged from level `debug` on."""
_LONGEST = 200  # characters of a path in the log

_log, _faults = logging.getLogger(ACCESS), logging.getLogger("graphagg.serve")


class Observed:
    """Gives each request an id, and reports to metrics and log.

    A short and plain `x-request-id` of the client is used, else one is made; every answer carries
    it. Metrics are counted by route, never by raw path. When the service stops, its answers carry
    `Connection: close`.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then report the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0
        identifier = Headers(scope=scope).get(REQUEST_ID, "")
        if not _SANE.fullmatch(identifier):
            identifier = uuid.uuid4().hex

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = identifier
                if self._service.stopping:
                    headers["connection"] = "close"
            await send(message)

        with self._service.metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                _faults.exception("request %s failed", identifier)
                if status:  # the answer has begun: the connection ends in its middle
                    raise
                await refusal(500, "InternalError", INTERNAL)(scope, receive, send_with_id)
            finally:
                self._report(scope, identifier, status, time.perf_counter() - begin)

    def _report(self, scope: Scope, identifier: str, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", _UNKNOWN)
        metrics = self._service.metrics
        metrics.requests.labels(route, method, str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        level = logging.DEBUG if route in _QUIET else logging.INFO
        if _log.isEnabledFor(level):
            # JSON quoting makes one line of any text of a client
            request = json.dumps(f"{method} {scope['path'][:_LONGEST]}")
            client = json.dumps((scope.get("client") or ("-",))[0])[1:-1]
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            line = f"{now} {client} {request} {status} {seconds * 1000:.1f} ms {identifier}"
            _log.log(level, "%s", line)
