"""Arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.arrays import kth_largest, members, offsets, top_k

SEEDS = st.integers(0, 2**32 - 1)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 2000), SEEDS)
def test_the_kth_largest_is_that_of_all_in_order(count: int, k: int, kinds: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, kinds, count) / kinds
    k = min(k, count)
    assert kth_largest(values, k) == np.sort(values)[-k]
    assert kth_largest(np.sort(values), k) == kth_largest(values, k)
    assert kth_largest(values.astype(np.float32), 1) == values.astype(np.float32).max()


@given(
    st.lists(st.integers(-3, 9), min_size=1, max_size=60), st.integers(0, 70), st.integers(0, 99)
)
def test_values_descend_and_ties_ascend(values: list[int], k: int, seed: int) -> None:
    found = np.array(values) / 3
    ties = np.random.default_rng(seed).permutation(len(values))
    np.testing.assert_array_equal(top_k(found, k, ties), np.lexsort((ties, -found))[:k])
    np.testing.assert_array_equal(top_k(found, k), np.argsort(-found, kind="stable")[:k])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.lists(st.integers(0, 8)), SEEDS)
def test_members_of_rows_or_an_error_where_bounds_are_damaged(
    lengths: list[int], rows: list[int], seed: int
) -> None:
    bounds, asked = offsets(lengths), np.array([r for r in rows if r < len(lengths)], np.int64)
    places, counts = members(bounds, asked)
    expected = [range(bounds[r], bounds[r + 1]) for r in asked]
    assert places.tolist() == [place for each in expected for place in each]
    assert counts.tolist() == list(map(len, expected))
    for value in (1 << 62, -(1 << 62), 1 << 40):
        wrong = np.array(bounds)
        wrong[np.random.default_rng(seed).integers(len(lengths))] = value
        with pytest.raises((IndexError, ValueError)):
            members(wrong, np.arange(len(lengths)))
