"""Excerpts of passages: the sentence that matched and the text around it, up to a budget.

All outputs that limit text do it here, in characters; an excerpt records where it was cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphagg.rag.documents.passages import Passage, trail

CHARACTERS = 2_000
"""Default number of characters to show of a hit and its neighbors."""
NEIGHBORS = 3
"""Number of chunks on each side of a hit that may fill the budget."""
ELLIPSIS = "..."


def tokens_of(text: str) -> int:
    """Estimate the number of tokens of a text: one per four bytes of UTF-8, rounded up.

    For English prose this is close to the tokenizers of language models.

    Examples:
        >>> tokens_of("Ada lived in York."), tokens_of("")
        (5, 0)
    """
    return -(-len(text.encode()) // 4)


class Span(NamedTuple):
    """A span of a text, `text[start:end]`, in characters."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True)
class Excerpt:
    """A piece of a text.

    Attributes:
        text: the piece, without ellipses.
        span: its span in the full text.
        match: the span of the matching sentence in the piece.
        characters: length of the full text.
    """

    text: str
    span: Span
    match: Span
    characters: int

    @property
    def is_cut(self) -> bool:
        """Whether text was left out."""
        return len(self.text) < self.characters

    @property
    def marked(self) -> str:
        """The piece with an ellipsis at each end that was cut."""
        before = ELLIPSIS if self.span.start else ""
        after = ELLIPSIS if self.span.end < self.characters else ""
        return f"{before}{self.text}{after}"


def excerpt(text: str, match: Span, longest: int) -> Excerpt:
    """Cut a text at word boundaries to at most `longest` characters around a span or its start."""
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
    """Narrow a span to whole words, unless one word fills it; `match` stays inside."""
    if start and not text[start - 1].isspace():
        start = next((i for i in range(start, match.start) if text[i].isspace()), start)
    if end < len(text) and not text[end].isspace():
        least = min(max(match.end, start), end)
        end = next((i for i in range(end, least, -1) if text[i - 1].isspace()), end)
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())


def fitting(neighbors: Sequence[Passage], position: int, budget: int) -> list[Passage]:
    """Choose consecutive chunks around a position that fit a budget of characters, by position."""
    chosen, closed = list[Passage](), set[bool]()
    for passage in sorted(neighbors, key=lambda p: (abs(p.position - position), p.position)):
        is_after = passage.position > position
        if is_after in closed or len(passage.text) > budget:
            closed.add(is_after)
            continue
        budget -= len(passage.text)
        chosen.append(passage)
    return sorted(chosen, key=lambda p: p.position)


MARKS = "marks"
"""Metadata key of the headings and pages that begin in a passage: `[offset, headings, page]`."""


class Place(NamedTuple):
    """The place of a sentence in its document.

    Attributes:
        title: title of the document, with the headings above the sentence.
        heading: these headings, outermost first.
        page: page number from 1; None if the document has no pages.
        anchor: name of the last link target before the sentence, such as a heading's; "" if none.
    """

    title: str
    heading: tuple[str, ...]
    page: int | None
    anchor: str


def place_of(passage: Passage, offset: int) -> Place:
    """Return the place of a character of a passage."""
    metadata, title = passage.metadata, passage.title
    stated, page = metadata.get("heading"), metadata.get("page")
    above = tuple(map(str, stated)) if isinstance(stated, list) else ()
    path = above
    for start, names, number in marks_of(metadata):
        if start <= offset:
            path, page = tuple(names), number
    title = trail(title, path[len(above) :]) if path != above else title
    targets = metadata.get("anchors")
    anchors = targets if isinstance(targets, Mapping) else {}
    before = [(at, name) for name, at in anchors.items() if isinstance(at, int) and at <= offset]
    anchor = max(before)[1] if before else str(metadata.get("anchor", ""))
    return Place(title, path, page if isinstance(page, int) else None, anchor)


def marks_of(metadata: Mapping[str, Any]) -> list[tuple[int, list[str], int | None]]:
    """Return the marks of a passage; none if a user's own metadata has the key."""
    marks = metadata.get(MARKS)
    if not isinstance(marks, list) or not all(isinstance(each, list) for each in marks):
        return []
    return marks if {tuple(map(type, each))[:2] for each in marks} == {(int, list)} else []


_LONGEST_STEP = 300  # characters of a hop, title or metadata value if a budget is set
MOST_NAMES = 20  # ids of equal texts, and metadata keys, if a budget is set


def shortened(text: str) -> str:
    """Truncate a long title, hop or value."""
    return text if len(text) <= _LONGEST_STEP else text[:_LONGEST_STEP] + ELLIPSIS


def short_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first keys and values; long ones are truncated as text."""
    return {
        shortened(key): value if len(text := str(value)) <= _LONGEST_STEP else shortened(text)
        for key, value in list(metadata.items())[:MOST_NAMES]
    }
