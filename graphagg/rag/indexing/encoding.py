"""Vectors of passages and sentences, as an index stores them.

A long passage is encoded in several windows (`Encoder.split`). Vectors of its sentences come from
the same pass if the encoder gives token vectors (`PassageEncoder`); otherwise each sentence is
encoded as its own text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.progress import Progress, renamed
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.encoder import Encoder, PassageEncoder, pools_sentences
from graphagg.rag.tables.packed import pack
from graphagg.rag.tables.segments import Ragged, sentence_text
from graphagg.rag.tables.vectors import Vectors

BLOCK = 65_536
"""Texts that are split, sorted by length and encoded together."""
_PASSAGES = 8_192  # passages that are encoded together, with their sentences


def encoded(
    passages: Sequence[Passage],
    sentences: Ragged,
    encoder: Encoder,
    given: Vectors | None,
    progress: Progress,
) -> tuple[Ragged, Array]:
    """Encode the windows of passages, and their sentences (bounds `[S, 2]`), in stored form.

    `given` `[P, d]` are vectors of the passages that need not be computed: one window each.
    """
    if pools_sentences(encoder):
        onward = renamed(progress, "passages")
        return _pooled(passages, sentences, encoder, given, onward)
    lengths: list[int] = []
    if given is None:
        texts = _windows(passages, encoder, lengths)
        windows = encode_texts(texts, None, encoder, renamed(progress, "windows"))
    else:
        windows, lengths = stored_rows(given, encoder.dimension), [1] * len(passages)
    texts, count = _sentences(passages, sentences), len(sentences.values)
    vectors = encode_texts(texts, count, encoder, renamed(progress, "sentences"))
    return Ragged(offsets(lengths), windows), vectors


def _pooled(
    passages: Sequence[Passage],
    sentences: Ragged,
    encoder: PassageEncoder,
    given: Vectors | None,
    progress: Progress,
) -> tuple[Ragged, Array]:
    """Encode windows and sentences in one pass over each passage."""
    windows: list[Array] = []
    vectors: list[Array] = []
    lengths: list[int] = []
    for start in range(0, len(passages), _PASSAGES):
        rows = range(start, min(start + _PASSAGES, len(passages)))
        encodings = encoder.encode_passages(
            [passages[row].full_text for row in rows],
            [sentences.row(row) for row in rows],
            _onward(progress, start, len(passages)),
        )
        in_rows = np.concatenate([each.sentences for each in encodings])
        vectors.append(stored_rows(in_rows, encoder.dimension))
        if given is None:
            in_rows = np.concatenate([each.windows for each in encodings])
            windows.append(stored_rows(in_rows, encoder.dimension))
            lengths.extend(len(each.windows) for each in encodings)
    if given is not None:
        windows, lengths = [stored_rows(given, encoder.dimension)], [1] * len(given)
    return Ragged(offsets(lengths), np.concatenate(windows)), np.concatenate(vectors)


def encode_texts(
    texts: Iterable[str], count: int | None, encoder: Encoder, progress: Progress
) -> Array:
    """Encode texts lazily, `BLOCK` at a time, in stored form; `count` may be unknown (None)."""
    blocks: list[Array] = []
    stream, done = iter(texts), 0
    block = list(islice(stream, BLOCK))
    while block or not blocks:
        following = list(islice(stream, BLOCK))
        total = count or done + len(block) + len(following)
        vectors = encoder.encode(block, _onward(progress, done, total))
        blocks.append(stored_rows(vectors, encoder.dimension))
        done += len(block)
        block = following
    return np.concatenate(blocks)


def stored_rows(vectors: Vectors, dimension: int) -> Array:
    """Vectors `[n, d]` as a segment stores them, one packed row each."""
    return pack(np.asarray(vectors, np.float32).reshape(-1, dimension))


def _onward(progress: Progress, before: int, whole: int) -> Progress:
    """Report a block of texts as a range of all texts."""

    def report(stage: str, done: int, total: int) -> None:
        progress(stage, before + done, whole)

    return report


def _windows(passages: Sequence[Passage], encoder: Encoder, lengths: list[int]) -> Iterator[str]:
    """The windows of all passages; appends the number of each passage's to `lengths`."""
    for start in range(0, len(passages), BLOCK):
        split = encoder.split([passage.full_text for passage in passages[start : start + BLOCK]])
        lengths.extend(map(len, split))
        for windows in split:
            yield from windows


def _sentences(passages: Sequence[Passage], spans: Ragged) -> Iterator[str]:
    for row, passage in enumerate(passages):
        for start, end in spans.row(row).tolist():
            yield sentence_text(passage, start, end)
