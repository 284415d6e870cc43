"""MCP tools about the corpus as a whole, with a short line per theme or passage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any

from pydantic import Field

from graphagg.rag.corpus.similar import By
from graphagg.serve.limits import MOST_HITS
from graphagg.serve.models.themes import Filter, SimilarRequest, ThemeRequest, ThemesRequest
from graphagg.serve.service import Service
from graphagg.serve.themes import Answer

TopHits = Annotated[int, Field(ge=1, le=MOST_HITS, description="Number of results.")]
Most = Annotated[int, Field(ge=1, le=200, description="Lines of the answer at most.")]
_NAMES = 4  # names of a theme's line


def add_tools(
    tool: Callable[[Callable[..., Any]], Any],
    service: Service,
    checked: Callable[..., Any],
    asked: Callable[[Service, Callable[[], Awaitable[Answer]]], Awaitable[Answer]],
) -> None:
    """Add the tools of a service that has a passage index.

    `tool` registers a function, `checked` makes a request, `asked` awaits an answer.
    """

    @tool
    async def corpus_themes(
        inside: Annotated[str | None, Field(description="Id of a theme to look into.")] = None,
        level: Annotated[int | None, Field(ge=0, description="0 is the coarsest.")] = None,
        most: Most = 30,
        filter: Filter = None,
    ) -> str:
        """List the subjects of the corpus: a line per theme, the largest first.

        Each line: id, label, passages, dates where they have any; then its names.
        """
        request = checked(ThemesRequest, inside=inside, level=level, filter=filter)
        answer = await asked(service, lambda: service.themes.themes(request))
        return "\n".join(_themes(answer, most))

    @tool
    async def theme_passages(theme: str, most: Most = 30, filter: Filter = None) -> str:
        """Show one theme, by its id: words, names, themes near and inside, and its passages.

        The most typical passages come first; read_passage reads one by its id.
        """
        request = checked(ThemeRequest, theme=theme, filter=filter)
        answer = await asked(service, lambda: service.themes.theme(request))
        return "\n".join(_theme(answer, most))

    async def similar(**fields: Any) -> str:
        request = checked(SimilarRequest, **fields)
        return "\n".join(_similar(await asked(service, lambda: service.themes.similar(request))))

    @tool
    async def similar_passages(
        passage: str, by: By = "text", k: TopHits = 10, filter: Filter = None
    ) -> str:
        """Find the passages most like one, by text vectors or by what both name (graph)."""
        return await similar(passage=passage, by=by, k=k, filter=filter)

    @tool
    async def similar_entities(
        entity: str, by: By = "graph", k: TopHits = 10, filter: Filter = None
    ) -> str:
        """Find the entities most like one, by the graph or by the vectors of their passages."""
        return await similar(entity=entity, by=by, k=k, filter=filter)


def _themes(answer: Answer, most: int) -> Iterator[str]:
    levels = ", ".join(map(str, answer["levels"]))
    yield f"{answer['passages']} passages; themes by level: {levels}; level {answer['level']}:"
    yield from answer["notes"]
    for theme in answer["themes"][:most]:
        names = ", ".join(entity["name"] for entity in theme["entities"][:_NAMES])
        yield f"{theme['id']}  {_head(theme)}{f': {names}' if names else ''}"
    more = len(answer["themes"]) - most + answer["more"]
    if more > 0:
        yield f"{more} smaller themes are not listed"


def _theme(answer: Answer, most: int) -> Iterator[str]:
    theme = answer["theme"]
    yield f"{theme['id']}  {_head(theme)}"
    yield f"words: {', '.join(theme['words'])}"
    yield f"names: {', '.join(entity['name'] for entity in theme['entities'])}"
    yield f"near: {'; '.join(_named(other['id'], other['label']) for other in theme['neighbors'])}"
    yield f"themes inside: {theme['children']}"
    titles = {each["id"]: each["title"] for each in theme["typical"]}
    titles |= {each["id"]: each["title"] for each in answer["listed"]}
    yield from (_named(identifier, title) for identifier, title in list(titles.items())[:most])
    if theme["passages"] > min(most, len(titles)):
        yield f"{theme['passages'] - min(most, len(titles))} passages are not listed"


def _head(theme: Answer) -> str:
    span = theme["span"]
    time = f", {span['first']} to {span['last']}" if span else ""
    return f"{theme['label']} ({theme['passages']} passages{time})"


def _named(identifier: str, name: str) -> str:
    return f"{identifier}  {name}".rstrip()


def _similar(answer: Answer) -> Iterator[str]:
    yield f"like {answer['of']}, by {answer['by']}:"
    for like in answer["items"]:
        yield f"{like['score']:.3f}  {_named(like['id'], like['name'])}"
