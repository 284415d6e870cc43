"""When passages are of: one key of their metadata, and the first and last of its values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from graphagg.errors import InvalidParameter
from graphagg.rag.documents.metadata import parse_instant
from graphagg.rag.tables.segments import Corpus

KEYS = ("when", "date", "published", "created", "year", "modified")
"""Keys that are looked for, the first that dates a passage."""
_YEARS = range(1, 10_000)


class Date(NamedTuple):
    """Microseconds since 1970, and the date as the passage has it."""

    instant: int
    text: str


def dates_of(
    corpus: Corpus, rows: Sequence[int], when: str | None
) -> tuple[str | None, list[Date | None]]:
    """The key that dates passages, and the date of each of some rows.

    Args:
        corpus: holds the metadata.
        rows: to read.
        when: the key; None: the first of `KEYS` that any of them has a date under.

    Raises:
        InvalidParameter: `when` is given and dates none of the passages.
    """
    metadata = [_metadata(corpus, row) for row in rows]
    for key in KEYS if when is None else (when,):
        dates = [_date(values.get(key)) for values in metadata]
        if any(date is not None for date in dates):
            return key, dates
    if when is not None and metadata:
        raise InvalidParameter(
            f"when is {when!r}, but no passage has a date there; wanted a key of the metadata with "
            "ISO 8601 dates such as 2024-05-31, or with years"
        )
    return None, [None] * len(metadata)


def _metadata(corpus: Corpus, row: int) -> dict[str, Any]:
    segment, inside = corpus.locate(row)
    found: dict[str, Any] = json.loads(segment.passages.metadata[inside])
    return found


def _date(value: object) -> Date | None:
    if isinstance(value, str):
        instant = parse_instant(value)
        return None if instant is None else Date(instant, value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _YEARS:
        instant = parse_instant(f"{value:04}-01-01")
        return None if instant is None else Date(instant, str(value))
    return None
