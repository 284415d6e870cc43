"""`/v1/embedding`: nearest vertices."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from graphagg.serve.http.failures import documented
from graphagg.serve.models.embedding import (
    NearestAnswer,
    NearestBatchAnswer,
    NearestBatchRequest,
    NearestRequest,
)
from graphagg.serve.service import Service


def router(service: Service) -> APIRouter:
    """The routes of a service that has an embedding."""
    routes = APIRouter(prefix="/v1/embedding", tags=["embedding"], responses=documented(404))

    @routes.post("/neighbors", response_model=NearestAnswer)
    async def neighbors(request: NearestRequest) -> JSONResponse:
        """The vertices whose vectors are nearest to that of a vertex, by cosine."""
        return JSONResponse(await service.embedding.nearest(request.vertex, request.k))

    @routes.post("/neighbors/batch", response_model=NearestBatchAnswer)
    async def neighbors_batch(request: NearestBatchRequest) -> JSONResponse:
        """The nearest vertices of several."""
        return JSONResponse(await service.embedding.nearest_batch(request.vertices, request.k))

    return routes
