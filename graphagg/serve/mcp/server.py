"""The MCP server: tools for the indices of a service.

A tool exists only if its index is served. Errors are tool errors that name the fault, so that a
model can correct its call. Answers are text only (see `text`): structured output would send
everything twice.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from graphagg import __version__
from graphagg.communities.config import Method
from graphagg.errors import GraphAggError, needs
from graphagg.serve import limits
from graphagg.serve.http.bodies import BodyLimit
from graphagg.serve.http.failures import INTERNAL, body_of, explained
from graphagg.serve.http.security import Access, Guard
from graphagg.serve.mcp import passages, text
from graphagg.serve.models.graphs import CommunityRequest, NearestRequest
from graphagg.serve.models.passages import OPTIONS, SearchRequest
from graphagg.serve.models.values import RequestModel
from graphagg.serve.service import Service

with needs("mcp", "mcp"):
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.server.transport_security import TransportSecuritySettings
    from mcp.types import Tool, ToolAnnotations

if TYPE_CHECKING:
    from starlette.applications import Starlette

_CHARACTERS = 6_000
_LEAST_CHARACTERS = 1_000

_log = logging.getLogger("graphagg.serve")

Q = TypeVar("Q", bound=RequestModel)
R = TypeVar("R")
Question = Annotated[str, Field(description="A whole question in plain words, names in it.")]
Count = Annotated[int, Field(ge=1, le=limits.MOST_HITS, description="Number of hits.")]
Characters = Annotated[
    int, Field(ge=_LEAST_CHARACTERS, le=limits.MOST_TEXT, description="Longest answer.")
]
PassageId = Annotated[
    str,
    Field(max_length=limits.LONGEST_NAME, description="From a search; or the id of a document."),
]
Show = Annotated[list[str], Field(description="Keys of metadata to see beside each hit.")]
Around = Annotated[
    int, Field(ge=0, le=passages.MOST_AROUND, description="Chunks wanted on each side.")
]
Start = Annotated[int, Field(ge=0, description="Characters of a long passage to skip.")]


class CorpusServer(MCPServer):
    """A server whose search tool describes the current corpus."""

    def __init__(self, service: Service, about: str) -> None:
        super().__init__("graphagg", version=__version__, log_level="WARNING")
        self._service, self._about = service, about

    async def list_tools(self) -> list[Tool]:
        """The tools; the search tool describes the passages that the token may see."""
        tools, service = await super().list_tools(), self._service
        describe = partial(passages.described, about=self._about)
        for tool in tools:
            if tool.name == "search_passages":
                try:
                    corpus = await _asked(service, lambda: service.passages.ask(describe))
                except ToolError as error:
                    corpus = str(error)
                tool.description = f"{tool.description}\n\n{corpus}"
        return tools


def create_server(service: Service, about: str = "") -> MCPServer:
    """Make the MCP server of a service, with tools for the indices that it has.

    `about` is a sentence on the subject of the passages, for the model.
    """
    server = CorpusServer(service, about)
    if service.has("passages"):
        _add_search(server, service)
        _add_reading(server, service)
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


def _add_search(server: MCPServer, service: Service) -> None:
    @_passage_tool(server)
    async def search_passages(
        question: Question,
        k: Count = 5,
        characters: Characters = _CHARACTERS,
        show: Show = [],  # noqa: B006 - it is never changed
        **options: Any,
    ) -> str:
        """Retrieve the passages that answer a question, best first.

        Each hit: number, id, title, score; "from ID via NAME" where a hop led to it; then its text,
        with ... where a long passage is cut around its closest sentence. read_passage reads on.
        """
        options |= {"characters": min(characters, limits.MOST_CHARACTERS), "explain": False}
        request = _checked(SearchRequest, question=question, k=k, **options)
        answer = await _asked(service, lambda: service.passages.search(request))
        return text.search(answer["hits"], characters, show, answer["confidence"])


def _passage_tool(server: MCPServer) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a tool; the options of a passage request replace `**options` in its signature."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function, eval_str=True)
        *parameters, rest = signature.parameters.values()
        for name, (kind, info) in OPTIONS.items():
            annotation = Annotated[kind, info]  # type: ignore[valid-type]
            named = rest.replace(name=name, kind=inspect.Parameter.KEYWORD_ONLY)
            parameters.append(named.replace(default=info.default, annotation=annotation))
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return _tool(server)(function)

    return add


def _add_reading(server: MCPServer, service: Service) -> None:
    @_tool(server)
    async def read_passage(
        passage_id: PassageId,
        around: Around = 1,
        start: Start = 0,
        characters: Characters = _CHARACTERS,
    ) -> str:
        """Read a passage whole, with its metadata and the chunks before and after it."""
        call = partial(
            passages.passage,
            identifier=passage_id, around=around, start=start, characters=characters,
        )  # fmt: skip
        return await _asked(service, lambda: service.passages.ask(call))


def _add_communities(server: MCPServer, service: Service) -> None:
    @_tool(server)
    async def community_of(
        seeds: Annotated[list[str | int], Field(min_length=1, max_length=limits.MOST_SEEDS)],
        k: Annotated[
            int, Field(ge=1, le=limits.MOST_MEMBERS, description="Number of members.")
        ] = 20,
        method: Method = "fused",
    ) -> str:
        """Find the community around some vertices: a line per member, with what it shares."""
        request = _checked(CommunityRequest, seeds=seeds, k=k, method=method)
        return text.community(await _asked(service, lambda: service.communities.query(request)))


def _add_embedding(server: MCPServer, service: Service) -> None:
    @_tool(server)
    async def similar_vertices(vertex: str | int, k: Count = 10) -> str:
        """Find the vertices whose vectors are nearest to the vector of a vertex, by cosine."""
        request = _checked(NearestRequest, vertex=vertex, k=k)
        answer = await _asked(service, lambda: service.embedding.nearest(request.vertex, request.k))
        return text.nearest(answer)


def _tool(server: MCPServer) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    hints = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        text = inspect.getdoc(function)
        server.add_tool(function, description=text, annotations=hints, structured_output=False)
        return function

    return add


def _checked(kind: type[Q], **values: Any) -> Q:
    """Make a request with the limits of HTTP; raise a tool error if it breaks them."""
    try:
        return kind(**values)
    except ValidationError as error:
        raise ToolError(f"InvalidRequest: {explained(error.errors())}") from None


async def _asked(service: Service, ask: Callable[[], Awaitable[R]]) -> R:
    """Await an answer from the published version; errors and time limit are those of HTTP."""
    await asyncio.to_thread(service.refresh)
    try:
        async with asyncio.timeout(service.limits.answer_seconds):
            return await ask()
    except TimeoutError:
        seconds = service.limits.answer_seconds
        raise ToolError(f"TimeLimit: no answer within {seconds:g} s; ask for less") from None
    except GraphAggError as error:
        detail = body_of(error)["error"]
        raise ToolError(f"{detail['type']}: {detail['message']}") from None
    except Exception:
        _log.exception("a tool failed")
        raise ToolError(f"InternalError: {INTERNAL}") from None
