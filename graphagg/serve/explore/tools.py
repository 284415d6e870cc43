"""Tools of the MCP server about a corpus as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import Field

from graphagg.rag.likeness.similar import By
from graphagg.serve.explore.answers import Explorer
from graphagg.serve.explore.models import (
    Filter,
    SimilarAnswer,
    SimilarRequest,
    ThemeAnswer,
    ThemeRequest,
    ThemesAnswer,
    ThemesRequest,
)
from graphagg.serve.limits import MOST_HITS
from graphagg.serve.service import Service

Asked = Callable[[Service, Callable[[], Awaitable[dict[str, Any]]]], Awaitable[dict[str, Any]]]
INSTRUCTIONS = (
    "corpus_themes lists what a corpus is about, theme_passages what one theme holds; "
    "similar_passages and similar_entities find what is like a passage or an entity."
)
TopHits = Annotated[int, Field(ge=1, le=MOST_HITS)]


def add_tools(
    tool: Callable[..., Any], service: Service, checked: Callable[..., Any], asked: Asked
) -> None:
    """Add the tools of a service that has a passage index.

    Args:
        tool: registers a function.
        service: that answers.
        checked: makes a request, or a tool error.
        asked: waits for an answer, in time.
    """
    explorer = Explorer(service)

    @tool
    async def corpus_themes(
        inside: Annotated[str | None, Field(description="Id of a theme to look into.")] = None,
        level: Annotated[int | None, Field(ge=0, description="0 is the coarsest.")] = None,
        filter: Filter = None,
    ) -> ThemesAnswer:
        """List what the corpus is about: themes with words, names, typical passages and time."""
        request = checked(ThemesRequest, inside=inside, level=level, filter=filter)
        return ThemesAnswer.model_validate(await asked(service, lambda: explorer.themes(request)))

    @tool
    async def theme_passages(theme: str, filter: Filter = None) -> ThemeAnswer:
        """Show one theme, by its id, with the ids and titles of its passages."""
        request = checked(ThemeRequest, theme=theme, filter=filter)
        return ThemeAnswer.model_validate(await asked(service, lambda: explorer.theme(request)))

    @tool
    async def similar_passages(
        passage: str, by: By = "text", top_k: TopHits = 10, filter: Filter = None
    ) -> SimilarAnswer:
        """Find the passages most like one, by text vectors or by what both name (graph)."""
        request = checked(SimilarRequest, passage=passage, by=by, top_k=top_k, filter=filter)
        return SimilarAnswer.model_validate(await asked(service, lambda: explorer.similar(request)))

    @tool
    async def similar_entities(
        entity: str, by: By = "graph", top_k: TopHits = 10, filter: Filter = None
    ) -> SimilarAnswer:
        """Find the entities most like one, by the graph or by the vectors of their passages."""
        request = checked(SimilarRequest, entity=entity, by=by, top_k=top_k, filter=filter)
        return SimilarAnswer.model_validate(await asked(service, lambda: explorer.similar(request)))
