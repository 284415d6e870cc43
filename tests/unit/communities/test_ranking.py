"""The order of a ranking: by value, ties by number, whatever way it is found."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphagg.communities.query.vertex_ranking import descending, largest, nth_largest


@given(
    values=st.lists(st.integers(-3, 9), min_size=1, max_size=60),
    seed=st.integers(0, 1000),
    count=st.integers(1, 70),
)
def test_values_descend_and_ties_ascend_by_number(values, seed, count):
    numbers = np.random.default_rng(seed).permutation(len(values))
    found = np.array(values, dtype=np.float64) / 3
    wanted = np.lexsort((numbers, -found))
    np.testing.assert_array_equal(descending(found, numbers), wanted)
    np.testing.assert_array_equal(largest(found, count, numbers), wanted[:count])
    if count <= len(values):
        assert nth_largest(found, count) == np.sort(found)[-count]
