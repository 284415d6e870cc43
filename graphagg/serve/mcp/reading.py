"""A passage with what stands around it in its document, as text within a budget."""

from __future__ import annotations

import json
from collections.abc import Sequence

from graphagg.errors import InvalidParameter, UnknownPassage
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.question.excerpts import ELLIPSIS, fitting, short_metadata
from graphagg.rag.question.selection import Selection
from graphagg.serve.mcp.text import quoted

MOST_AROUND = 10
"""Chunks on each side that may be asked for."""
_RESERVED = 120  # characters for the line that says how to read on, but for ids


def passage(index: PassageIndex, identifier: str, around: int, start: int, characters: int) -> str:
    """A passage and the chunks beside it: a line about it, the text, and how to read on.

    Args:
        index: holds it.
        identifier: of a passage, or of a document: then its first chunk is read.
        around: chunks wanted on each side, as far as they fit whole.
        start: characters of the passage to skip; the chunks beside it are then left out.
        characters: of the whole answer.

    Raises:
        UnknownPassage: there is no passage and no document of this id.
        InvalidParameter: `start` lies behind the passage's end.
    """
    snapshot = index.snapshot
    rows = snapshot.rows_named(identifier)
    if not rows:
        raise UnknownPassage(
            f"no passage or document has the id {identifier!r}; take an id from a search"
        )
    found = snapshot.corpus[rows[0]]
    if start and start >= len(found.text):
        raise InvalidParameter(f"start is {start}, the passage has {len(found.text)} characters")
    visible = snapshot.mask(Selection())
    rows = snapshot.neighbors(rows[0], around + 1, visible)
    beside = [snapshot.corpus[row] for row in rows if snapshot.corpus.id(row) != found.id]
    head = _head(found)[: characters // 2]
    names = max((len(p.id) for p in beside), default=0)
    room = max(characters - len(head) - 2 * names - _RESERVED, 1)
    if start or len(found.text) > room:
        return f"{head}\n{_piece(found.text, start, room)}"
    return f"{head}\n{_with_neighbors(found, beside, around, room)}"


def _head(found: Passage) -> str:
    """Id, title and metadata."""
    words = [found.id]
    if found.title and found.title != found.id:
        words.append(quoted(found.title))
    if metadata := short_metadata(found.metadata):
        words.append(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")))
    return " ".join(words)


def _piece(text: str, start: int, room: int) -> str:
    """A part of a long passage, and where the next one begins."""
    end = start + room
    before = ELLIPSIS if start else ""
    if end >= len(text):
        return f"{before}{text[start:]}"
    shown = f"{before}{text[start:end]}{ELLIPSIS}"
    return f"{shown}\n(start={end} reads on; {len(text)} characters in all)"


def _with_neighbors(found: Passage, beside: Sequence[Passage], around: int, room: int) -> str:
    """A whole passage between its neighbors, and the ids of what comes before and after them."""
    place = found.position
    wanted = [p for p in beside if abs(p.position - place) <= around]
    chosen = fitting(wanted, place, room - len(found.text) - 2 * around)
    text = [p.text for p in chosen if p.position < place]
    text += [found.text, *(p.text for p in chosen if p.position > place)]
    shown = {p.id for p in chosen}
    left = [p for p in beside if p.id not in shown]
    ways = [f"before: {p.id}" for p in left if p.position < place][-1:]
    ways += [f"after: {p.id}" for p in left if p.position > place][:1]
    return "\n".join([*text, *([f"({'; '.join(ways)})"] if ways else [])])
