"""Checks of what callers ask of an index."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, cast

from graphagg.checks import integer, shown
from graphagg.errors import InvalidParameter, InvalidQuestion
from graphagg.rag.documents.metadata import parse_instant
from graphagg.rag.question.selection import Selection

When = str | date
"""A moment: ISO 8601 text, a date, or a date and time."""
LONGEST_QUESTION = 10_000
"""Characters a question may have."""


def selection_of(
    filter: Mapping[str, Any] | None,
    include: Sequence[str] | None,
    exclude: Sequence[str],
    bridge_through: bool,
    as_of: When | None = None,
) -> Selection:
    """What a caller may see; raises `InvalidParameter` where ids are no list or `as_of` no date."""
    for name, value in (("include", () if include is None else include), ("exclude", exclude)):
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise InvalidParameter(f"{name} is {value!r}, wanted a list of ids")
    included = None if include is None else tuple(include)
    return Selection(filter, included, tuple(exclude), bridge_through, instant_of(as_of))


def instant_of(as_of: When | None) -> int | None:
    """A moment in microseconds since 1970; a date is the instant at which it begins.

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


def check_request(questions: Sequence[str], k: int) -> None:
    """Raise `InvalidParameter` or `InvalidQuestion` for what cannot be answered."""
    integer("k", k, 1)
    for question in questions:
        check_question(question)


def check_min_score(value: object) -> None:
    """Raise `InvalidParameter` for a least score that is no number; None is none."""
    if value is None:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(cast(float, value)):
        raise InvalidParameter(f"min_score is {value!r}, wanted a finite number, or None")


def questions_of(questions: Iterable[str]) -> list[str]:
    """Many questions; raises `InvalidQuestion` for one, which would be taken letter by letter."""
    if isinstance(questions, str) or not hasattr(questions, "__iter__"):
        raise InvalidQuestion(
            f"questions is a {type(questions).__name__}, wanted a list of strings; ask a single "
            "one by retrieve"
        )
    return list(questions)


def check_question(question: object) -> str:
    """The question; raises `InvalidQuestion` for what is none."""
    if not isinstance(question, str):
        raise InvalidQuestion(f"the question is a {type(question).__name__}, wanted a string")
    if not question.strip():
        raise InvalidQuestion("the question is empty; ask something")
    if len(question) > LONGEST_QUESTION:
        raise InvalidQuestion(
            f"the question has {len(question):,} characters, at most {LONGEST_QUESTION:,} are "
            "taken; shorten it"
        )
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise InvalidQuestion(
            f"the question's character {error.start} is a lone surrogate, not Unicode text; "
            "remove it"
        ) from None
    return question
