"""Choosing and looking up rows by their scores."""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array, Ints, Mask
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View


def top_k(scores: Array, k: int, ranks: Array | None = None) -> Ints:
    """Positions of the `k` largest scores, largest first; of equals the one of lower rank."""
    if k < 1:
        return np.zeros(0, dtype=np.int64)
    if k < len(scores):
        bound = np.partition(scores, len(scores) - k)[len(scores) - k]
        candidates = np.flatnonzero(scores >= bound)
    else:
        candidates = np.arange(len(scores))
    if ranks is None:
        return candidates[np.argsort(-scores[candidates], kind="stable")[:k]]
    return candidates[np.lexsort((ranks[candidates], -scores[candidates]))[:k]]


def best_rows(
    scored: Rows, scores: Array, k: int, ranks: Array, among: Mask | None
) -> tuple[Rows, Array] | None:
    """The `k` rows of greatest score, where the rest of the corpus scores 0.

    Args:
        scored: rows that have a score.
        scores: their scores.
        k: how many.
        ranks: `[R]`, by which equals are ordered.
        among: `[R]`, which rows may be chosen; None: all that are scored.

    Returns:
        Rows and scores, best first; None where fewer than `k` score above 0, so that rows without
        a score would be among them.
    """
    may = scores > 0.0
    if among is not None:
        may &= among[scored]
    if np.count_nonzero(may) < k:
        return None
    rows, values = scored[may], scores[may]
    near = values >= np.partition(values, len(values) - k)[len(values) - k]
    rows, values = rows[near], values[near]  # so that few ranks are read
    best = top_k(values, k, ranks[rows])
    return rows[best], values[best]


def top_rows(
    scored: Rows,
    scores: Array,
    k: int,
    ranks: Array,
    view: View,
    allowed: Mask | None,
) -> tuple[Rows, Array]:
    """`best_rows`, or where rows without a score are among the best, the best of all rows.

    Args:
        scored: rows that have a score.
        scores: their scores.
        k: how many.
        ranks: `[R]`, by which equals are ordered.
        view: what is visible.
        allowed: `[R]`, which rows may be chosen; None: all that are visible.
    """
    best = best_rows(scored, scores, k, ranks, allowed)
    if best is not None:
        return best
    rows = view.rows if allowed is None else np.flatnonzero(allowed)
    values = spread(scored, scores, len(view.visible))[rows]
    chosen = top_k(values, k, ranks[rows])
    return rows[chosen], values[chosen]


def is_among(rows: Array, few: Array) -> Mask:
    """Which of some rows are among a few: each is compared with each, nothing is sorted."""
    found: Mask = (rows[:, None] == few).any(axis=1)
    return found


def numbered(numbers: Array, size: int) -> tuple[Array, Array]:
    """Distinct ones of some numbers below `size`, in any order, and where each number is there."""
    last = np.empty(size, np.int32)  # only what is written is read
    places = np.arange(len(numbers), dtype=np.int32)
    last[numbers] = places
    owner = last[numbers]
    is_last = owner == places
    return numbers[is_last], (np.cumsum(is_last) - 1)[owner]


def spread(rows: Rows, values: Array, size: int) -> Array:
    """`[size]`: the values in their rows, 0 elsewhere."""
    dense = np.zeros(size)
    dense[rows] = values
    return dense


def lookup(table: Array, rows: Array, ranks: Array | None = None) -> tuple[Mask, Array]:
    """Which of some rows are in a table that ascends (by `ranks`, if given), and their places."""
    if not len(table):
        return np.zeros(len(rows), bool), np.zeros(len(rows), np.int64)
    keys, values = (table, rows) if ranks is None else (ranks[table], ranks[rows])
    values = values.astype(keys.dtype, copy=False)  # else the whole table is converted
    places = np.minimum(keys.searchsorted(values), len(keys) - 1)
    return keys[places] == values, places
