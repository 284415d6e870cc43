"""Texts about a corpus and its passages, for models that read them or write filters."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from graphagg.errors import InvalidParameter, UnknownPassage
from graphagg.rag import Passage
from graphagg.rag.documents.value_types import ValueType
from graphagg.rag.question.excerpts import ELLIPSIS, fitting, short_metadata
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.serve.facets import values_of
from graphagg.serve.mcp.text import number, quoted

MOST_AROUND = 10
"""Chunks on each side."""
_RESERVED = 120  # characters for the line on how to read on, without ids
_TITLES = 5
_KEYS = 20
_VALUES, _LONGEST_VALUE = 5, 40


# --- the corpus ----------------------------------------------------------------------------------


def described(snapshot: PassageSnapshot, about: str = "") -> str:
    """Describe a corpus: number of passages, some titles, and metadata keys with values."""
    lines = [f"The corpus: {len(snapshot):,} passages." + (f" {about.strip()}" if about else "")]
    titles = _titles(snapshot)
    if titles:
        lines.append(f"Titles, for instance: {', '.join(map(quoted, titles))}.")
    keys = [
        f"{key} ({_kind(snapshot, key, kind)})"
        for key, kind in list(snapshot.schema.items())[:_KEYS]
    ]
    more = len(snapshot.schema) - _KEYS
    if keys:
        rest = f"; and {more} more" if more > 0 else ""
        lines.append(f"Keys that filter takes: {'; '.join(keys)}{rest}.")
    else:
        lines.append("It has no metadata, so there is nothing to filter by.")
    return "\n".join(lines)


def _titles(snapshot: PassageSnapshot) -> list[str]:
    """Distinct titles of an even sample of the passages."""
    rows = np.flatnonzero(snapshot.alive)
    sample = np.linspace(0, len(rows) - 1, min(len(rows), 4 * _TITLES)).astype(int)
    titles = [title for row in rows[sample].tolist() if (title := snapshot.corpus[row].title)]
    distinct = list(dict.fromkeys(titles))
    step = max(len(distinct) // _TITLES, 1)
    return distinct[::step][:_TITLES]


def _kind(snapshot: PassageSnapshot, key: str, kind: ValueType) -> str:
    """A key's type, with its range or some of its values."""
    parts = [part for part, _ in values_of(snapshot, snapshot.alive, key, kind)]
    if kind in ("number", "date"):
        values = [value for part in parts for value in part]
        least, most = _plain(min(values)), _plain(max(values))
        return f"{kind}, {least} to {most}" if least != most else f"{kind}, {least}"
    if kind in ("string", "list of strings"):
        texts = sorted({text for part in parts for text in part[: _VALUES + 1].tolist()})
        if texts:
            first = ", ".join(quoted(text[:_LONGEST_VALUE]) for text in texts[:_VALUES])
            return f"{kind}: {first}{', ...' if len(texts) > _VALUES else ''}"
    return kind


def _plain(value: float | str) -> str:
    if isinstance(value, str):
        return value[: len("2000-01-01")]
    return str(int(value)) if value == int(value) else number(value)


# --- one passage ---------------------------------------------------------------------------------


def passage(
    snapshot: PassageSnapshot, identifier: str, around: int, start: int, characters: int
) -> str:
    """A passage with the chunks around it: head, text, and how to read on.

    A document id gives its first chunk. With `start`, characters to skip, no other chunk is shown.
    """
    rows = snapshot.rows_named(identifier)
    if not rows:
        raise UnknownPassage(
            f"no passage or document has the id {identifier!r}; take an id from a search"
        )
    center = snapshot.corpus[rows[0]]
    if start and start >= len(center.text):
        raise InvalidParameter(f"start is {start}, the passage has {len(center.text)} characters")
    rows = snapshot.neighbors(rows[0], around + 1, snapshot.alive)
    beside = [snapshot.corpus[row] for row in rows if snapshot.corpus.id(row) != center.id]
    head = _head(center)[: characters // 2]
    names = max((len(p.id) for p in beside), default=0)
    room = max(characters - len(head) - 2 * names - _RESERVED, 1)
    if start or len(center.text) > room:
        return f"{head}\n{_piece(center.text, start, room)}"
    return f"{head}\n{_with_neighbors(center, beside, around, room)}"


def _head(center: Passage) -> str:
    """Id, title and metadata."""
    words = [center.id]
    if center.title and center.title != center.id:
        words.append(quoted(center.title))
    if metadata := short_metadata(center.metadata):
        words.append(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")))
    return " ".join(words)


def _piece(text: str, start: int, room: int) -> str:
    """A piece of a long passage, and the start of the next one."""
    end = start + room
    before = ELLIPSIS if start else ""
    if end >= len(text):
        return f"{before}{text[start:]}"
    piece = f"{before}{text[start:end]}{ELLIPSIS}"
    return f"{piece}\n(start={end} reads on; {len(text)} characters in all)"


def _with_neighbors(center: Passage, beside: Sequence[Passage], around: int, room: int) -> str:
    """A passage between its neighbors, and the ids of the chunks before and after."""
    position = center.position
    within = [p for p in beside if abs(p.position - position) <= around]
    chosen = fitting(within, position, room - len(center.text) - 2 * around)
    text = [p.text for p in chosen if p.position < position]
    text += [center.text, *(p.text for p in chosen if p.position > position)]
    left = [p for p in beside if p not in chosen]
    ways = [f"before: {p.id}" for p in left if p.position < position][-1:]
    ways += [f"after: {p.id}" for p in left if p.position > position][:1]
    return "\n".join([*text, *([f"({'; '.join(ways)})"] if ways else [])])
