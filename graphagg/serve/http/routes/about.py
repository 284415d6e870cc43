"""`/v1/info`, health checks, metrics, and the HTML of the page."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, JSONResponse, Response

from graphagg.serve.http.failures import documented
from graphagg.serve.models.about import Health, Info, Ready
from graphagg.serve.rights import check_unfiltered
from graphagg.serve.service import Service
from graphagg.serve.shared import CONTENT_TYPE

PAGE = Path(__file__).parents[2] / "page"
"""The folder of the page's files."""


def router(service: Service) -> APIRouter:
    """Return the routes that every service has."""
    routes = APIRouter()

    @routes.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")

    @routes.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(PAGE / "docs.html")

    @routes.get("/v1/info", response_model=Info, tags=["about"], responses=documented())
    async def info() -> Info:
        """Show the served indices: versions, sizes, modes, methods, metadata keys, limits."""
        return Info.model_validate(await service.info())

    @routes.get("/healthz", response_model=Health, tags=["about"])
    async def health() -> Health:
        """Report whether the process is alive; needs no token."""
        return Health(status="stopping" if service.stopping else "ok")

    @routes.get("/readyz", response_model=Ready, tags=["about"], responses={503: {"model": Ready}})
    async def ready() -> JSONResponse:
        """Report whether every model is loaded; needs no token.

        If a published version cannot be opened, the old one is served, and `problems` names the
        error.
        """
        state = service.state
        body = {"status": state, "problems": service.problems}
        return JSONResponse(body, 200 if state == "ready" else 503)

    @routes.get("/metrics", response_class=Response, include_in_schema=False)
    async def metrics() -> Response:
        check_unfiltered("metrics")  # metrics count the questions of all users
        return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})

    return routes
