"""The stages that build the tables of an index from blocks of passages, for all builds.

    segment     per block   entities, sentences, vectors, names, words (`block`)
    keys        merged      the distinct names of all blocks; then a hash table of these names
    mentions    per block   every occurrence of every name (`block`)
    entities                names that a passage defines: numbers, kinds, bounds of pairs
    pairs       by ranges   pairs of an entity and a passage, sorted by entity
    gazetteer   per block   mentions with the numbers of their entities
    vectors                 vectors of all blocks, with a FAISS index if there are many
    terms       merged      the stems of all blocks; then postings by ranges of stems
    view                    statistics of all passages

A name counts in every passage, even before its definition, so `mentions` needs the names of all
blocks. A build runs all stages, in process or as Spark tasks. A change runs them on two blocks: the
passages that stay, and the new ones (`graphagg.rag.indexing.change`).
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints, Mask, narrow, narrow_type, offsets
from graphagg.execution.arrays import FileArrays
from graphagg.execution.runner import Stats, TaskRunner
from graphagg.rag.indexing.arrays import SEGMENT_STAGE, BuildArrays, write_new
from graphagg.rag.indexing.block import COLUMNS, WINDOWS, Arrays, mentions_of_block
from graphagg.rag.tables.gazetteer import DEFINES, Gazetteer
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.matching import KeyTable, key_table
from graphagg.rag.tables.view import View
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import preallocate
from graphagg.store.strings import GrowingStrings, StringTable

_WRITTEN = 65_536  # number of strings that are appended to a file at once


def merge_strings(tables: Sequence[StringTable], file: GrowingStrings) -> list[Array]:
    """Write the distinct strings of sorted tables, ascending by UTF-8 bytes, and close the file.

    Returns, for each table, the int32 ranks of its strings in the file, ascending.
    """
    ranks = [array("i") for _ in tables]
    distinct: list[bytes] = []
    total = 0
    streams = (zip(table.raws(), repeat(i)) for i, table in enumerate(tables))
    for raw, owners in groupby(heapq.merge(*streams), key=itemgetter(0)):
        for _, i in owners:
            ranks[i].append(total)
        distinct.append(raw)
        total += 1
        if len(distinct) == _WRITTEN:
            file.append(StringTable.pack_bytes(distinct))
            distinct = []
    file.append(StringTable.pack_bytes(distinct))
    file.close()
    return [np.frombuffer(r, np.int32) if r else np.zeros(0, np.int32) for r in ranks]


def insert_sorted(table: StringTable, new: StringTable) -> tuple[StringTable, Array, Array]:
    """Merge a sorted table of m strings into one of n; O(m log(n / m)) comparisons and one copy.

    Returns the merged table, and the int32 ranks in it of the strings of `table` and of `new`.
    """
    positions, is_new, low = np.zeros(len(new), np.int64), np.zeros(len(new), bool), 0
    for i, raw in enumerate(new.raws()):
        high, step = low, 1
        while high < len(table) and table.raw(high) < raw:
            low, high, step = high + 1, high + step, 2 * step
        low = positions[i] = table.place_sorted(raw, low, min(high, len(table)))
        is_new[i] = low == len(table) or table.raw(low) != raw
    inserted = np.flatnonzero(is_new)
    new_ranks = positions + np.cumsum(is_new) - is_new
    old_ranks = np.arange(len(table))
    old_ranks += np.searchsorted(positions[inserted], old_ranks, side="right")
    source = np.empty(len(table) + len(inserted), np.int64)
    source[old_ranks] = np.arange(len(table))
    source[new_ranks[inserted]] = len(table) + np.arange(len(inserted))
    merged = table
    if len(inserted):
        merged = StringTable.joined([table, new.take(inserted)]).take(source)
    return merged, old_ranks.astype(np.int32), new_ranks.astype(np.int32)


def key_ranges(bounds: Ints, most: int) -> list[int]:
    """Cut keys into ranges of at most `most` entries; a key with more forms its own range.

    The entries of key k are `bounds[k]` to `bounds[k + 1]`. Returns the first key of each range,
    followed by the number of keys.
    """
    cuts, keys = [0], len(bounds) - 1
    while cuts[-1] < keys:
        last = int(np.searchsorted(bounds, bounds[cuts[-1]] + most, side="right")) - 1
        cuts.append(min(max(last, cuts[-1] + 1), keys))
    return cuts


def entries_between(
    keys: Array, bounds: Ints, columns: Sequence[Array], first: int, last: int
) -> tuple[Array, list[Array]]:
    """Select the entries of a block with keys `first` to `last - 1`: their keys, and the columns.

    `keys` `[k]` ascend; the entries of key i are `bounds[i]` to `bounds[i + 1]`.
    """
    low, high = np.searchsorted(keys, [first, last])
    some = bounds[low : high + 1]
    columns = [column[some[0] : some[-1]] for column in columns]
    return np.repeat(keys[low:high], np.diff(some)), columns


def in_key_order(blocks: Sequence[tuple[Array, Sequence[Array]]]) -> list[Array]:
    """Sort the entries of blocks, keys and columns, by key; equal keys stay in block order."""
    order = np.argsort(np.concatenate([keys for keys, _ in blocks]), kind="stable")
    columns = zip(*(columns for _, columns in blocks), strict=True)
    return [np.concatenate(column)[order] for column in columns]


KEYS, TERMS, MENTIONS, GAZETTEER = "keys", "terms", "mentions", "gazetteer"
_READ = 65_536  # number of keys that are read at once
ENTITY_OF = "entity_of"
"""`[K + 1]` int32, the number of entities among the keys before each key; K keys."""
_JOINED = ("s0.", "lexicon.", "gazetteer.")
VECTORS = "vectors."


@dataclass(frozen=True)
class TableStages:
    """The build stages over the blocks of an index that is being written.

    Attributes:
        starts: the first row of each block, and the number of rows.
        entries: number of pairs or postings that a task sorts at once.
    """

    starts: Sequence[int]
    arrays: BuildArrays
    runner: TaskRunner
    entries: int

    def run(self, blocks: Sequence[Stats]) -> dict[str, int]:
        """Run the stages after `segment`; returns counts of entities, mentions and terms."""
        self.join(blocks)
        write_new(self.arrays, self.runner)
        self._merge(KEYS, self.arrays.work, KEYS)
        self.find_mentions()
        counts = self.write_gazetteer()
        self._merge(TERMS, self.arrays.version, "lexicon.terms")
        self.write_postings(blocks)
        self.write_view(np.ones(self.starts[-1], np.bool_))
        return counts | {"terms": len(self.arrays.version.map("lexicon.bounds")) - 1}

    def join(self, blocks: Sequence[Stats]) -> None:
        """Concatenate the arrays of all blocks: files of the version, and its vectors."""
        targets = ((_JOINED, self.arrays.version), ((VECTORS,), self.arrays.work))
        for begins, target in targets:
            names = [name for name in blocks[0] if name.startswith(begins)]
            stage = self.arrays.stage(SEGMENT_STAGE)
            stage.join(self.runner, blocks, target, names, {"s0.windows.bounds": WINDOWS})

    def take(
        self, blocks: Sequence[Arrays], key_ranks: Sequence[Array], term_ranks: Sequence[Array]
    ) -> list[Stats]:
        """Save and join blocks whose keys and terms already have ranks; returns the stats."""
        stage, stats = self.arrays.stage, list[Stats]()
        for i, block in enumerate(blocks):
            stats.append({"block": i} | stage(SEGMENT_STAGE).save(i, block))
            stage(KEYS).save(i, {"ranks": key_ranks[i]})
            stage(TERMS).save(i, {"ranks": term_ranks[i]})
        self.join(stats)
        return stats

    def _merge(self, table: str, target: FileArrays, name: str) -> None:
        """Merge a sorted string table of all blocks, without duplicates, in one task.

        Array `ranks` of stage `table` then has the ranks of each block's strings in the result.
        """

        def merge(_: int) -> None:
            stage = self.arrays.stage(SEGMENT_STAGE)
            tables = [stage.strings(i, table) for i in range(self._count)]
            with target.written() as folder:
                ranks = merge_strings(tables, GrowingStrings(folder, name))
            for i, of_block in enumerate(ranks):
                self.arrays.stage(table).save(i, {"ranks": of_block})

        self.runner.run(1, merge)

    def find_mentions(self, first: int = 0) -> None:
        """Run stage `mentions`: find every occurrence of every key, from block `first` on."""
        self.runner.run(1, self._hash_keys)

        def find(i: int) -> Stats:
            block, mentions = self.arrays.stage(SEGMENT_STAGE), self.arrays.stage(MENTIONS)
            finished = mentions.known(first + i)
            if finished is not None:
                return finished
            ranks = self.arrays.stage(KEYS).map(first + i, "ranks")
            array = partial(block.map, first + i)
            return mentions.save(first + i, mentions_of_block(array, self._key_table(), ranks))

        self.runner.run(self._count - first, find, MENTIONS)

    def write_gazetteer(self) -> dict[str, int]:
        """Run `entities`, `pairs` and `gazetteer`; returns counts of entities and mentions."""
        (entities,) = self.runner.run(1, self._number_entities)
        self._write_pairs(narrow_type(entities["largest"]))
        mentions = self._write_mentions()
        return {"entities": entities["entities"], "mentions": mentions}

    def _hash_keys(self, _: int) -> None:
        table = key_table(self._keys())
        self.arrays.work.write_whole({"keys.slots": table.slots, "keys.longest": table.longest})

    def _key_table(self) -> KeyTable:
        keys, work = self._keys(), self.arrays.work
        slots, longest = work.map("keys.slots"), work.map("keys.longest")
        return KeyTable(slots, longest, keys.data, keys.offsets)

    def _keys(self) -> StringTable:
        return self.arrays.work.strings(KEYS)

    def _number_entities(self, _: int) -> Stats:
        """Number the keys that a passage defines, and write all arrays of entities."""
        keys, mentions = self._keys(), self.arrays.stage(MENTIONS)
        defined = np.zeros(len(keys), bool)
        counts, kinds = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.uint8)
        for i in range(self._count):
            key, flags = (mentions.map(i, name) for name in ("pairs.key", "pairs.union"))
            defined[key[(flags & DEFINES) > 0]] = True
            counts[key] += np.diff(mentions.map(i, "pairs.bounds"))
            ranks = self.arrays.stage(KEYS).map(i, "ranks")
            kinds[ranks] = self.arrays.stage(SEGMENT_STAGE).map(i, "keys.kind")
        self.arrays.work.write_whole({ENTITY_OF: offsets(defined).astype(np.int32)})
        with self.arrays.version.written() as folder:
            names = GrowingStrings(folder, "entities.keys")
            for first in range(0, len(keys), _READ):
                names.append(keys.take(first + np.flatnonzero(defined[first : first + _READ])))
            names.close()
        bounds: Arrays = {"gazetteer.pair_bounds": offsets(counts[defined])}
        self.arrays.version.write_whole({"gazetteer.kind": kinds[defined]} | bounds)
        largest = (self._pairs(i, 0, len(keys))[1][1].max(initial=0) for i in range(self._count))
        return {"entities": int(defined.sum()), "largest": int(max(largest))}

    def _pairs(self, i: int, first: int, last: int) -> tuple[Array, list[Array]]:
        """Return keys, rows, counts and flags of a block's pairs with keys in a range."""
        mentions = self.arrays.stage(MENTIONS)
        columns = [mentions.map(i, f"pairs.{name}") for name in ("row", "count", "flags")]
        bounds = mentions.map(i, "pairs.bounds")
        key, columns = entries_between(mentions.map(i, "pairs.key"), bounds, columns, first, last)
        is_defined = self._is_defined(key)
        if not is_defined.all():
            key, columns = key[is_defined], [column[is_defined] for column in columns]
        return key, [columns[0] + np.int32(self.starts[i]), *columns[1:]]

    def _is_defined(self, keys: Array) -> Mask:
        entity_of = self.arrays.work.map(ENTITY_OF)
        return np.asarray(entity_of[keys + 1] > entity_of[keys])

    def _write_pairs(self, count_type: Any) -> None:
        """Write rows, counts and flags of all pairs; a task writes a range of entities."""
        bounds = self.arrays.version.map("gazetteer.pair_bounds")
        cuts, starts = self._ranges(bounds)
        columns = {"row": np.int32, "count": count_type, "pair_flags": np.uint8}
        for name, dtype in columns.items():
            self.arrays.version.create(f"gazetteer.{name}", dtype, (int(bounds[-1]),))

        def write(j: int) -> None:
            entity_of = self.arrays.work.map(ENTITY_OF)
            first, last = np.searchsorted(entity_of, cuts[j : j + 2]).tolist()
            pairs = in_key_order([self._pairs(i, first, last) for i in range(self._count)])
            for name, column in zip(columns, pairs, strict=True):
                self.arrays.version.write(f"gazetteer.{name}", starts[j], column)

        self.runner.run(len(cuts) - 1, write)

    def _write_mentions(self) -> int:
        """Run stage `gazetteer`: write the mentions and their entities; returns their number."""

        def number(i: int) -> Stats:
            m = {name: self.arrays.stage(MENTIONS).map(i, name) for name in COLUMNS}
            is_defined = self._is_defined(m["key"])
            if not is_defined.all():
                m = {name: column[is_defined] for name, column in m.items()}
            rows = np.bincount(m["row"], minlength=self.starts[i + 1] - self.starts[i])
            arrays = {
                "gazetteer.bounds": offsets(rows),
                "gazetteer.entity": self.arrays.work.map(ENTITY_OF)[m["key"]],
                "gazetteer.start": narrow(m["start"]),
                "gazetteer.length": m["length"],
                "gazetteer.sentence": narrow(m["sentence"]),
                "gazetteer.flags": m["flags"],
            }
            return self.arrays.stage(GAZETTEER).save(i, arrays)

        blocks = self.runner.run(self._count, number)
        names = [name for name in blocks[0] if name.startswith("gazetteer.")]
        values_of = {"gazetteer.bounds": "gazetteer.entity"}
        gazetteer, version = self.arrays.stage(GAZETTEER), self.arrays.version
        gazetteer.join(self.runner, blocks, version, names, values_of)
        return sum(block["gazetteer.entity"] for block in blocks)

    def write_postings(self, blocks: Sequence[Stats]) -> None:
        """Write the postings of all stems; a task writes a range of stems."""
        self.runner.run(1, self._count_postings)
        version = self.arrays.version
        bounds = version.map("lexicon.bounds")
        cuts, starts = self._ranges(bounds)
        stage = self.arrays.stage(SEGMENT_STAGE)
        columns = {"rows": "row", "counts": "count", "context": "context"}
        for name, of_block in columns.items():
            dtype = stage.widest(blocks, f"postings.{of_block}").dtype
            version.create(f"lexicon.{name}", dtype, (int(bounds[-1]),))

        def write(j: int) -> None:
            entries = []
            for i in range(self._count):
                postings = [stage.map(i, f"postings.{name}") for name in columns.values()]
                ranks = self.arrays.stage(TERMS).map(i, "ranks")
                terms, postings = entries_between(
                    ranks, stage.map(i, "postings.bounds"), postings, *cuts[j : j + 2]
                )
                entries.append((terms, [postings[0] + np.int32(self.starts[i]), *postings[1:]]))
            for name, column in zip(columns, in_key_order(entries), strict=True):
                version.write(f"lexicon.{name}", starts[j], column)

        self.runner.run(len(cuts) - 1, write)

    def _count_postings(self, _: int) -> None:
        terms = self.arrays.version.strings("lexicon.terms")
        counts = np.zeros(len(terms), np.int64)
        for i in range(self._count):
            ranks = self.arrays.stage(TERMS).map(i, "ranks")
            counts[ranks] += np.diff(self.arrays.stage(SEGMENT_STAGE).map(i, "postings.bounds"))
        self.arrays.version.write_whole({"lexicon.bounds": offsets(counts)})

    def _ranges(self, bounds: Array) -> tuple[list[int], list[int]]:
        """Return the first key of each range that a task writes, and the offset of its entries."""
        cuts = key_ranges(bounds, self.entries)
        return cuts, bounds[cuts].tolist()

    def write_view(self, alive: Mask) -> None:
        """Write the statistics of all live passages; input and output are mapped files."""
        version = self.arrays.version

        def write(_: int) -> None:
            lexicon = Lexicon.of_lengths(version.map("lexicon.lengths"))
            with version.written() as folder:

                def allocate(name: str, dtype: Any, length: int) -> Array:
                    path = folder / f"view.{name}.npy"
                    preallocate(path, dtype, (length,))
                    if not length:  # an empty file cannot be mapped
                        return np.zeros(0, dtype)
                    return np.asarray(np.load(path, mmap_mode="r+", allow_pickle=False))

                gazetteer = Gazetteer.open(version)
                View.of(gazetteer, lexicon, alive, allocate).save(ArtifactWriter(folder))

        self.runner.run(1, write)

    @property
    def _count(self) -> int:
        """Number of blocks."""
        return len(self.starts) - 1
