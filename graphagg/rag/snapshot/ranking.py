"""Selection and lookup of rows by their scores."""

from __future__ import annotations

import numpy as np

from graphagg.arrays import Array, Mask, kth_largest, top_k
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View


def best_rows(scored: Rows, scores: Array, k: int, ranks: Array) -> tuple[Rows, Array] | None:
    """The `k` rows of greatest score above 0, and their scores, best first.

    Arguments as for `top_rows`. None where fewer than `k` score above 0.
    """
    may = scores > 0.0
    if np.count_nonzero(may) < k:
        return None
    rows, values = scored[may], scores[may]
    candidates = values >= kth_largest(values, k)
    rows, values = rows[candidates], values[candidates]  # so that few ranks are read
    best = top_k(values, k, ranks[rows])
    return rows[best], values[best]


def top_rows(scored: Rows, scores: Array, k: int, ranks: Array, view: View) -> tuple[Rows, Array]:
    """The `k` visible rows of greatest score; rows without a score count 0.

    `scored` are the rows that have `scores`; `ranks` `[R]` break ties.
    """
    best = best_rows(scored, scores, k, ranks)
    if best is not None:
        return best
    rows = view.rows
    values = spread(scored, scores, len(view.visible))[rows]
    positions = top_k(values, k, ranks[rows])
    return rows[positions], values[positions]


def is_among(rows: Array, few: Array) -> Mask:
    """Mask of the rows that are among a few; compares all pairs, without sorting."""
    mask: Mask = (rows[:, None] == few).any(axis=1)
    return mask


def spread(rows: Rows, values: Array, size: int) -> Array:
    """`[size]` array with the values in their rows, 0 elsewhere."""
    dense = np.zeros(size)
    dense[rows] = values
    return dense


def lookup(table: Array, rows: Array, ranks: Array | None = None) -> tuple[Mask, Array]:
    """Mask of the rows in a table that ascends (by `ranks`, if given), and their positions."""
    if not len(table):
        return np.zeros(len(rows), bool), np.zeros(len(rows), np.int64)
    keys, values = (table, rows) if ranks is None else (ranks[table], ranks[rows])
    values = values.astype(keys.dtype, copy=False)  # else the whole table is converted
    positions = np.minimum(keys.searchsorted(values), len(keys) - 1)
    return keys[positions] == values, positions
