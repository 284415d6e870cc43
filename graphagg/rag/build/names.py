"""The gazetteer of a build, out of its blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints, Mask, narrow_type, offsets
from graphagg.rag.build.blocks import Blocks
from graphagg.rag.build.files import join, save, write_bounds, write_columns
from graphagg.rag.build.merging import Entries, merge_strings, transposed
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.tables.gazetteer import DEFINES, NAME_ROW, kind_of, or_of
from graphagg.rag.tables.matching import KeysOfRows, KeyTable, TokenRows, find_mentions, key_table
from graphagg.rag.tables.mentions import FOUND
from graphagg.store.ranges import GrowingFile, GrowingStrings
from graphagg.store.reading import ArrayFolder
from graphagg.store.strings import StringTable

_KEYS = "candidates"
_READ = 65_536  # keys that are read together


@dataclass(frozen=True)
class Names:
    """What of the gazetteer the rest of a build needs.

    Attributes:
        entities, mentions: how many there are.
    """

    entities: int
    mentions: int


def write_gazetteer(
    blocks: Blocks,
    starts: list[int],
    folder: Path,
    scratch: Path,
    analyzers: Analyzers,
    with_vectors: bool,
    reached: Callable[[int], None],
    entries: int,
) -> Names:
    """Write the gazetteer.

    Args:
        blocks: of the build.
        starts: the first row of each block, and the number of rows.
        folder: of the new version.
        scratch: a folder for files that do not last.
        analyzers: of the index.
        with_vectors: whether the names that the extractor found get vectors, in their order.
        reached: called with how many passages have been read.
        entries: pairs that are put in order together.
    """
    merged = merge_strings(blocks.every("keys"), GrowingStrings(scratch, _KEYS))
    keys = ArrayFolder(scratch).strings(_KEYS)
    found = Blocks(scratch / "mentions" if len(blocks) > 1 else None)
    _find_mentions(blocks, found, key_table(keys), merged, lambda i: reached(starts[i + 1]))
    defined, is_found = np.zeros(len(keys), bool), np.zeros(len(keys), bool)
    counts = np.zeros(len(keys), np.int64)
    for i in range(len(found)):
        here, flags = found.array(i, "pairs.key"), found.array(i, "pairs.union")
        defined[here[(flags & DEFINES) > 0]] = True
        is_found[here[(flags & FOUND) > 0]] = True
        counts[here] += np.diff(found.array(i, "pairs.bounds"))
    entity_of = np.cumsum(defined, dtype=np.int32) - 1
    bounds = offsets(counts[defined])
    save(folder, "gazetteer.pair_bounds", bounds)
    _write_entities(folder, keys, defined, is_found & with_vectors, analyzers)

    def pairs() -> Iterator[Entries]:
        for i in range(len(found)):
            key, ends, columns = _pairs_of(found, i, defined)
            yield Entries(entity_of[key], ends, columns, starts[i])

    most = max(int(_pairs_of(found, i, defined)[2][1].max(initial=0)) for i in range(len(found)))
    columns = {"row": np.int32, "count": narrow_type(most), "pair_flags": np.uint8}
    write_columns(folder, "gazetteer", columns, transposed(pairs, bounds, entries))
    mentions = _write_mentions(found, starts, folder, defined, entity_of)
    titles = (blocks.array(i, "gazetteer.title_tokens") for i in range(len(blocks)))
    kind = narrow_type(max(int(part.max(initial=0)) for part in titles))
    join(blocks, folder, "gazetteer.title_tokens", kind)
    return Names(len(bounds) - 1, mentions)


def _find_mentions(
    blocks: Blocks,
    found: Blocks,
    table: KeyTable,
    merged: Sequence[Array],
    reached: Callable[[int], None],
) -> None:
    """Find the mentions of every block; `merged` has the numbers of the keys of each."""
    for i, numbers in enumerate(merged):
        found.add(f"{i}", partial(_of_block, blocks, i, table, numbers))
        reached(i)


def _of_block(blocks: Blocks, i: int, table: KeyTable, numbers: Array) -> dict[str, Array]:
    """The mentions of a block by the numbers of all keys, and its pairs by key and row."""
    part = {name: blocks.array(i, name) for name in (
        "tokens", "tokens.lengths", "gazetteer.title_tokens", "token.sentence", "token.capital",
        "words.utf8", "words.offsets",
    )}  # fmt: skip
    tokens = TokenRows(
        part["words.utf8"], part["words.offsets"], part["tokens"], offsets(part["tokens.lengths"]),
        part["gazetteer.title_tokens"], part["token.sentence"], part["token.capital"],
    )  # fmt: skip
    rows = len(part["tokens.lengths"])
    titled, named = (
        _keys_of(blocks, i, "titled", numbers, rows),
        _keys_of(blocks, i, "named", numbers, rows),
    )
    records = find_mentions(table, tokens, titled, named)
    row, key, start, length, sentence, flags = records.T
    codes, pair, count = np.unique(
        key.astype(np.int64) * max(rows, 1) + row, return_inverse=True, return_counts=True
    )
    of_pair = np.argsort(pair, kind="stable")
    pair_flags = or_of(flags[of_pair].astype(np.uint8), count)
    pair_key, pair_row = divmod(codes, max(rows, 1))
    keys, first, pairs = np.unique(pair_key, return_index=True, return_counts=True)
    return {
        "row": row, "key": key, "start": start, "length": length.astype(np.uint8),
        "sentence": sentence, "flags": flags.astype(np.uint8),
        "pairs.key": keys.astype(np.int32),
        "pairs.union": or_of(pair_flags, pairs),
        "pairs.bounds": np.append(first, len(codes)).astype(np.int64),
        "pairs.row": pair_row.astype(np.int32), "pairs.count": count.astype(np.int32),
        "pairs.flags": pair_flags,
    }  # fmt: skip


def _keys_of(blocks: Blocks, i: int, kind: str, numbers: Array, rows: int) -> KeysOfRows:
    """The keys of the rows of a block: `titled` or `named`."""
    row, key = (blocks.array(i, f"{kind}.{name}") for name in ("row", "key"))
    nothing = np.zeros(len(row), np.int32)
    if kind == "titled":
        flags, start, length = blocks.array(i, "titled.flags"), nothing, nothing
    else:
        flags = np.zeros(len(row), np.uint8)
        start, length = (blocks.array(i, f"named.{name}") for name in ("start", "length"))
    return KeysOfRows(offsets(np.bincount(row, minlength=rows)), numbers[key], flags, start, length)


def _pairs_of(found: Blocks, i: int, defined: Mask) -> tuple[Array, Ints, list[Array]]:
    """The pairs of a block whose keys are defined: keys, bounds and columns."""
    key, bounds = found.array(i, "pairs.key"), found.array(i, "pairs.bounds")
    columns = [found.array(i, f"pairs.{name}") for name in ("row", "count", "flags")]
    kept = defined[key]
    if kept.all():
        return key, bounds, columns
    lengths = np.diff(bounds)
    some = np.repeat(kept, lengths)
    return key[kept], offsets(lengths[kept]), [column[some] for column in columns]


def _write_entities(
    folder: Path, keys: StringTable, defined: Mask, has_vector: Mask, analyzers: Analyzers
) -> None:
    """Write the keys that are entities, their kinds, and the rows of their vectors."""
    names = GrowingStrings(folder, "entities.keys")
    kinds = GrowingFile(folder / "gazetteer.kind.npy", np.uint8)
    for first in range(0, len(keys), _READ):
        some = first + np.flatnonzero(defined[first : first + _READ])
        part = keys.take(some)
        names.append(part)
        kinds.append(np.array([kind_of(key.split(" "), analyzers) for key in part], np.uint8))
    for file in (names, kinds):
        file.close()
    if has_vector.any():
        own = has_vector[defined]
        save(folder, NAME_ROW, np.where(own, np.cumsum(own) - 1, -1).astype(np.int32))


def _write_mentions(
    found: Blocks, starts: list[int], folder: Path, defined: Mask, entity_of: Array
) -> int:
    """Write the mentions by their entities; how many there are."""
    kept = [np.flatnonzero(defined[found.array(i, "key")]) for i in range(len(found))]

    def column(name: str) -> Iterator[Array]:
        return (found.array(i, name)[some] for i, some in enumerate(kept))

    def narrowest(name: str) -> np.dtype[Any]:
        return narrow_type(max(int(part.max(initial=0)) for part in column(name)))

    columns: dict[str, Any] = {
        "start": narrowest("start"), "length": np.uint8, "sentence": narrowest("sentence"),
        "flags": np.uint8,
    }  # fmt: skip
    for name, dtype in columns.items():
        write_columns(folder, "gazetteer", {name: dtype}, ([part] for part in column(name)))
    entities = ([entity_of[key]] for key in column("key"))
    write_columns(folder, "gazetteer", {"entity": np.int32}, entities)
    rows = (
        np.bincount(part, minlength=starts[i + 1] - starts[i])
        for i, part in enumerate(column("row"))
    )
    write_bounds(folder, "gazetteer.bounds", rows)
    return int(ArrayFolder(folder).array("gazetteer.bounds")[-1])
