"""`/v1/passages`: questions to the passage index, its themes, and similar passages."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from graphagg.serve.http.failures import documented
from graphagg.serve.models.passages import (
    SearchAnswer,
    SearchBatchAnswer,
    SearchBatchRequest,
    SearchRequest,
)
from graphagg.serve.models.themes import (
    LightAnswer,
    LightRequest,
    SimilarAnswer,
    SimilarRequest,
    ThemeAnswer,
    ThemeRequest,
    ThemesAnswer,
    ThemesRequest,
)
from graphagg.serve.service import Service
from graphagg.serve.themes import Themes


def router(service: Service) -> APIRouter:
    """The routes of a service that has a passage index."""
    routes = APIRouter(prefix="/v1/passages")
    asking: dict[str, Any] = {"tags": ["passages"], "responses": documented()}
    exploring: dict[str, Any] = {"tags": ["themes"], "responses": documented(404)}
    explorer = Themes(service)

    @routes.post("/search", response_model=SearchAnswer, **asking)
    async def search(request: SearchRequest) -> JSONResponse:
        """Retrieve the passages that answer a question, with scores and hop paths."""
        return JSONResponse(await service.passages.search(request))

    @routes.post("/search/batch", response_model=SearchBatchAnswer, **asking)
    async def search_batch(request: SearchBatchRequest) -> JSONResponse:
        """Retrieve for several questions; they are encoded together."""
        return JSONResponse(await service.passages.search_batch(request))

    @routes.post("/themes", response_model=ThemesAnswer, **exploring)
    async def themes(request: ThemesRequest) -> JSONResponse:
        """The themes of a level of the map, or those inside a theme, the largest first."""
        return JSONResponse(await explorer.themes(request))

    @routes.post("/theme", response_model=ThemeAnswer, **exploring)
    async def theme(request: ThemeRequest) -> JSONResponse:
        """One theme with its passages."""
        return JSONResponse(await explorer.theme(request))

    @routes.post("/light", response_model=LightAnswer, **exploring)
    async def light(request: LightRequest) -> JSONResponse:
        """In which themes the passages of a question lie."""
        return JSONResponse(await explorer.light(request))

    @routes.post("/similar", response_model=SimilarAnswer, **exploring)
    async def similar(request: SimilarRequest) -> JSONResponse:
        """The passages most like a passage, or the entities most like an entity."""
        return JSONResponse(await explorer.similar(request))

    return routes
