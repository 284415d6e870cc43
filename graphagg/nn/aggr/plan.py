"""The balanced binary tree over every segment of a ragged batch, as integers only.

Every combine of the tree makes one *node*. Level by level, the elements of a segment are paired in
their order (first with second, third with fourth, ...); an odd last element waits, and goes to the
end of the next level. A segment with one element left is finished. This is the tree of a balanced
fold of each segment alone (arXiv 2212.08541, section 3): there is no padding, and a segment's
result cannot depend on other segments.

Elements that wait are not moved: a node refers to its two children by number, so all levels
together move 2 (N - S) rows for N elements in S non-empty segments. Segments are cut into blocks of
consecutive segments with about `block_rows` elements. A block is folded from leaves to roots before
the next one, so that its rows stay in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphagg.nn.aggr.inputs import sorted_segments
from graphagg.nn.segments import Segments

# Elements of a block and nodes of one pass. On a CPU the rows and gates of a block then stay in the
# cache (half or double is no faster); a CUDA device needs large launches instead.
_CPU_BLOCK, _CPU_PASS = 4096, 4096
_CUDA_BLOCK, _CUDA_PASS = 1 << 20, 1 << 18


@dataclass(frozen=True, slots=True)
class FoldBlock:
    """Consecutive segments that are folded together; each pair is first and last + 1.

    All nodes of a pass are of one level, and passes go from leaves to roots.
    """

    rows: tuple[int, int]  # its elements
    nodes: tuple[int, int]  # its nodes
    roots: tuple[int, int]  # its non-empty segments
    passes: tuple[tuple[int, int], ...]  # relative to `nodes[0]`


@dataclass(frozen=True, eq=False)
class LCMPlan:
    """The order in which elements are combined with each other.

    Numbers of children and roots are relative to their block: first the block's elements, then its
    nodes.

    Attributes:
        ptr: `[segments + 1]` int64, the offsets that the plan was made of.
        order: `[N]` int64 that sorts the elements by segment, or None where they are sorted.
        left: `[N - S]` int64, the first child of each node.
        right: `[N - S]` int64, the second child of each node.
        roots: `[S]` int64, the result of each non-empty segment.
        filled: `[S]` int64, the segment of each root.
        levels: ceil(log2 of the largest segment).
        blocks: in the order of the elements.

    Examples:
        >>> import torch
        >>> from graphagg.nn.aggr import LCMPlan
        >>> plan = LCMPlan.from_ptr(torch.tensor([0, 3, 3, 8]))
        >>> plan.combines, plan.levels  # 2 + 4 combines; 5 elements need 3 levels
        (6, 3)
    """

    ptr: Tensor
    order: Tensor | None
    left: Tensor
    right: Tensor
    roots: Tensor
    filled: Tensor
    levels: int
    blocks: tuple[FoldBlock, ...]

    @property
    def combines(self) -> int:
        """Combines in all: elements less non-empty segments."""
        return self.left.numel()

    @property
    def count(self) -> int:
        """Number of segments, empty ones too."""
        return self.ptr.numel() - 1

    @property
    def rows(self) -> int:
        """Number of elements N."""
        return self.blocks[-1].rows[1] if self.blocks else 0

    @property
    def index(self) -> Tensor:
        """`[N]` int64, the segment of each sorted element; computed at each call."""
        every = torch.arange(self.count, device=self.ptr.device)
        return torch.repeat_interleave(every, self.ptr.diff())

    @classmethod
    def from_ptr(cls, ptr: Tensor, rows: int | None = None) -> LCMPlan:
        """The plan of segments given by offsets; O(N) integer operations.

        Args:
            ptr: `[segments + 1]` integers from 0 to N, non-decreasing.
            rows: N, to be checked; by default the last offset.

        Raises:
            InvalidBatch: `ptr` is not of this form.
        """
        if rows is None:
            rows = int(ptr[-1]) if ptr.numel() else 0
        return cls.from_segments(Segments.from_ptr(ptr, rows))

    @classmethod
    def from_index(cls, index: Tensor, count: int | None = None) -> LCMPlan:
        """The plan of segments given by the segment of each element, in any order.

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
        """The plan of a ragged batch whose elements, taken by `order`, are sorted by segment.

        Args:
            segments: the sorted ragged batch.
            order: stored in the plan.
            block_rows: elements of a block; by default chosen by device.
            pass_nodes: nodes of a pass; by default chosen by device.
        """
        cuda = segments.ptr.is_cuda
        block_rows = block_rows or (_CUDA_BLOCK if cuda else _CPU_BLOCK)
        pass_nodes = pass_nodes or (_CUDA_PASS if cuda else _CPU_PASS)
        filled = segments.sizes.nonzero().view(-1)
        sizes, first = segments.sizes[filled], segments.ptr[filled]
        left, right, owner, level, roots = _tree(sizes, first, segments.rows)
        block_of = _block_of(first, block_rows)
        blocks, node_rank = _blocks(segments.rows, first, block_of, owner, level, pass_nodes)
        start = torch.tensor([(b.rows[0], b.rows[1], b.nodes[0]) for b in blocks])
        start = start.to(left.device).view(-1, 3)
        by_rank = torch.argsort(node_rank)

        def local(ids: Tensor, block: Tensor) -> Tensor:
            low, high, node = start[block].unbind(1)
            element = ids < segments.rows
            rank = node_rank[(ids - segments.rows).clamp(min=0)] if len(node_rank) else ids
            return torch.where(element, ids - low, rank - node + high - low)

        of_node = block_of[owner[by_rank]]
        return cls(
            # A copy: the user may change the tensor.
            ptr=segments.ptr.clone(),
            order=order,
            left=local(left[by_rank], of_node),
            right=local(right[by_rank], of_node),
            roots=local(roots, block_of),
            filled=filled,
            levels=int(level[-1]) + 1 if len(level) else 0,
            blocks=blocks,
        )


