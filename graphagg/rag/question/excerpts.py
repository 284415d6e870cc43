"""Excerpts of passages: the sentence that matched and the text around it, up to a budget.

Every surface that returns texts bounds them here, in characters: the rest is cut, and an excerpt
says where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphagg.rag.documents.passages import Passage

CHARACTERS = 2_000
"""Default number of characters that a surface shows of a hit and its neighbors."""
NEIGHBORS = 3
"""Chunks on each side of a hit that may fill the budget."""
ELLIPSIS = "..."


class Span(NamedTuple):
    """A span of a text, `text[start:end]`, in characters."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True)
class Excerpt:
    """A piece of a text.

    Attributes:
        text: the piece, without marks where it was cut.
        span: its span in the whole text.
        match: the span in the piece of the sentence that matched, as far as it is shown.
        characters: of the whole text.
    """

    text: str
    span: Span
    match: Span
    characters: int

    @property
    def is_cut(self) -> bool:
        """Whether something was left out."""
        return len(self.text) < self.characters

    @property
    def marked(self) -> str:
        """The piece with an ellipsis at each end that was cut."""
        before = ELLIPSIS if self.span.start else ""
        after = ELLIPSIS if self.span.end < self.characters else ""
        return f"{before}{self.text}{after}"


def excerpt(text: str, match: Span, longest: int) -> Excerpt:
    """Cut a text to at most `longest` characters around a span of it, between words.

    Args:
        text: the whole.
        match: the span to show; where it is too long itself, its beginning.
        longest: characters, at least 1.
    """
    start, end = 0, len(text)
    if end > longest:
        spare = max(longest - (match.end - match.start), 0)
        before = min(spare // 2, match.start)
        after = min(spare - before, len(text) - match.end)
        start = match.start - min(spare - after, match.start)
        end = min(start + longest, len(text))
        start, end = _between_words(text, start, end, match)
    shown = Span(*(min(max(edge, start), end) - start for edge in match))
    return Excerpt(text[start:end], Span(start, end), shown, len(text))


def _between_words(text: str, start: int, end: int, match: Span) -> tuple[int, int]:
    """Narrow a span so that it cuts no word, unless a word fills it; the match stays whole."""
    if start and not text[start - 1].isspace():
        blank = next((i for i in range(start, match.start) if text[i].isspace()), start)
        start = blank
    if end < len(text) and not text[end].isspace():
        least = min(max(match.end, start), end)
        end = next((i for i in range(end, least, -1) if text[i - 1].isspace()), end)
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())


def fitting(neighbors: Sequence[Passage], position: int, budget: int) -> list[Passage]:
    """Choose whole chunks around a position that fit a budget of characters, the nearest first.

    They are contiguous: where one does not fit, none beyond it is taken. Returns them by position.
    """
    chosen = []
    closed: set[bool] = set()
    for passage in sorted(neighbors, key=lambda p: (abs(p.position - position), p.position)):
        is_after = passage.position > position
        if is_after in closed or len(passage.text) > budget:
            closed.add(is_after)
            continue
        budget -= len(passage.text)
        chosen.append(passage)
    return sorted(chosen, key=lambda p: p.position)


# --- titles, hops and metadata --------------------------------------------------------------------

_LONGEST_STEP = 300  # characters of a hop, a title or a value of metadata under a budget
MOST_NAMES = 20  # ids of equal texts, and keys of metadata, under a budget


def shortened(text: str) -> str:
    """Shorten a long title, hop or value to its beginning."""
    return text if len(text) <= _LONGEST_STEP else text[:_LONGEST_STEP] + ELLIPSIS


def short_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Take the first values; a long one as the beginning of its text."""
    first = list(metadata.items())[:MOST_NAMES]
    return {
        shortened(key): value if len(text := str(value)) <= _LONGEST_STEP else shortened(text)
        for key, value in first
    }
