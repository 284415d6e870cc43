"""The application: routes of what is served, behind guard, limits and metrics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from graphagg import __version__
from graphagg.errors import NoSuchIndex
from graphagg.serve.chat.answers import Answers
from graphagg.serve.http import failures
from graphagg.serve.http.bodies import BodyLimit
from graphagg.serve.http.routes import (
    about,
    chat,
    communities,
    dify,
    embedding,
    passages,
    themes,
)
from graphagg.serve.http.security import Access, Guard, UnderRoot
from graphagg.serve.observe.requests import Exporter, Observed
from graphagg.serve.service import Service

_ROUTERS = {
    "passages": (passages.router, "passage index", "--passages"),
    "communities": (communities.router, "community index", "--communities"),
    "embedding": (embedding.router, "embedding", "--embedding"),
}

ABOUT: dict[str, Any] = {
    "title": "graphagg",
    "version": __version__,
    "description": "Passages, communities and nearest vertices, each with its reason.",
}
"""The head of the OpenAPI document."""


def create_app(
    service: Service,
    access: Access | None = None,
    *,
    poll_seconds: float = 1.0,
    exporters: Sequence[Exporter] = (),
    failed: Callable[[Exception], None] = lambda error: None,
    answers: Answers | None = None,
) -> FastAPI:
    """The ASGI application of a service.

    Args:
        service: what it serves; closed when the application ends.
        access: who may ask; default: anyone on this machine.
        poll_seconds: how often it looks for a newly published version.
        exporters: told of each request that has ended.
        failed: called, in another thread, with the error where the models cannot be loaded.
        answers: the language model; None: there is none.
    """
    access = access or Access()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        watcher = asyncio.create_task(service.watch(poll_seconds))
        # A thread of its own: to stop is not to wait for a model that still loads.
        threading.Thread(target=_prepare, args=(service, failed), daemon=True).start()
        try:
            yield
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            await service.stop()
            service.close()

    app = FastAPI(
        **ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        middleware=[
            *_of_proxies(access),
            Middleware(
                Observed,
                metrics=service.metrics,
                slowest=service.slowest,
                exporters=exporters,
            ),
            Middleware(Farewell, service=service),
            Middleware(dify.Errors),
            Middleware(Guard, access=access),
            Middleware(BodyLimit, limits=service.limits),
        ],
        dependencies=[Depends(HTTPBearer(auto_error=False))] if access.token else [],
    )
    failures.install(app)
    app.include_router(about.router(service, access))
    for kind, (router, name, option) in _ROUTERS.items():
        if service.has(kind):
            app.include_router(router(service))
        else:
            app.include_router(_absent(kind, name, option))
    app.include_router(chat.router(answers or Answers(service, None)))
    app.include_router(dify.router(service))
    if service.has("passages"):
        app.include_router(themes.router(service))
    return app


def _of_proxies(access: Access) -> list[Middleware]:
    """What stands before everything else where there are proxies."""
    found = []
    if access.proxies:
        found.append(Middleware(ProxyHeadersMiddleware, trusted_hosts=list(access.proxies)))
    if access.root_path:
        found.append(Middleware(UnderRoot, root_path=access.root_path))
    return found


def _prepare(service: Service, failed: Callable[[Exception], None]) -> None:
    """Load the models while the server answers already."""
    try:
        service.prepare()
    except Exception as error:
        failed(error)


def _absent(kind: str, name: str, option: str) -> APIRouter:
    """Say what is not served here, and how it would be."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route(f"/v1/{kind}/{{rest:path}}", methods=["GET", "POST"])
    async def absent(rest: str) -> None:
        raise NoSuchIndex(f"this service has no {name}; start it with {option} DIR")

    return routes


class Farewell:
    """ASGI middleware that asks clients to leave after their answer once the service stops.

    Args:
        app: what answers.
        service: whose end is watched.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and part where the service stops."""

        async def parting(message: Message) -> None:
            if message["type"] == "http.response.start" and self._service.stopping:
                headers = [pair for pair in message["headers"] if pair[0] != b"connection"]
                message["headers"] = [*headers, (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, parting)
