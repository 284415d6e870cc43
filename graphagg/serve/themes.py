"""Themes of a corpus, and similar passages and entities, for HTTP and MCP.

The map of the served version is computed once, in the background, and cached in memory.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import MapConfig
from graphagg.rag.corpus.similar import similar_entities, similar_passages
from graphagg.rag.corpus.themes import ThemeMap, cached_map
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

Answer = dict[str, Any]


_PATIENCE = 1.0  # seconds after which a request without `wait` returns the progress


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
        work.task.result()  # raises the error of the computation
        return None

    async def themes(self, request: ThemesRequest) -> Answer:
        """Return the themes of the map, or the progress of computing it."""
        work = await self._compute(request.filter, request.wait)
        if work is not None:
            return {"done": work.done, "total": work.total}

        def answer(snapshot: PassageSnapshot) -> Answer:
            theme_map = _map_of(snapshot, request.filter)
            themes = theme_map.themes
            return {
                "themes": [theme.to_json() for theme in themes[:MOST_THEMES]],
                "more": max(len(themes) - MOST_THEMES, 0),
                "passages": len(theme_map.passages),
                "when": theme_map.when,
            }

        return await self._passages.ask(answer)

    async def theme(self, request: ThemeRequest) -> Answer:
        """Return one theme with its passages."""
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
        """Return the hits for a question with their themes."""
        search = SearchRequest.model_validate({**request.model_dump(), "characters": 1})
        hits = (await self._passages.found(search))["hits"]
        await self._compute(request.filter)

        def answer(snapshot: PassageSnapshot) -> Answer:
            theme_map = _map_of(snapshot, request.filter)
            located = [
                {
                    **_passage_json(snapshot, hit["id"]),
                    "theme": theme_map.theme_of_passage(hit["id"]).id,
                }
                for hit in hits
                if snapshot.row_of(hit["id"]) is not None
            ]
            return {"passages": located, "themes": dict(Counter(each["theme"] for each in located))}

        return await self._passages.ask(answer)

    async def similar(self, request: SimilarRequest) -> Answer:
        """Return the passages or entities most similar to a given one."""
        if (request.passage is None) == (request.entity is None):
            raise InvalidParameter("give either passage or entity")

        def answer(snapshot: PassageSnapshot) -> Answer:
            selection, k = Selection(request.filter), request.k
            if request.entity is not None:
                return similar_entities(snapshot, selection, request.entity, k).to_json()
            return similar_passages(snapshot, selection, str(request.passage), k).to_json()

        return await self._passages.ask(answer)


def _map_of(
    snapshot: PassageSnapshot, filter: Mapping[str, Any] | None, progress: Progress = silent
) -> ThemeMap:
    """Return the map of the visible passages that match a filter."""
    view = snapshot.view_of(Selection(filter))
    return cached_map(snapshot, view, MapConfig(), progress)


def _passage_json(snapshot: PassageSnapshot, identifier: str) -> Answer:
    passage = snapshot.corpus[snapshot.known_row(identifier)]
    return {
        "id": identifier,
        "title": shortened(passage.title),
        "text": excerpt(passage.text, NOWHERE, EXCERPT).marked,
    }