def _tree(sizes: Tensor, first: Tensor, rows: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Children (elements 0..N-1, then nodes by level), segment and level of each node; roots."""
    ids = torch.arange(rows, device=sizes.device)
    roots = first.clone()
    live = (sizes > 1).nonzero().view(-1)
    lefts: list[Tensor] = []
    rights: list[Tensor] = []
    owners: list[Tensor] = []
    levels: list[Tensor] = []
    made = 0
    if len(live) < len(sizes):
        ids = ids[torch.repeat_interleave(sizes > 1, sizes)]
    while len(live):
        size = sizes[live]
        owner = torch.repeat_interleave(live, size)
        start = torch.repeat_interleave(size.cumsum(0) - size, size)
        position = torch.arange(len(owner), device=sizes.device) - start
        even = (position & 1) == 0
        paired = even & (position + 1 < torch.repeat_interleave(size, size))
        lefts.append(ids[paired])
        rights.append(ids[1:][paired[:-1]])
        owners.append(owner[paired])
        made_now = len(lefts[-1])
        levels.append(torch.full((made_now,), len(levels), device=sizes.device))
        nodes = torch.arange(rows + made, rows + made + made_now, device=sizes.device)
        ids = ids.masked_scatter(paired, nodes)[even]
        made += made_now
        sizes = sizes.index_copy(0, live, (size + 1) // 2)
        size = sizes[live]
        done = size == 1
        ends = size.cumsum(0) - 1
        roots[live[done]] = ids[ends[done]]
        ids = ids[torch.repeat_interleave(~done, size)]
        live = live[~done]
    empty = sizes.new_empty(0)
    left, right, owner, level = (
        torch.cat(tensors) if tensors else empty for tensors in (lefts, rights, owners, levels)
    )
    return left, right, owner, level, roots


def _block_of(first: Tensor, block_rows: int) -> Tensor:
    """The block of each non-empty segment: by the multiple of `block_rows` it begins in."""
    if not len(first):
        return first
    begins = first // block_rows
    changes = torch.cat([begins.new_zeros(1), (begins[1:] != begins[:-1]).long()])
    return changes.cumsum(0)


def _blocks(
    rows: int,
    first: Tensor,
    block_of: Tensor,
    owner: Tensor,
    level: Tensor,
    pass_nodes: int,
) -> tuple[tuple[FoldBlock, ...], Tensor]:
    """The blocks, and the position of each node when sorted by block and level."""
    if not len(first):
        return (), owner
    count = int(block_of[-1]) + 1
    nodes = len(level)
    depth = int(level[-1]) + 1 if nodes else 1
    key = block_of[owner] * depth + level
    rank = torch.empty_like(key)
    rank[torch.sort(key, stable=True)[1]] = torch.arange(nodes, device=key.device)
    sizes = torch.bincount(key, minlength=count * depth).view(count, depth).tolist()
    begins = torch.searchsorted(block_of, torch.arange(count + 1, device=key.device)).tolist()
    bounds = [*first[torch.tensor(begins[:-1], device=key.device)].tolist(), rows]
    blocks, node = [], 0
    for b, of_level in enumerate(sizes):
        end = node + sum(of_level)
        blocks.append(
            FoldBlock(
                rows=(bounds[b], bounds[b + 1]),
                nodes=(node, end),
                roots=(begins[b], begins[b + 1]),
                passes=_passes(of_level, pass_nodes),
            )
        )
        node = end
    return tuple(blocks), rank


def _passes(of_level: list[int], pass_nodes: int) -> tuple[tuple[int, int], ...]:
    passes, low = [], 0
    for size in of_level:
        passes += [
            (at, min(at + pass_nodes, low + size)) for at in range(low, low + size, pass_nodes)
        ]
        low += size
    return tuple(passes)
