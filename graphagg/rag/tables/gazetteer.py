"""Every entity, and every place in every passage where its words occur.

An entity is a key (`tokens.entity_key`) that the extractor found in a passage or that titles one.
All places are kept, also where they overlap, are in lower case or lie inside a longer name: which
of them count depends on which keys there are, and that depends on which passages a reader may see.
`View` decides it for one set of passages.

That an old passage holds a new key is seen from the lexicon: only the passages that hold all its
stems are read again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, reduce
from itertools import product

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, narrow, offsets
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.tables.lexicon import Lexicon, merge_sorted
from graphagg.rag.tables.longer import LongerNames
from graphagg.rag.tables.mentions import (
    BASE_TITLE,
    FOUND,
    FULL_TITLE,
    KeyFinder,
    NewRow,
    NewRows,
    Record,
    RowReader,
    RowTokens,
)
from graphagg.rag.tables.segments import Corpus
from graphagg.store import ArtifactWriter
from graphagg.store.reading import Arrays
from graphagg.store.strings import StringTable

DEFINES = FOUND | FULL_TITLE | BASE_TITLE
"""Flags of which a mention needs one to make an entity of its key."""
LINKABLE, DATE = 1, 2
"""Flags of an entity: more than a stop word or a letter, at most `LONGEST_KEY` tokens; only numbers
and months."""
LONGEST_KEY = 10
_MONTHS = frozenset(
    "january february march april may june july august september october november december "
    "bc ad bce ce st nd rd th early mid late century".split()
)
NAME_ROW = "gazetteer.name_row"
_MENTION_COLUMNS = ("entity", "start", "length", "sentence", "flags")
_PAIR_COLUMNS = ("row", "count", "pair_flags")


@dataclass(frozen=True)
class Gazetteer:
    """Entities and their mentions; E entities, m mentions, n pairs of an entity and a passage.

    Attributes:
        keys: `[E]` ascending by their UTF-8 bytes: an entity's id is its rank.
        name_row: `[E]` int32, the row of its vector in `Corpus.name_vectors`; -1 for an entity
            that only titles name.
        kind: `[E]` uint8, flags of an entity.
        title_tokens: `[R]`, `narrow`, tokens of each passage's title; 0 for a passage that is gone.
        bounds: `[R + 1]` int64; the mentions of row r are `bounds[r]` to `bounds[r + 1]`, by their
            start, the longest first, then by entity.
        entity, start, length, sentence, flags: `[m]`; start counts the tokens of title and text,
            sentence those of the passage; both are `narrow`.
        pair_bounds: `[E + 1]` int64; the pairs of entity e are `[e]` to `[e + 1]`, by row.
        row, count: `[n]`, the passage, and how often the entity occurs in it (N_ep), `narrow`.
        pair_flags: `[n]` uint8, the flags of all its mentions there.
    """

    keys: StringTable
    name_row: npt.NDArray[np.int32]
    kind: npt.NDArray[np.uint8]
    title_tokens: Array
    bounds: npt.NDArray[np.int64]
    entity: npt.NDArray[np.int32]
    start: Array
    length: npt.NDArray[np.uint8]
    sentence: Array
    flags: npt.NDArray[np.uint8]
    pair_bounds: npt.NDArray[np.int64]
    row: npt.NDArray[np.int32]
    count: Array
    pair_flags: npt.NDArray[np.uint8]

    def find(self, key: str) -> int | None:
        """Id of the entity with this key; None if there is none."""
        return self.keys.find_sorted(key)

    def pairs(self, entity: int) -> slice:
        """The range of an entity's pairs."""
        return slice(int(self.pair_bounds[entity]), int(self.pair_bounds[entity + 1]))

    def mentions(self, row: int) -> slice:
        """The range of a passage's mentions."""
        return slice(int(self.bounds[row]), int(self.bounds[row + 1]))

    @cached_property
    def longer(self) -> LongerNames:
        """Finds the longer forms of a name."""
        return LongerNames(self.keys)

    def save(self, writer: ArtifactWriter) -> None:
        """Write every part; the rows of vectors where there are any."""
        writer.strings("entities.keys", self.keys)
        if (self.name_row >= 0).any():
            writer.array(NAME_ROW, self.name_row)
        for name in ARRAYS:
            writer.array(f"gazetteer.{name}", getattr(self, name))

    @classmethod
    def open(cls, artifact: Arrays) -> Gazetteer:
        """Map what `save` wrote."""
        arrays = {name: artifact.array(f"gazetteer.{name}") for name in ARRAYS}
        keys = artifact.strings("entities.keys")
        has_rows = f"{NAME_ROW}.npy" in artifact
        return cls(keys, artifact.array(NAME_ROW) if has_rows else no_rows(len(keys)), **arrays)

    @classmethod
    def empty(cls) -> Gazetteer:
        """The gazetteer of no passages."""
        return _assemble(
            StringTable.pack([]),
            np.zeros(0, np.int32),
            np.zeros(0, np.uint8),
            np.zeros(0, np.int32),
            _Mentions.of(array("i")),
            np.zeros(0, bool),
            np.zeros(0, bool),
        )


