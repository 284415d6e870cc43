"""Change an index: add, replace and delete passages, and join segments.

A change adds at most one segment and rewrites the tables over all segments. The stages of a build
merge two blocks: the rows that stay, whose arrays come from the old version, and the new passages.
Files of unchanged segments are linked. Segments are joined when the last one is at least half as
large as the one before it. `compact` joins all segments: the files are then, byte for byte, those
of a build of the remaining passages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from graphagg.arrays import Mask
from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import MemoryBlocks
from graphagg.execution.runner import InProcessRunner
from graphagg.progress import Progress, silent
from graphagg.rag.config.limits import DEFAULT_LIMITS
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.documents.passages import Passage
from graphagg.rag.indexing.arrays import BuildArrays, index_windows
from graphagg.rag.indexing.block import Arrays
from graphagg.rag.indexing.build import publish_segments
from graphagg.rag.indexing.change_blocks import StayingRows, new_block, segment_of, write_tables
from graphagg.rag.indexing.engine import KEYS, VECTORS, TableStages, insert_sorted
from graphagg.rag.models.by_name import Models
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.segments import StoredCorpus, join_segments, segment_prefix, table_name
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.manifest import Manifest
from graphagg.store.strings import StringTable


def change_passages(
    publication: Publication,
    before: PassageSnapshot,
    removed_rows: Iterable[int],
    new: Sequence[Passage],
    models: Callable[[], Models],
    progress: Progress = silent,
) -> Manifest:
    """Publish a version without the removed rows, with new passages; it must not be empty.

    Models are not loaded if each new passage has the text of a removed passage.
    """
    removed = list(removed_rows)
    alive = np.array(before.alive)
    alive[np.array(removed, np.int64)] = False
    block = new_block(new, before, removed, models, progress) if new else None
    return _Change(before, alive, new, block).publish(publication)


def compact(publication: Publication, before: PassageSnapshot) -> Manifest:
    """Publish a version with one segment, without any data of deleted passages."""
    return _Change(before, np.array(before.alive), (), None, join_all=True).publish(publication)


class _Change:
    """A change of the version `before`; `alive` `[R before]` is the mask of the rows that stay.

    Attributes:
        corpus: all segments, including that of the new passages, before segments are joined.
        first: number of the first segment to join; the number of segments if none is joined.
        row_map: `[R before]`, the row of each passage in the new version; -1 if it is removed.
        alive: `[R]` mask of the live rows of the new version.
    """

    def __init__(
        self,
        before: PassageSnapshot,
        alive: Mask,
        new: Sequence[Passage],
        block: Arrays | None,
        join_all: bool = False,
    ) -> None:
        self.before, self.block = before, block
        segments = list(before.corpus.segments)
        if block is not None:
            segments.append(segment_of(new, block))
        self.corpus = StoredCorpus(segments)
        self._alive = np.concatenate([alive, np.ones(len(new), bool)])
        self.first = 0 if join_all else _first_to_join(self.corpus)
        # In segments that are not joined, a deleted passage keeps its row.
        self._stays = np.array(self._alive)
        if self.first < len(segments):
            self._stays[: self.corpus.starts[self.first]] = True
        else:
            self._stays[:] = True
        rows = np.where(self._alive, np.cumsum(self._stays) - 1, -1)
        self.row_map = rows[: len(before.corpus)]
        self.alive = self._alive[self._stays]

    def publish(self, publication: Publication) -> Manifest:
        """Write and publish the new version."""
        writer = publication.writer
        with publication.scratch() as scratch:
            arrays = BuildArrays(MemoryBlocks(), FileArrays(scratch), FileArrays(writer.folder))
            old_rows = int(np.count_nonzero(self._stays[: len(self.row_map)]))
            starts = [0, old_rows, len(self.alive)] if self.block else [0, old_rows]
            engine = TableStages(starts, arrays, InProcessRunner(), DEFAULT_LIMITS.entries)
            counts = self._merge(engine, old_rows)
            engine.write_view(self.alive)
            corpus = self._joined()
            self._write_segments(writer, corpus, engine)
        by_id = self.row_map[self.before.by_id]  # the remaining passages keep their order
        by_id, new = by_id[by_id >= 0], sorted(range(old_rows, len(self.alive)), key=corpus.raw_id)
        raws = map(corpus.raw_id, new)
        places = [bisect_left(by_id, raw, key=corpus.raw_id) for raw in raws]
        by_id = np.insert(by_id, places, new).astype(np.int32)
        return publish_segments(publication, self.before.artifact, corpus, by_id, counts)

    def _merge(self, engine: TableStages, rows: int) -> dict[str, int]:
        """Write gazetteer and lexicon; returns counts of entities, mentions and terms."""
        arrays, staying = engine.arrays, StayingRows(self.before, self.row_map, rows)
        terms, block = staying.words()
        keys, blocks = self.before.gazetteer.keys, [block]
        key_ranks, term_ranks = ([np.arange(len(t), dtype=np.int32)] for t in (keys, terms))
        if self.block is not None:
            new_terms, new_keys = (
                StringTable(self.block[f"{name}.utf8"], self.block[f"{name}.offsets"])
                for name in ("terms", "keys")
            )
            terms, *term_ranks = insert_sorted(terms, new_terms)
            keys, *key_ranks = insert_sorted(keys, new_keys)
            new = {n: a for n, a in self.block.items() if not n.startswith(("s0.", VECTORS))}
            blocks.append(new)
        arrays.version.write_whole({"lexicon.terms": terms})
        arrays.work.write_whole({KEYS: keys})
        return write_tables(engine, [staying], blocks, key_ranks, term_ranks)

    def _joined(self) -> StoredCorpus:
        """Join segments; returns the segments of the new version."""
        segments = self.corpus.segments
        if self.first == len(segments):
            return self.corpus
        joined = join_segments(self.corpus, self.first, self._alive)
        return StoredCorpus([*segments[: self.first], joined])

    def _write_segments(
        self, writer: ArtifactWriter, corpus: StoredCorpus, engine: TableStages
    ) -> None:
        """Link the files of unchanged segments, and write the others."""
        artifact = self.before.artifact
        unchanged = min(self.first, len(self.before.corpus.segments))
        for i, segment in enumerate(corpus.segments):
            start, end = corpus.starts[i : i + 2].tolist()
            alive, prefixes = self.alive[start:end], [segment_prefix(i)]
            if i < unchanged and np.array_equal(self.before.alive[start:end], alive):
                prefixes.append(f"{table_name(i)}.")
            else:
                metadata_of = segment.passages.metadata_of
                metadata = (metadata_of(j) if alive[j] else {} for j in range(len(alive)))
                MetadataTable.build(metadata).save(writer, table_name(i))
            if i >= unchanged:
                segment.save(writer, i)
                index_windows(engine.arrays, engine.runner, i)
                continue
            for name in artifact.manifest.files:
                if name.startswith(tuple(prefixes)):
                    writer.adopt(artifact, name)


def _first_to_join(corpus: StoredCorpus) -> int:
    """Return the first segment to join, by number; the number of segments if none is joined."""
    sizes = np.diff(corpus.starts).tolist()
    first, size = len(sizes) - 1, sizes[-1]
    while first > 0 and sizes[first - 1] < 2 * size:
        first -= 1
        size += sizes[first]
    return first if first < len(sizes) - 1 else len(sizes)
