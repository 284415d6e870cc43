"""`/v1/passages/themes` and `/similar`: a corpus as a whole."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from graphagg.serve.explore.answers import Explorer
from graphagg.serve.explore.models import (
    LightAnswer,
    LightRequest,
    SimilarAnswer,
    SimilarRequest,
    ThemeAnswer,
    ThemeRequest,
    ThemesAnswer,
    ThemesRequest,
)
from graphagg.serve.http.failures import documented
from graphagg.serve.service import Service


def router(service: Service) -> APIRouter:
    """The routes of a service that has a passage index."""
    routes = APIRouter(prefix="/v1/passages", tags=["themes"], responses=documented(404))
    explorer = Explorer(service)

    @routes.post("/themes", response_model=ThemesAnswer)
    async def themes(request: ThemesRequest) -> JSONResponse:
        """The themes of a level of the map, or those inside a theme, the largest first."""
        return JSONResponse(await explorer.themes(request))

    @routes.post("/theme", response_model=ThemeAnswer)
    async def theme(request: ThemeRequest) -> JSONResponse:
        """One theme with its passages."""
        return JSONResponse(await explorer.theme(request))

    @routes.post("/light", response_model=LightAnswer)
    async def light(request: LightRequest) -> JSONResponse:
        """In which themes the passages of a question lie."""
        return JSONResponse(await explorer.light(request))

    @routes.post("/similar", response_model=SimilarAnswer)
    async def similar(request: SimilarRequest) -> JSONResponse:
        """The passages most like a passage, or the entities most like an entity."""
        return JSONResponse(await explorer.similar(request))

    return routes
