"""`/v1/parts`: what a process that asks several parts needs of one; internal, so undocumented."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, JSONResponse, Response

from graphagg.serve.rights import check_unfiltered
from graphagg.serve.service import Service

PREFIX = "/v1/parts"


def router(service: Service) -> APIRouter:
    """The routes of a part; a token with a filter may not use them."""
    routes = APIRouter(prefix=PREFIX, include_in_schema=False)

    @routes.get("/about")
    async def about() -> JSONResponse:
        check_unfiltered("parts")
        return JSONResponse(service.passages.about_part())

    @routes.get("/files/{version}/{name}")
    async def file(version: str, name: str) -> FileResponse:
        check_unfiltered("parts")
        return FileResponse(service.passages.file_of_part(version, name))

    @routes.post("/steps")
    async def step(request: Request) -> Response:
        check_unfiltered("parts")
        objects = service.passages.objects
        # In threads of their own: a coordinator waits for this step before it frees its thread.
        answer = await asyncio.to_thread(objects.answer, await request.body())
        return Response(answer, media_type="application/json")

    return routes
