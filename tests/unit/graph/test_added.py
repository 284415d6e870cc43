"""Entries added to compressed rows: what is read is what rows written anew would hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.graph.added import Added, GrownRows, holds, row, span
from graphagg.graph.csr import Csr

COLUMNS = 30
cells = st.sets(st.tuples(st.integers(0, 200), st.integers(0, COLUMNS - 1)), max_size=150)


def csr(pairs, rows):
    ordered = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return Csr.from_pairs(ordered[:, 0], ordered[:, 1], None, (rows, COLUMNS))


@settings(max_examples=30, deadline=None)
@given(before=cells, more=cells, beyond=st.integers(0, 70))
def test_rows_read_as_if_all_entries_lay_together(before, more, beyond):
    # Up to two blocks of 64 rows without an entry at the end.
    more, rows = more - before, 201 + beyond
    old, new, whole = csr(before, rows), csr(more, rows), csr(before | more, rows)
    filled = np.flatnonzero(new.degrees())
    added = Added.of(filled, np.append(new.indptr[filled], len(more)), new.indices, rows)
    grown = GrownRows(old.indptr + added.before(0, rows + 1), old.indices, added, COLUMNS)
    assert np.array_equal(grown.indptr, whole.indptr)
    assert np.array_equal(grown.degrees(), whole.degrees())
    assert np.array_equal(grown.merged().indices, whole.indices)
    assert np.array_equal(grown.base.indptr, old.indptr)
    halves = [added.before(0, 77), added.before(77, rows + 1)]
    assert np.array_equal(np.concatenate(halves), added.before(0, rows + 1))
    for i in range(rows):
        assert np.array_equal(grown.row(i), whole.row(i))
        assert np.array_equal(row(*whole.parts, i), whole.row(i))
        for rows_of, asked in ((grown, before | more), (old, before)):
            offsets, columns, those = rows_of.parts
            places = span(offsets, those, i)
            found = [holds(columns, those, places, column) for column in range(0, COLUMNS, 7)]
            assert found == [(i, column) in asked for column in range(0, COLUMNS, 7)]
