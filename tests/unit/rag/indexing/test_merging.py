"""Sorted blocks are merged as one sort of everything would do."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.arrays import narrow, offsets
from graphagg.rag.indexing.engine import (
    entries_between,
    in_key_order,
    insert_sorted,
    key_ranges,
    merge_strings,
)
from graphagg.rag.indexing.passage_files import checked_order
from graphagg.store.reading import ArrayFolder
from graphagg.store.strings import GrowingStrings, StringTable

WORDS = st.text("ab é中", max_size=3)


@given(st.lists(st.sets(WORDS), max_size=4))
def test_strings_of_blocks_become_one_table(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[set[str]]
) -> None:
    folder = tmp_path_factory.mktemp("t")
    tables = [StringTable.pack(sorted(block, key=str.encode)) for block in blocks]
    numbers = merge_strings(tables, GrowingStrings(folder, "all"))
    found = list(ArrayFolder(folder).strings("all"))
    assert found == sorted({word for block in blocks for word in block}, key=str.encode)
    for table, number in zip(tables, numbers, strict=True):
        assert [found[n] for n in number] == list(table)


@given(st.sets(WORDS), st.sets(WORDS))
def test_a_table_inserted_into_another_is_their_merge(large: set[str], small: set[str]) -> None:
    tables = [StringTable.pack(sorted(words, key=str.encode)) for words in (large, small)]
    merged, *numbers = insert_sorted(*tables)
    assert list(merged) == sorted(large | small, key=str.encode)
    for table, number in zip(tables, numbers, strict=True):
        assert [merged[n] for n in number] == list(table)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=8), max_size=4),
    st.integers(1, 30),
)
def test_entries_of_blocks_by_key(blocks: list[list[tuple[int, int]]], most: int) -> None:
    """Block b holds the rows from 4 b on; an entry is a key, a row and the place it is given at."""
    wanted, made, lengths = [], [], np.zeros(7, np.int64)
    for b, block in enumerate(blocks):
        entries = sorted((key, row, i) for i, (key, row) in enumerate(block))
        wanted += [(key, b, row + 4 * b, i) for key, row, i in entries]
        keys, counts = np.unique([key for key, _, _ in entries], return_counts=True)
        lengths[keys.astype(int)] += counts
        columns = [np.array([e[c] for e in entries], np.int32) for c in (1, 2)]
        made.append((keys.astype(np.int32), offsets(counts), [columns[0] + 4 * b, columns[1]]))
    cuts = key_ranges(offsets(lengths), most) if blocks else []
    assert cuts == sorted(set(cuts)) and (not cuts or (cuts[0] == 0 and cuts[-1] == 7))
    parts = [
        in_key_order([entries_between(*block, first, last) for block in made])
        for first, last in pairwise(cuts)
    ]
    found = [tuple(map(int, entry)) for part in parts for entry in zip(*part, strict=True)]
    assert found == [(row, i) for _, _, row, i in sorted(wanted)]
    largest = max(lengths, default=0)
    assert all(len(part[0]) <= max(most, largest) for part in parts)


@given(st.lists(WORDS, max_size=20, unique=True))
def test_the_order_of_ids(words: list[str]) -> None:
    ids, none = StringTable.pack(words), np.zeros(len(words), np.bool_)
    order = checked_order(ids, StringTable.pack([""] * len(words)), none, none)
    assert order.tolist() == sorted(range(len(words)), key=lambda i: words[i].encode())


@pytest.mark.parametrize(
    ("largest", "kind"),
    [(0, "u1"), (255, "u1"), (256, "u2"), (65_535, "u2"), (65_536, "i4"), (2**31 - 1, "i4")],
)
def test_integers_are_as_narrow_as_they_fit(largest: int, kind: str, tmp_path: Path) -> None:
    for dtype in (np.int64, np.uint32):
        found = narrow(np.array([0, largest], dtype))
        assert found.dtype == np.dtype(kind) and found.tolist() == [0, largest]
    assert narrow(np.zeros((0, 2), np.int64)).dtype == np.uint8
