"""What the service and the MCP server say of a corpus as a whole.

The map is read where the index's folder holds it for the version that is served; else it is made in
memory at the first request and kept. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from graphagg.errors import InvalidParameter
from graphagg.rag import PassageIndex
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.made import kept_map
from graphagg.rag.corpus.themes.results import Theme, ThemeMap
from graphagg.rag.corpus.themes.stored import KIND, folder_of, read_map
from graphagg.rag.question.excerpts import NOWHERE, excerpt, shortened
from graphagg.rag.question.selection import Selection
from graphagg.serve.explore.models import (
    EXCERPT,
    MOST_PASSAGES,
    MOST_THEMES,
    LightRequest,
    SimilarRequest,
    ThemeRequest,
    ThemesRequest,
)
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.service import Service
from graphagg.serve.timing import Watch
from graphagg.store.index import current_manifest

Answer = dict[str, Any]


class Explorer:
    """Answers about the passage index of a service.

    Args:
        service: that has one.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def themes(self, request: ThemesRequest) -> Answer:
        """Themes of a level, or those inside one."""

        def answer(index: PassageIndex) -> Answer:
            made = map_of(index, request.filter)
            if request.inside is not None:
                chosen = [made[child] for child in made[request.inside].children]
                level = made[request.inside].level + 1
            else:
                level = made.level if request.level is None else request.level
                if made.levels and level >= len(made.levels):
                    raise InvalidParameter(
                        f"level is {level}, wanted one of 0 to {len(made.levels) - 1}"
                    )
                chosen = list(made.levels[level]) if made.levels else []
            chosen.sort(key=lambda theme: -theme.passages)
            return {
                "themes": [shown(made, theme) for theme in chosen[:MOST_THEMES]],
                "more": max(len(chosen) - MOST_THEMES, 0),
                "level": level,
                "levels": [len(themes) for themes in made.levels],
                "passages": len(made.passages),
                "entities": len(made.entities),
                "when": made.when,
                "notes": made.notes,
            }

        return await self._timed(answer)

    async def theme(self, request: ThemeRequest) -> Answer:
        """One theme with its passages."""

        def answer(index: PassageIndex) -> Answer:
            made = map_of(index, request.filter)
            ids = made.passages_of(request.theme)
            return {
                "theme": shown(made, made[request.theme]),
                "listed": [_listed(index, name) for name in ids[:MOST_PASSAGES]],
                "more": max(len(ids) - MOST_PASSAGES, 0),
            }

        return await self._timed(answer)

    async def light(self, request: LightRequest) -> Answer:
        """Where the passages of a question lie."""
        search = SearchRequest.model_validate(
            {**request.model_dump(), "characters": 1, "explain": False}
        )
        found = await self._service.passages.search(search)

        def answer(index: PassageIndex) -> Answer:
            made = map_of(index, request.filter)
            lit = [
                {
                    **_listed(index, hit["id"]),
                    "themes": [theme.id for theme in made.themes_of(hit["id"])],
                }
                for hit in found["hits"]
                if hit["id"] in index
            ]
            return {
                "passages": lit,
                "themes": dict(Counter(theme for each in lit for theme in each["themes"])),
            }

        return await self._timed(answer)

    async def similar(self, request: SimilarRequest) -> Answer:
        """What is like a passage or an entity."""
        if (request.passage is None) == (request.entity is None):
            raise InvalidParameter("passage and entity: wanted one of the two")

        def answer(index: PassageIndex) -> Answer:
            by: dict[str, Any] = {} if request.by is None else {"by": request.by}
            options = {"filter": request.filter, **by}
            if request.passage is not None:
                return index.similar_passages(request.passage, request.k, **options).to_json()
            assert request.entity is not None
            return index.similar_entities(request.entity, request.k, **options).to_json()

        return await self._timed(answer)

    async def _timed(self, answer: Callable[[PassageIndex], Answer]) -> Answer:
        watch = Watch()

        def run(index: PassageIndex) -> tuple[Answer, float]:
            inside = Watch()
            return answer(index), inside.cpu_ms

        found, spent = await self._service.passages.ask(run)
        return {**found, "latency_ms": watch.latency_ms, "cpu_ms": round(spent, 3)}


def map_of(index: PassageIndex, filter: Mapping[str, Any] | None) -> ThemeMap:
    """The map of what a filter leaves of the served version."""
    snapshot = index.snapshot
    if filter is None:
        written = current_manifest(folder_of(index.directory), KIND)
        version = "" if written is None else written.data
        stored = snapshot.kept("stored map", version, lambda: read_map(snapshot, None))
        if stored is not None and not stored.is_old:
            return stored
    view = snapshot.scope(Selection(filter)).view
    return kept_map(snapshot, view, MapConfig())


def shown(made: ThemeMap, theme: Theme) -> Answer:
    """A theme as JSON; its neighbors carry their labels."""
    plain = theme.to_json()
    near = [{**each, "label": made[each["id"]].label} for each in plain["neighbors"]]
    return {**plain, "neighbors": near, "children": len(theme.children)}


def _listed(index: PassageIndex, identifier: str) -> Answer:
    passage = index[identifier]
    return {
        "id": identifier,
        "title": shortened(passage.title),
        "text": excerpt(passage.text, NOWHERE, EXCERPT).marked,
    }
