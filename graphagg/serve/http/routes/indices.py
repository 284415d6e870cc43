"""`/v1/passages`, `/v1/communities` and `/v1/embedding`: questions to the indices.

The same routes exist below `/v1/collections/NAME`; `get_service` returns the service of a request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator
from starlette.responses import JSONResponse

from graphagg.serve.http.failures import documented
from graphagg.serve.limits import LONGEST_NAME, MOST_LISTED
from graphagg.serve.models import graphs
from graphagg.serve.models import themes as explored
from graphagg.serve.models.collections import FacetsAnswer
from graphagg.serve.models.graphs import CommunityRequest, NearestRequest
from graphagg.serve.models.passages import FacetsRequest, SearchAnswer, SearchRequest
from graphagg.serve.models.themes import (
    SimilarRequest,
    ThemeDistributionRequest,
    ThemeRequest,
    ThemesRequest,
)
from graphagg.serve.models.values import unicode_text
from graphagg.serve.service import Service

ServiceGetter = Callable[..., Any]
"""A FastAPI dependency that returns a service."""
Text = Annotated[str, Query(max_length=LONGEST_NAME), AfterValidator(unicode_text)]
Limit = Annotated[int, Query(ge=1, le=MOST_LISTED)]


def passages(get_service: ServiceGetter, prefix: str) -> APIRouter:
    """Return the routes of a passage index; metrics use paths with the prefix as labels."""
    routes = APIRouter(prefix=f"{prefix}/passages")
    served = Depends(get_service)
    asking: dict[str, Any] = {"tags": ["passages"], "responses": documented(404)}
    exploring: dict[str, Any] = {"tags": ["themes"], "responses": documented(404)}

    @routes.post("/search", response_model=SearchAnswer, **asking)
    async def search(request: SearchRequest, service: Service = served) -> JSONResponse:
        """Retrieve the passages that answer a question, with scores and hop paths."""
        return JSONResponse(await service.passages.search(request))

    @routes.post(
        "/themes", response_model=explored.ThemesAnswer | explored.MapUnderWay, **exploring
    )
    async def themes(request: ThemesRequest, service: Service = served) -> JSONResponse:
        """List the themes of the map, the largest first."""
        return JSONResponse(await service.themes.themes(request))

    @routes.post("/theme", response_model=explored.ThemeAnswer, **exploring)
    async def theme(request: ThemeRequest, service: Service = served) -> JSONResponse:
        """Show one theme with its passages."""
        return JSONResponse(await service.themes.theme(request))

    @routes.post("/theme-distribution", response_model=explored.ThemeDistribution, **exploring)
    async def theme_distribution(
        request: ThemeDistributionRequest, service: Service = served
    ) -> JSONResponse:
        """Show the hits for a question with their themes."""
        return JSONResponse(await service.themes.distribution(request))

    @routes.post("/similar", response_model=explored.SimilarAnswer, **exploring)
    async def similar(request: SimilarRequest, service: Service = served) -> JSONResponse:
        """Find the passages most similar to a passage, or the entities most similar to one."""
        return JSONResponse(await service.themes.similar(request))

    @routes.post("/facets", response_model=FacetsAnswer, **asking)
    async def facets(request: FacetsRequest, service: Service = served) -> JSONResponse:
        """Count metadata keys and values, in all passages or in a question's first 100 hits."""
        return JSONResponse(await service.passages.facets(request))

    return routes


def communities(get_service: ServiceGetter, prefix: str) -> APIRouter:
    """Return the routes of a community index."""
    routes = APIRouter(
        prefix=f"{prefix}/communities", tags=["communities"], responses=documented(404)
    )
    served = Depends(get_service)

    @routes.post("/query", response_model=graphs.CommunityAnswer)
    async def query(request: CommunityRequest, service: Service = served) -> JSONResponse:
        """Find the community of some vertices, with a reason for each member."""
        return JSONResponse(await service.communities.query(request))

    @routes.post("/structure", response_model=graphs.StructureAnswer)
    async def structure(request: CommunityRequest, service: Service = served) -> JSONResponse:
        """Get the similarity graph of a community and its sub-communities, ready to draw."""
        return JSONResponse(await service.communities.structure(request))

    @routes.get("/vertices", response_model=graphs.VertexList)
    async def vertices(
        prefix: Text = "", limit: Limit = 20, service: Service = served
    ) -> JSONResponse:
        """Type-ahead: list vertices whose ids begin with a prefix, most edges first."""
        return JSONResponse(await service.communities.starting_with(prefix, limit))

    @routes.get("/neighbors", response_model=graphs.NeighborList)
    async def neighbors(vertex: Text, limit: Limit = 50, service: Service = served) -> JSONResponse:
        """List the neighbors of a vertex, most edges first."""
        return JSONResponse(await service.communities.neighbors(vertex, limit))

    return routes


def embedding(get_service: ServiceGetter, prefix: str) -> APIRouter:
    """Return the routes of an embedding."""
    routes = APIRouter(prefix=f"{prefix}/embedding", tags=["embedding"], responses=documented(404))
    served = Depends(get_service)

    @routes.post("/neighbors", response_model=graphs.NearestAnswer)
    async def neighbors(request: NearestRequest, service: Service = served) -> JSONResponse:
        """Find the vertices whose vectors are nearest to the vector of a vertex, by cosine."""
        return JSONResponse(await service.embedding.nearest(request.vertex, request.k))

    return routes
