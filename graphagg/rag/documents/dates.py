"""Dates of documents and questions: of properties, names, titles and texts.

A document is dated by the first of these that holds a date: its own properties (front matter,
properties of an Office file, the date of a mail, chat, ticket or calendar entry), the name of the
file, its folders from the inside out, the title, a statement such as "valid from 1 May 2024" at the
head of the text, and the time at which the file was changed. A year or a month is its first day.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.reading.rules import pattern_of, section
from graphagg.rag.documents.value_types import parse_instant

DATED_BY = "dated_by"
"""The metadata key that names the source of `when`."""
CHANGED = "time of change"
"""The weakest source: copies of a file have another time."""
_KEYS = (
    WHEN, "date", "valid_from", "effective", "effective_date", "updated", "lastmod",
    "last_modified", "document_modified", "published", "sent", "created", "created_at", "start",
)  # fmt: skip
_HEAD = 1_000  # characters of a text in which it states its date
_MONTHS = {name: n for n in range(1, 13) for name in section("languages", "time")[str(n)].split()}
_NAMED = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE = re.compile(
    r"(?<![\d.,])(?:"
    r"(?P<y1>(?:19|20)\d\d)(?P<s>[-_./]?)(?P<m1>0[1-9]|1[0-2])(?:(?P=s)(?P<d1>[0-2]\d|3[01]))?"
    r"|(?P<d2>[0-3]?\d)[-_./](?P<m2>[01]?\d)[-_./](?P<y2>(?:19|20)\d\d)"
    r"|(?:(?P<d3>[0-3]?\d)(?:st|nd|rd|th|\.|er)? (?:de )?)?"
    rf"(?<![^\W\d_])(?P<m3>{_NAMED})\.?(?: (?P<d4>[0-3]?\d)(?:st|nd|rd|th)?,)? (?:de )?"
    r"(?P<y3>(?:19|20)\d\d(?!-\d\d-\d))"
    r"|(?P<y4>(?:19|20)\d\d)(?:[-_ ]?q(?P<q>[1-4]))?)(?![\d]|[.,]\d)",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d[\d.,:/-]*")
"""What may differ between versions of a text."""
_VALID = pattern_of("languages", "time", "valid")
_NOW = pattern_of("languages", "time", "now")
_VERSION = re.compile(
    r"(?<![^\W_])(?:v|ver|version|rev|revision)[ ._-]{0,2}(\d{1,4}(?:\.\d{1,4}){0,2})(?![^\W_])"
    r"|\((\d{1,2})\)",  # a bare 2.1 may be a chapter, or the product that a guide is about
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_STAGES = {
    word: stage
    for stage, key in ((-1, "earlier"), (1, "later"))
    for word in section("languages", "time")[key].split()
}


class Period(NamedTuple):
    """A day, a month or a year in a text `text[start:end]`; `first` and `last` are ISO dates."""

    first: str
    last: str
    start: int
    end: int


def periods(text: str) -> Iterator[Period]:
    """The dates in a text, in their order; of two numbers the one above 12 is the day.

    Examples:
        >>> [each.first for each in periods("from 1 May 2024, not as of 2023")]
        ['2024-05-01', '2023-01-01']
    """
    for match in _DATE.finditer(text):
        parts = match.groupdict()
        year = int(parts["y1"] or parts["y2"] or parts["y3"] or parts["y4"])
        day = int(parts["d1"] or parts["d2"] or parts["d3"] or parts["d4"] or 0)
        month = int(parts["m1"] or parts["m2"] or _MONTHS.get((parts["m3"] or "").lower(), 0))
        if month > 12 >= day:
            day, month = month, day
        if parts["q"]:
            month = 3 * int(parts["q"]) - 2
        ends = month + 2 if parts["q"] else month or 12
        try:
            first = date(year, month or 1, day or 1)
            last = first if day else date(year, ends, monthrange(year, ends)[1])
        except ValueError:  # no such day
            continue
        yield Period(first.isoformat(), last.isoformat(), *match.span())


def iso_date(value: object) -> str | None:
    """A metadata value as an ISO 8601 date, or date and time; None if it is no date."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    if parse_instant(text) is not None:
        return text
    found = next(periods(text[:40]), None)
    return found.first if found and found.start == 0 else None


def version_number(text: str) -> int:
    """The version number in a name or a question as one integer, 0 if there is none.

    Examples:
        >>> version_number("policy v2.1") > version_number("Policy (2)") > version_number("policy")
        True
    """
    match = _VERSION.search(text)
    numbers = [int(n) for n in (match[1] or match[2]).split(".")] if match else []
    return sum(n * 10 ** (8 - 4 * i) for i, n in enumerate(numbers))


def stage(name: str) -> int:
    """1 for a name with a word such as "final", -1 with one such as "draft", else 0."""
    return next((_STAGES[w] for w in _WORD.findall(name.casefold()) if w in _STAGES), 0)


def undated(name: str) -> str:
    """A path or title without dates, version numbers and stages, equal for all its versions.

    Examples:
        >>> undated("hr/2024/Travel-Policy v3 final"), undated("hr/travel_policy-2022-05")
        ('hr travel policy', 'hr travel policy')
    """
    words = _WORD.findall(_VERSION.sub(" ", _DATE.sub(" ", name.casefold())))
    return " ".join(word for word in words if word not in _STAGES)


def time_spans(question: str) -> list[tuple[int, int]]:
    """The dates and the words for the present in a question, `question[start:end]`.

    Examples:
        >>> time_spans("Was ist die aktuelle Regel?"), time_spans("What was the rule?")
        ([(12, 20)], [])
    """
    dates = [(each.start, each.end) for each in periods(question)]
    return [*dates, *(match.span() for match in _NOW.finditer(question))]


def dated(
    name: str, title: str, text: str, metadata: Mapping[str, Any], key: str | None = None
) -> Mapping[str, Any]:
    """The metadata with `when` and `dated_by`, its source.

    Args:
        name: path of the file.
        title: its title, by which an undated name is dated.
        text: the text; its head may state a date.
        metadata: properties of the file, with `modified` if there is no other date.
        key: the only key that dates it. None: see the head of this file.

    Examples:
        >>> dated("rules-2024.md", "Rules", "", {"modified": "2025-03-01T10:00:00Z"})["when"]
        '2024-01-01'
    """
    source = next(_dates(name, title, text[:_HEAD], metadata, key), None)
    return {**metadata, WHEN: source[0], DATED_BY: source[1]} if source else metadata


def _dates(
    name: str, title: str, head: str, metadata: Mapping[str, Any], key: str | None
) -> Iterator[tuple[str, str]]:
    stated = metadata if key else {k.lower().replace("-", "_"): v for k, v in metadata.items()}
    for each in _KEYS if key is None else (key,):
        if found := iso_date(stated.get(each)):
            yield found, each
    if key is not None:
        return
    yield from _of_name(name)
    if in_title := [*periods(title)]:
        yield in_title[-1].first, "title"
    for statement in _VALID.finditer(head):
        valid = next(periods(head[statement.end() :][:40]), None)
        if valid and valid.start == 0:
            yield valid.first, "text"
    if found := iso_date(metadata.get("modified")):
        yield found, CHANGED


@lru_cache(1024)  # the rows of a table share a name
def _of_name(name: str) -> tuple[tuple[str, str], ...]:
    """The last date of the name of a file and of each of its folders, with their sources."""
    path = PurePosixPath(name)
    places = [("file name", path.name), *(("folder", each.name) for each in path.parents)]
    dates = [(source, [*periods(part)]) for source, part in places]
    return tuple((found[-1].first, source) for source, found in dates if found)