ARRAYS = (
    "kind", "title_tokens", "bounds", *_MENTION_COLUMNS, "pair_bounds", *_PAIR_COLUMNS,
)  # fmt: skip


def no_rows(entities: int) -> npt.NDArray[np.int32]:
    """The rows of the vectors of entities that have none."""
    return np.broadcast_to(np.int32(-1), entities)


@dataclass(frozen=True)
class Change:
    """What happens to the rows of an index.

    Attributes:
        corpus: the segments after the change.
        row_map: `[R before]` the new row of each passage, -1 where it goes.
        new_rows: rows after the change that were not there before.
        first_renamed: number of the first segment whose names were written again.
    """

    corpus: Corpus
    row_map: npt.NDArray[np.int64]
    new_rows: Sequence[int]
    first_renamed: int


def changed(
    old: Gazetteer, lexicon: Lexicon, change: Change, new: NewRows, analyzers: Analyzers
) -> Gazetteer:
    """The gazetteer after a change; the same as one built from what is left and new.

    Args:
        old: the gazetteer before.
        lexicon: the lexicon before.
        change: what happens to the rows.
        new: the new passages, in the order of `change.new_rows`.
        analyzers: of the lexicon.
    """
    fresh = {key for part in (new.names, new.titled) for key in part if old.find(key) is None}
    keys, numbers, fresh_ids = merge_sorted(old.keys, fresh)
    mentions = _Mentions.kept(old, change.row_map, numbers)
    read_again = _rows_with(fresh, lexicon, analyzers, change.row_map)
    records = array("i")  # a tuple each would take eight times the memory
    for record in _mentions_of_old(read_again, change.corpus, KeyFinder(None, fresh_ids.items())):
        records.extend(record)
    finder = KeyFinder(keys)
    for row, passage in zip(change.new_rows, new, strict=True):
        for record in mentions_of(row, passage, finder, keys):
            records.extend(record)
    titles = np.zeros(len(change.corpus), np.int32)
    stays = change.row_map >= 0
    titles[change.row_map[stays]] = old.title_tokens[stays]
    titles[np.asarray(change.new_rows, np.int64)] = new.title_tokens
    name_row = np.full(len(keys), -1, np.int32)
    name_row[numbers] = old.name_row
    _place_names(name_row, keys, change)
    kind = np.zeros(len(keys), np.uint8)
    kind[numbers] = old.kind
    for key, number in fresh_ids.items():
        kind[number] = kind_of(key.split(" "), analyzers)
    del finder  # it holds all keys as strings
    mentions = mentions.joined(_Mentions.of(records))
    del records
    defined, found = mentions.marked(len(keys))
    order = mentions.order(defined)
    mentions = mentions.take(order)
    del order
    return _assemble(keys, name_row, kind, titles, mentions, defined, found)


