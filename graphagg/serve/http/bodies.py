"""ASGI middleware that passes on whole requests only, in time and of bounded size."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphagg.serve.http.failures import refusal
from graphagg.serve.http.security import local_path
from graphagg.serve.limits import Limits

_CLOSE = {"connection": "close"}
_LONGEST_LENGTH = 18  # digits
_UNTIMED = "/v1/passages/answer"
"""An answer in words takes as long as its endpoint may; a stream ends when the client leaves."""
_DRAINED, _DRAIN_SECONDS = 8 << 20, 1.0


class _TooLarge(Exception):
    """The body is larger than the limit."""


class BodyLimit:
    """Reads a request's body before anything looks at it, and bounds the answer's time.

    The declared length is believed where it is too large; else bytes are counted as they come, so
    that a body in chunks without a length ends at the same limit.

    Args:
        app: answers whole requests.
        limits: bytes and seconds.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body: bytes | None = None
        try:
            async with asyncio.timeout(self._limits.receive_seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            message = f"the body did not come within {self._limits.receive_seconds:g} s"
            await refusal(408, "RequestTimeout", message, _CLOSE)(scope, receive, send)
        except _TooLarge:
            await _drain(receive)
            most = f"{self._limits.body_bytes:,}"
            message = f"the body is larger than {most} bytes; send less at once"
            await refusal(413, "BodyTooLarge", message, _CLOSE)(scope, receive, send)
        if body is not None:
            await self._answer(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Read the body; None where the client has left."""
        most = self._limits.body_bytes
        declared = Headers(scope=scope).get("content-length", "0")
        digits = declared if declared.isascii() and declared.isdigit() else "0"
        if len(digits) > _LONGEST_LENGTH or int(digits) > most:
            raise _TooLarge
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                raise _TooLarge
        return bytes(body)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = local_path(scope)
        if not path.startswith("/v1/") or path.startswith(_UNTIMED):
            await self._app(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._app(scope, receive, noted)
        except TimeoutError:
            if started:
                raise
            message = f"no answer within {self._limits.answer_seconds:g} s; ask for less, or again"
            answer = refusal(503, "TimeLimit", message, {"retry-after": "1"})
            await answer(scope, receive, send)


async def _drain(receive: Receive) -> None:
    """Read on for a moment: a client that still writes would not see the answer."""
    read, more = 0, True
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while more and read < _DRAINED:
                message = await receive()
                read += len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        return


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already, then the client's next messages."""
    bodies = [body]

    async def again() -> Message:
        if not bodies:
            return await receive()
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    return again
