"""Compressed sparse rows, as memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Ints, offsets
from graphagg.store.writing import ArrayWriter


@dataclass(frozen=True)
class Csr:
    """A sparse matrix in compressed rows.

    Attributes:
        indptr: `[rows + 1]` int64.
        indices: `[nnz]` int32, the columns of row i at `indptr[i]:indptr[i + 1]`, ascending.
        data: `[nnz]` values, or None for a pattern without values.
        columns: number of columns.

    Examples:
        >>> rows, columns = np.array([0, 2, 0]), np.array([1, 0, 2])
        >>> matrix = Csr.from_pairs(rows, columns, None, (3, 3))
        >>> matrix.row(0).tolist(), matrix.degrees().tolist()
        ([1, 2], [2, 0, 1])
        >>> matrix.places(np.array([2, 0])).tolist(), matrix.gather(np.array([2, 0]))[1].tolist()
        ([2, 0, 1], [0, 1, 2])
    """

    indptr: Ints
    indices: npt.NDArray[np.int32]
    data: Array | None
    columns: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    def row(self, i: int) -> npt.NDArray[np.int32]:
        """Columns of row `i`."""
        return self.indices[self.indptr[i] : self.indptr[i + 1]]

    def gather(self, rows: npt.NDArray[np.integer[Any]]) -> tuple[Ints, npt.NDArray[np.int32]]:
        """Return `(position in rows, column)` of each entry of several rows, in row order."""
        owners = np.repeat(np.arange(len(rows)), self.indptr[rows + 1] - self.indptr[rows])
        return owners, self.indices[self.places(rows)]

    @property
    def entries(self) -> Array:
        """All stored values, `[nnz]`."""
        assert self.data is not None, "a pattern has no values"
        return self.data

    def places(self, rows: npt.NDArray[np.integer[Any]]) -> Ints:
        """Return positions in `indices` of the entries of several rows, ordered as in `gather`."""
        starts = self.indptr[rows]
        lengths = self.indptr[rows + 1] - starts
        # The result concatenates the rows: shift each row by the difference between its start in
        # `indices` and its start in the result.
        shifts = np.repeat(starts - offsets(lengths)[:-1], lengths)
        positions: Ints = np.arange(len(shifts)) + shifts
        return positions

    def degrees(self) -> Ints:
        """Number of entries of each row, `[rows]`."""
        return np.diff(self.indptr)

    @classmethod
    def from_pairs(
        cls,
        rows: npt.NDArray[np.integer[Any]],
        columns: npt.NDArray[np.integer[Any]],
        data: Array | None,
        shape: tuple[int, int],
    ) -> Csr:
        """Build from distinct `(row, column)` pairs in any order; O(nnz log nnz)."""
        order = np.lexsort((columns, rows))
        ordered = None if data is None else data[order]
        indptr = offsets(np.bincount(rows, minlength=shape[0]))
        return cls(indptr, columns[order].astype(np.int32), ordered, shape[1])

    def save(self, writer: ArrayWriter, name: str) -> None:
        """Write as `<name>.indptr`, `<name>.indices` and, with values, `<name>.data`."""
        writer.array(f"{name}.indptr", self.indptr)
        writer.array(f"{name}.indices", self.indices)
        if self.data is not None:
            writer.array(f"{name}.data", self.data)

    @classmethod
    def read(
        cls, name: str, array: Callable[[str], Array], columns: int, *, weighted: bool = False
    ) -> Csr:
        """Read the arrays that `save` wrote; `array` returns an array by its name."""
        values = array(f"{name}.data") if weighted else None
        return cls(array(f"{name}.indptr"), array(f"{name}.indices"), values, columns)
