"""The ASGI application: routes behind metrics, access checks and limits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from graphagg import __version__
from graphagg.serve.collections import Collections
from graphagg.serve.http import failures
from graphagg.serve.http.requests import BodyLimit, Observed
from graphagg.serve.http.routes import about, collections, indices, parts, products
from graphagg.serve.http.security import Access, Guard, RootPath
from graphagg.serve.service import Service
from graphagg.serve.writing import Writer

ABOUT: dict[str, Any] = {
    "title": "graphagg",
    "version": __version__,
    "description": "Passages, communities and nearest vertices, each with its reason.",
}
"""Title, version and description in the OpenAPI document."""


def create_app(
    service: Service,
    access: Access | None = None,
    *,
    poll_seconds: float = 1.0,
    failed: Callable[[Exception], None] | None = lambda error: None,
) -> FastAPI:
    """Create the ASGI application of a service; it closes the service when it ends.

    Without `access`, anyone on this machine may use it. It checks for new versions every
    `poll_seconds`. If the models cannot be loaded, `failed` is called in another thread. With None,
    they are loaded before the application starts, and an error stops it.
    """
    access = access or Access()
    writer = _writer_of(service)
    app = FastAPI(
        **ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lambda app: _lifespan(service, writer, poll_seconds, failed),
        redirect_slashes=False,
        middleware=_middleware(service, access),
        dependencies=[Depends(HTTPBearer(auto_error=False))] if access.is_guarded else [],
    )
    failures.install(app)
    _add_routes(app, service, writer)
    app.mount("/static", StaticFiles(directory=about.PAGE))
    return app


@asynccontextmanager
async def _lifespan(
    service: Service,
    writer: Writer | None,
    poll_seconds: float,
    failed: Callable[[Exception], None] | None,
) -> AsyncIterator[None]:
    """Load models and check for new versions until the application ends."""
    watcher = asyncio.create_task(_watch(service, writer, poll_seconds))
    if failed is None:
        await asyncio.to_thread(service.prepare)
    else:  # in a daemon thread, so that stopping does not wait for models to load
        threading.Thread(target=_prepare, args=(service, failed), daemon=True).start()
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        if writer is not None:
            await writer.close()
            writer.collections.close()
        service.close()


def _add_routes(app: FastAPI, service: Service, writer: Writer | None) -> None:
    """Add the routes of a service; routes of a missing index raise `NoSuchIndex`."""
    app.include_router(about.router(service))
    app.include_router(products.router(service, writer))
    app.include_router(parts.router(service))

    async def main_service() -> Service:  # async, because a plain function would run in a thread
        return service

    _add_indices(app, main_service, "/v1")
    if writer is not None:
        app.include_router(collections.router(service, writer))
        _add_indices(app, collections.service_of_collection(writer), collections.PREFIX)


def _add_indices(app: FastAPI, get_service: indices.ServiceGetter, prefix: str) -> None:
    for router in (indices.passages, indices.communities, indices.embedding):
        app.include_router(router(get_service, prefix))


def _writer_of(service: Service) -> Writer | None:
    """Return the writer of a service's collections, or None without a root."""
    sources, limits = service.sources, service.limits
    if sources.root is None:
        return None
    collections = Collections(sources.root, service.shared, limits)
    collections.sweep()
    return Writer(collections, limits, sources.encoder, sources.extractor)


async def _watch(service: Service, writer: Writer | None, seconds: float) -> None:
    """Check for new versions at this interval until canceled."""
    while True:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(service.refresh)
        if writer is not None:
            writer.collections.refresh()


def document() -> dict[str, Any]:
    """Return the OpenAPI document of a service with collections, for generated clients."""
    unused: Any = object()  # needed only to answer requests
    app = FastAPI(**ABOUT)
    _add_routes(app, unused, unused)
    return app.openapi()


def _middleware(service: Service, access: Access) -> list[Middleware]:
    """Return the middleware, outermost first."""
    layers = [
        Middleware(Observed, service=service),
        Middleware(Guard, access=access),
        Middleware(BodyLimit, limits=service.limits),
    ]
    if access.origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=access.origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["authorization", "content-type"],
        )
        layers.insert(1, cors)  # outside the guard, so that a page can read its errors
    if access.root_path:
        layers.insert(0, Middleware(RootPath, root_path=access.root_path))
    if access.proxies:
        layers.insert(0, Middleware(ProxyHeadersMiddleware, trusted_hosts=list(access.proxies)))
    return layers


def _prepare(service: Service, failed: Callable[[Exception], None]) -> None:
    """Load the models while the server already answers."""
    try:
        service.prepare()
    except Exception as error:
        failed(error)
