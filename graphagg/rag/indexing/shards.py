"""Shards: indices of parts of a corpus, merged into one index; to replace one, merge again.

The segments of all shards are linked or copied. The stages of a build merge the statistics of words
and names, so that search results equal those of an index of all passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.errors import DuplicateId, InvalidParameter, ModelMismatch
from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import MemoryBlocks
from graphagg.execution.runner import InProcessRunner
from graphagg.progress import Progress
from graphagg.rag.config.limits import DEFAULT_LIMITS
from graphagg.rag.indexing.arrays import BuildArrays
from graphagg.rag.indexing.build import publish_segments
from graphagg.rag.indexing.change_blocks import StayingRows, write_tables
from graphagg.rag.indexing.engine import KEYS, TableStages, merge_strings
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.segments import StoredCorpus, segment_prefix, table_name
from graphagg.store import ArtifactWriter, Publication
from graphagg.store.manifest import Manifest
from graphagg.store.strings import GrowingStrings, StringTable


def merge_shards(
    publication: Publication, shards: Sequence[PassageSnapshot], progress: Progress
) -> Manifest:
    """Publish one index of the passages of several indices, which must have no id in common.

    Raises:
        InvalidParameter, ModelMismatch: a shard has other parameters or models than the first.
        DuplicateId: a passage is in two shards.
    """
    check_alike(shards)
    writer = publication.writer
    corpus = StoredCorpus([segment for shard in shards for segment in shard.corpus.segments])
    by_id = rows_by_id(shards, corpus)
    with publication.scratch() as scratch:
        arrays = BuildArrays(MemoryBlocks(), FileArrays(scratch), FileArrays(writer.folder))
        starts = offsets([len(shard.corpus) for shard in shards]).tolist()
        engine = TableStages(starts, arrays, InProcessRunner(progress), DEFAULT_LIMITS.entries)
        counts = _write_tables(engine, shards)
        engine.write_view(np.concatenate([shard.alive for shard in shards]))
    _link_segments(writer, shards)
    return publish_segments(publication, shards[0].artifact, corpus, by_id, counts)


def check_alike(shards: Sequence[PassageSnapshot]) -> None:
    """Raise an error if there is no shard, or if parameters or models differ from the first."""
    if not shards:
        raise InvalidParameter("no shard was given; name at least one index")
    first = shards[0].artifact
    for shard in shards[1:]:
        manifest = shard.artifact.manifest
        for name, value in first.manifest.parameters.items():
            if (other := manifest.parameters.get(name)) != value and name != "columns":
                raise InvalidParameter(
                    f"{shard.artifact.directory}: the index was built with {name} {other!r}, the "
                    f"first shard ({first.directory}) with {value!r}; build it with the "
                    "parameters of the others"
                )
        if manifest.models != first.manifest.models:
            raise ModelMismatch(
                f"{shard.artifact.directory}: the index was built with other models than the "
                f"first shard ({first.directory}); build it with the models of the others"
            )


def rows_by_id(shards: Sequence[PassageSnapshot], corpus: StoredCorpus) -> Array:
    """Return the live rows in the order of their ids; raises `DuplicateId`."""
    starts = offsets([len(shard.corpus) for shard in shards])
    runs = [shard.by_id + start for shard, start in zip(shards, starts, strict=False)]
    ids = list(StringTable.joined([s.passages.ids for s in corpus.segments]).raws())
    rows = sorted(np.concatenate(runs).tolist(), key=ids.__getitem__)  # merges sorted runs
    for row, following in pairwise(rows):
        if ids[row] == ids[following]:
            name = corpus.id(row)
            raise DuplicateId(f"passage {name!r} is in two shards; delete it from one of them")
    return np.array(rows, np.int32)


def _write_tables(engine: TableStages, shards: Sequence[PassageSnapshot]) -> dict[str, int]:
    """Write gazetteer and lexicon; returns counts of entities, mentions and terms."""
    arrays = engine.arrays
    staying = []
    for shard in shards:  # no row moves
        count = len(shard.alive)
        staying.append(StayingRows(shard, np.where(shard.alive, np.arange(count), -1), count))
    words = [rows.words() for rows in staying]
    keys = [shard.gazetteer.keys for shard in shards]
    with arrays.version.written() as folder:
        terms = GrowingStrings(folder, "lexicon.terms")
        term_ranks = merge_strings([of_shard for of_shard, _ in words], terms)
    with arrays.work.written() as folder:
        key_ranks = merge_strings(keys, GrowingStrings(folder, KEYS))
    return write_tables(engine, staying, [block for _, block in words], key_ranks, term_ranks)


def _link_segments(writer: ArtifactWriter, shards: Sequence[PassageSnapshot]) -> None:
    """Link the files of all segments under their new numbers."""
    segments = 0
    for shard in shards:
        artifact = shard.artifact
        prefixes = {
            start: new
            for j in range(len(shard.corpus.segments))
            for start, new in (
                (segment_prefix(j), segment_prefix(segments + j)),
                (f"{table_name(j)}.", f"{table_name(segments + j)}."),
            )
        }
        for name, entry in artifact.manifest.files.items():
            for start, new in prefixes.items():
                if name.startswith(start):
                    writer.take(artifact.path(name), new + name.removeprefix(start), entry)
        segments += len(shard.corpus.segments)
