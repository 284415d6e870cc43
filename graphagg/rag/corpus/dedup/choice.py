"""Which of near duplicates to keep, and why each of the others goes.

Texts are taken by size, the largest first, of equals the earliest. A text stays unless it is a near
duplicate of one that stays; so every text that goes is at the threshold of one that is kept,
and no two that are kept were found to be near duplicates. Chains are not followed: of A like B like
C, where A and C are unlike, only B need go.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, Mask
from graphagg.kernels import kernel
from graphagg.rag.corpus.dedup.pairs import Pairs


class Choice(NamedTuple):
    """What becomes of n texts.

    Attributes:
        kept: `[n]` bool.
        of: `[n]` int64, the text that is kept in the place of each; itself where it is kept.
        similarity: `[n]` of the two.
        group: `[n]` int64, the first text of those that near duplicates join to one group.
    """

    kept: Mask
    of: Ints
    similarity: Doubles
    group: Ints


def choose(pairs: Pairs, sizes: Ints) -> Choice:
    """Choose by the sizes `[n]` of the texts."""
    n = len(pairs.equal)
    order = np.lexsort((np.arange(n), -sizes))
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    # The better of each pair first; then by the worse one's turn, and of the better the most alike.
    swap = rank[pairs.first] > rank[pairs.second]
    better = np.where(swap, pairs.second, pairs.first)
    worse = np.where(swap, pairs.first, pairs.second)
    turn = np.lexsort((better, -pairs.similarity, rank[worse]))
    of, similarity = np.arange(n), np.ones(n)
    _settle(better[turn], worse[turn], pairs.similarity[turn], of, similarity)
    group = np.arange(n)
    _join(pairs.first, pairs.second, group)
    # Texts of equal shingles follow the first of them.
    equal = pairs.equal != np.arange(n)
    first = pairs.equal[equal]
    of[equal], similarity[equal], group[equal] = of[first], similarity[first], group[first]
    return Choice(of == np.arange(n), of, similarity, group)


@kernel
def _settle(better: Array, worse: Array, similarity: Array, of: Array, similarities: Array) -> None:
    """Let each worse text go where a better one stays; pairs come in the order of the worse."""
    for p in range(len(worse)):
        if of[better[p]] == better[p] and of[worse[p]] == worse[p]:
            of[worse[p]] = better[p]
            similarities[worse[p]] = similarity[p]


@kernel
def _join(first: Array, second: Array, group: Array) -> None:
    """The lowest text of each connected group, in place."""
    for p in range(len(first)):
        a, b = first[p], second[p]
        while group[a] != a:
            group[a] = group[group[a]]
            a = group[a]
        while group[b] != b:
            group[b] = group[group[b]]
            b = group[b]
        group[max(a, b)] = min(a, b)
    for i in range(len(group)):
        group[i] = group[group[i]]  # what it points at is lower, and was made final before
