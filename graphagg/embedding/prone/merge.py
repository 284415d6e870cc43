"""Merge the decompositions of the pieces with a tree of eigenproblems of small Gram matrices.

Stacking the rows of all pieces, F^T F is the sum of the pieces' V S^2 V^T. Let Y be the V S of the
pieces side by side (nodes x sum of ranks, zero if a node is not a column of a piece). Then the
singular values and right singular vectors of F equal those of Y^T: eigh(Y^T Y) = W diag(s^2) W^T
and V = Y W / s. The off-diagonal blocks come only from nodes that two pieces share: the halo aligns
the pieces.

Each vertex of the tree has as many children as keep its Gram matrix small. It keeps the leading
`width` directions (also inside the tree: keeping the leaves' rank loses 0.7 points of AUC) and
passes Y W up. All steps are linear in the leaves' rows, so we keep one matrix M_a per leaf, and
sum_a (V_a S_a) M_a is the root's Y W. Rows are processed one shard at a time, a range of nodes of
bounded size; shards are summed in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, offsets

MOST_COLUMNS = 1280
"""Maximum columns of Y at a vertex of the tree; its Gram matrix takes 13 MB."""
NODES_PER_SHARD = 50_000
_NEGLIGIBLE = 1e-5


@dataclass(frozen=True)
class NodeRows:
    """Rows `values` `[r, w]` of the ascending `nodes` `[r]`."""

    nodes: Ints
    values: Array

    def within(self, low: int, high: int) -> NodeRows:
        """Return the rows of nodes `low` to `high - 1`."""
        a, b = np.searchsorted(self.nodes, [low, high])
        return NodeRows(self.nodes[a:b], self.values[a:b])


@dataclass(frozen=True)
class TreeLevel:
    """One level of the tree.

    Attributes:
        groups: for each vertex of the level, its children; a child is a tuple of its leaves.
        maps: for each leaf, `[rank, w]`, maps its rows to the child's rows. None: no mapping.
    """

    groups: tuple[tuple[tuple[int, ...], ...], ...]
    maps: dict[int, Doubles] | None


def shards(nodes: int) -> list[tuple[int, int]]:
    """Return the ranges of nodes that are processed at once."""
    count = max(1, math.ceil(nodes / NODES_PER_SHARD))
    bounds = np.linspace(0, nodes, count + 1).astype(np.int64).tolist()
    return list(pairwise(bounds))


def merge(
    ranks: Sequence[int], width: int, grams: Callable[[TreeLevel], Iterable[Doubles]]
) -> tuple[list[Doubles], Doubles]:
    """Merge leaves with the given `ranks`, and keep `width` directions (m).

    Returns M for each leaf, `[rank, m']`, and the m' <= m singular values of F, descending.
    """
    children: list[tuple[int, ...]] = [(leaf,) for leaf in range(len(ranks))]
    sizes = list(ranks)
    maps: dict[int, Doubles] | None = None
    while True:
        groups = _group(children, sizes)
        next_maps, sizes, top = {}, [], np.zeros(0)
        for group, matrix in zip(groups, grams(TreeLevel(groups, maps)), strict=True):
            vectors, top = leading(matrix, width)
            sizes.append(vectors.shape[1])
            at = 0
            for child in group:
                rows = maps[child[0]].shape[1] if maps else ranks[child[0]]
                block = vectors[at : at + rows]
                at += rows
                for leaf in child:
                    next_maps[leaf] = maps[leaf] @ block if maps else block
        maps = next_maps
        children = [tuple(leaf for child in group for leaf in child) for group in groups]
        if len(children) == 1:
            return [maps[leaf] for leaf in range(len(ranks))], top


def _group(
    children: Sequence[tuple[int, ...]], sizes: Sequence[int]
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Split children into the fewest groups of similar size with up to `MOST_COLUMNS` columns."""
    fan = max(2, MOST_COLUMNS // max(sizes))
    count = math.ceil(len(children) / fan)
    splits = np.array_split(np.arange(len(children)), count)
    return tuple(tuple(children[i] for i in split.tolist()) for split in splits)


def leading(matrix: Doubles, width: int) -> tuple[Doubles, Doubles]:
    """Return leading eigenvectors `[K, w]` of a Gram matrix, and square roots of its eigenvalues.

    Directions with a singular value below 1e-5 of the largest are noise and are dropped. The
    largest entry of each vector is positive.
    """
    from scipy.linalg import eigh

    size = len(matrix)
    span = [max(0, size - width), size - 1]
    values, vectors = eigh(matrix, subset_by_index=span)
    values, vectors = values[::-1], vectors[:, ::-1]
    singular = np.sqrt(np.maximum(values, 0.0))
    is_signal = singular > _NEGLIGIBLE * max(float(singular[0]), 1e-300)
    return fix_signs(vectors[:, is_signal]), singular[is_signal]


def fix_signs(vectors: Doubles) -> Doubles:
    """Flip the sign of columns so that the entry with the largest absolute value is positive."""
    peaks = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(vectors.shape[1])]
    turned: Doubles = vectors * np.where(peaks < 0, -1.0, 1.0)
    return turned


def level_grams(level: TreeLevel, leaves: Sequence[NodeRows]) -> list[Doubles]:
    """Compute the contribution of one shard's rows to the Gram matrices of a level."""
    maps = level.maps
    return [
        _group_gram([mapped(c, maps, leaves) if maps else leaves[c[0]] for c in group])
        for group in level.groups
    ]


def mapped(child: Sequence[int], maps: dict[int, Doubles], leaves: Sequence[NodeRows]) -> NodeRows:
    """Compute sum_a (V_a S_a) M_a over the leaves of a child, float32."""
    nodes = np.unique(np.concatenate([leaves[leaf].nodes for leaf in child]))
    values = np.zeros((len(nodes), maps[child[0]].shape[1]), dtype=np.float32)
    for leaf in child:
        positions = np.searchsorted(nodes, leaves[leaf].nodes)
        values[positions] += leaves[leaf].values @ maps[leaf].astype(np.float32)
    return NodeRows(nodes, values)


def _group_gram(children: Sequence[NodeRows]) -> Doubles:
    """Compute Y^T Y of children side by side, from the nodes that pairs of children share."""
    bounds = offsets([child.values.shape[1] for child in children])
    total = np.zeros((bounds[-1], bounds[-1]))
    if not any(len(child.nodes) for child in children):
        return total
    low = min(int(child.nodes[0]) for child in children if len(child.nodes))
    high = max(int(child.nodes[-1]) for child in children if len(child.nodes)) + 1
    row_of_node = np.full(high - low, -1, dtype=np.int64)
    for a, first in enumerate(children):
        row_of_node[first.nodes - low] = np.arange(len(first.nodes))
        for b, second in enumerate(children[: a + 1]):
            matches = row_of_node[second.nodes - low]
            shared = matches >= 0
            left = first.values[matches[shared]].astype(np.float64)
            right = second.values[shared].astype(np.float64)
            block = left.T @ right
            total[bounds[a] : bounds[a + 1], bounds[b] : bounds[b + 1]] = block
            total[bounds[b] : bounds[b + 1], bounds[a] : bounds[a + 1]] = block.T
        row_of_node[first.nodes - low] = -1
    return total
