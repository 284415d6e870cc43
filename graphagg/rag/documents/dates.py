"""Find the dates of documents and questions, in properties, names, titles and texts.

The date of a document comes from the first of these sources that has one: its own properties (front
matter, properties of an Office file, the date of a mail, chat, ticket or calendar entry), the file
name, its folders from the innermost out, the title, a statement such as "valid from 1 May 2024" at
the head of the text, and the time of the last change of the file. For a span, year, quarter or
week, the date is its first day; a fiscal year counts as the calendar year.
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
"""The least reliable source: copies of a file have another time."""
_KEYS = (
    WHEN, "date", "valid_from", "effective", "effective_date", "updated", "lastmod",
    "last_modified", "document_modified", "published", "sent", "created", "created_at", "start",
)  # fmt: skip
_HEAD = 1_000  # leading characters of a text that are searched for a date
_LAST_SHORT = 69  # the last two-digit year of this century
_MONTHS = {name: n for n in range(1, 13) for name in section("languages", "time")[str(n)].split()}
_NAMED = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"(?:19|20)\d\d"
_DATE = re.compile(  # group names begin with the letter of the unit: y(ear), m(onth), d(ay), ...
    r"(?<![\d.,])(?:"
    rf"(?P<y1>{_YEAR})(?P<s>[-_./]?)(?P<m1>0[1-9]|1[0-2])"
    r"(?:(?P=s)(?P<d1>[0-2]\d|3[01])|(?!-?[kq](?![^\W\d_])))"  # 10-K is a form
    rf"|(?P<d2>[0-3]?\d)[-_./](?P<m2>[01]?\d)[-_./](?P<y2>{_YEAR})"
    r"|(?<!\d[ _])(?<!at )(?<!um )(?P<d3>[0-3]\d)\.(?P<m3>0[1-9]|1[0-2])\.(?P<y3>\d\d)"
    rf"|(?P<m4>0[1-9]|1[0-2])[-_./](?P<y4>{_YEAR})"
    r"|(?:(?P<d5>[0-3]?\d)(?:st|nd|rd|th|\.|er)?[-_ ](?:de )?)?"
    rf"(?<![^\W\d_])(?P<m5>{_NAMED})\.?(?:(?: (?P<d6>[0-3]?\d)(?:st|nd|rd|th)?,)?[-_ ](?:de )?"
    rf"(?P<y5>{_YEAR}(?!-\d\d-\d))|-?(?P<y6>1[3-9]|[2-6]\d))"
    rf"|(?P<y7>{_YEAR})(?:[-_]| (?=(?-i:[A-Z])))(?P<m7>{_NAMED})(?![^\W\d_])"
    r"|(?<![^\W_])(?:(?:[qt](?P<q1>[1-4])|(?P<q2>[1-4])(?:q|(?:\.|\w\w?)? (?:quart|trimest)\w+)"
    r"|h(?P<h1>[12])|(?P<h2>[12])\. ?halbjahr|(?:kw|week) ?(?P<w1>[0-5]?\d))[-_/ ]?"
    rf"(?P<y8>{_YEAR})|(?:fy[-_ ]?|(?P<q3>[1-4])q)(?P<y9>(?:20)?\d\d))"
    rf"|(?P<y0>{_YEAR})(?:[-_/ ]?(?:q(?P<q4>[1-4])|h(?P<h3>[12])|k?w(?P<w2>[0-5]\d)))?"
    r")(?![\d]|[.,]\d)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"/(?=\d\d(?:/|$))")
_BETWEEN = re.compile(r"\s?[-\u2013]\s?|_|\s(?:to|bis|until|au|à)\s")
NUMBER = re.compile(r"\d[\d.,:/-]*")
"""Numbers, which may differ between versions of a text."""
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
    """Yield the dates in a text, in order; of two numbers the one above 12 is the day.

    Examples:
        >>> [each.first for each in periods("from 1 May 2024, not as of 2023")]
        ['2024-05-01', '2023-01-01']
    """
    for match in _DATE.finditer(text):
        parts = {name[0]: value for name, value in match.groupdict().items() if value}
        year, day = int(parts["y"]), int(parts.get("d", 0))
        year += (len(parts["y"]) < 3) * (1900 if year > _LAST_SHORT else 2000)
        month, months = _MONTHS.get(parts.get("m", "").lower()) or int(parts.get("m", 0)), 1
        if month > 12 >= day:
            day, month = month, day
        for name, length in (("q", 3), ("h", 6)):
            if name in parts:
                month, months = length * (int(parts[name]) - 1) + 1, length
        ends = month + months - 1 if month else 12
        try:
            first = date(year, month or 1, day or 1)
            last = first if day else date(year, ends, monthrange(year, ends)[1])
            if "w" in parts:
                first, last = (date.fromisocalendar(year, int(parts["w"]), d) for d in (1, 7))
        except ValueError:  # no such day
            continue
        yield Period(first.isoformat(), last.isoformat(), *match.span())


def iso_date(value: object) -> str | None:
    """Convert a metadata value to an ISO 8601 date, or date and time; None if it is not a date."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    if parse_instant(text) is not None:
        return text
    found = next(periods(text[:40]), None)
    return found.first if found and found.start == 0 else None


