"""The names of all parts: what a part must know of the others to answer as in one index.

A name counts in every passage, also where only another part defines it. So each part finds the
names of the others in its texts, by the first half of a merge: only passages that hold all words of
such a name are read. No vectors and postings move.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, distinct, offsets, read_only
from graphagg.rag.indexing.change_blocks import StayingRows
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import GAZETTEER_ARRAYS, LONGER, Gazetteer
from graphagg.store.strings import StringTable


class NamesOfPart(NamedTuple):
    """A part's mentions of the names of all parts, and `[E]` the numbers of these, ascending."""

    gazetteer: Gazetteer
    numbers: Array


def names_of_parts(parts: Sequence[PassageSnapshot]) -> tuple[Gazetteer, list[NamesOfPart]]:
    """Number the names of all parts, and find them in each; the first result has no mentions."""
    tables = [part.gazetteer.keys for part in parts]
    keys = StringTable.pack_bytes(sorted({raw for table in tables for raw in table.raws()}))
    number = {raw: i for i, raw in enumerate(keys.raws())}
    kind, numbers = np.zeros(len(keys), np.uint8), list[Array]()
    for part, table in zip(parts, tables, strict=True):
        numbers.append(np.fromiter(map(number.__getitem__, table.raws()), np.int32, len(table)))
        kind[numbers[-1]] = part.gazetteer.kind
    none: dict[str, Any] = dict.fromkeys(GAZETTEER_ARRAYS, np.zeros(0, np.int64))
    every = Gazetteer(keys, **none | {"kind": kind})
    named = list[NamesOfPart]()
    for part, own in zip(parts, numbers, strict=True):
        found = _with_names(part, own, every)
        short = (number.get(raw, -1) for raw in _short_forms(every.keys.take(found["pairs.key"])))
        named.append(_names_of(part, every, found, np.fromiter(short, np.int64)))
    return every, named


def _with_names(part: PassageSnapshot, own: Array, every: Gazetteer) -> dict[str, Array]:
    """The mentions of all names in a part; `own` are the numbers of its names."""
    rows = len(part.alive)
    staying = StayingRows(part, np.where(part.alive, np.arange(rows), -1), rows)
    fresh = np.setdiff1d(np.arange(len(every.keys)), own, assume_unique=True)
    return staying.mentions(own, fresh, every.keys.take(fresh))


def _short_forms(keys: StringTable) -> Iterator[bytes]:
    """The first and last word of names of three to five words, which links lead from."""
    for raw in keys.raws():
        words = raw.split(b" ")
        if len(words) in LONGER:
            yield words[0] + b" " + words[-1]


def _names_of(
    part: PassageSnapshot, every: Gazetteer, found: dict[str, Array], short: Array
) -> NamesOfPart:
    """The names that the passages of a part hold, and those with a longer form there."""
    numbers = distinct(np.concatenate([found["pairs.key"], short[short >= 0]]).astype(np.int32))
    pairs = np.zeros(len(numbers), np.int64)
    pairs[numbers.searchsorted(found["pairs.key"])] = np.diff(found["pairs.bounds"])
    columns = {
        "kind": every.kind[numbers],
        "title_tokens": part.gazetteer.title_tokens,
        "bounds": offsets(np.bincount(found["row"], minlength=len(part.alive))),
        "entity": numbers.searchsorted(found["key"]).astype(np.int32),
        **{name: found[name] for name in ("start", "length", "sentence", "flags")},
        "pair_bounds": offsets(pairs),
        **{name: found[f"pairs.{name}"] for name in ("row", "count")},
        "pair_flags": found["pairs.flags"],
    }
    fixed: dict[str, Any] = {name: read_only(column) for name, column in columns.items()}
    return NamesOfPart(Gazetteer(every.keys.take(numbers), **fixed), numbers)
