"""The two blocks that a change merges: arrays of the new passages, and of the rows that stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np

from graphagg.arrays import Array, Ints, Mask, narrow, offsets, ranges
from graphagg.nearest.vectors import Rows, Stack
from graphagg.progress import Progress
from graphagg.rag.documents.passages import Passage
from graphagg.rag.indexing.block import (
    COLUMNS,
    SENTENCES,
    WINDOWS,
    Arrays,
    Block,
    block_of,
    mention_arrays,
    mentions_of_block,
    pair_arrays,
)
from graphagg.rag.indexing.engine import KEYS, MENTIONS, TableStages
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.matching import key_table
from graphagg.rag.tables.mentions import LINK, PREFIX, TARGET, target_keys
from graphagg.rag.tables.segments import PassageTable, Ragged, Segment, StoredCorpus
from graphagg.store.strings import StringTable


def new_block(
    new: Sequence[Passage],
    before: PassageSnapshot,
    removed: Iterable[int],
    models: Callable[[], Models],
    progress: Progress,
) -> Arrays:
    """Return the arrays of the new passages, of which there is at least one.

    Sentences, entities and vectors depend only on title and text. If a new passage has the title
    and text of a removed one (a file was touched or renamed), we copy them from the old version;
    models are loaded only for other passages.
    """
    corpus = before.corpus
    row_of = {(corpus[row].title, corpus[row].text): row for row in removed}
    sources = np.array([row_of.get((p.title, p.text), -1) for p in new], np.int64)
    fresh = [p for p, row in zip(new, sources.tolist(), strict=True) if row < 0]
    block = None
    if fresh:
        language = before.artifact.manifest.parameters["language"]
        block = block_of(fresh, replace(models(), language_override=language), progress)
    if block is not None and len(fresh) == len(new):
        return block
    segments = list(corpus.segments)
    if block is not None:
        segments.append(segment_of(fresh, block))
        sources[sources < 0] = len(corpus) + np.arange(len(fresh))
    corpus = StoredCorpus(segments)
    notes = [_annotation(corpus, row) for row in sources.tolist()]
    windows, counts = _rows_of(corpus.windows, corpus.window_bounds, sources)
    sentences, _ = _rows_of(corpus.sentence_vectors, corpus.sentence_bounds, sources)
    joined = Block(new, notes, before.analyzers)
    return joined.arrays(Ragged(offsets(counts), windows), sentences)


def _annotation(corpus: StoredCorpus, row: int) -> Annotation:
    segment, inside = corpus.locate(row)
    spans = (segment.sentences.row(inside), segment.entities.row(inside))
    sentences, entities = (tuple((a, b) for a, b in some.tolist()) for some in spans)
    return Annotation(sentences, entities)


def _rows_of(vectors: Stack, bounds: Rows, rows: Rows) -> tuple[Array, Rows]:
    """Return the stored vectors of some rows, row after row, and their number for each row."""
    counts = bounds[rows + 1] - bounds[rows]
    return vectors.rows(ranges(bounds[rows], counts)), counts


def segment_of(passages: Sequence[Passage], block: Arrays) -> Segment:
    """Create a segment from new passages and their arrays."""
    names = {"sentences": "s0.sentences", "found": "s0.found", "windows": WINDOWS}
    spans = [Ragged(block[f"s0.{name}.bounds"], block[values]) for name, values in names.items()]
    sentences, entities, windows = spans
    return Segment(PassageTable.of(passages), sentences, entities, windows, block[SENTENCES])


_MANY = 20  # names per row: reading a row takes 0.6 ms, looking up a name 0.03 ms


@dataclass(frozen=True)
class StayingRows:
    """The rows of a version that stay in the next one, as the first block of a merge.

    We use the lexicon to find old passages that contain a new key: only passages that contain all
    stems of a new name are read again, and, for new links, their targets.

    Attributes:
        row_map: `[R before]`, the row of each passage in the next version; -1 if it is removed.
        count: number of rows of the block, which may include rows of removed passages.
    """

    before: PassageSnapshot
    row_map: Ints
    count: int

    def words(self) -> tuple[StringTable, Arrays]:
        """Return the stems of the remaining passages, and the block's arrays except for names."""
        lexicon = self.before.lexicon
        stays = self.row_map[lexicon.rows] >= 0
        term = np.repeat(np.arange(len(lexicon.terms)), np.diff(lexicon.bounds))[stays]
        counts = np.bincount(term, minlength=len(lexicon.terms))
        used = np.flatnonzero(counts)
        arrays: Arrays = {
            "postings.bounds": offsets(counts[used]),
            "postings.row": self.row_map[lexicon.rows[stays]].astype(np.int32),
            "postings.count": narrow(lexicon.counts[stays]),
            "postings.context": lexicon.context[stays],
            "lexicon.lengths": self._moved(lexicon.lengths),
            "gazetteer.title_tokens": narrow(self._moved(self.before.gazetteer.title_tokens)),
            "keys.kind": self.before.gazetteer.kind,
        }
        if lexicon.languages is not None:
            arrays["lexicon.languages"] = self._moved(lexicon.languages)
        is_same = len(used) == len(lexicon.terms)
        return lexicon.terms if is_same else lexicon.terms.take(used), arrays

    def _moved(self, values: Array) -> Array:
        """Move values `[R before, ...]` to their new rows; rows of removed passages get 0."""
        moved = np.zeros((self.count, *values.shape[1:]), values.dtype)
        stays = self.row_map >= 0
        moved[self.row_map[stays]] = values[stays]
        return moved

    def mentions(
        self, ranks: Array, fresh: Array, names: StringTable, old: Gazetteer | None = None
    ) -> Arrays:
        """Return the mentions of the old entities, and of names that are new to the index.

        `ranks` holds the rank of each old entity among all keys, or -1 if it is removed; `fresh`
        `[f]` the ranks of the new keys `names`. `old` has the old entities (None: `before`).
        """
        old = old or self.before.gazetteer
        row = np.repeat(self.row_map, np.diff(old.bounds))
        mentions = row, ranks[old.entity], old.start, old.length, old.sentence, old.flags
        key, pair_row = np.repeat(ranks, np.diff(old.pair_bounds)), self.row_map[old.row]
        columns = _where(mentions, (row >= 0) & (mentions[1] >= 0))
        pairs = _where((key, pair_row, old.count, old.pair_flags), (pair_row >= 0) & (key >= 0))
        fresh_records = self._mentions_of_fresh(fresh, names)
        if len(fresh_records):
            more = mention_arrays(fresh_records)
            columns = _merged(columns, [more[name] for name in COLUMNS], self.count)
            key = np.repeat(more["pairs.key"], np.diff(more["pairs.bounds"]))
            of_fresh = key, more["pairs.row"], more["pairs.count"], more["pairs.flags"]
            places = np.searchsorted(pairs[0], key)  # no other pair has these keys
            both = zip(pairs, of_fresh, strict=True)
            pairs = [np.insert(a.astype(np.result_type(a, b)), places, b) for a, b in both]
        return dict(zip(COLUMNS, columns, strict=True)) | pair_arrays(*pairs)

    def _mentions_of_fresh(self, fresh: Array, names: StringTable) -> Array:
        """Find the mentions of new names in rows that stay; `[m, 6]`, see `COLUMNS`."""
        rows = np.flatnonzero(self._holds_any(names) & (self.row_map >= 0))
        if not len(rows):
            return np.zeros((0, len(COLUMNS)), np.int32)
        corpus = self.before.corpus
        passages = [corpus[row] for row in rows.tolist()]
        notes = [replace(_annotation(corpus, row), mentions=()) for row in rows.tolist()]
        block = Block(passages, notes, self.before.analyzers).names()
        keys = StringTable(block["keys.utf8"], block["keys.offsets"])
        looked_up = (names.find_sorted(key) for key in keys)
        ranks = np.array([-1 if rank is None else rank for rank in looked_up], np.int32)
        # The titles of these passages define no new name. Their lower-case codes and link targets
        # may be new names, but these passages do not define them.
        block |= {name: block[name][:0] for name in ("titled.key", "titled.flags")}
        block["titled.bounds"] = np.zeros(len(rows) + 1, np.int64)
        block |= _known_codes(block, ranks)
        mentions = mentions_of_block(block.__getitem__, key_table(names), ranks)
        records = np.stack([mentions[name].astype(np.int32) for name in COLUMNS], axis=1)
        records[:, 0] = self.row_map[rows[records[:, 0]]]
        records[:, 1] = fresh[records[:, 1]]
        return records

    def _holds_any(self, names: StringTable) -> Mask:
        """Return a mask `[R before]` of the rows that contain all stems of at least one name.

        With very many names, all rows are returned: looking up the stems would take longer.
        """
        lexicon, analyzers = self.before.lexicon, self.before.analyzers
        if len(names) > _MANY * len(self.row_map):
            return np.ones(len(self.row_map), np.bool_)
        mask = np.zeros(len(self.row_map), bool)
        links = {name for name in names if name.startswith(PREFIX)}
        with_anchors = any("#" in name for name in links)
        for row in np.flatnonzero(self.row_map >= 0).tolist() if links else ():
            segment, inside = self.before.corpus.locate(row)
            table = segment.passages
            metadata = table.metadata_of(inside) if with_anchors else {}
            place = Passage(table.ids[inside], "", "", metadata, table.documents[inside])
            mask[row] = not links.isdisjoint(target_keys(place))
        intersect = partial(np.intersect1d, assume_unique=True)
        for analyzer in analyzers.each(lexicon.codes()):
            rows: dict[str, Array | None] = {}  # names share words
            for words in (set(name.split(" ")) for name in names):
                for word in words:
                    if word not in rows:
                        postings = lexicon.find(analyzer.stem(word))
                        rows[word] = None if postings is None else postings.rows
                holders = [held for word in words if (held := rows[word]) is not None]
                if len(holders) == len(words):
                    mask[reduce(intersect, sorted(holders, key=len))] = True
        return mask


