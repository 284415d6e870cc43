"""From pairs of dense vertex numbers to compressed rows, in counting passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Doubles
from graphagg.errors import InvalidGraph
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

Dense = npt.NDArray[np.int32]

_UNWEIGHTED: Doubles = np.empty(0)


def rows_from_pairs(
    rows: Dense,
    columns: Dense,
    shape: tuple[int, int],
    *,
    symmetric: bool,
    loops: bool = False,
    weights: Doubles | None = None,
    exact: bool = False,
) -> tuple[Csr, int]:
    """Build compressed rows of the distinct pairs `(rows[i], columns[i])`, in O(pairs + shape).

    The columns of each row ascend. Weights `[E]` of repeated pairs are summed in float64, smallest
    first, so that the sum does not depend on the order of the pairs; it becomes float32 unless
    `exact`, where a sum that float64 cannot hold is NaN. `symmetric` takes each pair both ways;
    `loops` keeps pairs of equal numbers. Also returns the number of repeated pairs.
    """
    # Grouped by column first and then, column by column, by row: each row ends ascending.
    carried = _UNWEIGHTED if weights is None else weights
    starts, ends, carried = _by_column(rows, columns, carried, shape[1], symmetric, loops)
    pointers, indices, values = _transpose(starts, ends, carried, shape[0])
    del ends, carried  # of 100 million edges with weights: 1.2 GB
    kept = _merge_repeats(pointers, indices, values, exact)
    repeats = len(indices) - kept
    if repeats:
        indices, values = indices[:kept].copy(), values[:kept]
    if not exact:
        values = values.astype(np.float32, copy=False)
    if symmetric:
        pointers, indices, values = _mirror(pointers, indices, values)
    data = None if weights is None else values
    return Csr(pointers, indices, data, shape[1]), repeats


def transpose(matrix: Csr) -> Csr:
    """Rows and columns exchanged, with their values if there are any; O(nnz)."""
    carried = _UNWEIGHTED if matrix.data is None else matrix.data
    pointers, indices, values = _transpose(matrix.indptr, matrix.indices, carried, matrix.columns)
    return Csr(pointers, indices, None if matrix.data is None else values, matrix.rows)


@kernel
def exact_sum(a: float, b: float) -> float:
    """Add up two numbers; NaN if float64 does not hold their sum."""
    total = a + b
    rest = total - a  # Knuth's sum of two: what rounding has left out
    left_out = (a - (total - rest)) + (b - rest)
    return total if left_out == 0.0 else np.nan


@kernel
def add_up(positions: Array, weights: Array, sums: Array) -> None:
    """Add each weight to the sum at its position; NaN where a sum is not exact."""
    for i in range(len(positions)):
        sums[positions[i]] = exact_sum(sums[positions[i]], np.float64(weights[i]))


def check_sums(weights: Array, name: str) -> None:
    """Raise `InvalidGraph` where a sum of weights is not exact."""
    if np.isnan(weights).any():
        raise InvalidGraph(
            f"{name}: the weights of a repeated edge differ by more than a factor of 2^29, wanted "
            "weights whose sum 64 bits hold; leave out the smallest, or add them up before"
        )


def expand_rows(matrix: Csr) -> Dense:
    """The row of each entry, `[nnz]` int32."""
    return np.repeat(np.arange(matrix.rows, dtype=np.int32), matrix.degrees())


# In all kernels `values` is as long as the entries, or empty where there are no weights.


@kernel(small=True)
def _by_column(
    rows: Array, columns: Array, values: Array, size: int, symmetric: bool, loops: bool
) -> Any:
    """Group pairs by their column; symmetric: by their larger end, so that each counts once."""
    pointers = np.zeros(size + 1, dtype=np.int64)
    for i in range(len(rows)):
        if loops or rows[i] != columns[i]:
            key = max(rows[i], columns[i]) if symmetric else columns[i]
            pointers[key + 1] += 1
    for k in range(size):
        pointers[k + 1] += pointers[k]
    position = pointers[:-1].copy()  # where the next pair of each column goes
    grouped = np.empty(pointers[size], dtype=np.int32)
    carried = np.empty(len(grouped) if len(values) else 0)
    for i in range(len(rows)):
        if loops or rows[i] != columns[i]:
            key = max(rows[i], columns[i]) if symmetric else columns[i]
            at = position[key]
            grouped[at] = min(rows[i], columns[i]) if symmetric else rows[i]
            if len(values):
                carried[at] = values[i]
            position[key] = at + 1
    return pointers, grouped, carried


@kernel(small=True)
def _transpose(pointers: Array, indices: Array, values: Array, size: int) -> Any:
    """Group entries by their column, in the order of their rows: each column ends ascending."""
    turned = np.zeros(size + 1, dtype=np.int64)
    for i in range(len(indices)):
        turned[indices[i] + 1] += 1
    for k in range(size):
        turned[k + 1] += turned[k]
    position = turned[:-1].copy()
    grouped = np.empty(len(indices), dtype=np.int32)
    carried = np.empty(len(values), values.dtype)
    for row in range(len(pointers) - 1):
        for i in range(pointers[row], pointers[row + 1]):
            at = position[indices[i]]
            grouped[at] = row
            if len(values):
                carried[at] = values[i]
            position[indices[i]] = at + 1
    return turned, grouped, carried


@kernel(small=True)
def _merge_repeats(pointers: Array, indices: Array, values: Array, exact: bool) -> int:
    """Make repeats in ascending rows one entry, in place; returns how many entries are left."""
    kept = 0
    start = pointers[0]
    for row in range(len(pointers) - 1):
        stop = pointers[row + 1]
        while start < stop:
            # Entries start to end are repeats of one; `kept` never passes `start`.
            end = start + 1
            while end < stop and indices[end] == indices[start]:
                end += 1
            indices[kept] = indices[start]
            if len(values):
                if end - start > 1:
                    values[start:end].sort()
                total = 0.0
                for i in range(start, end):
                    total = exact_sum(total, values[i]) if exact else total + values[i]
                values[kept] = total
            kept += 1
            start = end
        pointers[row + 1] = kept
    return kept


@kernel(small=True)
def _mirror(pointers: Array, indices: Array, values: Array) -> Any:
    """Add the mirror image to rows that hold only columns above their own number."""
    count = len(pointers) - 1
    both = np.zeros(count + 1, dtype=np.int64)
    for row in range(count):
        both[row + 1] += pointers[row + 1] - pointers[row]
        for i in range(pointers[row], pointers[row + 1]):
            both[indices[i] + 1] += 1
    for row in range(count):
        both[row + 1] += both[row]
    position = both[:-1].copy()
    whole = np.empty(2 * len(indices), dtype=np.int32)
    data = np.empty(2 * len(values), dtype=values.dtype)
    for row in range(count):
        # The smaller columns of this row were written while those rows had their turn, in
        # ascending order; the larger ones follow them now.
        for i in range(pointers[row], pointers[row + 1]):
            column = indices[i]
            low, high = position[row], position[column]
            whole[low], whole[high] = column, row
            if len(values):
                data[low] = data[high] = values[i]
            position[row], position[column] = low + 1, high + 1
    return both, whole, data
