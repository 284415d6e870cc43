"""How much of a passage is shown: the sentence that matched, and what is around it up to a budget.

Every surface that hands texts on bounds them here, in characters: what does not fit is cut, and the
place of the cut is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphagg.arrays import Floats
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import tokenize

if TYPE_CHECKING:
    from graphagg.rag.results import Hit
    from graphagg.rag.tables.lexicon import Analyzer
    from graphagg.rag.tables.segments import Corpus
    from graphagg.rag.version.snapshot import Mask, Snapshot

CHARACTERS = 2_000
"""What a surface shows of a hit and its neighbors unless something else is asked for."""
NEIGHBORS = 3
"""Chunks on each side of a hit that may fill the budget."""
ELLIPSIS = "..."


class Span(NamedTuple):
    """A place of a text, `text[start:end]`, in characters."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True)
class Excerpt:
    """What is shown of a text.

    Attributes:
        text: the piece, without marks where it was cut.
        span: where it lies in the whole text.
        match: where the sentence that matched lies in the piece, as far as it is shown.
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
    """At most `longest` characters of a text, around a place in it; cut between words.

    Args:
        text: the whole.
        match: what is to be seen; where it is too long itself, its beginning.
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
    shown = Span(*(min(max(place, start), end) - start for place in match))
    return Excerpt(text[start:end], Span(start, end), shown, len(text))


def _between_words(text: str, start: int, end: int, match: Span) -> tuple[int, int]:
    """A narrower place that cuts no word, unless a word fills it; the match is not narrowed."""
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
    """The chunks around a position that fit a budget of characters whole, nearest first chosen.

    They are contiguous: where one does not fit, none beyond it is taken. In order of position.
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


def with_neighbors(snapshot: Snapshot, hit: Hit, window: int, visible: Mask) -> Hit:
    """A hit with the visible chunks up to `window` places beside it in its document."""
    row = snapshot.known_row(hit.passage.id)
    around = snapshot.neighbors(row, window, visible)
    return replace(hit, neighbors=tuple(snapshot.corpus[r] for r in around if r != row))


def context(hit: Hit, characters: int) -> str:
    """A hit's text for a language model: the chunks around it too, where they fit the budget.

    An ellipsis stands where the passage itself is cut.
    """
    shown = excerpt(hit.passage.text, hit.match, characters)
    if shown.is_cut:
        return shown.marked
    place = hit.passage.position
    around = fitting(hit.neighbors, place, characters - len(shown.text))
    before = [p.text for p in around if p.position < place]
    after = [p.text for p in around if p.position > place]
    return "\n".join([*before, shown.text, *after])


# --- JSON ----------------------------------------------------------------------------------------

_LONGEST_STEP = 300  # characters of a hop, a title or a value of metadata under a budget
_MOST_NAMES = 20  # ids of equal texts, and keys of metadata, under a budget


def bounded_json(hit: Hit, characters: int) -> dict[str, Any]:
    """A hit as JSON with at most so many characters of text, its own and its neighbors'.

    `text` is a piece of the passage around `match`; `cut` says which where it is not the whole.
    Titles, hops and metadata are shortened where they are longer than a sentence should be.
    """
    shown = excerpt(hit.passage.text, hit.match, characters)
    rest = characters - len(shown.text)
    around = fitting(hit.neighbors, hit.passage.position, 0 if shown.is_cut else rest)
    whole = replace(hit, neighbors=tuple(around)).to_json()
    cut = {**shown.span._asdict(), "characters": shown.characters}
    return {
        **whole,
        "title": _short(hit.passage.title),
        "text": shown.text,
        "match": shown.match._asdict(),
        "path": [{**step, "text": _short(step["text"])} for step in whole["path"]],
        "metadata": _short_metadata(whole["metadata"]),
        **({"copies": whole["copies"][:_MOST_NAMES]} if hit.copies else {}),
        **({"cut": cut} if shown.is_cut else {}),
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_STEP else text[:_LONGEST_STEP] + ELLIPSIS


def _short_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """The first values; a long one as the beginning of its text."""
    first = list(metadata.items())[:_MOST_NAMES]
    return {
        _short(key): value if len(text := str(value)) <= _LONGEST_STEP else _short(text)
        for key, value in first
    }


# --- which sentence ------------------------------------------------------------------------------


def sentence_by_vectors(corpus: Corpus, row: int, vectors: Floats) -> int:
    """The sentence of a row that is closest to any of the vectors `[q, d]`; the first of equals."""
    begin, end = corpus.sentence_bounds[row : row + 2].tolist()
    similar = corpus.sentence_vectors.dots_at(np.arange(begin, end), vectors)
    return int(similar.max(axis=1).argmax())


def sentence_by_words(corpus: Corpus, row: int, terms: Sequence[str], analyzer: Analyzer) -> int:
    """The sentence of a row that holds most of a question's terms; the first of equals."""
    wanted = set(terms)
    count = int(np.diff(corpus.sentence_bounds[row : row + 2])[0])
    held = [
        len(wanted.intersection(analyzer.content(tokenize(corpus.sentence(row, number)))))
        for number in range(count)
    ]
    return held.index(max(held))


def sentence_span(corpus: Corpus, row: int, number: int) -> Span:
    """Where a sentence of a row lies in the passage's text; of the first without the title."""
    segment, inside = corpus.locate(row)
    passage = segment.passages[inside]
    shift = len(passage.full_text) - len(passage.text)
    start, end = (max(place - shift, 0) for place in segment.sentences.row(inside)[number].tolist())
    piece = passage.text[start:end]
    start += len(piece) - len(piece.lstrip())
    return Span(start, max(start, end - (len(piece) - len(piece.rstrip()))))