def _where(columns: Sequence[Array], mask: Mask) -> list[Array]:
    return list(columns) if mask.all() else [column[mask] for column in columns]


def _merged(columns: Sequence[Array], more: Sequence[Array], rows: int) -> list[Array]:
    """Merge the mentions `more` into `columns`, see `COLUMNS`; both are in gazetteer order."""
    every = [np.concatenate(pair) for pair in zip(columns, more, strict=True)]
    row, key, start, length = every[:4]
    touched = np.zeros(rows, np.bool_)
    touched[more[0]] = True
    is_touched = touched[row]
    some, order = np.flatnonzero(is_touched), np.flatnonzero(~is_touched)
    by = key[some], -length[some].astype(np.int32), start[some], row[some]
    order = np.concatenate([order, some[np.lexsort(by)]])  # two sorted runs, which sort fast
    order = order[np.argsort(row[order], kind="stable")]
    return [column[order] for column in every]


def write_tables(
    engine: TableStages,
    staying: Sequence[StayingRows],
    blocks: Sequence[Arrays],
    key_ranks: Sequence[Array],
    term_ranks: Sequence[Array],
) -> dict[str, int]:
    """Write gazetteer and lexicon of the rows that stay, followed by blocks of new passages.

    `blocks` contains the blocks of both, without vectors. The caller has written the merged keys
    and terms. Returns counts of entities, mentions and terms.
    """
    arrays, first = engine.arrays, len(staying)
    stats, keys = engine.take(blocks, key_ranks, term_ranks), arrays.work.strings(KEYS)
    linked, targets = np.zeros((2, len(keys)), np.bool_)
    for block, ranks in zip(blocks[first:], key_ranks[first:], strict=True):
        entities, flags = ranks[block["named.key"]], block["named.flags"]
        linked[entities[flags & LINK > 0]] = True
        targets[entities[flags & TARGET > 0]] = True
    for i, rows in enumerate(staying):
        fresh = np.setdiff1d(np.arange(len(keys)), key_ranks[i], assume_unique=True)
        fresh = fresh[linked[fresh] | ~targets[fresh]]  # targets count only if linked
        mentions = rows.mentions(key_ranks[i], fresh, keys.take(fresh))
        arrays.stage(MENTIONS).save(i, mentions)
    if first < len(blocks):
        engine.find_mentions(first)
    counts = engine.write_gazetteer()
    engine.write_postings(stats)
    return counts | {"terms": len(arrays.version.map("lexicon.bounds")) - 1}


def _known_codes(block: Arrays, ranks: Array) -> Arrays:
    """Return the named keys of a block whose rank is not -1."""
    has_rank = ranks[block["named.key"]] >= 0
    row = np.repeat(np.arange(len(block["named.bounds"]) - 1), np.diff(block["named.bounds"]))
    counts = np.bincount(row[has_rank], minlength=len(block["named.bounds"]) - 1)
    columns = (f"named.{name}" for name in ("key", "start", "length", "flags"))
    return {name: block[name][has_rank] for name in columns} | {"named.bounds": offsets(counts)}
