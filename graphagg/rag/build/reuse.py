"""What a change need not compute again: passages that have the text of one that goes.

Sentences, entities and vectors depend on title and text alone. So a passage whose metadata, id or
place changed, as when a file is touched, renamed, or grows in front, takes them from the version
before; models are not even loaded where all new passages do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.tables.mentions import NewRows
from graphagg.rag.tables.segments import Corpus, PassageTable, Ragged, Segment
from graphagg.rag.tables.vectors import Rows, Stack, ranges
from graphagg.store.strings import StringTable


def segment_of_change(
    passages: Sequence[Passage],
    before: Corpus,
    gone: Iterable[int],
    make: Callable[[Sequence[Passage]], tuple[Segment, NewRows]],
) -> tuple[Segment, NewRows]:
    """The segment that a change adds, in the order of its passages.

    Args:
        passages: at least one.
        before: the passages before the change.
        gone: rows of it that the change removes.
        make: annotates and encodes passages whose text none of these rows has.
    """
    row_of = {(before[row].title, before[row].text): row for row in gone}
    sources = np.array([row_of.get((p.title, p.text), -1) for p in passages], np.int64)
    fresh = [p for p, row in zip(passages, sources.tolist(), strict=True) if row < 0]
    if len(fresh) == len(passages):
        return make(passages)
    segments = list(before.segments)
    names, name_vectors = StringTable.pack([]), before.name_vectors.rows(np.zeros(0, np.int64))
    if fresh:
        made, _ = make(fresh)
        segments.append(made)
        names, name_vectors = made.names, made.name_vectors
        sources[sources < 0] = len(before) + np.arange(len(fresh))
    corpus = Corpus(segments)
    rows = NewRows(zip(passages, (_annotation(corpus, r) for r in sources.tolist()), strict=True))
    windows, counts = _taken(corpus.windows, corpus.window_bounds, sources)
    sentences, _ = _taken(corpus.sentence_vectors, corpus.sentence_bounds, sources)
    segment = Segment(
        PassageTable.of(passages),
        rows.sentences,
        rows.found,
        Ragged(offsets(counts), windows),
        sentences,
        names,
        name_vectors,
    )
    return segment, rows


def _annotation(corpus: Corpus, row: int) -> Annotation:
    segment, inside = corpus.locate(row)
    sentences, found = (spans.row(inside).tolist() for spans in (segment.sentences, segment.found))
    return Annotation(tuple((a, b) for a, b in sentences), tuple((a, b) for a, b in found))


def _taken(vectors: Stack, bounds: Rows, rows: Rows) -> tuple[Array, Rows]:
    """The vectors of some rows as they are stored, row after row, and how many each has."""
    counts = bounds[rows + 1] - bounds[rows]
    return vectors.rows(ranges(bounds[rows], counts)), counts
