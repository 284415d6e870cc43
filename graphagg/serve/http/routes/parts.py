"""`/v1/parts`: internal, undocumented routes for a process that queries several parts."""

from __future__ import annotations

import asyncio
import json
import re

from fastapi import APIRouter
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from graphagg.errors import GraphAggError
from graphagg.rag.parts.wire import ANSWERED, FAILED, LENGTH, framed
from graphagg.serve.http.failures import body_of
from graphagg.serve.http.requests import STEPS
from graphagg.serve.rights import check_unfiltered
from graphagg.serve.service import Service

PREFIX = "/v1/parts"
LAST = 30.0
"""Seconds after which a connection ends: the client reconnects, and its token is checked again."""
_SHORT = re.compile(rb'(?s).{8}\["[^"]*","(read|candidates|bridges|linked|shown|cosines)",')
"""Steps of about a millisecond run in the event loop: handing one to a thread costs .26 ms."""
_TICK = 0.5  # seconds between two checks of a connection whether the service is stopping


def router(service: Service) -> APIRouter:
    """Return the routes of a part; a token with a filter may not use them."""
    routes = APIRouter(prefix=PREFIX, include_in_schema=False)

    @routes.get("/about")
    async def about() -> JSONResponse:
        check_unfiltered("parts")
        return JSONResponse(service.passages.about_part())

    @routes.get("/files/{version}/{name}")
    async def file(version: str, name: str) -> FileResponse:
        check_unfiltered("parts")
        return FileResponse(service.passages.file_of_part(version, name))

    steps = Route(STEPS, PartSteps(service), methods=["POST"], include_in_schema=False)
    routes.routes.append(steps)
    return routes


class PartSteps:
    """ASGI application: reads steps of questions from the body, writes answers to the response.

    A step above the size limit closes the connection.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the steps of one connection."""
        check_unfiltered("parts")
        headers = [(b"connection", b"close"), (b"content-type", b"application/octet-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        loop, read = asyncio.get_running_loop(), bytearray()
        limits, end, is_open = self._service.limits, loop.time() + LAST, True
        while is_open and not self._service.stopping:
            try:
                async with asyncio.timeout(_TICK):
                    message = await receive()
            except TimeoutError:
                is_open = loop.time() < end + (limits.receive_seconds if read else 0.0)
                continue
            is_open = message.get("more_body", False)
            read += message.get("body", b"")
            while is_open and len(read) >= LENGTH:
                size = int.from_bytes(read[:LENGTH], "little")
                is_open = size <= limits.upload_bytes
                if not is_open or len(read) < LENGTH + size:
                    break
                step = bytes(memoryview(read)[LENGTH : LENGTH + size])
                del read[: LENGTH + size]
                if len(step) < 1 << 16 and _SHORT.match(step):
                    answer = self._answer(step)
                else:  # a coordinator in this process holds its pool thread meanwhile
                    answer = await loop.run_in_executor(None, self._answer, step)
                await send({"type": "http.response.body", "body": answer, "more_body": True})
            is_open &= bool(read) or loop.time() < end
        await send({"type": "http.response.body", "body": b""})

    def _answer(self, step: bytes) -> bytes:
        try:
            return framed(ANSWERED + self._service.passages.objects.answer(step))
        except GraphAggError as error:
            return framed(FAILED + json.dumps(body_of(error)).encode())
