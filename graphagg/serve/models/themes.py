"""Requests and answers about a corpus as a whole."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from graphagg.rag.corpus.similar import SimilarItem
from graphagg.rag.corpus.themes import Theme
from graphagg.serve.models.values import AnswerModel, Hits, Name, Question, RequestModel

MOST_THEMES = 1_000
"""Maximum number of themes in one answer, the largest first."""
MOST_PASSAGES = 200
"""Maximum number of passages of a theme in one answer."""
EXCERPT = 400
"""Maximum characters of a passage in a list."""
Filter = Annotated[
    dict[str, Any] | None, Field(description='Conditions on metadata: {"year": {"gte": 2000}}.')
]


class ThemesRequest(RequestModel):
    """A query for themes."""

    filter: Filter = None
    wait: bool = Field(default=True, description="Wait for the map; else return its progress.")


class ThemeRequest(RequestModel):
    """A theme by its id."""

    theme: Name
    filter: Filter = None


class ThemeDistributionRequest(RequestModel):
    """A question whose passages are located on the map."""

    question: Question
    k: Hits = Field(default=20, description="Number of hits.")
    filter: Filter = None


class SimilarRequest(RequestModel):
    """A query for passages similar to a passage, or entities similar to an entity."""

    passage: Name | None = None
    entity: Name | None = None
    k: Hits = Field(default=10, description="Number of results.")
    filter: Filter = None


class MapUnderWay(AnswerModel):
    """Progress of a map that is being computed in the background."""

    done: int
    total: int


class ThemesAnswer(AnswerModel):
    """The themes of the map, the largest first."""

    themes: list[Theme]
    more: int = Field(description="Number of smaller themes left out.")
    passages: int
    when: str | None


class ListedPassage(AnswerModel):
    """A passage: its id, its title and the beginning of its text."""

    id: str
    title: str
    text: str


class ThemeAnswer(AnswerModel):
    """A theme with its passages."""

    theme: Theme
    listed: list[ListedPassage] = Field(description="Its passages, in the order of the index.")
    more: int


class LocatedPassage(ListedPassage):
    """A hit with the id of its theme."""

    theme: str


class ThemeDistribution(AnswerModel):
    """The hits for a question with their themes, and the number of hits by theme id."""

    passages: list[LocatedPassage]
    themes: dict[str, int]


class SimilarAnswer(AnswerModel):
    """The most similar passages or entities, by cosine similarity of their text vectors."""

    of: str
    items: list[SimilarItem]
