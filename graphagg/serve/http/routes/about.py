"""`/v1/info`, health, metrics, and the page."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from graphagg.serve.http.failures import documented
from graphagg.serve.metrics import CONTENT_TYPE
from graphagg.serve.models import Health, Info
from graphagg.serve.service import Service

PAGE = Path(__file__).parents[2] / "page"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


def router(service: Service, page: Path = PAGE) -> APIRouter:
    """The routes that every service has."""
    routes = APIRouter()
    _about(routes, service)
    _page(routes, page)
    return routes


def _about(routes: APIRouter, service: Service) -> None:
    @routes.get("/v1/info", response_model=Info, tags=["about"], responses=documented())
    async def info() -> Info:
        """Show what is served: versions, sizes, modes, methods, metadata keys, limits."""
        return Info.model_validate(service.info())

    @routes.get("/healthz", response_model=Health, tags=["about"])
    async def health() -> Health:
        """Whether the service answers; it needs no token."""
        return Health(status="stopping" if service.stopping else "ok")

    @routes.get("/metrics", response_class=Response, include_in_schema=False)
    async def metrics() -> Response:
        return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})


def _page(routes: APIRouter, page: Path) -> None:
    """Serve the files of the page's folder, by name: a request never makes a path."""
    files = {
        path.relative_to(page).as_posix(): path
        for path in sorted(page.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }

    def answer(name: str, cache: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        path = files[name]
        headers = {"cache-control": cache}
        return FileResponse(path, media_type=_TYPES[path.suffix], headers=headers)

    @routes.get("/", include_in_schema=False)
    async def index() -> Response:
        return answer("index.html", "no-cache")

    @routes.get("/static/{name:path}", include_in_schema=False)
    async def static(name: str) -> Response:
        return answer(name, "no-cache")
