"""ASGI middleware that logs and counts requests, and limits their size and time.

A request that could not be answered in time is refused when it arrives.
FastAPI's `max_body_size` answers in plain text if a length is declared, and has no time limits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from math import ceil

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphagg.serve.http.failures import INTERNAL, refusal
from graphagg.serve.http.security import local_path
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.service import Service

REQUEST_ID = "x-request-id"
ACCESS = "graphagg.access"
"""The name of the access log."""
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_UNKNOWN = "unmatched"
_QUIET = ("/healthz", "/readyz", "/metrics")
"""Polled every few seconds by monitoring systems: logged only at level `debug`."""
_LONGEST = 200  # characters of a path in the log

_log, _faults = logging.getLogger(ACCESS), logging.getLogger("graphagg.serve")


class Observed:
    """Gives each request an id, and reports it to metrics and log.

    A short, plain `x-request-id` from the client is used, otherwise a new one; every response has
    it. Metrics are counted by route, never by raw path. While the service stops, its responses have
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
                if status:  # the response has begun: close the connection before its end
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
            # JSON quoting keeps any text from a client on one line
            request = json.dumps(f"{method} {scope['path'][:_LONGEST]}")
            client = json.dumps((scope.get("client") or ("-",))[0])[1:-1]
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            line = f"{now} {client} {request} {status} {seconds * 1000:.1f} ms {identifier}"
            _log.log(level, "%s", line)


_UNTIMED = re.compile(
    r".*/(files|sync|passages|passages/delete)|/v1/collections/[^/]*|/v1/parts/.*"
    r"|(?!/v1/|/retrieval).*",
    re.DOTALL,
)
"""Paths without the time limit of answers; writes and parts have other limits."""
_FILES, _WRITES = re.compile(r"/v1/collections/[^/]+/files"), "/v1/collections/"
STEPS = "/v1/parts/steps"
"""Path of the route for steps of questions over several parts."""
_SEARCHES = re.compile(
    r".*/(search|query|structure|themes?|theme-distribution|similar|facets|neighbors)", re.DOTALL
)
_DRAINED, _DRAIN_SECONDS = 8 << 20, 1.0
_SHARE = 0.5  # refuse a request expected to take more than this share of the time limit
_WEIGHT = 0.1  # weight of the latest answer in the moving average


class AnswerQueue:
    """Counts the requests that wait for an answer; estimates how long another one would wait.

    With n requests open, an answer takes about n / threads turns. The length of a turn is a moving
    average over past answers, so a slow machine accepts fewer requests than a fast one.
    """

    def __init__(self, limits: ServiceLimits) -> None:
        self._threads, self._seconds = limits.threads, limits.answer_seconds
        self._open, self._turn = 0, 0.0

    def enter(self) -> int:
        """Count a request; return the number of open requests."""
        self._open += 1
        return self._open

    def leave(self, open_before: int, seconds: float) -> None:
        """Record that an answer was sent; `open_before` is the result of `enter`."""
        turns = max(open_before, self._open) / self._threads
        self._turn += _WEIGHT * (seconds / max(turns, 1.0) - self._turn)
        self._open -= 1

    def refusal(self) -> Response | None:
        """Return an error response if another request would wait too long, else None."""
        expected = self._turn * (self._open + 1) / self._threads
        if self._open < self._threads or expected <= _SHARE * self._seconds:
            return None
        seconds = ceil(min(expected, self._seconds))
        text = f"{self._open} requests are already waiting for answers; try again in {seconds} s"
        return refusal(503, "Overloaded", text, {"retry-after": str(seconds)})


