"""The names of all parts, which each part needs to answer as in one index.

A name counts in every passage, even if only another part defines it. So each part finds the names
of the other parts in its texts, like the first half of a merge: it reads only passages that contain
all words of such a name. No vectors or postings are moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, distinct, offsets, read_only
from graphagg.errors import InvalidParameter
from graphagg.rag.indexing.change_blocks import StayingRows
from graphagg.rag.indexing.engine import insert_sorted
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import GAZETTEER_ARRAYS, LONGER, Gazetteer
from graphagg.store.strings import StringTable


class NamesOfPart(NamedTuple):
    """The names of all parts that were found in one part.

    Attributes:
        gazetteer: the names, and their mentions in the part.
        numbers: `[E]` positions of these names among the names of all parts, ascending.
        others: the names of other parts that were searched for.
    """

    gazetteer: Gazetteer
    numbers: Array
    others: StringTable


def keys_and_kinds(keys: StringTable, kind: Array) -> Gazetteer:
    """Return names without mentions."""
    none: dict[str, Any] = dict.fromkeys(GAZETTEER_ARRAYS, np.zeros(0, np.int64))
    return Gazetteer(keys, **none | {"kind": kind})


def names_of_all(parts: Sequence[Gazetteer]) -> tuple[Gazetteer, list[tuple[StringTable, Array]]]:
    """Merge the names of all parts; also returns the keys and kinds that each part lacks."""
    keys, ranks = parts[0].keys, [np.arange(len(parts[0].keys), dtype=np.int32)]
    for part in parts[1:]:
        keys, before, own = insert_sorted(keys, part.keys)
        ranks = [*(before[each] for each in ranks), own]
    kind, lacks = np.zeros(len(keys), np.uint8), list[Array]()
    for part, own in zip(parts, ranks, strict=True):
        kind[own] = part.kind
        lacks.append(np.setdiff1d(np.arange(len(keys)), own, assume_unique=True))
    return keys_and_kinds(keys, kind), [(keys.take(fresh), kind[fresh]) for fresh in lacks]


def find_names(
    part: PassageSnapshot, others: StringTable, kinds: Array, before: NamesOfPart | None
) -> NamesOfPart:
    """Find the names of all parts in one part, which lacks the names `others` of these kinds.

    Texts are searched only for names that were not searched for in `before`.
    """
    keys, own, ranks = insert_sorted(part.gazetteer.keys, others)
    if known := len(own) + len(ranks) - len(keys):
        raise InvalidParameter(f"{known} names are already in the part; send only the others")
    kind = np.empty(len(keys), np.uint8)
    kind[own], kind[ranks] = part.gazetteer.kind, kinds
    names = before or NamesOfPart(part.gazetteer, own, StringTable.pack([]))
    _, looked_for, wanted = insert_sorted(names.others, others)
    is_new = ~np.isin(wanted, looked_for)
    numbers = own
    if before:
        places = map(keys.find_sorted, before.gazetteer.keys)
        numbers = np.array([-1 if place is None else place for place in places], np.int32)
    rows = len(part.alive)
    staying = StayingRows(part, np.where(part.alive, np.arange(rows), -1), rows)
    fresh = others.take(np.flatnonzero(is_new))
    found = staying.mentions(numbers, ranks[is_new], fresh, names.gazetteer)
    short = map(others.find_sorted, _short_forms(keys.take(found["pairs.key"])))
    with_longer = ranks[[place for place in short if place is not None]]
    return NamesOfPart(*_names_of(part, keys_and_kinds(keys, kind), found, with_longer), others)


def _short_forms(keys: StringTable) -> Iterator[str]:
    """Yield the first and last word of names of three to five words; links start from these."""
    for words in (key.split(" ") for key in keys):
        if len(words) in LONGER:
            yield f"{words[0]} {words[-1]}"


def _names_of(
    part: PassageSnapshot, every: Gazetteer, found: dict[str, Array], with_longer: Array
) -> tuple[Gazetteer, Array]:
    """Return the names that a part's passages contain, also in longer form, and their numbers."""
    numbers = distinct(np.concatenate([found["pairs.key"], with_longer]))
    own = np.zeros(len(every.keys), np.int32)
    own[numbers] = np.arange(len(numbers))
    pairs = np.zeros(len(numbers), np.int64)
    pairs[own[found["pairs.key"]]] = np.diff(found["pairs.bounds"])
    columns = {
        "kind": every.kind[numbers],
        "title_tokens": part.gazetteer.title_tokens,
        "bounds": offsets(np.bincount(found["row"], minlength=len(part.alive))),
        "entity": own[found["key"]],
        **{name: found[name] for name in ("start", "length", "sentence", "flags")},
        "pair_bounds": offsets(pairs),
        **{name: found[f"pairs.{name}"] for name in ("row", "count")},
        "pair_flags": found["pairs.flags"],
    }
    fixed: dict[str, Any] = {name: read_only(column) for name, column in columns.items()}
    return Gazetteer(every.keys.take(numbers), **fixed), numbers
