"""Vectors of passages and sentences, as an index stores them.

A long passage is encoded in several windows (`Encoder.split`). Vectors of its sentences come from
the same pass if the encoder gives token vectors (`PassageEncoder`); otherwise each sentence is
encoded as its own text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.nearest.vectors import encode
from graphagg.progress import Progress, renamed
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.encoder import Encoder, checked, pools_sentences
from graphagg.rag.tables.segments import Ragged, sentence_text
from graphagg.rag.tables.vectors import Vectors

BLOCK = 65_536
"""Texts that are sorted by length and encoded together; bounds their float32 vectors."""
_PASSAGES = 8_192  # passages that are encoded together, with their sentences


def encoded(
    passages: Sequence[Passage],
    sentences: Ragged,
    encoder: Encoder,
    supplied: Vectors | None,
    progress: Progress,
) -> tuple[Ragged, Array]:
    """Encode the windows of passages, and their sentences (bounds `[S, 2]`), in stored form.

    `supplied` `[P, d]` are vectors of the passages that need not be computed: one window each.
    """
    texts, lengths = [passage.full_text for passage in passages], [1] * len(passages)
    windows = [] if supplied is None else [encode(supplied)]
    if not pools_sentences(encoder):
        if supplied is None:
            split = encoder.split(texts)
            lengths = list(map(len, split))
            pieces = [text for of_passage in split for text in of_passage]
            windows = _encoded_texts(pieces, encoder, renamed(progress, "windows"))
        each = [
            sentence_text(passage, start, end)
            for row, passage in enumerate(passages)
            for start, end in sentences.row(row).tolist()
        ]
        vectors = _encoded_texts(each, encoder, renamed(progress, "sentences"))
        return Ragged(offsets(lengths), np.concatenate(windows)), np.concatenate(vectors)
    vectors = []
    for start in range(0, len(passages), _PASSAGES):
        some = range(start, min(start + _PASSAGES, len(passages)))
        spans = [sentences.row(row) for row in some]
        report = renamed(progress, "passages")
        pooled = encoder.encode_passages(texts[start : some.stop], spans, report)
        of_sentences = np.concatenate([p.sentences for p in pooled])
        vectors.append(encode(checked(encoder, of_sentences, sum(map(len, spans)))))
        if supplied is None:
            lengths[start : some.stop] = [len(p.windows) for p in pooled]
            of_windows = np.concatenate([p.windows for p in pooled])
            windows.append(encode(checked(encoder, of_windows, len(of_windows))))
    return Ragged(offsets(lengths), np.concatenate(windows)), np.concatenate(vectors)


def _encoded_texts(texts: Sequence[str], encoder: Encoder, progress: Progress) -> list[Array]:
    blocks = (texts[start : start + BLOCK] for start in range(0, len(texts) or 1, BLOCK))
    return [encode(checked(encoder, encoder.encode(b, progress), len(b))) for b in blocks]
