"""From passages to a segment: entities and sentences found, everything encoded.

A passage longer than the encoder reads at once is encoded in several windows (`Encoder.split`). The
vectors of its sentences come out of the same pass where the encoder gives token vectors
(`PassageEncoder`); with any other one each sentence is encoded as a text of its own. A build does
this block by block (`graphagg.rag.build.build`), a change with all that is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.progress import Progress, renamed
from graphagg.rag.documents.languages import language_of_text
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.by_language import ByLanguage
from graphagg.rag.models.encoder import Encoder, PassageEncoder, pools_sentences
from graphagg.rag.models.extractor import Annotation, EntityExtractor
from graphagg.rag.tables.mentions import NewRows
from graphagg.rag.tables.packed import pack
from graphagg.rag.tables.segments import PassageTable, Ragged, Segment, sentence_text
from graphagg.rag.tables.vectors import Vectors
from graphagg.store.strings import StringTable

BLOCK = 65_536
"""Texts that are split, sorted by length and encoded together."""
_PASSAGES = 8_192  # passages that are encoded together, with their sentences
_KEPT_ROWS = 20_000  # passages whose tokens are kept; of more they are read again when needed


class KnownNames(Protocol):
    """Tells which entities need no vector."""

    def __call__(self, key: str) -> bool:
        """Whether the entity of this key has one already, or gets none."""


def make_segment(
    passages: Sequence[Passage],
    extractor: EntityExtractor,
    encoder: Encoder,
    needs_none: KnownNames,
    progress: Progress,
    given: Vectors | None = None,
    packed: bool = True,
) -> tuple[Segment, NewRows]:
    """Annotate and encode passages; linear in their words.

    Args:
        passages: in the order of their rows.
        extractor: finds sentences and entities.
        encoder: gives vectors.
        needs_none: which names need no vector.
        progress: called with stage, done, total.
        given: `[P, d]`, vectors of the passages that need not be computed: one window each.
        packed: whether vectors are stored as 8-bit integers (`graphagg.rag.tables.packed`).

    Returns:
        The segment, and each passage as the gazetteer takes it.
    """
    notes = zip(passages, annotate(passages, extractor, progress), strict=True)
    rows = NewRows(notes, keep=len(passages) <= _KEPT_ROWS)
    fresh = sorted((key for key in rows.names if not needs_none(key)), key=str.encode)
    windows, sentences = encoded(passages, rows.sentences, encoder, given, packed, progress)
    names = Encoding(encoder, packed).of(fresh, len(fresh), renamed(progress, "names"))
    segment = Segment(
        PassageTable.of(passages),
        rows.sentences,
        rows.found,
        windows,
        sentences,
        StringTable.pack(fresh),
        names,
    )
    return segment, rows


def encoded(
    passages: Sequence[Passage],
    sentences: Ragged,
    encoder: Encoder,
    given: Vectors | None,
    packed: bool,
    progress: Progress,
) -> tuple[Ragged, Array]:
    """The vectors of the windows of passages, and of their sentences, as they are stored.

    Args:
        passages: in the order of their rows.
        sentences: `[S, 2]`, where they begin and end.
        encoder: gives vectors.
        given: `[P, d]`, vectors of the passages that need not be computed: one window each.
        packed: whether they are stored as 8-bit integers.
        progress: called with stage, done, total.
    """
    encoding = Encoding(encoder, packed)
    if pools_sentences(encoder):
        to_passages = renamed(progress, "passages")
        return encoding.pooled(encoder, passages, sentences, given, to_passages)
    return encoding.apart(passages, sentences, given, progress)


class Encoding:
    """Encodes texts in blocks.

    Args:
        encoder: the model.
        packed: whether vectors are stored as 8-bit integers.
    """

    def __init__(self, encoder: Encoder, packed: bool) -> None:
        self._encoder, self._packed = encoder, packed

    def pooled(
        self,
        encoder: PassageEncoder,
        passages: Sequence[Passage],
        places: Ragged,
        given: Vectors | None,
        progress: Progress,
    ) -> tuple[Ragged, Array]:
        """Vectors of the windows of passages and of their sentences, in one pass over each."""
        windows: list[Array] = []
        sentences: list[Array] = []
        lengths: list[int] = []
        for start in range(0, len(passages), _PASSAGES):
            block = range(start, min(start + _PASSAGES, len(passages)))
            found = encoder.encode_passages(
                [passages[row].full_text for row in block],
                [places.row(row) for row in block],
                _onward(progress, start, len(passages)),
            )
            sentences.append(self.stored(np.concatenate([one.sentences for one in found])))
            if given is None:
                windows.append(self.stored(np.concatenate([one.windows for one in found])))
                lengths.extend(len(one.windows) for one in found)
        if given is not None:
            windows, lengths = [self.stored(given)], [1] * len(given)
        return Ragged(offsets(lengths), np.concatenate(windows)), np.concatenate(sentences)

    def apart(
        self,
        passages: Sequence[Passage],
        places: Ragged,
        given: Vectors | None,
        progress: Progress,
    ) -> tuple[Ragged, Array]:
        """The same by encoding each window and each sentence as a text of its own."""
        lengths: list[int] = []
        if given is None:
            texts = _windows(passages, self._encoder, lengths)
            windows = self.of(texts, None, renamed(progress, "windows"))
        else:
            windows, lengths = self.stored(given), [1] * len(passages)
        to_sentences = renamed(progress, "sentences")
        sentences = self.of(_sentences(passages, places), len(places.values), to_sentences)
        return Ragged(offsets(lengths), windows), sentences

    def of(self, texts: Iterable[str], count: int | None, progress: Progress) -> Array:
        """Vectors of texts, as they are stored; `count` is how many there will be, if known."""
        return np.concatenate(list(self.parts(texts, count, progress)))

    def parts(self, texts: Iterable[str], count: int | None, progress: Progress) -> Iterator[Array]:
        """The same a block at a time; one block at least."""
        stream, done = iter(texts), 0
        block = list(islice(stream, BLOCK))
        while True:
            following = list(islice(stream, BLOCK))
            total = count or done + len(block) + len(following)
            yield self.stored(self._encoder.encode(block, _onward(progress, done, total)))
            done += len(block)
            if not following:
                return
            block = following

    def stored(self, vectors: Vectors) -> Array:
        """Vectors as a segment keeps them, a row each."""
        return stored_rows(vectors, self._encoder.dimension, self._packed)


def stored_rows(vectors: Vectors, dimension: int, packed: bool) -> Array:
    """Vectors `[n, d]` as a segment keeps them, a row each: packed, or as they are."""
    plain = np.asarray(vectors, np.float32).reshape(-1, dimension)
    return pack(plain) if packed else plain


def _onward(progress: Progress, before: int, whole: int) -> Progress:
    """Report a block as part of the whole."""

    def report(stage: str, done: int, total: int) -> None:
        progress(stage, before + done, whole)

    return report


def _windows(passages: Sequence[Passage], encoder: Encoder, lengths: list[int]) -> Iterator[str]:
    """The windows of all passages; how many each has is added to `lengths`."""
    for start in range(0, len(passages), BLOCK):
        split = encoder.split([passage.full_text for passage in passages[start : start + BLOCK]])
        lengths.extend(map(len, split))
        for windows in split:
            yield from windows


def _sentences(passages: Sequence[Passage], places: Ragged) -> Iterator[str]:
    for row, passage in enumerate(passages):
        for start, end in places.row(row).tolist():
            yield sentence_text(passage, start, end)


def annotate(
    passages: Sequence[Passage], extractor: EntityExtractor, progress: Progress
) -> Iterator[Annotation]:
    """Find entities in titles and texts apart, then put the two together."""
    parts = [part for passage in passages for part in passage.parts]
    if isinstance(extractor, ByLanguage):  # a title is too short to tell its language
        each = [(language_of_text(passage.full_text), passage.parts) for passage in passages]
        found = extractor.annotate_in(parts, [code for code, own in each for _ in own])
    else:
        found = extractor.annotate(parts)
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