def kind_of(words: Sequence[str], analyzers: Analyzers) -> int:
    """The flags of an entity by the words of its key."""
    alone = len(words) == 1 and (len(words[0]) < 2 or words[0] in analyzers.stop_words)
    linkable = LINKABLE if len(words) <= LONGEST_KEY and not alone else 0
    dates = all(word in _MONTHS or any(c.isdigit() for c in word) for word in words)
    return linkable | (DATE if dates else 0)


def _rows_with(
    keys: Iterable[str], lexicon: Lexicon, analyzers: Analyzers, row_map: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """New rows of the old passages that hold all stems of any of the keys, ascending."""
    holders = [np.zeros(0, np.int64)]
    each = analyzers.each(lexicon.codes()) if len(row_map) else []
    for key, analyzer in product(keys, each):
        postings = [lexicon.find(analyzer.stem(word)) for word in set(key.split(" "))]
        if all(p is not None for p in postings):
            by_size = sorted((p.rows for p in postings if p is not None), key=len)
            holders.append(reduce(np.intersect1d, by_size).astype(np.int64))
    rows = row_map[np.unique(np.concatenate(holders))]
    return rows[rows >= 0]


def _mentions_of_old(
    rows: npt.NDArray[np.int64], corpus: Corpus, finder: KeyFinder
) -> Iterator[Record]:
    """The mentions of fresh keys in passages that were there before."""
    for row in rows.tolist():
        segment, inside = corpus.locate(row)
        tokens = RowTokens.of(segment.passages[inside])
        passage = segment.passages[inside]
        reader = RowReader(row, tokens, passage.full_text, segment.sentences.row(inside))
        for start, length, entity in reader.find(finder):
            yield reader.record(entity, start, length, 0)


def mentions_of(row: int, new: NewRow, finder: KeyFinder, keys: StringTable) -> Iterator[Record]:
    """The mentions of a passage that is new, by the keys of a sorted table."""
    reader = RowReader(row, new.tokens, new.passage.full_text, new.sentences)
    unmatched: dict[tuple[int, int], list[str]] = {}  # what the extractor found, by its tokens
    for f in dict.fromkeys(new.found):
        unmatched.setdefault((f.start, f.length), []).append(f.key)
    for start, length, entity in reader.find(finder):
        flags, same_tokens = 0, unmatched.get((start, length), [])
        if same_tokens and keys[entity] in same_tokens:
            same_tokens.remove(keys[entity])
            flags = FOUND
        if start < new.tokens.titles and new.titles:
            flags |= new.titles.get(keys[entity], 0)
        yield reader.record(entity, start, length, flags)
    for (start, length), in_run in unmatched.items():  # parts of a run without spaces
        for key in in_run:
            yield reader.record(keys.place_sorted(key.encode()), start, length, FOUND)


def _place_names(name_row: npt.NDArray[np.int32], keys: StringTable, change: Change) -> None:
    """Set the rows of the vectors of names that were written again; both tables ascend."""
    corpus = change.corpus
    for number in range(change.first_renamed, len(corpus.segments)):
        names, begin = corpus.segments[number].names, int(corpus.name_vectors.starts[number])
        entity = 0
        for i in range(len(names)):
            raw = names.raw(i)
            if keys.raw(entity) != raw:  # of a first segment, the next key is nearly always it
                entity = keys.place_sorted(raw, entity + 1)
            name_row[entity] = begin + i
            entity += 1


@dataclass(frozen=True)
class _Mentions:
    """Mentions in any order."""

    row: Array
    entity: Array
    start: Array
    length: Array
    sentence: Array
    flags: Array

    @classmethod
    def of(cls, records: array[int]) -> _Mentions:
        flat = np.frombuffer(records, np.int32) if records else np.zeros(0, np.int32)
        return cls(*flat.reshape(-1, 6).T)

    @classmethod
    def kept(
        cls, old: Gazetteer, row_map: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]
    ) -> _Mentions:
        """Those of the passages that stay."""
        row = row_map[np.repeat(np.arange(len(row_map)), np.diff(old.bounds))]
        stays = row >= 0
        columns = (old.start, old.length, old.sentence, old.flags)
        return cls(row[stays], numbers[old.entity[stays]], *(c[stays] for c in columns))

    def joined(self, other: _Mentions) -> _Mentions:
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return _Mentions(*(np.concatenate(pair).astype(np.int32) for pair in pairs))

    def take(self, which: Array) -> _Mentions:
        return _Mentions(*(getattr(self, f.name)[which] for f in fields(self)))

    def marked(self, keys: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which of the keys a mention defines, and which the extractor found; `[keys]` each."""
        defined, found = np.zeros(keys, bool), np.zeros(keys, bool)
        defined[self.entity[(self.flags & DEFINES) > 0]] = True
        found[self.entity[(self.flags & FOUND) > 0]] = True
        return defined, found

    def order(self, defined: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """The places of the mentions of defined keys, in the order of the gazetteer."""
        some = np.flatnonzero(defined[self.entity])
        m = [column[some] for column in (self.entity, self.length, self.start, self.row)]
        return some[np.lexsort((m[0], -m[1], m[2], m[3]))]


def _assemble(
    keys: StringTable,
    name_row: Array,
    kind: Array,
    titles: Array,
    m: _Mentions,
    defined: npt.NDArray[np.bool_],
    found: npt.NDArray[np.bool_],
) -> Gazetteer:
    """Drop the keys that nothing defines and the vectors of those that only titles name.

    Args:
        keys: all of them.
        name_row: `[keys]` the row of each one's vector.
        kind: `[keys]` flags.
        titles: `[R]` tokens of each title.
        m: the mentions of the defined keys, in their order.
        defined: which keys a mention defines.
        found: which keys the extractor found.
    """
    entity = (np.cumsum(defined, dtype=np.int32) - 1)[m.entity]
    rows = len(titles)
    codes, pair = _pairs(entity, m.row, rows)
    by_pair = np.argsort(pair, kind="stable")
    counts = np.bincount(pair, minlength=len(codes))
    pair_entity = codes // max(rows, 1)
    kept = np.flatnonzero(defined)
    return Gazetteer(
        keys=keys.take(kept),
        name_row=np.where(found, name_row, -1)[kept].astype(np.int32),
        kind=kind[kept].astype(np.uint8),
        title_tokens=narrow(titles),
        bounds=offsets(np.bincount(m.row, minlength=rows)),
        entity=entity.astype(np.int32),
        start=narrow(m.start),
        length=m.length.astype(np.uint8),
        sentence=narrow(m.sentence),
        flags=m.flags.astype(np.uint8),
        pair_bounds=offsets(np.bincount(pair_entity, minlength=len(kept))),
        row=(codes % max(rows, 1)).astype(np.int32),
        count=narrow(counts),
        pair_flags=or_of(m.flags[by_pair], counts),
    )


def _pairs(entity: Array, row: Array, rows: int) -> tuple[Array, Array]:
    """The distinct pairs as `entity * rows + row`, ascending, and which of them each mention is."""
    codes, pair = np.unique(entity.astype(np.int64) * max(rows, 1) + row, return_inverse=True)
    return codes, pair.astype(np.int32)


def or_of(flags: Array, counts: Array) -> npt.NDArray[np.uint8]:
    """The union of the flags of each of consecutive groups; none of them is empty."""
    if not len(counts):
        return np.zeros(0, np.uint8)
    return np.bitwise_or.reduceat(flags, np.cumsum(counts) - counts).astype(np.uint8)
