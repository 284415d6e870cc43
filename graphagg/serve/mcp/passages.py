"""Describes a corpus and its passages as text, for language models and the filters they write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphagg.errors import UnknownPassage
from graphagg.rag import Passage
from graphagg.rag.documents.passages import TRAIL
from graphagg.rag.question.excerpts import ELLIPSIS, short_metadata
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.serve.mcp.text import quoted

MOST_AROUND = 10
"""Maximum number of chunks on each side."""
_RESERVED = 120  # characters for the last line, which says how to read on, without its ids
_TITLES = 4
_NO_FILTERS = ("heading", "size", "dated_by")


def described(snapshot: PassageSnapshot, about: str = "", longest: int = 800) -> str:
    """Describe a corpus: number of passages, some titles, and the keys of filters."""
    text = f"The corpus: {len(snapshot):,} passages." + (f" {about.strip()}" if about else "")
    if titles := _titles(snapshot):
        text += f"\nTitles, for instance: {', '.join(map(quoted, titles))}."
    keys = [f"{key} ({kind})" for key, kind in snapshot.schema.items() if key not in _NO_FILTERS]
    if keys:
        text += f"\nKeys that filter takes: {'; '.join(keys)}."
    return text if len(text) <= longest else text[: longest - len(ELLIPSIS)] + ELLIPSIS


def _titles(snapshot: PassageSnapshot) -> list[str]:
    """Return titles of different documents from an evenly spaced sample of the passages."""
    rows = np.flatnonzero(snapshot.alive)
    sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), 4 * _TITLES)).astype(int)].tolist()
    titles = (snapshot.corpus.title(row).partition(TRAIL)[0] for row in sample)
    distinct = list(dict.fromkeys(filter(None, titles)))
    return distinct[:: max(len(distinct) // _TITLES, 1)][:_TITLES]


def passage(snapshot: PassageSnapshot, identifier: str, around: int, characters: int) -> str:
    """Return a passage with the chunks around it: a header, the text, and how to read on.

    The id of a document selects its first chunk. A text longer than `characters` is cut.
    """
    rows = _known(snapshot, identifier)
    center = snapshot.corpus[rows[0]]
    head, at = _head(center)[: characters // 2], center.position
    chunks = [snapshot.corpus[r] for r in snapshot.neighbors(rows[0], around + 1, snapshot.alive)]
    room = characters - len(head) - 2 * max(len(each.id) for each in chunks) - _RESERVED
    selected = [each for each in chunks if abs(each.position - at) <= around]
    if sum(len(each.text) + 1 for each in selected) > room:
        selected = [center]
    text = "\n".join(each.text for each in selected)
    end = max(room, 1)
    ways = [f"before: {each.id}" for each in chunks if each.position < selected[0].position][-1:]
    ways += [f"after: {each.id}" for each in chunks if each.position > selected[-1].position][:1]
    if end < len(text):
        ways = [f"{len(text)} characters in all; raise `characters` to see more"]
    piece = text[:end] + ELLIPSIS * (end < len(text))
    return "\n".join([head, piece, *([f"({'; '.join(ways)})"] if ways else [])])


def fetched(snapshot: PassageSnapshot, identifier: str) -> dict[str, Any]:
    """Return a passage, or the first of a document, with its title, url and metadata."""
    found = snapshot.corpus[_known(snapshot, identifier)[0]]
    url, metadata = url_of(found.metadata), short_metadata(found.metadata)
    return {
        "id": found.id, "title": found.title, "text": found.text, "url": url, "metadata": metadata,
    }  # fmt: skip


def url_of(metadata: Mapping[str, Any]) -> str:
    """Return the URL of a passage, else the path of its file, else ""."""
    return next((str(metadata[key]) for key in ("url", "source", "path") if metadata.get(key)), "")


def _known(snapshot: PassageSnapshot, identifier: str) -> Sequence[int]:
    """Return the rows of a passage or document."""
    rows = snapshot.rows_named(identifier)
    if not rows:
        raise UnknownPassage(
            f"no passage or document has the id {identifier!r}; use an id from a search"
        )
    return rows


def _head(center: Passage) -> str:
    """Return a line with id, title and metadata."""
    words = [center.id]
    if center.title and center.title != center.id:
        words.append(quoted(center.title))
    if metadata := short_metadata(center.metadata):
        words.append(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")))
    return " ".join(words)
