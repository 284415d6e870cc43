"""A balanced binary tree over each segment of a ragged batch, stored as integers.

Every combine in the tree creates one *node*. Level by level, the elements of a segment are paired
in order (first with second, third with fourth, ...); an odd last element moves to the end of the
next level. A segment with one element left is finished. Each segment thus gets the tree of a
balanced fold (arXiv 2212.08541, section 3): there is no padding, and the result of a segment
cannot depend on other segments.

Segments are cut into blocks of consecutive segments with about `block_rows` elements. A block is
folded from leaves to roots before the next one, so that its rows stay in the cache. Odd elements
are not moved: a node refers to its two children by number, so all levels together move
2 (N - S) rows for N elements in S non-empty segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphagg.nn.aggr.inputs import sorted_segments
from graphagg.nn.segments import Segments

# Elements per block and nodes per pass. On a CPU the rows and gates of a block then fit in the
# cache (half or double is no faster); a CUDA device needs large launches instead.
_CPU_BLOCK, _CPU_PASS = 4096, 4096
_CUDA_BLOCK, _CUDA_PASS = 1 << 20, 1 << 18


@dataclass(frozen=True, eq=False, slots=True)
class FoldBlock:
    """Consecutive segments that are folded together.

    Children and roots are numbered with the block's elements first, then its nodes. All nodes of a
    pass are on one level, and passes go from leaves to roots.
    """

    rows: tuple[int, int]  # the block's elements: first, and last + 1
    filled: Tensor  # `[S]` int64, the block's non-empty segments
    left: Tensor  # `[nodes]` int64, the first child of each node
    right: Tensor  # `[nodes]` int64, the second child of each node
    roots: Tensor  # `[S]` int64, the result of each non-empty segment
    passes: tuple[tuple[int, int], ...]  # the nodes of each pass: first, and last + 1

    @property
    def elements(self) -> int:
        """Number of elements in the block."""
        return self.rows[1] - self.rows[0]

    def children(self, low: int, high: int) -> tuple[Tensor, Tensor]:
        """Return first and second children of the nodes `low` to `high - 1`."""
        return self.left[low:high], self.right[low:high]


@dataclass(frozen=True, eq=False)
class LCMPlan:
    """The order in which elements are combined with each other.

    Attributes:
        ptr: `[segments + 1]` int64, the offsets of the segments.
        order: `[N]` int64 that sorts the elements by segment, or None if they are sorted.
        blocks: blocks of consecutive segments, in the order of the elements.

    Examples:
        >>> import torch
        >>> from graphagg.nn.aggr import LCMPlan
        >>> LCMPlan.from_ptr(torch.tensor([0, 3, 3, 8])).combines  # 2 + 4
        6
    """

    ptr: Tensor
    order: Tensor | None
    blocks: tuple[FoldBlock, ...]

    @property
    def combines(self) -> int:
        """Total number of combines: elements minus non-empty segments."""
        return sum(len(block.left) for block in self.blocks)

    @property
    def count(self) -> int:
        """Number of segments, including empty ones."""
        return self.ptr.numel() - 1

    @property
    def rows(self) -> int:
        """Number of elements N."""
        return self.blocks[-1].rows[1] if self.blocks else 0

    @property
    def index(self) -> Tensor:
        """`[N]` int64, the segment of each sorted element; computed on each access."""
        every = torch.arange(self.count, device=self.ptr.device)
        return torch.repeat_interleave(every, self.ptr.diff())

    @classmethod
    def from_ptr(cls, ptr: Tensor, rows: int | None = None) -> LCMPlan:
        """Build the plan from the offsets of segments; O(N) integer operations.

        Args:
            ptr: `[segments + 1]` integers from 0 to N, non-decreasing.
            rows: N, for a check; by default the last offset.

        Raises:
            InvalidBatch: `ptr` violates these conditions.
        """
        if rows is None:
            rows = int(ptr[-1]) if ptr.numel() else 0
        return cls.from_segments(Segments.from_ptr(ptr, rows))

    @classmethod
    def from_index(cls, index: Tensor, count: int | None = None) -> LCMPlan:
        """Build the plan from the segment of each element, in any order.

        Args:
            index: `[N]` integers in `[0, count)`.
            count: number of segments; by default one more than the largest index.

        Raises:
            InvalidBatch: `index` is negative, too large or of a float type.
        """
        return cls.from_segments(*sorted_segments(index, count))

    @classmethod
    def from_segments(
        cls,
        segments: Segments,
        order: Tensor | None = None,
        *,
        block_rows: int | None = None,
        pass_nodes: int | None = None,
    ) -> LCMPlan:
        """Build the plan of a ragged batch; `order` sorts its elements by segment.

        Args:
            segments: the sorted ragged batch.
            order: stored in the plan.
            block_rows: elements per block; the default depends on the device.
            pass_nodes: nodes per pass; the default depends on the device.
        """
        cuda = segments.ptr.is_cuda
        block_rows = block_rows or (_CUDA_BLOCK if cuda else _CPU_BLOCK)
        pass_nodes = pass_nodes or (_CUDA_PASS if cuda else _CPU_PASS)
        filled = segments.sizes.nonzero().view(-1)
        # A block has all segments whose first row is in the same range of `block_rows` rows.
        begins = segments.ptr[filled] // block_rows
        counts = torch.unique_consecutive(begins, return_counts=True)[1].tolist()
        blocks, low = [], 0
        for ids in torch.split_with_sizes(filled, counts):
            sizes = segments.sizes[ids]
            left, right, roots, levels = _tree(sizes)
            high = low + int(sizes.sum())
            passes = _passes(levels, pass_nodes)
            blocks.append(FoldBlock((low, high), ids, left, right, roots, passes))
            low = high
        # Copy `ptr`, because the user may change the tensor.
        return cls(segments.ptr.clone(), order, tuple(blocks))


def _tree(sizes: Tensor) -> tuple[Tensor, Tensor, Tensor, list[int]]:
    """Return left and right children, roots (elements, then nodes by level) and level sizes."""
    rows = int(sizes.sum())
    ids, roots = torch.arange(rows, device=sizes.device), sizes.cumsum(0) - sizes
    live = (sizes > 1).nonzero().view(-1)
    ids = ids[torch.repeat_interleave(sizes > 1, sizes)]
    lefts, rights, levels = [ids[:0]], [ids[:0]], []
    while len(live):
        size = sizes[live]
        start = torch.repeat_interleave(size.cumsum(0) - size, size)
        position = torch.arange(len(ids), device=sizes.device) - start
        even = (position & 1) == 0
        paired = even & (position + 1 < torch.repeat_interleave(size, size))
        lefts.append(ids[paired])
        rights.append(ids[1:][paired[:-1]])
        levels.append(len(lefts[-1]))
        nodes = torch.arange(rows, rows + levels[-1], device=sizes.device)
        ids = ids.masked_scatter(paired, nodes)[even]
        rows += levels[-1]
        size = (size + 1) // 2
        sizes = sizes.index_copy(0, live, size)
        done = size == 1
        roots[live[done]] = ids[size.cumsum(0)[done] - 1]
        ids = ids[torch.repeat_interleave(~done, size)]
        live = live[~done]
    return torch.cat(lefts), torch.cat(rights), roots, levels


def _passes(of_level: list[int], pass_nodes: int) -> tuple[tuple[int, int], ...]:
    passes, low = [], 0
    for size in of_level:
        passes += [
            (at, min(at + pass_nodes, low + size)) for at in range(low, low + size, pass_nodes)
        ]
        low += size
    return tuple(passes)
