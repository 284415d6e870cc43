"""ASGI middleware that bounds the size of requests, and the time to receive and answer them."""

from __future__ import annotations

import asyncio
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphagg.serve.http.failures import refusal
from graphagg.serve.http.security import local_path
from graphagg.serve.limits import ServiceLimits

_CLOSE = {"connection": "close"}
_LONGEST_LENGTH = 18  # digits
_UNTIMED = re.compile(
    r".*/(answer|files|sync|edges|passages|passages/delete)|/v1/collections/[^/]*", re.DOTALL
)
"""Writes and answers in words have limits of their own."""
_FILES, _WRITES = re.compile(r"/v1/collections/[^/]+/files"), "/v1/collections/"
_SEARCHES = re.compile(
    r".*/(search|answer|query|structure|themes?|theme-distribution|similar|facets|neighbors)",
    re.DOTALL,
)
_DRAINED, _DRAIN_SECONDS = 8 << 20, 1.0


class _TooLarge(Exception):
    """The body is too large, or comes too slowly."""


class _Sending:
    """Sends messages, and knows whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.started = send, False

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        self.started = True
        await self._send(message)


class BodyLimit:
    """Reads the body of a request first, and bounds the time of the answer.

    Bytes are counted as they arrive, so a body without a declared length has the same limit.
    """

    def __init__(self, app: ASGIApp, limits: ServiceLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "POST" and _FILES.fullmatch(local_path(scope)):
            await self._stream(scope, receive, send)
            return
        body: bytes | None = None
        try:
            async with asyncio.timeout(self._limits.receive_seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            message = f"the body did not come within {self._limits.receive_seconds:g} s"
            await refusal(408, "RequestTimeout", message, _CLOSE)(scope, receive, send)
        except _TooLarge:
            await self._refuse(self._most(scope), scope, receive, send)
        if body is not None:
            await self._answer(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Read the body; None if the client disconnects."""
        most = self._most(scope)
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

    def _most(self, scope: Scope) -> int:
        """The most bytes of a body that is read first; writes may have more."""
        path = local_path(scope)
        writes = path.startswith(_WRITES) and not _SEARCHES.fullmatch(path)
        return self._limits.write_bytes if writes else self._limits.body_bytes

    async def _refuse(self, most: int, scope: Scope, receive: Receive, send: Send) -> None:
        await _drain(receive)
        message = f"the body is larger than {most:,} bytes; send less at once"
        await refusal(413, "BodyTooLarge", message, _CLOSE)(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on an upload, whose body goes to the disk as it arrives."""
        most, seconds = self._limits.upload_bytes, self._limits.receive_seconds
        read, late, ended, sending = 0, False, False, _Sending(send)

        async def counted() -> Message:
            nonlocal read, late, ended
            try:
                async with asyncio.timeout(None if ended else seconds):
                    message = await receive()
            except TimeoutError:
                late = True
                raise _TooLarge from None
            ended = ended or not message.get("more_body", False)
            read += len(message.get("body", b""))
            if read > most:
                raise _TooLarge
            return message

        try:
            await self._app(scope, counted, sending)
        except _TooLarge:
            if sending.started:
                raise
            if late:
                message = f"the body did not go on within {seconds:g} s"
                await refusal(408, "RequestTimeout", message, _CLOSE)(scope, receive, send)
            else:
                await self._refuse(most, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = local_path(scope)
        if not path.startswith("/v1/") or _UNTIMED.fullmatch(path):
            await self._app(scope, receive, send)
            return
        sending = _Sending(send)
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._app(scope, receive, sending)
        except TimeoutError:
            if sending.started:
                raise
            message = f"no answer within {self._limits.answer_seconds:g} s; ask for less, or again"
            answer = refusal(503, "TimeLimit", message, {"retry-after": "1"})
            await answer(scope, receive, send)


async def _drain(receive: Receive) -> None:
    """Read on for a moment: a client that is still writing would not see the answer."""
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
    """Return a body that was read already, then the client's next messages."""
    bodies = [body]

    async def again() -> Message:
        if not bodies:
            return await receive()
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    return again
