"""Building and changing an index: which files a version gets, and which a change writes again.

A change adds a segment or none, and writes again what is merged over all segments: gazetteer,
lexicon, ids, and which rows are alive. Segments are taken over as they are (their files are
linked), so that a change costs what it adds plus one pass over the merged lists. Segments are
joined when the last one is at least half as large as the one before it, so that there are few.
`compact` joins all: the result is, byte for byte, a build of the passages that are left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.progress import Progress, silent
from graphagg.rag.build.reuse import segment_of_change
from graphagg.rag.build.segment import make_segment
from graphagg.rag.config.profile import STORAGE
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.documents.passages import Passage, corpus_digest
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.rag.models.static.encoder import TABLE_PREFIX
from graphagg.rag.snapshot import dense
from graphagg.rag.snapshot.snapshot import INVERTED_FILE, Mask, Snapshot
from graphagg.rag.tables.gazetteer import Change, Gazetteer, changed
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.mentions import NewRows
from graphagg.rag.tables.segments import (
    Corpus,
    Segment,
    join_segments,
    segment_prefix,
    table_name,
)
from graphagg.rag.tables.vectors import Vectors
from graphagg.rag.tables.view import View
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.manifest import Manifest

KIND = "passages"
REVISION = 9  # raised when the same corpus and models give another index


def parameters(
    models: Models,
    chunking: ChunkConfig | None,
    with_faithful: bool = False,
) -> dict[str, object]:
    """Parameters that decide an index beside its passages and models.

    Args:
        models: encoder, extractor, language and profile.
        chunking: how long texts were split.
        with_faithful: whether it has the vectors of entity names.
    """
    return {
        "revision": REVISION,
        "profile": models.profile,
        "language": models.language,
        "chunking": None if chunking is None else asdict(chunking),
        "with_faithful": with_faithful,
    }


@dataclass(frozen=True)
class _State:
    """What is merged over the segments of a version, and the segments themselves.

    `kept` counts the first segments, which are in `before` as they are.
    """

    before: Snapshot
    corpus: Corpus
    kept: int
    alive: Mask
    gazetteer: Gazetteer
    lexicon: Lexicon


def change_passages(
    publication: Publication,
    before: Snapshot,
    gone: Iterable[int],
    new: Sequence[Passage],
    models: Callable[[], Models],
    progress: Progress = silent,
    vectors: Vectors | None = None,
) -> Manifest:
    """Write a version without some rows and with some passages more, at least one in all.

    Models are asked for where passages are new that have not the text of one that goes. `vectors`
    are those of the new passages, `[P, d]`, if they are known.
    """
    known = before.gazetteer
    with_faithful = before.artifact.manifest.parameters["with_faithful"]

    def needs_none(key: str) -> bool:
        if not with_faithful:
            return True
        entity = known.find(key)
        return entity is not None and int(known.name_row[entity]) >= 0

    def make(passages: Sequence[Passage]) -> tuple[Segment, NewRows]:
        needed = models()
        return make_segment(
            passages,
            needed.extractor,
            needed.encoder,
            needs_none,
            progress,
            given=vectors,
            packed=needed.storage.packed,
        )

    segments: list[Segment] = list(before.corpus.segments)
    rows, removed = NewRows(()), list(gone)
    if new:
        reusable = removed if vectors is None else ()
        segment, rows = segment_of_change(new, before.corpus, reusable, make)
        segments.append(segment)
    old = len(before.corpus)
    corpus = Corpus(segments)
    alive = np.ones(len(corpus), bool)
    alive[:old] = before.alive
    alive[np.array(removed, np.int64)] = False
    row_map = np.where(alive[:old], np.arange(old), -1)
    change = Change(corpus, row_map, range(old, len(corpus)), len(before.corpus.segments))
    gazetteer, lexicon = _merged(known, before.lexicon, change, rows, before.analyzers)
    state = _State(before, corpus, len(before.corpus.segments), alive, gazetteer, lexicon)
    joined = _joined(state, _first_to_join(state), before.analyzers)
    return _publish(publication, joined)


def compact(publication: Publication, before: Snapshot) -> Manifest:
    """Write a version of one segment that holds nothing of what was deleted."""
    count = len(before.corpus.segments)
    state = _State(
        before, before.corpus, count, np.array(before.alive), before.gazetteer, before.lexicon
    )
    joined = _joined(state, 0, before.analyzers)
    return _publish(publication, joined)


def _merged(
    gazetteer: Gazetteer,
    lexicon: Lexicon,
    change: Change,
    rows: NewRows,
    analyzers: Analyzers,
) -> tuple[Gazetteer, Lexicon]:
    """Gazetteer and lexicon after a change."""
    merged = changed(gazetteer, lexicon, change, rows, analyzers)
    new = zip(change.new_rows, rows, strict=True)
    counts = ((row, passage.stems(analyzers)) for row, passage in new)
    return merged, lexicon.changed(change.row_map, counts, len(change.corpus))


def _first_to_join(state: _State) -> int:
    """Number of the first of the segments to join; their number if none are."""
    sizes = np.diff(state.corpus.starts).tolist()
    first, size = len(sizes) - 1, sizes[-1]
    while first > 0 and sizes[first - 1] < 2 * size:
        first -= 1
        size += sizes[first]
    return first if first < len(sizes) - 1 else len(sizes)


def _joined(state: _State, first: int, analyzers: Analyzers) -> _State:
    """The same with the segments from number `first` on joined into one."""
    corpus, alive = state.corpus, state.alive
    if first >= len(corpus.segments):
        return state
    used = np.zeros(len(corpus.name_vectors), bool)
    used[state.gazetteer.name_row[state.gazetteer.name_row >= 0]] = True
    keep = np.array(alive)
    keep[: corpus.starts[first]] = True
    row_map = np.where(keep, np.cumsum(keep) - 1, -1)
    segment = join_segments(corpus, first, alive, used)
    joined = Corpus([*corpus.segments[:first], segment])
    change = Change(joined, row_map, (), first)
    gazetteer, lexicon = _merged(state.gazetteer, state.lexicon, change, NewRows(()), analyzers)
    return _State(state.before, joined, first, alive[keep], gazetteer, lexicon)


def _publish(publication: Publication, state: _State) -> Manifest:
    writer, before = publication.writer, state.before.artifact.manifest
    _write_segments(writer, state)
    rows = np.flatnonzero(state.alive)
    identifiers = ((row, state.corpus.id(row).encode()) for row in rows.tolist())
    ranks = ranks_of(identifiers, len(state.corpus))
    writer.array("rows.alive", state.alive)
    writer.array("rows.rank", ranks)
    writer.array("rows.by_id", rows[np.argsort(ranks[rows])].astype(np.int32))
    state.gazetteer.save(writer)
    state.lexicon.save(writer)
    View.of(state.gazetteer, state.lexicon, state.alive).save(writer)
    _write_inverted_file(writer, state, STORAGE[before.parameters["profile"]].inverted)
    for name in before.files:
        if name.startswith(f"{TABLE_PREFIX}."):  # a question needs nothing else of its encoder
            writer.adopt(state.before.artifact, name)
    return publication.publish(
        Manifest(
            kind=KIND,
            parameters=before.parameters,
            inputs={"passages": corpus_digest(_digests(state.corpus, rows))},
            models=before.models,
            counts=_counts(state),
        )
    )


def _write_segments(writer: ArtifactWriter, state: _State) -> None:
    """Take over what stays as it is, and write the rest."""
    for number, segment in enumerate(state.corpus.segments):
        alive = state.alive[state.corpus.starts[number] : state.corpus.starts[number + 1]]
        if number >= state.kept:
            segment.save(writer, number)
            MetadataTable.build(metadata_of(segment, alive)).save(writer, table_name(number))
            continue
        artifact = state.before.artifact
        start = state.corpus.starts[number]
        same = np.array_equal(state.before.alive[start : start + len(alive)], alive)
        prefixes = [segment_prefix(number), *([f"{table_name(number)}."] if same else [])]
        for name in artifact.manifest.files:
            if name.startswith(tuple(prefixes)):
                writer.adopt(artifact, name)
        if not same:
            MetadataTable.build(metadata_of(segment, alive)).save(writer, table_name(number))


def _write_inverted_file(writer: ArtifactWriter, state: _State, inverted: bool) -> None:
    """Above the flat limit: extend the inverted file there is, or train one."""
    lengths = np.diff(state.corpus.window_bounds)
    if not inverted or int(lengths[state.alive].sum()) <= dense.FLAT_LIMIT:
        return
    path, before = writer.path(INVERTED_FILE), state.before
    if not state.kept or INVERTED_FILE not in before.artifact:
        dense.train(state.corpus, state.alive, path)
        return
    begin = int(state.corpus.windows.starts[state.kept])  # windows from here on are written again
    was, now = (
        np.repeat(alive, np.diff(corpus.window_bounds))
        for alive, corpus in ((before.alive, before.corpus), (state.alive, state.corpus))
    )
    died = np.flatnonzero(was[:begin] & ~now[:begin])
    gone = np.concatenate([died, begin + np.flatnonzero(was[begin:])])
    new = begin + np.flatnonzero(now[begin:])
    dense.extend(before.artifact.path(INVERTED_FILE), state.corpus, gone, new, path)


def _digests(corpus: Corpus, rows: npt.NDArray[np.int64]) -> Iterable[bytes]:
    for row in rows.tolist():
        segment, inside = corpus.locate(row)
        yield segment.passages.digests[inside].tobytes()


def _counts(state: _State) -> dict[str, int]:
    sentences = np.diff(state.corpus.sentence_bounds)[state.alive]
    return {
        "passages": int(state.alive.sum()),
        "sentences": int(sentences.sum()),
        "entities": len(state.gazetteer.keys),
        "mentions": len(state.gazetteer.entity),
        "terms": len(state.lexicon.terms),
        "segments": len(state.corpus.segments),
    }


def ranks_of(identifiers: Iterable[tuple[int, bytes]], rows: int) -> npt.NDArray[np.int32]:
    """`[R]` places of `(row, id in UTF-8)` in the order of ids; -1 for the other rows."""
    ranks = np.full(rows, -1, np.int32)
    for rank, (row, _) in enumerate(sorted(identifiers, key=lambda pair: pair[1])):
        ranks[row] = rank
    return ranks


def metadata_of(segment: Segment, alive: Mask) -> list[dict[str, Any]]:
    """The metadata of a segment's passages, `{}` for those that are deleted."""
    return [
        json.loads(segment.passages.metadata[row]) if keep else {}
        for row, keep in enumerate(alive.tolist())
    ]
