"""ASGI middleware that passes on whole requests only, in time and of bounded size."""

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
"""What takes as long as an endpoint or a change may; an answer goes on where its client waits."""
_FILES, _WRITES = re.compile(r"/v1/collections/[^/]+/files"), "/v1/collections/"
_SEARCHES = re.compile(
    r".*/(search|batch|answer|query|structure|themes?|theme-distribution|similar|facets|neighbors)",
    re.DOTALL,
)
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
        """Read the body; None where the client has left."""
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
        """Bytes of a body that is read whole; writes bring more."""
        path = local_path(scope)
        writes = path.startswith(_WRITES) and not _SEARCHES.fullmatch(path)
        return self._limits.write_bytes if writes else self._limits.body_bytes

    async def _refuse(self, most: int, scope: Scope, receive: Receive, send: Send) -> None:
        await _drain(receive)
        message = f"the body is larger than {most:,} bytes; send less at once"
        await refusal(413, "BodyTooLarge", message, _CLOSE)(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an upload, whose body goes to the disk as it comes."""
        most, seconds, read, started = (
            self._limits.upload_bytes, self._limits.receive_seconds, 0, False,
        )  # fmt: skip
        late = False

        async def counted() -> Message:
            nonlocal read, late
            try:
                async with asyncio.timeout(None if ended else seconds):
                    message = await receive()
            except TimeoutError:
                late = True
                raise _TooLarge from None
            note(message)
            read += len(message.get("body", b""))
            if read > most:
                raise _TooLarge
            return message

        ended = False

        def note(message: Message) -> None:
            nonlocal ended
            ended = ended or not message.get("more_body", False)

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLarge:
            if started:
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
