"""A product of two stored vectors is the same bits wherever it is computed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.arrays import ranges
from graphagg.nearest.vectors import Stack, decode, encode, largest_of
from tests.unit.nearest.units import unit

SEEDS = st.integers(0, 2**32 - 1)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from([1, 3, 64, 384, 1040, 1041]))
def test_a_stack_is_one_matrix(seed: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    rows, queries = encode(unit(rng, 40, dimension)), unit(rng, 5, dimension)
    stack = Stack([rows[:7], rows[7:7], rows[7:]])
    whole = stack.dots(queries)
    places = rng.integers(0, 40, 25)
    np.testing.assert_array_equal(stack.take(places), decode(rows[places]))
    np.testing.assert_array_equal(stack.rows(places), rows[places])
    np.testing.assert_array_equal(stack.dots_at(places, queries), whole[places])
    for i in range(5):
        np.testing.assert_array_equal(stack.dots(queries[i : i + 1])[:, 0], whole[:, i])
    order = rng.permutation(5)
    np.testing.assert_array_equal(stack.dots(queries[order]), whole[:, order])


def test_nothing_to_multiply() -> None:
    queries = np.ones((2, 3), np.float32)
    nothing = np.zeros(0, np.int64)
    ones = encode(np.ones((4, 3), np.float32))
    for stack in (Stack([ones[:0]]), Stack([ones])):
        assert stack.dots_at(nothing, queries).shape == (0, 2)
        assert stack.take(nothing).shape == (0, 3)
        assert stack.dots(queries).shape == (len(stack), 2)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4)), max_size=8), SEEDS)
def test_ranges_and_their_largest_values(pairs: list[tuple[int, int]], seed: int) -> None:
    starts, lengths = np.array(pairs, np.int64).reshape(-1, 2).T
    places = ranges(starts, lengths)
    assert places.tolist() == [s + i for s, n in pairs for i in range(n)]
    values = np.random.default_rng(seed).random((len(places), 2))
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    expected = [values[a:b].max(axis=0) if a < b else [-1, -1] for a, b in pairwise(bounds)]
    assert largest_of(values, lengths).tolist() == np.array(expected).reshape(-1, 2).tolist()
