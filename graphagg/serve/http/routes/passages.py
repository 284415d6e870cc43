"""`/v1/passages`: questions to the passage index."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from graphagg.serve.http.failures import documented
from graphagg.serve.models.passages import (
    SearchAnswer,
    SearchBatchAnswer,
    SearchBatchRequest,
    SearchRequest,
)
from graphagg.serve.service import Service


def router(service: Service) -> APIRouter:
    """The routes of a service that has a passage index."""
    routes = APIRouter(prefix="/v1/passages", tags=["passages"], responses=documented())

    @routes.post("/search", response_model=SearchAnswer)
    async def search(request: SearchRequest) -> JSONResponse:
        """Retrieve the passages that answer a question, with scores and hop paths."""
        return JSONResponse(await service.passages.search(request))

    @routes.post("/search/batch", response_model=SearchBatchAnswer)
    async def search_batch(request: SearchBatchRequest) -> JSONResponse:
        """Retrieve for several questions; they are encoded together."""
        return JSONResponse(await service.passages.search_batch(request))

    return routes
