"""The MCP server: the same answers as tools with structured output, over stdio or HTTP.

A tool is there only where its index is. Errors come back as tool errors that name what was wrong,
so that a model can correct its call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from graphagg import __version__
from graphagg.communities.config import Method
from graphagg.errors import GraphAggError, MissingExtra
from graphagg.rag.excerpts import CHARACTERS
from graphagg.rag.settings import Mode
from graphagg.serve.explore import tools
from graphagg.serve.http.bodies import BodyLimit
from graphagg.serve.http.failures import explained
from graphagg.serve.http.security import Access, Guard
from graphagg.serve.limits import MOST_CHARACTERS, MOST_HITS, MOST_MEMBERS, MOST_SEEDS
from graphagg.serve.models import (
    CommunityAnswer,
    CommunityRequest,
    ExplainAnswer,
    NearestAnswer,
    NearestRequest,
    Request,
    SearchAnswer,
    SearchRequest,
)
from graphagg.serve.service import Service

try:
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.server.transport_security import TransportSecuritySettings
    from mcp.types import ToolAnnotations
except ImportError:
    raise MissingExtra("mcp", "mcp") from None

if TYPE_CHECKING:
    from starlette.applications import Starlette

_INSTRUCTIONS = (
    "search_passages finds the passages that answer a question, also one that takes several hops; "
    "explain_path says why a passage is or is not among them. community_of finds the community "
    "around some vertices of a graph, with a reason for each member; similar_vertices finds the "
    "vertices nearest to one by their vectors. " + tools.INSTRUCTIONS
)

Q = TypeVar("Q", bound=Request)
Filter = Annotated[
    dict[str, Any] | None, Field(description='Conditions on metadata: {"year": {"gte": 2000}}.')
]
Question = Annotated[str, Field(description="A question in plain words.")]
TopHits = Annotated[int, Field(ge=1, le=MOST_HITS)]
MinScore = Annotated[float | None, Field(description="Leave out passages that score less.")]
Characters = Annotated[
    int,
    Field(ge=1, le=MOST_CHARACTERS, description="Of a passage and the chunks around it."),
]


def create_server(service: Service) -> MCPServer:
    """The MCP server of a service, with the tools for the indices that it has."""
    server = MCPServer(
        "graphagg", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    if service.has("passages"):
        _add_passages(server, service)
        tools.add_tools(_tool(server), service, _checked, _asked)
    if service.has("communities"):
        _add_communities(server, service)
    if service.has("embedding"):
        _add_embedding(server, service)
    return server


def http_app(server: MCPServer, service: Service, access: Access) -> Starlette:
    """The server's streamable HTTP transport at `/mcp`, behind guard and limits."""
    app = server.streamable_http_app(
        stateless_http=True,
        json_response=True,
        max_request_body_size=service.limits.body_bytes,
        # the guard has looked at host and origin
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.add_middleware(BodyLimit, limits=service.limits)
    app.add_middleware(Guard, access=access)
    return app


def _add_passages(server: MCPServer, service: Service) -> None:
    @_tool(server)
    async def search_passages(
        question: Question,
        top_k: TopHits = 5,
        mode: Mode = "best",
        filter: Filter = None,
        min_score: MinScore = None,
        characters: Characters = CHARACTERS,
    ) -> SearchAnswer:
        """Retrieve the passages that answer a question, with scores and hop paths.

        A long passage comes as a piece around its closest sentence; cut says which.
        """
        request = _checked(
            SearchRequest,
            question=question,
            top_k=top_k,
            mode=mode,
            filter=filter,
            min_score=min_score,
            characters=characters,
            explain=False,
        )
        answer = await _asked(service, lambda: service.passages.search(request))
        return SearchAnswer.model_validate(answer)

    @_tool(server)
    async def explain_path(
        question: Question,
        passage_id: Annotated[str, Field(description="Id of a passage, as a hit carries it.")],
        top_k: TopHits = 5,
        mode: Mode = "best",
        filter: Filter = None,
    ) -> ExplainAnswer:
        """Say why a passage is, or is not, among the first: its rank, score parts and hop path."""
        request = _checked(SearchRequest, question=question, top_k=top_k, mode=mode, filter=filter)
        answer = await _asked(service, lambda: service.passages.explain(request, passage_id))
        return ExplainAnswer.model_validate(answer)


def _add_communities(server: MCPServer, service: Service) -> None:
    @_tool(server)
    async def community_of(
        seeds: Annotated[list[str | int], Field(min_length=1, max_length=MOST_SEEDS)],
        top_k: Annotated[int, Field(ge=1, le=MOST_MEMBERS)] = 20,
        method: Method = "fused",
    ) -> CommunityAnswer:
        """Find the community around some vertices, with what each member shares with them."""
        request = _checked(CommunityRequest, seeds=seeds, top_k=top_k, method=method)
        answer = await _asked(service, lambda: service.communities.query(request))
        return CommunityAnswer.model_validate(answer)


def _add_embedding(server: MCPServer, service: Service) -> None:
    @_tool(server)
    async def similar_vertices(vertex: str | int, top_k: TopHits = 10) -> NearestAnswer:
        """Find the vertices whose vectors are nearest to that of a vertex, by cosine."""
        request = _checked(NearestRequest, vertex=vertex, top_k=top_k)
        answer = await _asked(
            service, lambda: service.embedding.nearest(request.vertex, request.top_k)
        )
        return NearestAnswer.model_validate(answer)


def _tool(server: MCPServer) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return server.tool(
        annotations=ToolAnnotations(
            read_only_hint=True, idempotent_hint=True, open_world_hint=False
        ),
        structured_output=True,
    )


def _checked(kind: type[Q], **values: Any) -> Q:
    """A request under the same limits as over HTTP; the error is one for the model to read."""
    try:
        return kind(**values)
    except ValidationError as error:
        raise ToolError(f"InvalidRequest: {explained(error.errors())}") from None


async def _asked(service: Service, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """An answer in time, from the version that is published now."""
    await asyncio.to_thread(service.refresh)
    try:
        async with asyncio.timeout(service.limits.answer_seconds):
            return await ask()
    except TimeoutError:
        seconds = service.limits.answer_seconds
        raise ToolError(f"TimeLimit: no answer within {seconds:g} s; ask for less") from None
    except GraphAggError as error:
        raise ToolError(f"{type(error).__name__}: {error}") from None
