"""Compressed rows to which entries were added that lie in arrays of their own.

What is added to a large matrix is small, and written in no time; the rows are merged where they are
read, one by one, so that a reader finds what it would find in rows written anew. Kernels take the
offsets of now, the columns as they were, and `Added`; where nothing was added that is None, and
numba leaves its branches out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel, lower_bound
from graphagg.store import Artifact, ArtifactWriter
from graphagg.store.ranges import GrowingFile

BLOCK = 6
"""A place of `Added.first` stands for so many bits of a row's number."""
_AT_ONCE = 1 << 16


class Added(NamedTuple):
    """Entries that were added to rows.

    Attributes:
        rows: `[t]` int32 ascending, the rows that have any.
        starts: `[t + 1]` int64, where those of each begin.
        columns: int32, ascending in a row; none of them was there before.
        first: int32, how many of `rows` come before each 64th row; one more at the end.
    """

    rows: Array
    starts: Array
    columns: Array
    first: Array

    @classmethod
    def of(cls, rows: Array, starts: Ints, columns: Array, count: int) -> Added:
        """Entries of some of `count` rows."""
        blocks = np.arange((count >> BLOCK) + 2) << BLOCK
        first = np.searchsorted(rows, blocks).astype(np.int32)
        return cls(rows.astype(np.int32), starts, columns.astype(np.int32), first)

    def before(self, low: int, high: int) -> Ints:
        """How many entries were added to the rows before each of those from `low` to `high - 1`."""
        # In the type of the rows: numpy copies these into another one.
        i, j = np.searchsorted(self.rows, np.array([low, high], self.rows.dtype))
        lengths = np.diff(self.rows[i:j], prepend=low - 1, append=high - 1)
        return np.repeat(self.starts[i : j + 1], lengths)


@dataclass(frozen=True)
class GrownRows:
    """A pattern in compressed rows to which entries were added.

    Attributes:
        indptr: `[rows + 1]` int64, the offsets as if all entries lay together.
        kept: int32, the columns of all rows without what was added.
        added: what was.
        columns: number of columns.
    """

    indptr: Ints
    kept: Array
    added: Added
    columns: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def parts(self) -> tuple[Ints, Array, Any]:
        """Offsets, columns and what was added, for kernels."""
        return self.indptr, self.kept, self.added

    def row(self, i: int) -> Array:
        """Columns of row `i`."""
        return row(*self.parts, i)

    def degrees(self) -> Ints:
        """Number of entries of each row, `[rows]`."""
        return np.diff(self.indptr)

    @property
    def base(self) -> Csr:
        """The rows without what was added."""
        indptr = self.indptr - self.added.before(0, len(self.indptr))
        return Csr(indptr, self.kept, None, self.columns)

    def merged(self) -> Csr:
        """The rows in memory."""
        columns = np.empty(int(self.indptr[-1]), dtype=np.int32)
        _merge(*self.parts, columns)
        return Csr(self.indptr, columns, None, self.columns)

    @classmethod
    def open(cls, artifact: Artifact, name: str, columns: int) -> GrownRows | Csr:
        """Map the rows that `Csr.save` or `save_added` wrote."""
        if f"{name}.grown.npy" not in artifact:
            return Csr.open(artifact, name, columns)
        added = Added(*(artifact.array(f"{name}.added.{part}") for part in Added._fields))
        return cls(
            artifact.array(f"{name}.grown"), artifact.array(f"{name}.indices"), added, columns
        )


def save_added(
    writer: ArtifactWriter, artifact: Artifact, name: str, base: Csr, added: Added
) -> None:
    """Write what was added to the rows `name` of another version, and their offsets then.

    Args:
        writer: of the new version.
        artifact: has the columns of `base`.
        name: of the rows.
        base: the rows without what was added.
        added: what was.
    """
    writer.adopt(artifact, f"{name}.indices.npy")
    file = GrowingFile(writer.path(f"{name}.grown.npy"), np.int64)
    for low in range(0, len(base.indptr), _AT_ONCE):
        some = base.indptr[low : low + _AT_ONCE]
        file.append(some + added.before(low, low + len(some)))
    file.close()
    for part, array in added._asdict().items():
        writer.array(f"{name}.added.{part}", array)


@kernel
def span(offsets: Array, added: Added | None, row: int) -> tuple[int, int, int, int]:
    """Where the columns of a row lie, from and to, and where those that were added to it do."""
    if added is None:
        return offsets[row], offsets[row + 1], 0, 0
    rows, starts, _, first = added
    block = row >> BLOCK
    at = lower_bound(rows, first[block], first[block + 1], row)
    more = end = starts[at]
    if at < len(rows) and rows[at] == row:
        end = starts[at + 1]
    return offsets[row] - more, offsets[row + 1] - end, more, end


@kernel
def take(
    columns: Array, added: Added | None, low: int, high: int, more: int, end: int
) -> tuple[Any, int, int]:
    """The next column of a row whose `span` is the last four, which begin after it from then on.

    So a kernel goes through a row without a copy of it.
    """
    if added is None:
        return columns[low], low + 1, more
    if more < end and (low == high or added.columns[more] < columns[low]):
        return added.columns[more], low, more + 1
    return columns[low], low + 1, more


@kernel
def row(offsets: Array, columns: Array, added: Added | None, row: int) -> Array:
    """The columns of a row, ascending."""
    low, high, more, end = span(offsets, added, row)
    if added is None or more == end:
        return columns[low:high]
    merged = np.empty(high - low + end - more, dtype=np.int32)
    for i in range(len(merged)):
        merged[i], low, more = take(columns, added, low, high, more, end)
    return merged


@kernel
def holds(
    columns: Array, added: Added | None, places: tuple[int, int, int, int], column: int
) -> bool:
    """Whether a row, whose `span` is `places`, has a column."""
    at = lower_bound(columns, places[0], places[1], column)
    if at < places[1] and columns[at] == column:
        return True
    if added is None:
        return False
    at = lower_bound(added.columns, places[2], places[3], column)
    return bool(at < places[3] and added.columns[at] == column)


@kernel
def _merge(offsets: Array, columns: Array, added: Added, out: Array) -> None:
    """Write the columns of all rows."""
    for i in range(len(offsets) - 1):
        low, high, more, end = span(offsets, added, i)
        for j in range(offsets[i], offsets[i + 1]):
            out[j], low, more = take(columns, added, low, high, more, end)
