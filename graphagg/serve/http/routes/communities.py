"""`/v1/communities`: communities around seeds, their structure, and looking vertices up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator
from starlette.responses import JSONResponse

from graphagg.serve.http.failures import documented
from graphagg.serve.limits import LONGEST_NAME, MOST_LISTED
from graphagg.serve.models.communities import (
    CommunityAnswer,
    CommunityBatchAnswer,
    CommunityBatchRequest,
    CommunityRequest,
    NeighborList,
    StructureAnswer,
    VertexList,
)
from graphagg.serve.models.values import unicode_text
from graphagg.serve.service import Service

Text = Annotated[str, Query(max_length=LONGEST_NAME), AfterValidator(unicode_text)]
Limit = Annotated[int, Query(ge=1, le=MOST_LISTED)]


def router(service: Service) -> APIRouter:
    """The routes of a service that has a community index."""
    routes = APIRouter(prefix="/v1/communities", tags=["communities"], responses=documented(404))
    _ask(routes, service)
    _look_up(routes, service)
    return routes


def _ask(routes: APIRouter, service: Service) -> None:
    @routes.post("/query", response_model=CommunityAnswer)
    async def query(request: CommunityRequest) -> JSONResponse:
        """Find the community of some vertices, with a reason for each member."""
        return JSONResponse(await service.communities.query(request))

    @routes.post("/query/batch", response_model=CommunityBatchAnswer)
    async def query_batch(request: CommunityBatchRequest) -> JSONResponse:
        """Several queries at once."""
        return JSONResponse(await service.communities.query_batch(request.queries))

    @routes.post("/structure", response_model=StructureAnswer)
    async def structure(request: CommunityRequest) -> JSONResponse:
        """The similarity graph of a community and its sub-communities, ready to draw."""
        return JSONResponse(await service.communities.structure(request))


def _look_up(routes: APIRouter, service: Service) -> None:
    @routes.get("/vertices", response_model=VertexList, responses=documented(429))
    async def vertices(prefix: Text = "", limit: Limit = 20) -> JSONResponse:
        """Type-ahead: the vertices whose ids begin with a prefix, those of most edges first."""
        return JSONResponse(await service.communities.starting_with(prefix, limit))

    @routes.get("/neighbors", response_model=NeighborList, responses=documented(404, 429))
    async def neighbors(vertex: Text, limit: Limit = 50) -> JSONResponse:
        """The neighbors of a vertex, those of most edges first."""
        return JSONResponse(await service.communities.neighbors(vertex, limit))