class BodyLimit:
    """Refuses bodies that are too large or too slow, and answers that take too long.

    Bytes are counted as they arrive, so a body without a declared length has the same limit.
    """

    def __init__(self, app: ASGIApp, limits: ServiceLimits) -> None:
        self._app, self._limits, self._queue = app, limits, AnswerQueue(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse the request."""
        if scope["type"] != "http" or local_path(scope) == STEPS:  # this route has its own limits
            await self._app(scope, receive, send)
            return
        limited = _Limited(scope, receive, send, self._limits, self._queue)
        if limited.is_timed and (refused := self._queue.refusal()):
            await refused(scope, receive, send)
            return
        try:
            async with limited.clock:
                limited.wait()
                await self._app(scope, limited.receive, limited.send)
        except TimeoutError:
            if not limited.clock.expired():
                raise
            await limited.refuse_late()
        except Exception:  # the application could not read a refused body
            if not limited.is_refused:
                raise
        finally:
            limited.leave()


class _Limited:
    """One request: counts the bytes received; `clock` ends it if it takes too long."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, limits: ServiceLimits, queue: AnswerQueue
    ) -> None:
        self._scope, self._receive, self._send, self._limits = scope, receive, send, limits
        path, headers = local_path(scope), Headers(scope=scope)
        self._is_upload = scope["method"] == "POST" and _FILES.fullmatch(path) is not None
        is_write = path.startswith(_WRITES) and not _SEARCHES.fullmatch(path)
        most = limits.write_bytes if is_write else limits.body_bytes
        self._most = limits.upload_bytes if self._is_upload else most
        self._seconds = None if _UNTIMED.fullmatch(path) else limits.answer_seconds
        declared = headers.get("content-length", "0")
        self._declared = int(declared) if declared.isascii() and declared.isdigit() else 0
        self._read, self._has_ended = 0, not self._declared and "transfer-encoding" not in headers
        self._is_receiving = self._is_answered = self.is_refused = False
        self.is_timed, self._queue = self._seconds is not None, queue
        self._open_before, self._begun = 0, 0.0
        self.clock = asyncio.timeout(None)

    def wait(self) -> None:
        """Set the timeout for receiving the rest of the body, or for the answer."""
        seconds = self._limits.receive_seconds if self._is_receiving else self._seconds
        now = asyncio.get_running_loop().time()
        self.clock.reschedule(None if seconds is None else now + seconds)
        if self._has_ended and self.is_timed:
            self._open_before, self._begun = self._queue.enter(), now

    def leave(self) -> None:
        """Record the time that the answer took."""
        if self._open_before:
            self._queue.leave(self._open_before, asyncio.get_running_loop().time() - self._begun)

    async def receive(self) -> Message:
        """Return the next message; for a body that is too large, `http.disconnect`."""
        message: Message = {}
        if not self._has_ended and not self._is_receiving:
            self._is_receiving = True
            self.wait()
        if self._declared <= self._most:
            message = await self._receive()
            self._read += len(message.get("body", b""))
        if max(self._declared, self._read) > self._most:
            await _drain(self._receive)
            text = f"the body is larger than {self._most:,} bytes; split it into smaller requests"
            await self._refuse(413, "BodyTooLarge", text, {"connection": "close"})
            return {"type": "http.disconnect"}
        if not self._has_ended:
            self._is_receiving = message.get("more_body", False)
            self._has_ended = not self._is_receiving
            if self._has_ended or self._is_upload:
                self.wait()
        return message

    async def send(self, message: Message) -> None:
        """Send a message, unless the request was refused."""
        self._is_answered = True
        if not self.is_refused:
            await self._send(message)

    async def refuse_late(self) -> None:
        """Refuse a request that timed out."""
        if not self._is_receiving:
            text = f"no answer within {self._seconds or 0:g} s; request less, or try again"
            await self._refuse(503, "TimeLimit", text, {"retry-after": "1"})
        else:
            text = f"the body did not arrive within {self._limits.receive_seconds:g} s"
            await self._refuse(408, "RequestTimeout", text, {"connection": "close"})

    async def _refuse(self, status: int, name: str, text: str, headers: dict[str, str]) -> None:
        if self._is_answered:
            raise TimeoutError(text)  # ends the connection in the middle of the answer
        self.is_refused = True
        await refusal(status, name, text, headers)(self._scope, self._receive, self._send)


async def _drain(receive: Receive) -> None:
    """Keep reading for a moment: a client that is still sending would not see the answer."""
    read, more = 0, True
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while more and read < _DRAINED:
                message = await receive()
                read += len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        return
