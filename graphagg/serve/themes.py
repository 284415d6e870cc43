"""Themes of a corpus, and similar passages and entities, for HTTP and MCP.

The map of the served version is read from the index's folder if it is there. Else it is computed
once, in the background, and cached in memory.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

from graphagg.checks import integer
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import MapConfig
from graphagg.rag.corpus.similar import similar_entities, similar_passages
from graphagg.rag.corpus.themes.results import ThemeMap
from graphagg.rag.corpus.themes.storage import KIND, folder_of, kept_map, read_map
from graphagg.rag.question.excerpts import NOWHERE, excerpt, shortened
from graphagg.rag.question.request import Selection
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.serve.models.passages import SearchRequest
from graphagg.serve.models.themes import (
    EXCERPT,
    MOST_PASSAGES,
    MOST_THEMES,
    SimilarRequest,
    ThemeDistributionRequest,
    ThemeRequest,
    ThemesRequest,
)
from graphagg.serve.passages import Passages
from graphagg.serve.rights import CURRENT
from graphagg.store.artifact import current_manifest

Answer = dict[str, Any]


_PATIENCE = 1.0  # seconds before a request that does not wait gets the progress


class _MapWork:
    """A map that is being computed."""

    def __init__(self, passages: Passages, filter: Mapping[str, Any] | None) -> None:
        self.done, self.total = 0, 1
        call = partial(_map_of, filter=filter, progress=self._report)
        self.task = asyncio.create_task(passages.ask(call))

    def _report(self, stage: str, done: int, total: int) -> None:
        self.done, self.total = done, total


class Themes:
    """Answers about the visible passages as a whole."""

    def __init__(self, passages: Passages) -> None:
        self._passages = passages
        self._works: dict[str, _MapWork] = {}

    async def _compute(
        self, filter: Mapping[str, Any] | None, wait: bool = True
    ) -> _MapWork | None:
        """Compute and cache a map; without `wait`, return the work if it takes over a second."""
        about = self._passages.version, CURRENT.get().filter, filter
        key = json.dumps(about, sort_keys=True)
        if key not in self._works:
            self._works[key] = _MapWork(self._passages, filter)
        work = self._works[key]
        await asyncio.wait([work.task], timeout=None if wait else _PATIENCE)
        if not work.task.done():
            return work
        self._works.pop(key, None)
        work.task.result()  # raises what went wrong
        return None

    async def themes(self, request: ThemesRequest) -> Answer:
        """Themes of a level, or the themes inside one."""
        work = await self._compute(request.filter, request.wait)
        if work is not None:
            return {"done": work.done, "total": work.total}

        def answer(snapshot: PassageSnapshot) -> Answer:
            theme_map = _map_of(snapshot, request.filter)
            if request.inside is not None:
                level_themes = [theme_map[child] for child in theme_map[request.inside].children]
                level = theme_map[request.inside].level + 1
            else:
                level = theme_map.level if request.level is None else request.level
                if theme_map.levels:
                    integer("level", level, 0, len(theme_map.levels) - 1)
                level_themes = list(theme_map.levels[level]) if theme_map.levels else []
            level_themes.sort(key=lambda theme: -theme.passages)
            return {
                "themes": [theme.to_json() for theme in level_themes[:MOST_THEMES]],
                "more": max(len(level_themes) - MOST_THEMES, 0),
                "level": level,
                "levels": [len(themes) for themes in theme_map.levels],
                "passages": len(theme_map.passages),
                "entities": len(theme_map.entities),
                "when": theme_map.when,
                "notes": theme_map.notes,
            }

        return await self._passages.ask(answer)

    async def theme(self, request: ThemeRequest) -> Answer:
        """One theme with its passages."""
        await self._compute(request.filter)

        def answer(snapshot: PassageSnapshot) -> Answer:
            theme_map = _map_of(snapshot, request.filter)
            ids = theme_map.passages_of(request.theme)
            return {
                "theme": theme_map[request.theme].to_json(),
                "listed": [_passage_json(snapshot, name) for name in ids[:MOST_PASSAGES]],
                "more": max(len(ids) - MOST_PASSAGES, 0),
            }

        return await self._passages.ask(answer)

    async def distribution(self, request: ThemeDistributionRequest) -> Answer:
        """The themes of the passages of a question."""
        search = SearchRequest.model_validate({**request.model_dump(), "characters": 1})
        hits = (await self._passages.found(search))["hits"]
        await self._compute(request.filter)

        def answer(snapshot: PassageSnapshot) -> Answer:
            theme_map = _map_of(snapshot, request.filter)
            located = [
                {
                    **_passage_json(snapshot, hit["id"]),
                    "themes": [theme.id for theme in theme_map.themes_of(hit["id"])],
                }
                for hit in hits
                if snapshot.row_of(hit["id"]) is not None
            ]
            return {
                "passages": located,
                "themes": dict(Counter(theme for each in located for theme in each["themes"])),
            }

        return await self._passages.ask(answer)

    async def similar(self, request: SimilarRequest) -> Answer:
        """The passages or entities most similar to one."""
        if (request.passage is None) == (request.entity is None):
            raise InvalidParameter("passage and entity: wanted one of the two")

        def answer(snapshot: PassageSnapshot) -> Answer:
            selection, k = Selection(request.filter), request.k
            if request.entity is not None:
                by = request.by or "graph"
                return similar_entities(snapshot, selection, request.entity, k, by).to_json()
            name, by = str(request.passage), request.by or "text"
            return similar_passages(snapshot, selection, name, k, by).to_json()

        return await self._passages.ask(answer)


def _map_of(
    snapshot: PassageSnapshot, filter: Mapping[str, Any] | None, progress: Progress = silent
) -> ThemeMap:
    """The map of the visible passages that match a filter."""
    if filter is None and not snapshot.is_restricted:
        manifest = current_manifest(folder_of(snapshot.artifact.directory), KIND)
        version = "" if manifest is None else manifest.data
        stored = snapshot.cached("stored map", version, lambda: read_map(snapshot, None))
        if stored is not None:
            return stored
    view = snapshot.view_of(Selection(filter))
    return kept_map(snapshot, view, MapConfig(), progress)


def _passage_json(snapshot: PassageSnapshot, identifier: str) -> Answer:
    passage = snapshot.corpus[snapshot.known_row(identifier)]
    return {
        "id": identifier,
        "title": shortened(passage.title),
        "text": excerpt(passage.text, NOWHERE, EXCERPT).marked,
    }
