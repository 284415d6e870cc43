"""Questions to a passage index, and their answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from graphagg.rag.config.modes import Mode
from graphagg.rag.question.excerpts import CHARACTERS
from graphagg.rag.question.results import HopKind
from graphagg.serve.limits import MOST_BATCH, MOST_TEXT
from graphagg.serve.models.values import (
    Characters,
    Days,
    Hits,
    ModeName,
    Moment,
    Question,
    Request,
    Result,
    Score,
    Timed,
    Weight,
)


class _SearchOptions(Request):
    top_k: Hits = 5
    mode: ModeName = "multihop"
    filter: dict[str, Any] | None = Field(
        default=None, description='Conditions on metadata: {"year": {"gte": 2000}}.'
    )
    as_of: Moment = Field(
        default=None,
        description="An ISO 8601 date (and time); passages whose metadata `when` is later are not "
        "seen.",
    )
    recency: Weight = Field(
        default=0.0, description="What the newest passages gain; 0: age changes nothing."
    )
    half_life: Days = Field(default=30.0, description="Days after which they gain half as much.")
    min_score: Score = Field(default=None, description="Leave out hits that score less.")
    characters: Characters = Field(
        default=CHARACTERS,
        description="Of a hit and the chunks around it; with many hits each has its share of "
        f"{MOST_TEXT:,}.",
    )
    explain: bool = Field(
        default=True, description="Say where entities stand in the hits, and titles on the way."
    )


class SearchRequest(_SearchOptions):
    """A question."""

    question: Question


class SearchBatchRequest(_SearchOptions):
    """Several questions with the same options."""

    questions: Annotated[list[Question], Field(min_length=1, max_length=MOST_BATCH)]


class PathStep(Result):
    """One step of a hop path; with `explain` a passage, whose id `text` is, has its title too."""

    kind: HopKind
    text: str
    score: float
    contribution: float
    title: str | None = None


class Mention(Result):
    """An entity in the text of a hit; `start` and `end` count Unicode code points."""

    start: int
    end: int
    entity: str


class Place(Result):
    """A place of a text, `[start, end)` in Unicode code points."""

    start: int
    end: int


class Cut(Place):
    """The piece of a passage that `text` is, where it is not the whole."""

    characters: int = Field(description="Of the whole passage.")


class Neighbor(Result):
    """A chunk beside a hit in its document."""

    id: str
    position: int
    text: str


class PassageHit(Result):
    """A retrieved passage, under the keys of the command line's `--json`."""

    id: str
    title: str
    text: str = Field(description="The passage, or a piece of it around match; see cut.")
    match: Place = Field(description="The sentence of text that is closest to the question.")
    score: float
    method: str
    components: dict[str, float]
    path: list[PathStep]
    metadata: dict[str, Any]
    document: str | None = None
    position: int | None = None
    neighbors: list[Neighbor] | None = Field(
        default=None, description="Chunks around it, as far as they fit characters."
    )
    cut: Cut | None = Field(default=None, description="null: text is the whole passage.")
    copies: list[str] | None = Field(
        default=None, description="Ids of other passages with exactly this text."
    )
    mentions: list[Mention] | None = None


class SearchAnswer(Timed):
    """The hits of a question, best first."""

    hits: list[PassageHit]
    mode: Mode


class SearchItem(Result):
    """The hits of one question of a batch."""

    hits: list[PassageHit]


class SearchBatchAnswer(Timed):
    """The hits of each question, in their order."""

    results: list[SearchItem]
    mode: Mode


class ExplainAnswer(Result):
    """Why a passage is, or is not, among the first for a question; `rank` is null beyond `k`."""

    passage_id: str
    question: str
    mode: Mode
    rank: int | None
    k: int
    reason: str
    threshold: float | None = Field(description="Score of the last of the first k hits.")
    hit: PassageHit | None
