"""Segments: ragged batches for `graphagg.nn`.

A segment is a run of consecutive rows: the vertices of one graph, or the neighbors of one vertex.
There is no padding, and no result depends on the other segments of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from graphagg.errors import InvalidBatch

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.uint8)


@dataclass(frozen=True)
class Segments:
    """Rows 0..N-1 cut into S consecutive segments, some of them possibly empty.

    Attributes:
        ptr: `[S + 1]` int64, non-decreasing, from 0 to N; segment s owns rows `ptr[s]:ptr[s+1]`.
        index: `[N]` int64, the segment of each row; non-decreasing.

    Examples:
        >>> import torch
        >>> from graphagg.nn import Segments
        >>> graphs = Segments.from_ptr(torch.tensor([0, 2, 5]), rows=5)
        >>> graphs.index.tolist()
        [0, 0, 1, 1, 1]
        >>> graphs.sum(torch.ones(5, 1)).flatten().tolist()
        [2.0, 3.0]
    """

    ptr: Tensor
    index: Tensor

    @property
    def count(self) -> int:
        """Number of segments S."""
        return self.ptr.numel() - 1

    @property
    def rows(self) -> int:
        """Number of rows N."""
        return self.index.numel()

    @property
    def sizes(self) -> Tensor:
        """`[S]` int64, the number of rows of each segment."""
        return self.ptr.diff()

    @cached_property
    def longest(self) -> int:
        """Number of rows of the largest segment; 0 if there are no segments."""
        return int(self.sizes.max()) if self.count else 0

    @cached_property
    def plans(self) -> dict[str, Any]:
        """Cache of values that the layers of a model share."""
        return {}

    @classmethod
    def from_ptr(cls, ptr: Tensor, rows: int) -> Segments:
        """Create segments from offsets.

        Args:
            ptr: `[S + 1]` integers, `ptr[0] = 0`, non-decreasing, `ptr[-1] = rows`.
            rows: N.

        Raises:
            InvalidBatch: `ptr` violates these conditions.
        """
        ptr = _integers(ptr, "ptr")
        if torch.compiler.is_compiling():  # values cannot be read and checked
            every = torch.arange(ptr.numel() - 1, device=ptr.device)
            return cls(ptr, torch.repeat_interleave(every, ptr.diff(), output_size=rows))
        if ptr.numel() < 1:
            raise InvalidBatch("ptr is empty; expected S + 1 offsets from 0 to the number of rows")
        first, last = int(ptr[0]), int(ptr[-1])
        if first != 0 or last != rows:
            raise InvalidBatch(
                f"ptr runs from {first} to {last}; expected 0 to {rows}, the number of rows"
            )
        sizes = ptr.diff()
        if sizes.numel() and int(sizes.min()) < 0:
            at = int((sizes < 0).nonzero()[0])
            raise InvalidBatch(
                f"ptr falls from {int(ptr[at])} to {int(ptr[at + 1])} at position {at + 1}; "
                "offsets must not decrease"
            )
        index = torch.repeat_interleave(torch.arange(sizes.numel(), device=ptr.device), sizes)
        return cls(ptr, index)

    @classmethod
    def from_index(cls, index: Tensor, count: int | None = None) -> Segments:
        """Create segments from the sorted segment of each row, such as PyG's `batch`.

        Args:
            index: `[N]` integers in `[0, count)`, non-decreasing.
            count: S; by default one more than the largest index.

        Raises:
            InvalidBatch: `index` is unsorted, negative, too large or of a float type.

        Examples:
            >>> import torch
            >>> from graphagg.nn import Segments
            >>> Segments.from_index(torch.tensor([0, 0, 2])).ptr.tolist()
            [0, 2, 2, 3]
        """
        index = check_index(index, count)
        if bool((index[1:] < index[:-1]).any()):
            raise InvalidBatch("index is not sorted; sort the rows by it first")
        sizes = torch.bincount(index, minlength=count or 0)
        return cls(offsets(sizes), index)

    @classmethod
    def from_batch(
        cls, rows: int, ptr: Tensor | None, index: Tensor | None, device: torch.device
    ) -> Segments:
        """Create segments of a PyG batch: from `ptr`, else from `index`, else one graph.

        Raises:
            InvalidBatch: `ptr` or `index` is invalid or does not fit `rows`.
        """
        if ptr is not None:
            return cls.from_ptr(ptr, rows)
        if index is None:
            # Skip checks for one segment, so that a model for a single graph can be exported.
            whole = torch.tensor([0, rows], device=device)
            return cls(whole, torch.zeros(rows, dtype=torch.int64, device=device))
        segments = cls.from_index(index)
        if segments.rows != rows:
            raise InvalidBatch(
                f"batch has {segments.rows} entries for {rows} rows; expected one each"
            )
        return segments

    def sum(self, values: Tensor) -> Tensor:
        """Sum over each segment: `[N, ...]` to `[S, ...]`; empty segments give 0."""
        out = values.new_zeros((self.count, *values.shape[1:]))
        return out.index_add_(0, self.index, values)

    def mean(self, values: Tensor) -> Tensor:
        """Mean over each segment: `[N, ...]` to `[S, ...]`; empty segments give 0."""
        wide = widened(values)
        sizes = self.sizes.clamp(min=1).to(wide.dtype)
        mean = self.sum(wide) / sizes.view(-1, *[1] * (values.dim() - 1))
        return mean.to(values.dtype)


def widened(values: Tensor) -> Tensor:
    """Convert 16-bit floats to float32, since sums over a large segment may exceed 16 bits."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def offsets(sizes: Tensor) -> Tensor:
    """Return the offsets `[S + 1]` of consecutive runs with sizes `[S]`."""
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])


def check_index(index: Tensor, count: int | None = None) -> Tensor:
    """Return `index` as int64; `InvalidBatch` unless it is `[N]` integers in `[0, count)`."""
    index = _integers(index, "index")
    if index.numel():
        low, high = int(index.min()), int(index.max())
        if low < 0:
            raise InvalidBatch(f"index holds {low}; expected values of at least 0")
        if count is not None and high >= count:
            raise InvalidBatch(
                f"index holds {high}, but there are {count} segments; expected at most {count - 1}"
            )
    return index


def _integers(values: Tensor, name: str) -> Tensor:
    if values.dtype not in _INTEGERS:
        raise InvalidBatch(f"{name} is of type {values.dtype}; expected integers (torch.int64)")
    if values.dim() != 1:
        raise InvalidBatch(f"{name} has {values.dim()} dimensions; expected 1")
    return values.long()
