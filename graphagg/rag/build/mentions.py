"""Every place in a block of passages where an entity is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphagg.arrays import Array, narrow, read_only
from graphagg.rag.build.block import Arrays
from graphagg.rag.tables.gazetteer import or_of
from graphagg.rag.tables.matching import KeysOfRows, KeyTable, TokenRows, find_mentions

COLUMNS = ("row", "key", "start", "length", "sentence", "flags")


def mentions_of_block(array: Callable[[str], Array], table: KeyTable, ranks: Array) -> Arrays:
    """Find the mentions of all keys in a block.

    Args:
        array: gives an array of the block by its name (`graphagg.rag.build.block`).
        table: all keys.
        ranks: the rank of each key of the block among all keys.

    Returns:
        The arrays of `mention_arrays`.
    """
    names = ("words.utf8", "words.offsets", "tokens", "tokens.bounds", "gazetteer.title_tokens",
             "token.sentence", "token.capital")  # fmt: skip
    tokens = TokenRows(*(read_only(array(name)) for name in names))
    key, none = array("titled.key"), np.zeros(len(array("titled.key")), np.int32)
    titled = KeysOfRows(array("titled.bounds"), ranks[key], array("titled.flags"), none, none)
    columns = (array(f"named.{name}") for name in ("flags", "start", "length"))
    named = KeysOfRows(array("named.bounds"), ranks[array("named.key")], *columns)
    records = find_mentions(
        KeyTable(*map(read_only, table)), tokens,
        KeysOfRows(*map(read_only, titled)), KeysOfRows(*map(read_only, named)),
    )  # fmt: skip
    return mention_arrays(records, len(array("tokens.bounds")) - 1)


def mention_arrays(records: Array, rows: int) -> Arrays:
    """The mentions of a block as columns, and its pairs of a key and a row.

    Args:
        records: `[m, 6]`, the `COLUMNS` of each mention, ordered by row.
        rows: of the block.

    Returns:
        The columns, and of P pairs by key and row: `pairs.key` `[k]`, the distinct keys;
        `pairs.union` `[k]`, the flags of all mentions of a key; `pairs.bounds` `[k + 1]`, where the
        pairs of a key begin; `pairs.row`, `pairs.count` and `pairs.flags` `[P]`.
    """
    row, key, start, length, sentence, flags = records.T
    codes, pair, count = np.unique(
        key.astype(np.int64) * max(rows, 1) + row, return_inverse=True, return_counts=True
    )
    by_pair = np.argsort(pair, kind="stable")
    pair_flags = or_of(flags[by_pair].astype(np.uint8), count)
    pair_key, pair_row = divmod(codes, max(rows, 1))
    keys, first, pairs = np.unique(pair_key, return_index=True, return_counts=True)
    return {
        "row": row, "key": key, "start": start, "length": length.astype(np.uint8),
        "sentence": sentence, "flags": flags.astype(np.uint8),
        "pairs.key": keys.astype(np.int32),
        "pairs.union": or_of(pair_flags, pairs),
        "pairs.bounds": np.append(first, len(codes)).astype(np.int64),
        "pairs.row": pair_row.astype(np.int32), "pairs.count": narrow(count),
        "pairs.flags": pair_flags,
    }  # fmt: skip
