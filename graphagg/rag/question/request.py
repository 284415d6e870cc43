"""The options of a request to a passage index, and checks of questions.

An option is declared once, as a field of `Request` with its type, default and documentation. In
Python it is passed by name. For command line, shell, HTTP and MCP, `options` converts each field to
an option with plain values, so a new field only needs one more line, in `RequestFields`, which
repeats names and types for type checkers. Four fields hold objects; `_FORMS` and `_RECENCY` define
how they are written:

    filter      words: conditions such as year>=2000, which must all be true; JSON: an object
    as_of       a date, or a date and time, as text
    recency     two numbers, `recency` and `half_life`
    config      not an option: the command line has its own presets
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Literal, TypedDict, get_args, get_type_hints

from graphagg.checks import integer, number, one_of, shown, with_values
from graphagg.errors import InvalidParameter, InvalidQuestion
from graphagg.fields import text_of
from graphagg.rag.config.modes import DEFAULT_MODE, MODES, Config, Mode
from graphagg.rag.documents.filters import parse_cli
from graphagg.rag.documents.value_types import parse_instant

When = str | date
"""A point in time: ISO 8601 text, a date, or a date and time."""
VersionChoice = Literal["auto", "all"]
VERSIONS: tuple[VersionChoice, ...] = get_args(VersionChoice)
_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Recency:
    """A preference for newer passages: `weight * 2^(-age / half_life)` is added to their scores.

    Attributes:
        weight: added to the score of the newest passages; older ones get less. Scores of mode
            multihop are between 0 and about 4. 0: age is ignored.
        half_life: age in days at which a passage gets half the weight.

    Examples:
        >>> from graphagg.rag.documents.value_types import parse_instant
        >>> recency = Recency(weight=1.0, half_life=10.0)
        >>> recency.gain("2024-05-01", parse_instant("2024-05-11"))
        0.5
    """

    weight: float
    half_life: float = 30.0

    def __post_init__(self) -> None:
        number("recency", self.weight, least=0.0)
        number("half_life", self.half_life, above=0.0)

    def gain(self, when: object, now: int) -> float:
        """Return the gain of a passage from its `when` (0 without); `now` is in microseconds."""
        instant = parse_instant(when) if isinstance(when, str) else None
        if instant is None:
            return 0.0
        age = max(now - instant, 0) / _DAY
        return float(self.weight * 2.0 ** (-age / self.half_life))


class VisibleFields(TypedDict, total=False):
    """The fields of `Request` that select passages, also used by graphs, maps and similar items."""

    filter: Mapping[str, Any] | None
    include: str | Iterable[str] | None
    exclude: str | Iterable[str]


class RequestFields(VisibleFields, total=False):
    """The fields of `Request`, which can be passed by name instead of a `Request`."""

    mode: Mode
    config: Config | None
    as_of: When | None
    recency: Recency | None
    neighbors: int
    max_tokens: int | None
    min_score: float | None
    min_confidence: float | None
    history: str | Iterable[str]
    versions: VersionChoice


@dataclass(frozen=True)
class Request:
    """Options of a retrieval: the mode, the visible passages, and what changes scores.

    Passages that `filter`, `include`, `exclude` or `as_of` hide have no score and no links:
    the answer is the same as from an index of exactly the visible passages.

    Examples:
        >>> request = Request(mode="bm25", filter={"year": {"gte": 2000}}, exclude=["p7"])
        >>> request.with_fields(neighbors=1).neighbors
        1
        >>> Request(neighbors=-1)
        Traceback (most recent call last):
        ...
        graphagg.errors.InvalidParameter: neighbors is -1, expected an integer of at least 0

    Attributes:
        mode: retrieval mode: multihop (follows links between passages), linearrag (LinearRAG as
            published), dense (cosine of vectors), bm25 (words) or rrf (dense and bm25).
        config: settings of the mode: `MultihopConfig` or `LinearRAGConfig`. None: the defaults of
            the mode; for multihop, those of the index's profile.
        filter: conditions on metadata, such as {"year": {"gte": 2000}, "lang": "en"}. None: all
            passages.
        include: ids of passages or documents to search; all others are hidden. None: all are
            searched.
        exclude: ids of passages or documents to leave out.
        as_of: hide passages that are dated later than this ISO 8601 date, or date and time.
            Passages without a date stay visible. None: no limit.
        recency: adds to the score of passages with a metadata `when`, more for newer ones, as the
            component `recency`. Ages are relative to `as_of`, or to the newest visible passage.
            None: age is ignored.
        neighbors: number of chunks of the same document to show before and after each hit.
        max_tokens: maximum total number of tokens of all texts, at four bytes of UTF-8 per token.
            The answer has as many of the best hits as fit, and whole sentences of the next one.
            Titles do not count, and no neighbors are shown. None: no limit.
        min_score: leave out hits with a lower score. Scores are comparable only within one question
            and one mode. None: no limit.
        min_confidence: return no hits if the confidence is lower, which is the estimated chance
            that the right passages are among the first k. Not available in mode bm25. None: no
            limit.
        history: earlier questions of the conversation, newest last; only the newest one is used.
            "How do I disable it?" is then understood after "How do I encrypt my disk?".
        versions: how versions of one document are ordered: auto puts the version with the date or
            number in the question first, or else the newest; all keeps the order of the mode.
    """

    mode: Mode = DEFAULT_MODE
    config: Config | None = None
    filter: Mapping[str, Any] | None = None
    include: str | Iterable[str] | None = None
    exclude: str | Iterable[str] = ()
    as_of: When | None = None
    recency: Recency | None = None
    neighbors: int = 0
    max_tokens: int | None = None
    min_score: float | None = None
    min_confidence: float | None = None
    history: str | Iterable[str] = ()
    versions: VersionChoice = "auto"

    def __post_init__(self) -> None:
        one_of("mode", self.mode, MODES)
        one_of("versions", self.versions, VERSIONS)
        for name in ("include", "exclude"):
            if name == "exclude" or self.include is not None:
                object.__setattr__(self, name, ids_of(name, getattr(self, name)))
        object.__setattr__(self, "history", tuple(map(check_question, _listed(self.history))))
        instant_of(self.as_of)
        if self.recency is not None and not isinstance(self.recency, Recency):
            raise InvalidParameter(
                f"recency is a {type(self.recency).__name__}, expected a Recency(weight, half_life)"
            )
        integer("neighbors", self.neighbors, 0)
        if self.max_tokens is not None:
            integer("max_tokens", self.max_tokens, 1)
        if self.min_score is not None:
            number("min_score", self.min_score)
        if self.min_confidence is not None:
            number("min_confidence", self.min_confidence, least=0, most=1)
        if self.min_confidence is not None and self.mode == "bm25":
            raise InvalidParameter(
                "min_confidence: mode 'bm25' has no confidence, since it uses no vectors; use "
                "another mode, or min_score"
            )

    def with_fields(self, **fields: Any) -> Request:
        """Return a copy with some fields replaced.

        Args:
            fields: new values by name.

        Raises:
            InvalidParameter: a field is unknown, or a value is out of range.
        """
        return with_values(self, fields)

    @property
    def selection(self) -> Selection:
        """The conditions that select the visible passages."""
        return Selection(
            self.filter,
            None if self.include is None else tuple(self.include),
            tuple(self.exclude),
            instant_of(self.as_of),
        )

    def readings(self, question: str) -> list[str]:
        """Return the texts to read for a question: alone, and after the previous question."""
        return [question, *(f"{turn}\n{question}" for turn in tuple(self.history)[-1:])]


def ids_of(name: str, ids: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct ids; a string is one id.

    Raises:
        InvalidParameter: an id is not a string.
    """
    listed = _listed(ids)
    if not all(isinstance(each, str) for each in listed):
        raise InvalidParameter(f"{name} is {shown(ids)}, expected a list of ids")
    return tuple(dict.fromkeys(listed))


