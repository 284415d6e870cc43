"""`/v1/info`, health, metrics, and the page."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response

from graphagg.serve.http.failures import documented
from graphagg.serve.http.security import Access
from graphagg.serve.metrics import CONTENT_TYPE
from graphagg.serve.models.about import Health, Info, Ready, SlowAnswer, SlowQuery
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


def router(service: Service, access: Access, page: Path = PAGE) -> APIRouter:
    """The routes that every service has."""
    routes = APIRouter()
    _about(routes, service, access)
    _page(routes, page)
    return routes


def _about(routes: APIRouter, service: Service, access: Access) -> None:
    @routes.get("/v1/info", response_model=Info, tags=["about"], responses=documented())
    async def info() -> Info:
        """Show what is served: versions, sizes, modes, methods, metadata keys, limits."""
        return Info.model_validate(service.info())

    @routes.get("/healthz", response_model=Health, tags=["about"])
    async def health() -> Health:
        """Whether the process lives; it needs no token."""
        return Health(status="stopping" if service.stopping else "ok")

    @routes.get("/readyz", response_model=Ready, tags=["about"], responses={503: {"model": Ready}})
    async def ready() -> JSONResponse:
        """Whether every model is loaded; it needs no token.

        It stays ready while a version that cannot be opened is published: the one before is served,
        and `problems` names the error.
        """
        state = service.state
        body = {"status": state, "problems": service.problems}
        return JSONResponse(body, 200 if state == "ready" else 503)

    @routes.get("/v1/slow", response_model=SlowAnswer, tags=["about"], responses=documented())
    async def slow(request: Request) -> SlowAnswer:
        """The slowest requests of the last hour, with their stages and questions.

        Without a token only who asks from this very machine is told, and not through a proxy.
        """
        if not access.is_operator(request.scope):
            raise HTTPException(403)
        found = [SlowQuery(**each.to_json()) for each in service.slowest.requests()]
        return SlowAnswer(requests=found)

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