def version_number(text: str) -> int:
    """Return the version number in a name or a question as one integer, 0 if there is none.

    Examples:
        >>> version_number("policy v2.1") > version_number("Policy (2)") > version_number("policy")
        True
    """
    match = _VERSION.search(text)
    numbers = [int(n) for n in (match[1] or match[2]).split(".")] if match else []
    return sum(n * 10 ** (8 - 4 * i) for i, n in enumerate(numbers))


def stage(name: str) -> int:
    """Return 1 for a name with a word such as "final", -1 for one such as "draft", else 0."""
    return next((_STAGES[w] for w in _WORD.findall(name.casefold()) if w in _STAGES), 0)


def undated(name: str) -> str:
    """Remove dates, version numbers and stages from a path or title: all versions become equal.

    Examples:
        >>> undated("hr/2024/Travel-Policy v3 final"), undated("hr/travel_policy-2022-05")
        ('hr travel policy', 'hr travel policy')
    """
    words = _WORD.findall(_VERSION.sub(" ", _DATE.sub(" ", name.casefold())))
    return " ".join(word for word in words if word not in _STAGES)


def valid_from(text: str) -> str | None:
    """Return the date of the first statement such as "valid from 1 May 2024" in a text."""
    ends = (statement.end() for statement in _VALID.finditer(text))
    return next(filter(None, (iso_date(text[end : end + 40]) for end in ends)), None)


def time_spans(question: str) -> list[tuple[int, int]]:
    """Find the dates and the words for the present in a question, `question[start:end]`.

    Examples:
        >>> time_spans("Was ist die aktuelle Regel?"), time_spans("What was the rule?")
        ([(12, 20)], [])
    """
    dates = [(each.start, each.end) for each in periods(question)]
    return [*dates, *present_spans(question)]


def present_spans(question: str) -> list[tuple[int, int]]:
    """Find the words for the present in a question, `question[start:end]`."""
    return [match.span() for match in _NOW.finditer(question)]


def dated(
    name: str, title: str, text: str, metadata: Mapping[str, Any], key: str | None = None
) -> Mapping[str, Any]:
    """Add `when`, the date of a document, and `dated_by`, the source of the date, to its metadata.

    Args:
        name: path of the file.
        title: its title, which is used if the name has no date.
        text: the text; its head may state a date.
        metadata: properties of the file; `modified` is used if there is no other date.
        key: the only metadata key that is used. None: see the module docstring.

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
    if in_title := _last(title):
        yield in_title, "title"
    if valid := valid_from(head):
        yield valid, "text"
    if found := iso_date(metadata.get("modified")):
        yield found, CHANGED


@lru_cache(1024)  # the rows of a table share a name
def _of_name(name: str) -> tuple[tuple[str, str], ...]:
    """Return the last date in the name of a file, and in its folders, each with its source."""
    path = PurePosixPath(name)
    folder = _NUMBERED.sub("-", str(path.with_suffix("")))  # 2024/05/31
    dates = (("file name", _last(path.name)), ("folder", _last(folder)))
    return tuple((found, source) for source, found in dates if found)


def _last(name: str) -> str | None:
    """Return the last date in a name; if it ends a span, such as 2022-2024, the start."""
    found = [*periods(name)]
    is_span = len(found) > 1 and _BETWEEN.fullmatch(name, found[-2].end, found[-1].start)
    return found[-2 if is_span else -1].first if found else None
