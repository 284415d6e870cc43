"""Texts about a corpus and its passages, for models that read them or write filters."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from graphagg.errors import InvalidParameter, UnknownPassage
from graphagg.rag import Passage
from graphagg.rag.documents.passages import TRAIL
from graphagg.rag.question.excerpts import ELLIPSIS, short_metadata
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.serve.facets import facets
from graphagg.serve.mcp.text import number, quoted

MOST_AROUND = 10
"""Chunks on each side."""
_RESERVED = 120  # characters for the line on how to read on, without ids
_TITLES, _VALUES = 4, 4
_LONGEST_VALUE = 24
_NO_FILTERS = ("marks", "anchors", "anchor", "links", "heading", "size")


# --- the corpus ----------------------------------------------------------------------------------


def described(snapshot: PassageSnapshot, about: str = "", longest: int = 800) -> str:
    """Describe a corpus: number of passages, some titles, and the keys that most passages have."""
    text = f"The corpus: {len(snapshot):,} passages." + (f" {about.strip()}" if about else "")
    if titles := _titles(snapshot):
        text += f"\nTitles, for instance: {', '.join(map(quoted, titles))}."
    counts = facets(snapshot, snapshot.alive).items()
    usual = sorted(counts, key=lambda each: (-each[1]["passages"], each[0]))
    lead, keys = "\nKeys that filter takes: ", list[str]()
    for key, facet in usual:
        words = f"{key} ({_kind(facet)})"
        room = longest - len(text) - len(lead) - len("; and 100 more.")
        if key not in _NO_FILTERS and len("; ".join([*keys, words])) <= room:
            keys.append(words)
    more = f"; and {len(usual) - len(keys)} more" if len(usual) > len(keys) else ""
    return text[:longest] + (f"{lead}{'; '.join(keys)}{more}." if keys else "")


def _titles(snapshot: PassageSnapshot) -> list[str]:
    """Titles of different documents among an even sample of the passages."""
    rows = np.flatnonzero(snapshot.alive)
    sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), 4 * _TITLES)).astype(int)].tolist()
    titles = (snapshot.corpus.title(row).partition(TRAIL)[0] for row in sample)
    distinct = list(dict.fromkeys(filter(None, titles)))
    return distinct[:: max(len(distinct) // _TITLES, 1)][:_TITLES]


def _kind(facet: dict[str, Any]) -> str:
    """A key's type, with its range, or its values if they are few."""
    kind, values = facet["type"], [each["value"] for each in facet["values"] or ()]
    if not values or kind not in ("number", "date", "string", "list of strings"):
        return str(kind)
    if kind in ("number", "date"):
        least, most = _plain(min(values)), _plain(max(values))
        return f"{kind}, {least} to {most}" if least != most else f"{kind}, {least}"
    if len(values) > 3 * _VALUES or max(map(len, values)) > _LONGEST_VALUE:
        return str(kind)  # free text is no use as a filter
    return f"{kind}: {', '.join(map(quoted, values[:_VALUES]))}{', ...' * (len(values) > _VALUES)}"


def _plain(value: float | str) -> str:
    if isinstance(value, str):
        return value[: len("2000-01-01")]
    return str(int(value)) if value == int(value) else number(value)


# --- one passage ---------------------------------------------------------------------------------


def passage(
    snapshot: PassageSnapshot, identifier: str, around: int, start: int, characters: int
) -> str:
    """A passage between the chunks around it: a head, the text, and how to read on.

    The id of a document selects its first chunk. A text longer than `characters` is shown from
    `start` on.
    """
    rows = snapshot.rows_named(identifier)
    if not rows:
        raise UnknownPassage(
            f"no passage or document has the id {identifier!r}; take an id from a search"
        )
    center = snapshot.corpus[rows[0]]
    head, at = _head(center)[: characters // 2], center.position
    chunks = [snapshot.corpus[r] for r in snapshot.neighbors(rows[0], around + 1, snapshot.alive)]
    room = characters - len(head) - 2 * max(len(each.id) for each in chunks) - _RESERVED
    selected = [each for each in chunks if abs(each.position - at) <= around]
    if sum(len(each.text) + 1 for each in selected) > room:
        selected = [center]
    text = "\n".join(each.text for each in selected)
    if start and start >= len(text):
        raise InvalidParameter(f"start is {start}, the text has {len(text)} characters")
    end = start + max(room, 1)
    ways = [f"before: {each.id}" for each in chunks if each.position < selected[0].position][-1:]
    ways += [f"after: {each.id}" for each in chunks if each.position > selected[-1].position][:1]
    if end < len(text):
        ways = [f"start={end} reads on; {len(text)} characters in all"]
    piece = f"{ELLIPSIS * bool(start)}{text[start:end]}{ELLIPSIS * (end < len(text))}"
    return "\n".join([head, piece, *([f"({'; '.join(ways)})"] if ways else [])])


def _head(center: Passage) -> str:
    """Id, title and metadata."""
    words = [center.id]
    if center.title and center.title != center.id:
        words.append(quoted(center.title))
    if metadata := short_metadata(center.metadata):
        words.append(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")))
    return " ".join(words)