def _listed(items: Any) -> tuple[Any, ...]:
    """Return a tuple of the items; one string is one item."""
    return tuple(items) if isinstance(items, Iterable) and not isinstance(items, str) else (items,)


def instant_of(as_of: When | None) -> int | None:
    """Convert a date or time to microseconds since 1970; a date means its beginning.

    Raises:
        InvalidParameter: the text is not an ISO 8601 date, or date and time.
    """
    if as_of is None:
        return None
    text = as_of.isoformat() if isinstance(as_of, date) else as_of
    instant = parse_instant(text) if isinstance(text, str) else None
    if instant is None:
        raise InvalidParameter(
            f"as_of is {shown(as_of)}, expected an ISO 8601 date like 2024-05-31 or "
            "2024-05-31T12:00:00+02:00"
        )
    return instant


LONGEST_QUESTION = 10_000
"""Largest number of characters in a question."""


def check_request(questions: Sequence[str], k: int) -> None:
    """Raise `InvalidParameter` for a bad `k`, `InvalidQuestion` for a bad question."""
    integer("k", k, 1)
    for question in questions:
        check_question(question)


def questions_of(questions: Iterable[str]) -> list[str]:
    """Return a list of questions; raise `InvalidQuestion` for a string, which is one question."""
    if isinstance(questions, str) or not hasattr(questions, "__iter__"):
        raise InvalidQuestion(
            f"questions is a {type(questions).__name__}, expected a list of strings; use "
            "`retrieve` for a single question"
        )
    return list(questions)


