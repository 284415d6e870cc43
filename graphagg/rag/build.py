"""From passages to a segment: entities and sentences found, everything encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from graphagg.progress import Progress, renamed
from graphagg.rag.corpus import PassageTable, Ragged, Segment, bounds_of, sentence_text
from graphagg.rag.encoder import Encoder
from graphagg.rag.entities import Annotation, EntityExtractor
from graphagg.rag.mentions import NewRow
from graphagg.rag.passages import Passage
from graphagg.strings import StringTable


class KnownNames(Protocol):
    """Tells which entities have a vector already."""

    def __call__(self, key: str) -> bool:
        """Whether the entity of this key has one."""


def make_segment(
    passages: Sequence[Passage],
    extractor: EntityExtractor,
    encoder: Encoder,
    has_vector: KnownNames,
    progress: Progress,
) -> tuple[Segment, list[NewRow]]:
    """Annotate and encode passages; linear in their words.

    Returns:
        The segment, and each passage as the gazetteer takes it.
    """
    annotations = list(_annotate(passages, extractor, progress))
    rows = [NewRow.of(p, a) for p, a in zip(passages, annotations, strict=True)]
    names = {found.key for row in rows for found in row.found}
    fresh = sorted((key for key in names if not has_vector(key)), key=str.encode)
    windows = encoder.split([passage.full_text for passage in passages])
    flat = [window for passage in windows for window in passage]
    sentences = [
        sentence_text(p, start, end)
        for p, a in zip(passages, annotations, strict=True)
        for start, end in a.sentences
    ]
    segment = Segment(
        PassageTable.of(passages),
        Ragged.pack([a.sentences for a in annotations], 2),
        Ragged.pack([a.mentions for a in annotations], 2),
        Ragged(
            bounds_of([len(passage) for passage in windows]),
            encoder.encode(flat, renamed(progress, "passages")),
        ),
        encoder.encode(sentences, renamed(progress, "sentences")),
        StringTable.pack(fresh),
        encoder.encode(fresh, renamed(progress, "names")).reshape(-1, encoder.dimension),
    )
    return segment, rows


def _annotate(
    passages: Sequence[Passage], extractor: EntityExtractor, progress: Progress
) -> Iterator[Annotation]:
    """Find entities in titles and texts apart, then put the two together."""
    found = extractor.annotate([part for passage in passages for part in passage.parts])
    for number, passage in enumerate(passages, start=1):
        title = next(found) if passage.title else None
        text = next(found).shifted(len(passage.full_text) - len(passage.text))
        yield _whole(text if title is None else text.with_title(title), passage)
        progress("entities", number, len(passages))


def _whole(annotation: Annotation, passage: Passage) -> Annotation:
    """An annotation with a sentence at least, and without empty ones."""
    sentences = tuple((a, b) for a, b in annotation.sentences if passage.full_text[a:b].strip())
    everything = ((0, len(passage.full_text)),)
    return Annotation(sentences or everything, annotation.mentions, annotation.title_end)
