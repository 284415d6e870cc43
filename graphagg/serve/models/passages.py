"""Questions to a passage index, and their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from graphagg.rag.config.modes import Mode
from graphagg.rag.question.excerpts import CHARACTERS
from graphagg.rag.question.request import Option, Request, options, request_of
from graphagg.rag.question.results import HopKind
from graphagg.serve.limits import MOST_HITS, MOST_TEXT
from graphagg.serve.models.values import (
    AnswerModel,
    Characters,
    Hits,
    Offset,
    Question,
    RequestModel,
    Tokens,
    strict_type,
)


def json_field(option: Option) -> tuple[Any, Any]:
    """Return the pydantic type and field of a request option."""
    bounds: dict[str, Any] = {
        {"least": "ge", "above": "gt", "most": "le"}[name]: value
        for name, value in option.bounds.items()
    }
    text = option.text[:1].upper() + option.text[1:]
    info = Field(default=option.default, description=text, **bounds)
    return strict_type(option.type), info


OPTIONS = {option.name: json_field(option) for option in options("json")}
"""Fields of a request body, derived from `graphagg.rag.question.request.Request`."""
OPTIONS["history"] = list[Question] | None, OPTIONS["history"][1]  # may be longer than an id
OPTIONS["max_tokens"] = Tokens | None, OPTIONS["max_tokens"][1]
if TYPE_CHECKING:
    _Options = RequestModel
else:
    _Options = create_model("_Options", __base__=RequestModel, **OPTIONS)


class FacetsRequest(_Options):
    """The passages whose metadata is counted: all visible ones, or the first hits of an answer."""

    question: Question | None = Field(default=None, description="null to count all passages.")

    def request(self, **more: Any) -> Request:
        """The request in Python; `more` are fields that the service adds."""
        return request_of({name: getattr(self, name) for name in OPTIONS} | more)


class SearchRequest(FacetsRequest):
    """A question."""

    question: Question
    k: Hits = Field(default=5, description="Number of hits.")
    offset: Offset = Field(
        default=0, description=f"Hits to skip, for paging; k + offset is capped at {MOST_HITS}."
    )
    characters: Characters = Field(
        default=CHARACTERS,
        description="Maximum characters of a hit with the chunks around it; all hits together "
        f"have at most {MOST_TEXT:,}.",
    )

    @property
    def ranked(self) -> int:
        """Number of hits to rank, including the skipped ones."""
        return min(self.k + self.offset, MOST_HITS)


class PathStep(AnswerModel):
    """One step of a hop path; a passage has its title as `text`, and its id."""

    kind: HopKind
    text: str
    score: float
    contribution: float
    passage_id: str = ""


class TextRange(AnswerModel):
    """A range of a text, `[start, end)` in Unicode code points."""

    start: int
    end: int


class ExcerptRange(TextRange):
    """The range of a passage that `text` shows."""

    characters: int = Field(description="Length of the whole passage.")


class NeighborChunk(AnswerModel):
    """A chunk next to a hit in the same document."""

    id: str
    position: int
    text: str


class HitVersions(AnswerModel):
    """The position of a hit among the versions of its document."""

    place: int = Field(description="1 is the newest.")
    of: int
    first: str
    last: str
    text: str = Field(description="In words, such as: newest of 4 versions, 2022 to 2025.")


class PassageHit(AnswerModel):
    """A retrieved passage, under the keys of the command line's `--json`."""

    id: str
    title: str
    text: str = Field(description="The passage, or a piece of it around match; see cut.")
    match: TextRange = Field(description="The sentence of text that is closest to the question.")
    score: float
    method: str
    components: dict[str, float]
    path: list[PathStep]
    metadata: dict[str, Any]
    document: str | None = None
    position: int | None = None
    neighbors: list[NeighborChunk] | None = Field(
        default=None, description="Chunks around the hit, as many as fit in `characters`."
    )
    cut: ExcerptRange | None = Field(default=None, description="null if text is the whole passage.")
    copies: list[str] | None = Field(
        default=None, description="Ids of other passages with exactly this text."
    )
    versions: HitVersions | None = Field(default=None, description="null if no others exist.")
    apart: list[str] | None = Field(
        default=None, description="Words that distinguish the path from similar ones."
    )


class SearchAnswer(AnswerModel):
    """The hits for a question, best first."""

    hits: list[PassageHit]
    confidence: float | None = Field(
        description="Chance that the right passages are among the hits; null in mode bm25."
    )
    tokens: int = Field(description="Tokens in the texts of the hits, at four UTF-8 bytes each.")
    mode: Mode
    version: str = Field(description="Version of the passage index.")
    partial: bool = Field(default=False, description="Whether parts of the corpus are missing.")
    missing: list[str] = Field(default=[], description="Addresses of parts that did not answer.")