def check_question(question: object) -> str:
    """Return the question; raise `InvalidQuestion` if it is not a valid one."""
    if not isinstance(question, str):
        raise InvalidQuestion(f"the question is a {type(question).__name__}, expected a string")
    if not question.strip():
        raise InvalidQuestion("the question is empty; enter a question")
    if len(question) > LONGEST_QUESTION:
        raise InvalidQuestion(
            f"the question has {len(question):,} characters, expected at most "
            f"{LONGEST_QUESTION:,}; shorten it"
        )
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise InvalidQuestion(
            f"the question's character {error.start} is a lone surrogate, not Unicode text; "
            "remove it"
        ) from None
    return question


@dataclass(frozen=True)
class Selection:
    """The conditions that select the visible passages of a request.

    Attributes:
        filter: conditions on metadata; see `graphagg.rag.documents.filters`. None: all.
        include: ids of documents or passages; None: all. A document's id includes all its chunks.
        exclude: ids of documents or passages to leave out.
        as_of: a time in microseconds since 1970; passages whose `when` is later are hidden.
            None: no passage is hidden by date.
    """

    filter: Mapping[str, Any] | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    as_of: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether every passage is visible."""
        unnamed = self.filter is None and self.include is None and not self.exclude
        return unnamed and self.as_of is None


Form = Literal["words", "json"]

_TEXT_LIST = list[str] | None
_FORMS: dict[str, dict[Form, Any]] = {
    "config": {},
    "filter": {"words": _TEXT_LIST, "json": dict[str, Any] | None},
    "include": {"words": _TEXT_LIST, "json": _TEXT_LIST},
    "exclude": {"words": _TEXT_LIST, "json": _TEXT_LIST},
    "history": {"words": _TEXT_LIST, "json": _TEXT_LIST},
    "as_of": {"words": str | None, "json": str | None},
    "neighbors": {"words": int},
}
"""Types, by form, of fields that are not written as in Python; a missing form means no option."""
_RECENCY = {"recency": ("weight", 0.0), "half_life": ("half_life", Recency.half_life)}
_IN_WORDS = {
    ("filter", "words"): "condition on metadata: k=v, k!=v, k>=v, k<v, 'k in a,b' or JSON; if "
    "there are several, all must be true."
}


@dataclass(frozen=True)
class Option:
    """One option of a request.

    Attributes:
        name: name of the option.
        type: type of its plain value.
        default: its default.
        text: its documentation.
        bounds: `least` or `above`, the lower bound of a number, inclusive or not; `most`.
    """

    name: str
    type: Any
    default: Any
    text: str
    bounds: Mapping[str, float]


def options(form: Form) -> Iterator[Option]:
    """Yield the options of a request, in the order of the fields of `Request`."""
    hints = get_type_hints(Request)
    for each in fields(Request):
        if each.name == "recency":
            for name, (attribute, usual) in _RECENCY.items():
                bounds = {"above": 0.0} if name == "half_life" else {"least": 0.0}
                yield Option(name, float, usual, text_of(Recency, attribute), bounds)
            continue
        types = _FORMS.get(each.name, {form: hints[each.name]})
        if form in types:
            default = None if types[form] == _TEXT_LIST else each.default
            text = _IN_WORDS.get((each.name, form), text_of(Request, each.name))
            yield Option(each.name, types[form], default, text, {})


def request_of(values: Mapping[str, Any]) -> Request:
    """Create a request from plain values by option name.

    Args:
        values: values of some options, in words or JSON; `config` is used unchanged.

    Raises:
        InvalidParameter, InvalidFilter: a value is out of range, or a condition cannot be read.

    Examples:
        >>> request_of({"filter": ["year>=2000"], "recency": 0.5, "exclude": None}).recency
        Recency(weight=0.5, half_life=30.0)
    """
    made = dict(values)
    weight, half_life = (made.pop(name, default) for name, (_, default) in _RECENCY.items())
    recency = Recency(weight, half_life)
    conditions = made.pop("filter", None)
    if isinstance(conditions, list | tuple):
        parsed = [parse_cli(text) for text in conditions]
        conditions = {"and": parsed} if parsed else None
    return Request(
        filter=conditions,
        include=made.pop("include", None) or None,
        exclude=made.pop("exclude", None) or (),
        history=made.pop("history", None) or (),
        recency=recency if weight else None,
        **made,
    )
