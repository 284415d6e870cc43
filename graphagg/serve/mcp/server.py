"""The MCP server: tools for the indices of a service.

A tool exists only if its index is served. Errors are tool errors that name the fault, so that a
model can correct its call. Answers are text only (see `text`): structured output would send
everything twice.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from graphagg import __version__
from graphagg.communities.config import Method
from graphagg.errors import GraphAggError, needs
from graphagg.serve import limits
from graphagg.serve.http.failures import INTERNAL, body_of, explained
from graphagg.serve.http.requests import BodyLimit
from graphagg.serve.http.security import Access, Guard
from graphagg.serve.mcp import passages, text
from graphagg.serve.models.graphs import CommunityRequest, NearestRequest
from graphagg.serve.models.passages import OPTIONS, SearchRequest
from graphagg.serve.service import Service

with needs("mcp", "mcp"):
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.server.transport_security import TransportSecuritySettings
    from mcp.types import Tool, ToolAnnotations

if TYPE_CHECKING:
    from starlette.applications import Starlette

_CHARACTERS = 6_000
_LEAST_CHARACTERS = 1_000
_TOKENS, _LEAST_TOKENS = 2_000, 250
_RESULTS = 10  # hits of the tool `search`
_DESCRIPTION = 800  # characters of the description of a tool

_log = logging.getLogger("graphagg.serve")

Question = Annotated[str, Field(description="A complete question in plain words, with names.")]
Count = Annotated[int, Field(ge=1, le=limits.MOST_HITS, description="Number of hits.")]
Characters = Annotated[
    int, Field(ge=_LEAST_CHARACTERS, le=limits.MOST_TEXT, description="Maximum length.")
]
Tokens = Annotated[
    int, Field(ge=_LEAST_TOKENS, le=limits.MOST_TEXT // 4, description="Maximum length in tokens.")
]
PassageId = Annotated[
    str,
    Field(max_length=limits.LONGEST_NAME, description="Id from a search, or id of a document."),
]
Show = Annotated[list[str], Field(description="Metadata keys to show with each hit.")]
Around = Annotated[
    int, Field(ge=0, le=passages.MOST_AROUND, description="Number of chunks on each side.")
]


class CorpusServer(MCPServer):
    """MCP server whose search tool describes the current corpus, with the errors of HTTP."""

    def __init__(self, service: Service, about: str) -> None:
        super().__init__("graphagg", version=__version__, log_level="WARNING")
        self._service, self._about = service, about
        self.parameters: dict[str, set[str]] = {}

    async def list_tools(self) -> list[Tool]:
        """Return the tools; the search tool describes the passages that the token may see."""
        await asyncio.to_thread(self._service.refresh)
        tools = await super().list_tools()
        for tool in tools:
            if tool.name == "search_passages":
                room = _DESCRIPTION - len(tool.description or "") - 2
                describe = partial(passages.described, about=self._about, longest=room)
                try:
                    corpus = await self._service.passages.ask(describe)
                except GraphAggError as error:
                    corpus = _in_words(error)
                tool.description = f"{tool.description}\n\n{corpus}"
        return tools

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> Any:
        """Call a tool on the published version, with the errors and time limit of HTTP."""
        seconds = self._service.limits.answer_seconds
        unknown = sorted(arguments.keys() - self.parameters.get(name, arguments.keys()))
        faults = [{"type": "extra_forbidden", "loc": ("body", k), "msg": ""} for k in unknown]
        if faults:
            raise ToolError(f"InvalidRequest: {explained(faults)}")
        await asyncio.to_thread(self._service.refresh)
        try:
            async with asyncio.timeout(seconds):
                return await super().call_tool(name, arguments, context)
        except TimeoutError:
            raise ToolError(f"TimeLimit: no answer within {seconds:g} s; request less") from None
        except ToolError as error:
            cause = error.__cause__
            raise (error if cause is None else ToolError(_in_words(cause))) from None


def _in_words(error: BaseException) -> str:
    """Format an error with the name and message that HTTP uses."""
    if isinstance(error, ValidationError):
        return f"InvalidRequest: {explained(error.errors())}"
    if not isinstance(error, GraphAggError):
        _log.error("a tool failed", exc_info=error)
        return f"InternalError: {INTERNAL}"
    detail = body_of(error)["error"]
    return f"{detail['type']}: {detail['message']}"


def create_server(service: Service, about: str = "") -> CorpusServer:
    """Create the MCP server of a service, with tools for the indices that it has.

    `about` is a sentence that tells the model what the passages are about.
    """
    server = CorpusServer(service, about)
    if service.has("passages"):
        _add_search(server, service)
        _add_reading(server, service)
        _add_common(server, service)
    if service.has("communities"):
        _add_communities(server, service)
    if service.has("embedding"):
        _add_embedding(server, service)
    return server


def http_app(server: MCPServer, service: Service, access: Access) -> Starlette:
    """Return the server's streamable HTTP app at `/mcp`, behind `Guard` and `BodyLimit`."""
    app = server.streamable_http_app(
        stateless_http=True,
        json_response=True,
        max_request_body_size=service.limits.body_bytes,
        # the guard checks host and origin
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.add_middleware(BodyLimit, limits=service.limits)
    app.add_middleware(Guard, access=access)
    return app


def _add_search(server: CorpusServer, service: Service) -> None:
    @_tool(server)
    async def search_passages(
        question: Question,
        k: Count = 5,
        max_tokens: Tokens = _TOKENS,
        show: Show = [],  # noqa: B006 - it is never changed
        **options: Any,
    ) -> str:
        """Retrieve the passages that answer a question, best first.

        The first line is the confidence: the chance that the answer is among them. Each hit has
        number, id, title, score, "from ID via NAME" if found over a link; then its text, with ...
        where it is cut. Use read_passage to read more.
        """
        options["characters"] = limits.MOST_CHARACTERS
        answer = await service.passages.search(SearchRequest(question=question, k=k, **options))
        return text.search(answer["hits"], max_tokens, show, answer["confidence"])


def _add_reading(server: CorpusServer, service: Service) -> None:
    @_tool(server)
    async def read_passage(
        passage_id: PassageId, around: Around = 1, characters: Characters = _CHARACTERS
    ) -> str:
        """Read a whole passage, with its metadata and the chunks before and after it."""
        call = partial(
            passages.passage, identifier=passage_id, around=around, characters=characters
        )
        return await service.passages.ask(call)


def _add_common(server: CorpusServer, service: Service) -> None:
    """Add `search` and `fetch` in the form that several clients expect: JSON as text."""

    @_tool(server)
    async def search(query: Question) -> str:
        """Search the passages. Returns JSON: results with id, title and url, best first."""
        answer = await service.passages.search(SearchRequest(question=query, k=_RESULTS))
        results = [
            {"id": hit["id"], "title": hit["title"], "url": passages.url_of(hit["metadata"])}
            for hit in answer["hits"]
        ]
        return json.dumps({"results": results}, ensure_ascii=False)

    @_tool(server)
    async def fetch(id: PassageId) -> str:
        """Fetch a passage, or the first of a document, as JSON: id, title, text, url, metadata."""
        found = await service.passages.ask(partial(passages.fetched, identifier=id))
        return json.dumps(found, ensure_ascii=False)


def _add_communities(server: CorpusServer, service: Service) -> None:
    @_tool(server)
    async def community_of(
        seeds: Annotated[list[str | int], Field(min_length=1, max_length=limits.MOST_SEEDS)],
        k: Annotated[
            int, Field(ge=1, le=limits.MOST_MEMBERS, description="Number of members.")
        ] = 20,
        method: Method = "fused",
    ) -> str:
        """Find the community around some vertices: a line per member, with the reason."""
        request = CommunityRequest(seeds=seeds, k=k, method=method)
        return text.community(await service.communities.query(request))


def _add_embedding(server: CorpusServer, service: Service) -> None:
    @_tool(server)
    async def similar_vertices(vertex: str | int, k: Count = 10) -> str:
        """Find the vertices whose vectors are nearest to the vector of a vertex, by cosine."""
        request = NearestRequest(vertex=vertex, k=k)
        return text.nearest(await service.embedding.nearest(request.vertex, request.k))


def _tool(server: CorpusServer) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a tool; the options of a passage request replace `**options` in its signature."""
    hints = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        signature, text = inspect.signature(function, eval_str=True), inspect.getdoc(function)
        parameters = dict(signature.parameters)
        if rest := parameters.pop("options", None):
            more = {name: OPTIONS[name] for name in OPTIONS if name not in parameters}
            for name, (kind, info) in more.items():
                annotation = Annotated[kind, info]  # type: ignore[valid-type]
                option = rest.replace(name=name, kind=inspect.Parameter.KEYWORD_ONLY)
                parameters[name] = option.replace(default=info.default, annotation=annotation)
            signature = signature.replace(parameters=list(parameters.values()))
            function.__signature__ = signature  # type: ignore[attr-defined]
        server.parameters[function.__name__] = set(parameters)
        server.add_tool(function, description=text, annotations=hints, structured_output=False)
        return function

    return add
