"""From passages to a segment: entities and sentences found, everything encoded.

A passage longer than the encoder reads at once is encoded in several windows (`Encoder.split`). The
vectors of its sentences come out of the same pass where the encoder gives token vectors
(`PassageEncoder`); with any other one each sentence is encoded as a text of its own. Texts are
encoded in blocks, and the vectors of a large build go straight to their files: beside the passages
themselves, memory holds one block and the spans of the annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
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
from graphagg.rag.tables.vectors import VectorFile, Vectors
from graphagg.store.strings import StringTable

BLOCK = 65_536
"""Texts that are split, sorted by length and encoded together."""
_PASSAGES = 8_192  # passages that are encoded together, with their sentences
_KEPT_ROWS = 20_000  # passages whose tokens are kept; of more they are read again when needed


class KnownNames(Protocol):
    """Tells which entities need no vector."""

    def __call__(self, key: str) -> bool:
        """Whether the entity of this key has one already, or gets none."""


class Place(Protocol):
    """Tells where vectors may lie that are too many for memory."""

    def __call__(self, name: str) -> Path:
        """The file of array `name`, without `.npy`, of the segment."""


def make_segment(
    passages: Sequence[Passage],
    extractor: EntityExtractor,
    encoder: Encoder,
    needs_none: KnownNames,
    progress: Progress,
    place: Place | None = None,
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
        place: where vectors go of which there is more than a block; None: into memory.
        given: `[P, d]`, vectors of the passages that need not be computed: one window each.
        packed: whether vectors are stored as 8-bit integers (`graphagg.rag.tables.packed`).

    Returns:
        The segment, and each passage as the gazetteer takes it.
    """
    notes = zip(passages, _annotate(passages, extractor, progress), strict=True)
    rows = NewRows(notes, keep=len(passages) <= _KEPT_ROWS)
    fresh = sorted((key for key in rows.names if not needs_none(key)), key=str.encode)
    encoding = _Encoding(encoder, place, packed)
    if pools_sentences(encoder):
        windows, sentences = encoding.pooled(
            encoder, passages, rows.sentences, given, renamed(progress, "passages")
        )
    else:
        windows, sentences = encoding.apart(passages, rows.sentences, given, progress)
    vectors = encoding.of("names.vectors", fresh, len(fresh), renamed(progress, "names"))
    segment = Segment(
        PassageTable.of(passages),
        rows.sentences,
        rows.found,
        windows,
        sentences,
        StringTable.pack(fresh),
        vectors,
        frozenset(encoding.on_disk),
    )
    return segment, rows


class _Encoding:
    """Encodes texts in blocks, into memory or into files of the segment.

    Args:
        encoder: the model.
        place: where files go; None: everything into memory.
        packed: whether vectors are stored as 8-bit integers.

    Attributes:
        on_disk: names of the arrays that are in files.
    """

    def __init__(self, encoder: Encoder, place: Place | None, packed: bool) -> None:
        self._encoder, self._place, self._packed = encoder, place, packed
        self.on_disk: list[str] = []

    def pooled(
        self,
        encoder: PassageEncoder,
        passages: Sequence[Passage],
        places: Ragged,
        given: Vectors | None,
        progress: Progress,
    ) -> tuple[Ragged, Array]:
        """Vectors of the windows of passages and of their sentences, in one pass over each."""
        is_large = len(passages) > _PASSAGES
        windows, sentences = (
            self._file(name, is_large) for name in ("windows", "sentences.vectors")
        )
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
            windows.append(self.stored(given))
            lengths = [1] * len(given)
        return Ragged(offsets(lengths), windows.close()), sentences.close()

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
            windows = self.of("windows", texts, None, renamed(progress, "windows"))
        else:
            windows, lengths = self.stored(given), [1] * len(passages)
        sentences = self.of(
            "sentences.vectors", _sentences(passages, places), len(places.values),
            renamed(progress, "sentences"),
        )  # fmt: skip
        return Ragged(offsets(lengths), windows), sentences

    def of(self, name: str, texts: Iterable[str], count: int | None, progress: Progress) -> Array:
        """Vectors of texts, as they are stored; `count` is how many there will be, if known."""
        stream, done = iter(texts), 0
        block = list(islice(stream, BLOCK))
        following = list(islice(stream, BLOCK))
        if not following:
            return self.stored(self._encoder.encode(block, progress))
        file = self._file(name, True)
        while block:
            total = count or done + len(block) + len(following)
            vectors = self._encoder.encode(block, _onward(progress, done, total))
            file.append(self.stored(vectors))
            done += len(block)
            block, following = following, list(islice(stream, BLOCK))
        return file.close()

    def stored(self, vectors: Vectors) -> Array:
        """Vectors as a segment keeps them, a row each."""
        return stored_rows(vectors, self._encoder.dimension, self._packed)

    def _file(self, name: str, is_large: bool) -> VectorFile:
        """Where the vectors of an array go: of a large one, where there is a place, to its file."""
        path = self._place(name) if self._place and is_large else None
        if path:
            self.on_disk.append(name)
        return VectorFile(path)


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


def _annotate(
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
