"""Arrays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphagg.arrays import kth_largest


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 2000), st.integers(0, 2**32 - 1))
def test_the_kth_largest_is_that_of_all_in_order(count: int, k: int, kinds: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, kinds, count) / kinds
    k = min(k, count)
    assert kth_largest(values, k) == np.sort(values)[-k]
    assert kth_largest(np.sort(values), k) == kth_largest(values, k)
    assert kth_largest(values.astype(np.float32), 1) == values.astype(np.float32).max()
