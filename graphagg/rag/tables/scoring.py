"""BM25 of passages that hold any of some terms: of all of them, of a few, or of the best.

The best are found without adding up the others. Rows are taken in ranges. Of each term the largest
share that it adds to a row of each range is known; their sum over a question's terms bounds the
scores in a range. The ranges of greatest bound are added up first, and those whose bound is below
the k-th score found so far never. Scores are sums in the order of the terms, whichever function
makes them: the same bits. Paper: Mallia, Suel and
Tonellotto, *Faster Learned Sparse Retrieval with Block-Max Pruning* (2024); theirs quantizes
scores, here only the bounds are rounded, upward.

Maxima are made when a term is first asked for, and kept for the terms that were asked for last.
They hold for any view: hiding rows lowers no bound below a score, and another mean length raises a
share by the ratio of the means at most.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from graphagg.arrays import Array, Ints, distinct, kth_largest
from graphagg.kernels import kernel, lower_bound
from graphagg.rag.tables.vectors import ranges as positions_of
from graphagg.store.ranges import will_need

Constants: TypeAlias = tuple[float, float, float]
"""k1, b, and the mean length."""
ROWS = 4
"""A range has 2 to the power of this many rows."""
_BLOCK = 1 << 16  # postings whose shares are in memory at once
_FIRST = 4  # ranges that are added up first, per row that is wanted
_GROWTH = 4  # how many times more each time after
_SAMPLED = 4  # ranges of a sample that are above a bound
_TINY = float(np.finfo(np.float64).tiny)
_ROUNDED = 1.0 + 1e-9  # above what rounding can take from a bound
_EQUAL = 1.0 - 1e-9  # scores this near the k-th are kept: a weight may round both to the same


class TermPostings(NamedTuple):
    """The postings of t terms of a lexicon.

    Attributes:
        starts: `[t]` int64, where the postings of each term begin.
        ends: `[t]` int64, where they end.
        rows, counts, lengths: of the lexicon.
    """

    starts: Array
    ends: Array
    rows: Array
    counts: Array
    lengths: Array


def add_up(
    postings: TermPostings, visible: Array, idf: Array, constants: Constants
) -> tuple[Array, Array]:
    """BM25 of every visible row that holds any of t terms.

    The shares of a row are added in the order of the terms: the same bits under any filter.

    Args:
        postings: of the terms.
        visible: `[R]`.
        idf: `[t]` of the terms; 0 for none.
        constants: of the formula.

    Returns:
        The rows, ascending, `[n]` int64, and their scores, `[n]`.
    """
    k1, b, average = constants
    filled = [
        (slice(start, end), weight)
        for start, end, weight in zip(
            postings.starts.tolist(), postings.ends.tolist(), idf.tolist(), strict=True
        )
        if end > start
    ]
    # Memory that is not written to is never touched: the work follows the postings.
    size = max((int(postings.rows[some.stop - 1]) for some, _ in filled), default=-1) + 1
    totals, is_held = np.zeros(size), np.zeros(size, bool)
    for some, weight in filled:
        rows, counts = postings.rows[some], postings.counts[some]
        will_need(rows, counts)
        is_seen = visible[rows]
        if not is_seen.all():
            rows, counts = rows[is_seen], counts[is_seen]
        # The formula is at the head of `lexicon`; a row is there once.
        f, length = counts.astype(np.float64), postings.lengths[rows, 0]
        totals[rows] += weight * f / (f + k1 * (1.0 - b + b * length / average))
        is_held[rows] = True
    rows = np.flatnonzero(is_held)
    return rows, totals[rows]


def maxima(rows: Array, counts: Array, lengths: Array, constants: Constants) -> Array:
    """The largest share of one term in each range, in 255ths, rounded up, `[ranges]` uint8."""
    k1, b, average = constants
    largest = np.zeros((len(lengths) >> ROWS) + 1, np.uint8)
    for start in range(0, len(rows), _BLOCK):
        some, f = rows[start : start + _BLOCK], counts[start : start + _BLOCK].astype(np.float64)
        shares = f / (f + k1 * (1.0 - b + b * lengths[some, 0] / average))
        ranges = some >> ROWS
        begins = np.flatnonzero(np.diff(ranges, prepend=-1))
        rounded = np.ceil(255.0 * np.maximum.reduceat(shares, begins))
        largest[ranges[begins]] = np.maximum(largest[ranges[begins]], rounded)
    return largest


def may_be_best(
    postings: TermPostings, bounds: Array, visible: Array, idf: Array, constants: Constants, k: int
) -> tuple[Ints, Array]:
    """Find every visible row whose score is among the `k` greatest, equals included.

    Args:
        postings: of t terms.
        bounds: `[ranges]`, at least the greatest score of each range, but for rounding.
        visible: `[R]`.
        idf: `[t]` of the terms.
        constants: of the formula.
        k: number of rows.

    Returns:
        Rows, ascending, with others among them, and their scores, as by `add_up`.
    """
    limits, count = bounds * _ROUNDED, _FIRST * k
    least, added = _TINY, np.inf  # ranges of at least this bound are wanted, and were added up
    rows, scores = np.zeros(0, np.int64), np.zeros(0)
    while added > least:
        lowest = max(least, _near_largest(limits, count))
        chosen = np.flatnonzero((limits >= lowest) & (limits < added))
        more, of_more = _add_up_ranges(postings, chosen, visible, idf, constants, ROWS)
        rows, scores = np.concatenate([rows, more]), np.concatenate([scores, of_more])
        if len(scores) > k:
            least = kth_largest(scores, k) * _EQUAL
            kept = scores >= least
            rows, scores = rows[kept], scores[kept]
        added, count = lowest, count * _GROWTH
    order = np.argsort(rows)
    return rows[order], scores[order]


def _near_largest(values: Array, count: int) -> float:
    """About the `count`-th largest value, by a sample; 0 where there are no more values."""
    if count >= len(values):
        return 0.0
    sample = values[:: max(1, count // _SAMPLED)]
    return float(kth_largest(sample, max(1, min(count, _SAMPLED))))


def look_up(
    postings: TermPostings, visible: Array, idf: Array, constants: Constants, rows: Array
) -> Array:
    """The scores of some rows, `[n]`, as by `add_up`; 0 where a row is hidden."""
    held, scores = _add_up_ranges(postings, distinct(rows), visible, idf, constants, 0)
    if not len(held):
        return np.zeros(len(rows))
    at = np.minimum(held.searchsorted(rows), len(held) - 1)
    return np.where(held[at] == rows, scores[at], 0.0)


def _add_up_by_term(
    postings: TermPostings,
    ranges: Array,
    visible: Array,
    idf: Array,
    constants: Constants,
    shift: int,
) -> tuple[Array, Array]:
    """`_add_up_ranges` by numpy."""
    starts, _, of_rows, counts, lengths = postings
    k1, b, average = constants
    firsts = ranges << shift
    rows = (firsts[:, None] + np.arange(1 << shift)).reshape(-1)
    totals, is_held = np.zeros(len(rows)), np.zeros(len(rows), bool)
    for t, (start, end) in enumerate(zip(starts.tolist(), postings.ends.tolist(), strict=True)):
        of_term = of_rows[start:end]
        begins, ends = (
            of_term.searchsorted((firsts + step).astype(of_term.dtype)) for step in (0, 1 << shift)
        )
        at = start + positions_of(begins, ends - begins)
        f, held = counts[at].astype(np.float64), of_rows[at]
        into = held - np.repeat(firsts - (np.arange(len(ranges)) << shift), ends - begins)
        norm = 1.0 - b + b * lengths[held, 0] / average
        totals[into] += idf[t] * f / (f + k1 * norm)
        is_held[into] = True
    is_held &= visible[np.where(is_held, rows, 0)]
    return rows[is_held], totals[is_held]


@kernel(nogil=True, plain=_add_up_by_term)
def _add_up_ranges(
    postings: TermPostings,
    ranges: Array,
    visible: Array,
    idf: Array,
    constants: Constants,
    shift: int,
) -> tuple[Array, Array]:
    """Rows of some ascending ranges that hold a term and are visible, and their scores."""
    starts, ends, of_rows, counts, lengths = postings
    k1, b, average = constants
    size = 1 << shift
    totals, is_held = np.zeros(size), np.zeros(size, np.bool_)
    rows, count = np.empty(len(ranges) << shift, np.int64), 0
    scores = np.empty(len(rows))
    at = starts.copy()  # where the postings of each term go on
    for r in ranges:
        first = r << shift
        for t in range(len(starts)):
            # The next range is most often near: the step is doubled until it is passed.
            low, step = at[t], 16
            while low + step < ends[t] and of_rows[low + step] < first:
                low += step
                step *= 2
            i = lower_bound(of_rows, low, min(low + step, ends[t]), first)
            while i < ends[t] and of_rows[i] < first + size:
                row = of_rows[i]
                f = np.float64(counts[i])
                norm = 1.0 - b + b * lengths[row, 0] / average
                totals[row - first] += idf[t] * f / (f + k1 * norm)
                is_held[row - first] = True
                i += 1
            at[t] = i
        for j in range(size):
            if is_held[j]:
                if visible[first + j]:
                    rows[count], scores[count] = first + j, totals[j]
                    count += 1
                totals[j], is_held[j] = 0.0, False
    return rows[:count], scores[:count]
