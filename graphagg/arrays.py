"""Names for array types, read-only views, offsets of consecutive ranges, and top-k selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_GROUP = 32  # values per group; the maximum of each group is computed first
_GROUPS = 4  # use groups if there are more than this many per requested value


def read_only(array: Array) -> Array:
    """Return a read-only view; mapped arrays are read-only too, so kernels compile only once."""
    fixed = array.view()
    fixed.flags.writeable = False
    return fixed


def narrow_type(largest: int) -> np.dtype[Any]:
    """Return the smallest of uint8, uint16 and int32 that can hold 0 to `largest`."""
    for kind in (np.uint8, np.uint16):
        if largest <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int32)


def narrow(array: Array) -> Array:
    """Cast non-negative integers to their `narrow_type`, to store them in files."""
    return array.astype(narrow_type(int(array.max(initial=0))), copy=False)


def offsets(lengths: Sequence[int] | Array) -> Ints:
    """Return `[N + 1]` int64 offsets of consecutive ranges: 0, then the cumulative lengths."""
    bounds = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds


def joined_offsets(tables: Sequence[Ints]) -> Ints:
    """Return the offsets of the concatenation of several tables (at least one)."""
    if len(tables) == 1:
        return tables[0]
    starts = offsets([each[-1] - each[0] for each in tables])
    moved = [each[:-1] + (start - each[0]) for each, start in zip(tables, starts, strict=False)]
    return np.concatenate([*moved, starts[-1:]])


def ranges(starts: Array, lengths: Array) -> Ints:
    """Concatenate the ranges `start, start + 1, ...` with the given lengths."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    positions: Ints = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return positions


def members(bounds: Ints, rows: Array) -> tuple[Ints, Ints]:
    """Return the positions of the members of `rows`, row after row, and the count for each row.

    Row i has the members from `bounds[i]` to `bounds[i + 1]`. Raises `IndexError` if distinct rows
    have more members than exist, so that corrupt bounds cannot allocate unlimited memory.
    """
    starts, count = bounds[rows], bounds[-1]
    lengths = bounds[rows + 1] - starts
    if lengths.max(initial=0) > count or lengths.sum() > count:
        rows = distinct(rows)
        if (own := bounds[rows + 1] - bounds[rows]).max() > count or own.sum() > count:
            raise IndexError(f"the bounds of rows overlap or exceed {count}")
    return ranges(starts, lengths), lengths


def distinct(values: Array) -> Array:
    """Return the sorted distinct values of an array.

    `numpy.unique` hashes integers, which takes five times as long on a million of them, and longer
    still on input that consists of a few ascending runs, such as concatenated ids.
    """
    ordered = np.sort(values, kind="stable")
    is_first = np.ones(len(ordered), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_first]


def kth_largest(values: Array, k: int) -> Any:
    """Return the `k`-th largest of at least `k` values; if many, first drop most with a bound."""
    groups = len(values) // _GROUP
    if groups > _GROUPS * k:  # k groups each contain a value that is at least `bound`
        largest = values[: groups * _GROUP].reshape(_GROUP, groups).max(axis=0)
        bound = np.partition(largest, groups - k)[groups - k]
        values = values[values >= bound]
    return np.partition(values, len(values) - k)[len(values) - k]


def top_k(values: Array, k: int, ties: Array | None = None) -> Ints:
    """Return the positions of the `k` largest values, largest first; ties by `ties` or position."""
    if k < 1:
        return np.zeros(0, dtype=np.int64)
    positions = np.arange(len(values))
    if k < len(values):
        positions = np.flatnonzero(values >= kth_largest(values, k))
    if ties is None:
        return positions[np.argsort(-values[positions], kind="stable")[:k]]
    return positions[np.lexsort((ties[positions], -values[positions]))[:k]]
