"""The best by words are those of adding up everything, to the bit, whatever is read."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag.snapshot import lexical
from graphagg.rag.snapshot.lexical import Lexical
from graphagg.rag.snapshot.ranking import top_rows
from graphagg.rag.tables import scoring
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.view import View
from graphagg.store.strings import StringTable
from tests.fakes import InMemory

TERMS = ["a", "b", "c", "d"]


@cache
def base() -> View:
    """A view of nothing; made when it is asked for, since its kernels may have to be compiled."""
    return InMemory.of([]).view()


def view_of(seed: int, rows: int, visible: npt.NDArray[np.bool_], longest: int) -> View:
    """A view of a lexicon drawn at random: terms of any frequency, few lengths and counts."""
    rng = np.random.default_rng(seed)
    holders = [np.flatnonzero(rng.random(rows) < share) for share in (0.9, 0.4, 0.1, 0.01)]
    postings = np.concatenate(holders).astype(np.int32)
    counts = rng.integers(1, 4, len(postings)).astype(np.uint8)
    bounds = np.cumsum([0, *map(len, holders)])
    lengths = rng.integers(1, longest + 1, (rows, 2)).astype(np.int32)
    lexicon = Lexicon(StringTable.pack(TERMS), bounds, postings, counts, counts, lengths)
    sums = lengths[visible].sum(axis=0).tolist()
    seen: Any = int(np.count_nonzero(visible))
    return replace(
        base(), lexicon=lexicon, visible=visible, passages=seen, tokens=(sums[0], sums[1])
    )


@settings(max_examples=60)
@given(
    st.integers(0, 2**32),
    st.integers(1, 700),
    st.sampled_from([1.0, 0.9, 0.3, 0.02, 0.0]),
    st.lists(st.sampled_from(TERMS), min_size=1, unique=True),
    st.integers(1, 12),
    st.sampled_from([3, 90]),
    st.booleans(),
)
def test_the_best_are_those_of_adding_up_everything(
    seed: int, rows: int, share: float, terms: list[str], k: int, longest: int, chosen: bool
) -> None:
    rng = np.random.default_rng(seed + 1)
    visible, among = rng.random(rows) < share, rng.random(rows) < 0.5 if chosen else None
    view = view_of(seed, rows, visible, longest)
    ranks = rng.permutation(rows).astype(np.int32)
    asked = rng.integers(0, rows, 9)
    found = []
    compiled = scoring._add_up_ranges
    by_ranges = compiled, compiled.plain
    for many, shift, function in ((1 << 30, 6, compiled), *product([0], [2, 6], by_ranges)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lexical, "MANY", many)
            patch.setattr(lexical, "_PER_ROW", 0)
            patch.setattr(scoring, "ROWS", shift)
            patch.setattr(scoring, "_add_up_ranges", function)
            words = Lexical(replace(view, lexicon=replace(view.lexicon)), [(t,) for t in terms])
            allowed = None if among is None else among & visible
            best = top_rows(*words.best(k, among), k, ranks, view, allowed)
            found.append([*best, words.at(asked), words.weights])
    for other in found[1:]:
        for expected, value in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(value, expected)


def test_few_ranges_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "MANY", 0)
    rows = 1 << 15
    view = view_of(0, rows, np.ones(rows, bool), 90)
    words = Lexical(view, [(term,) for term in TERMS])
    ranges: list[int] = []
    add_up_ranges = scoring._add_up_ranges

    def count(postings: Any, some: Any, *rest: Any) -> Any:
        ranges.append(len(some))
        return add_up_ranges(postings, some, *rest)

    monkeypatch.setattr(scoring, "_add_up_ranges", count)
    words.best(10)
    assert sum(ranges) < rows / 2**scoring.ROWS / 2
