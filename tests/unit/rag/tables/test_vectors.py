"""A product of two vectors is the same bits wherever it is computed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag.tables import packed
from graphagg.rag.tables.packed import pack, query_of, unpack
from graphagg.rag.tables.vectors import Stack, largest_of, ranges

pytestmark = pytest.mark.usefixtures("compiled")

SEEDS = st.integers(0, 2**32 - 1)


def unit(rng: np.random.Generator, rows: int, dimension: int) -> np.ndarray:
    matrix = rng.normal(size=(rows, dimension)) + 0.1
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(
    SEEDS,
    st.sampled_from([1, 3, 64, 256, 384, 1040, 1041, 2500]),
    st.sampled_from([1 << 16, 0]),
)
def test_products_of_packed_rows_are_those_of_their_integers(
    seed: int, dimension: int, many: int
) -> None:
    """By BLAS, which takes few rows, and by the compiled loop, which takes many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_MANY", many)
        check_products(seed, dimension)


def check_products(seed: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, queries = unit(rng, 40, dimension), unit(rng, 5, dimension)
    matrix[3] = 0
    rows = pack(matrix)
    assert rows.shape == (40, dimension + 4)
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    assert (np.abs(unpack(rows) - matrix) <= largest / 253 + 1e-9).all()
    np.testing.assert_array_equal(pack(matrix[::-1]), rows[::-1])  # of its vector alone
    stack = Stack([rows[:7], rows[7:7], rows[7:]])
    whole = stack.dots(queries)
    # By Python's integers, which know no rounding.
    query = query_of(queries)
    for i, q in ((0, 0), (3, 1), (39, 4)):
        codes = [int(code) for code in rows[i, :-4]]
        numbers = query.whole[q, :dimension].tolist()
        exact = sum(c * n for c, n in zip(codes, numbers, strict=True))
        scale = float(rows[i, -4:].view("<f4")[0]) * float(query.scales[q])
        assert whole[i, q] == np.float32(exact * scale)
    np.testing.assert_allclose(whole, unpack(rows) @ queries.T, atol=3e-4)
    places = rng.integers(0, 40, 25)
    np.testing.assert_array_equal(stack.take(places), unpack(rows)[places])
    np.testing.assert_array_equal(stack.rows(places), rows[places])
    np.testing.assert_array_equal(stack.dots_at(places, queries), whole[places])
    for i in range(5):
        np.testing.assert_array_equal(stack.dots(queries[i : i + 1])[:, 0], whole[:, i])
    order = rng.permutation(5)
    np.testing.assert_array_equal(stack.dots(queries[order]), whole[:, order])


def test_nothing_to_multiply() -> None:
    queries = np.ones((2, 3), np.float32)
    nothing = np.zeros(0, np.int64)
    ones = pack(np.ones((4, 3), np.float32))
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
