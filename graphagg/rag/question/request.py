"""A request: how questions to a passage index are answered.

An option is declared once, as a field of `Request`: its type, its default and its documentation.
Python takes it by name; command line, shell, HTTP and MCP derive their options from the fields, by
`graphagg.rag.question.plain`. `RequestFields` repeats names and types for type checkers alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, TypedDict

from graphagg.checks import integer, number, shown
from graphagg.errors import InvalidParameter
from graphagg.rag.config.modes import DEFAULT_MODE, Config, Mode, mode_named
from graphagg.rag.documents.metadata import parse_instant
from graphagg.rag.models.reranker import Reranker
from graphagg.rag.question.rescoring import RERANKED, Recency, Rescoring
from graphagg.rag.question.selection import Selection

When = str | date
"""A moment: ISO 8601 text, a date, or a date and time."""


class VisibleFields(TypedDict, total=False):
    """The fields of `Request` that choose passages, wherever a part of a corpus is looked at."""

    filter: Mapping[str, Any] | None
    include: Sequence[str] | None
    exclude: Sequence[str]


class RequestFields(VisibleFields, total=False):
    """The fields of `Request`, to be given by name instead of a `Request`."""

    mode: Mode
    config: Config | None
    bridge_through_filtered: bool
    as_of: When | None
    recency: Recency | None
    reranker: Reranker | None
    rerank_first: int
    window: int
    min_score: float | None


@dataclass(frozen=True)
class Request:
    """A request: the mode, which passages are visible, and what changes scores.

    Passages that `filter`, `include`, `exclude` or `as_of` hide neither score nor lead anywhere:
    the answer is the answer of an index that holds exactly the visible passages.

    Examples:
        >>> request = Request(mode="bm25", filter={"year": {"gte": 2000}}, exclude=["p7"])
        >>> request.with_fields(window=1).window
        1
        >>> Request(window=-1)
        Traceback (most recent call last):
        ...
        graphagg.errors.InvalidParameter: window is -1, wanted an integer of at least 0

    Attributes:
        mode: retrieval mode: multihop (follows links between passages), broad (covers several
            themes of the corpus), auto (multihop or broad, by the question), linearrag (LinearRAG
            as published), dense (cosine of vectors), bm25 (words) or rrf (dense and bm25). The
            former names best (multihop) and faithful (linearrag) are accepted.
        config: settings of the mode: `MultihopConfig`, `BroadConfig` or `LinearRAGConfig`
            (`PRESETS`). None: the defaults of the mode; for multihop, of the index's profile.
        filter: conditions on metadata, such as {"year": {"gte": 2000}, "lang": "en"}. None: all
            passages.
        include: only these passages or documents, by their ids. None: all.
        exclude: passages or documents to leave out, by their ids.
        bridge_through_filtered: let hidden passages lead to visible ones; they then change scores
            and appear in hop paths.
        as_of: ISO 8601 date, or date and time: passages whose metadata `when` is later are hidden.
            Passages without a date stay visible. None: no limit.
        recency: adds to the score of passages with a metadata `when`, the newer the more, as the
            component `recency`. Ages are counted back from `as_of`, or from the newest visible
            passage. None: age changes nothing.
        reranker: cross-encoder that reads the question with each of the first hits and adds to
            their scores. In Python any object with `score(question, texts)`, such as a
            `CrossEncoderReranker`; hits have the component `reranker`. None: none.
        rerank_first: number of first hits that the reranker reads; at least k are read.
        window: number of chunks to show before and after each hit from its document.
        min_score: leave out hits with a lower score. Scores compare within one question and one
            mode only. None: no limit.
    """

    mode: Mode = DEFAULT_MODE
    config: Config | None = None
    filter: Mapping[str, Any] | None = None
    include: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    bridge_through_filtered: bool = False
    as_of: When | None = None
    recency: Recency | None = None
    reranker: Reranker | None = None
    rerank_first: int = field(default=RERANKED, metadata={"least": 1})
    window: int = 0
    min_score: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mode", mode_named(self.mode))
        for name in ("include", "exclude"):
            ids = getattr(self, name)
            if ids is None and name == "include":
                continue
            if isinstance(ids, str) or not hasattr(ids, "__iter__"):
                raise InvalidParameter(f"{name} is {ids!r}, wanted a list of ids")
            object.__setattr__(self, name, tuple(ids))
        instant_of(self.as_of)
        Rescoring(self.recency, self.reranker, self.rerank_first)
        integer("window", self.window, 0)
        if self.min_score is not None:
            number("min_score", self.min_score)

    def with_fields(self, **fields: Any) -> Request:
        """Replace some fields.

        Args:
            fields: new values by name.

        Raises:
            TypeError: there is no such field.
            InvalidParameter: a value is out of range.
        """
        return replace(self, **fields) if fields else self

    @property
    def selection(self) -> Selection:
        """The visible passages."""
        return Selection(
            self.filter,
            None if self.include is None else tuple(self.include),
            tuple(self.exclude),
            self.bridge_through_filtered,
            instant_of(self.as_of),
        )

    @property
    def rescoring(self) -> Rescoring:
        """Recency and reranker, which change the scores of hits."""
        return Rescoring(self.recency, self.reranker, self.rerank_first, instant_of(self.as_of))


def instant_of(as_of: When | None) -> int | None:
    """Convert a moment to microseconds since 1970; a date is the instant at which it begins.

    Raises:
        InvalidParameter: it is no ISO 8601 date, or date and time.
    """
    if as_of is None:
        return None
    text = as_of.isoformat() if isinstance(as_of, date) else as_of
    instant = parse_instant(text) if isinstance(text, str) else None
    if instant is None:
        raise InvalidParameter(
            f"as_of is {shown(as_of)}, wanted an ISO 8601 date like 2024-05-31 or "
            "2024-05-31T12:00:00+02:00"
        )
    return instant
