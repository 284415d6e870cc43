"""Vectors of passages and sentences, and the FAISS files of a segment.

A long passage is encoded in several windows (`Encoder.split`). Vectors of its sentences come from
the same pass if the encoder gives token vectors (`PassageEncoder`); otherwise each sentence is
encoded as its own text. Many windows are indexed by FAISS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.errors import InvalidParameter
from graphagg.execution.runner import Stats, TaskRunner
from graphagg.nearest import search
from graphagg.nearest.search import SearchType
from graphagg.nearest.vectors import encode, map_vectors, write_vectors
from graphagg.progress import Progress, renamed
from graphagg.rag.documents.passages import Passage
from graphagg.rag.indexing import block
from graphagg.rag.indexing.state import BuildArrays
from graphagg.rag.models.encoder import Encoder, pools_sentences
from graphagg.rag.tables.segments import (
    MEASURED,
    SEARCH,
    SENTENCES,
    WINDOWS,
    Ragged,
    segment_prefix,
    sentence_text,
)
from graphagg.rag.tables.vectors import Vectors
from graphagg.store import ArtifactWriter

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
    windows = [] if supplied is None else [_stored(supplied, encoder)]
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
        vectors.append(_stored(np.concatenate([p.sentences for p in pooled]), encoder))
        if supplied is None:
            windows.append(_stored(np.concatenate([p.windows for p in pooled]), encoder))
            lengths[start : some.stop] = [len(p.windows) for p in pooled]
    return Ragged(offsets(lengths), np.concatenate(windows)), np.concatenate(vectors)


def _encoded_texts(texts: Sequence[str], encoder: Encoder, progress: Progress) -> list[Array]:
    blocks = (texts[start : start + BLOCK] for start in range(0, len(texts) or 1, BLOCK))
    return [_stored(encoder.encode(block, progress), encoder) for block in blocks]


def _stored(vectors: Vectors, encoder: Encoder) -> Array:
    """Vectors `[n, d]` as a segment stores them."""
    return encode(np.asarray(vectors, np.float32).reshape(-1, encoder.dimension))


_TRAINED = "search"


def write_new(arrays: BuildArrays, runner: TaskRunner, kind: SearchType) -> None:
    """Write the vectors of a new index of one segment, and index its windows.

    Raises `InvalidParameter` where `kind` needs more windows.
    """

    def write(_: int) -> None:
        with arrays.version.written() as folder:
            for name, array in ((WINDOWS, block.WINDOWS), (SENTENCES, block.SENTENCES)):
                write_vectors(folder / f"{segment_prefix(0)}{name}", arrays.work.map(array))

    runner.run(1, write)
    index_windows(arrays, runner, 0, kind)


def index_windows(
    arrays: BuildArrays, runner: TaskRunner, position: int, kind: SearchType, lenient: bool = False
) -> None:
    """Index the windows of segment number `position`, if they are many or `kind` names a type.

    With `lenient`, few windows that cannot train the type have no index.
    """
    prefix, stage = segment_prefix(position), arrays.stage(_TRAINED)
    count = int(arrays.version.map(f"{prefix}windows.bounds")[-1])
    if count <= search.FLAT and kind.faiss is None:
        return

    def train(_: int) -> Stats:
        index = kind.trained(map_vectors(arrays.version.path(f"{prefix}{WINDOWS}")))
        arrays.work.write_whole({_TRAINED: search.to_bytes(index)})
        return {"rows": search.rows_per_part(index)}

    def add(i: int) -> Stats:
        codes = map_vectors(arrays.version.path(f"{prefix}{WINDOWS}"))[i * rows : (i + 1) * rows]
        return stage.save(i, {"index": search.added(arrays.work.map(_TRAINED), codes)})

    def merge(_: int) -> None:
        vectors, of_sentences = (arrays.version.path(f"{prefix}{n}") for n in (WINDOWS, SENTENCES))
        index = search.merged(stage.array(i, "index") for i in range(parts))
        measured = search.measured(index, vectors, map_vectors(of_sentences), kind.nprobe)
        with arrays.version.written() as folder:
            (folder / f"{prefix}{SEARCH}").write_bytes(search.to_bytes(index).data)
            ArtifactWriter(folder).array(f"{prefix}{MEASURED}", np.array(measured))

    try:
        rows = runner.run(1, train)[0]["rows"]
    except InvalidParameter:
        if lenient and count <= search.FLAT:
            return
        raise
    parts = math.ceil(count / rows)
    runner.run(parts, add)
    runner.run(1, merge)
