"""Pairs of near duplicates among texts, and the choice of the texts to keep.

Candidates come from the bands of MinHash signatures; then every pair is compared exactly, shingle
by shingle. Texts of equal shingles are one text here: the first stands for all. Two texts are
candidates where a band gives both the same key; in a bucket of more texts than `bucket` each is
compared with that number of texts before it.

The choice takes texts by size, the largest first, of equals the earliest. A text stays unless it is
a near duplicate of one that stays; so every text that goes is at the threshold of one that is kept,
and no two kept texts were found to be near duplicates. Chains are not followed: of A like B like C,
where A and C are unlike, only B need go.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, Mask, distinct
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel
from graphagg.minhash.bands import write_keys
from graphagg.minhash.signatures import Hashes, HashFamily, mix, signatures
from graphagg.rag.config.dedup import DedupConfig
from graphagg.rag.corpus.dedup.shingles import Sets
from graphagg.store.ranges import forget

_SEED = 1
_TEXTS_AT_ONCE = 1 << 13
_KEYS_AT_ONCE = 1 << 26  # of all bands, or of some after others
_PAIRS_AT_ONCE = 1 << 22  # candidates of all bands that wait until repeats are dropped


class Pairs(NamedTuple):
    """Near duplicates.

    Attributes:
        first: `[p]` int64, a text; pairs ascend by (first, second).
        second: `[p]` a later text.
        similarity: `[p]` of the two, Jaccard.
        equal: `[n]` int64, the first text that has the shingles of each text; itself where it is.
        cut: number of buckets in which not all pairs were compared.
    """

    first: Ints
    second: Ints
    similarity: Doubles
    equal: Ints
    cut: int


class Choice(NamedTuple):
    """The texts to keep, and why each of the others goes; n texts.

    Attributes:
        kept: `[n]` bool.
        of: `[n]` int64, the text that is kept in the place of each; itself where it is kept.
        similarity: `[n]` of the two.
        group: `[n]` int64, the first text of the group that near duplicates join each text to.
    """

    kept: Mask
    of: Ints
    similarity: Doubles
    group: Ints


def near_duplicates(sets: Sets, config: DedupConfig) -> Pairs:
    """Find pairs at or above the threshold, among the first of equal texts.

    Args:
        sets: the shingles of n texts, in memory or mapped.
        config: the threshold, and the signatures.
    """
    equal, ids = equal_texts(sets), np.arange(len(sets.bounds) - 1)
    empty = np.diff(sets.bounds) == 0
    equal[empty] = ids[empty]  # a text that has no shingle is like no other
    texts = np.flatnonzero((equal == ids) & ~empty)
    candidates, cut = [np.zeros(0, dtype=np.uint64)], 0
    at_once = max(1, min(config.bands, _KEYS_AT_ONCE // max(len(texts), 1)))
    for first in range(0, config.bands, at_once):
        bands = range(first, min(first + at_once, config.bands))
        for keys in band_keys(sets, texts, config, bands):
            entries = (keys.astype(np.uint64) << np.uint64(32)) | texts.astype(np.uint64)
            entries.sort()
            pairs, more = _bucket_pairs(entries, config.bucket)
            candidates.append(pairs)
            cut += more
            if sum(map(len, candidates[1:])) > max(len(candidates[0]), _PAIRS_AT_ONCE):
                candidates = [distinct(np.concatenate(candidates))]
    pairs = distinct(np.concatenate(candidates))
    first_text = (pairs >> np.uint64(32)).astype(np.int64)
    second_text = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
    similarity = np.zeros(len(pairs))
    _jaccards(sets.bounds, sets.hashes, first_text, second_text, config.threshold, similarity)
    kept = similarity >= config.threshold
    return Pairs(first_text[kept], second_text[kept], similarity[kept], equal, cut)


def band_keys(sets: Sets, texts: Ints, config: DedupConfig, bands: range) -> Array:
    """Keys of ascending texts, `[len(bands), len(texts)]` uint32; signatures are not kept.

    The token of a shingle is the high half of its hash.
    """
    family = HashFamily(config.permutations, _SEED)
    slots = slice(bands.start * config.rows, bands.stop * config.rows)
    keys = np.empty((len(bands), len(texts)), dtype=np.uint32)
    for low in range(0, len(texts), _TEXTS_AT_ONCE):
        block = texts[low : low + _TEXTS_AT_ONCE]
        bounds = sets.bounds[block[0] : block[-1] + 2]
        shingles = sets.hashes[bounds[0] : bounds[-1]]
        tokens = mix((shingles >> np.uint64(32)).astype(np.uint32))
        elements = np.arange(len(tokens), dtype=np.int32)
        rows = Csr(bounds - bounds[0], elements, elements[:0], len(tokens))
        hashes = Hashes(tokens, tokens[:0], family.factors[slots], family.shifts[slots])
        sig = signatures(rows, hashes, block - block[0])
        write_keys(sig, low, 0, len(bands), config.rows, keys)
        forget(shingles)
    return keys


def equal_texts(sets: Sets) -> Ints:
    """The first text that has the same shingles as each, `[n]`."""
    sums, products = _digests(sets.bounds, sets.hashes)
    order = np.lexsort((products, sums))  # stable: of equal ones the earliest text comes first
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(sums[order]) != 0) | (np.diff(products[order]) != 0)
    equal = np.empty(len(order), np.int64)
    equal[order] = order[begins][np.cumsum(begins) - 1]
    return equal


def choose(pairs: Pairs, sizes: Ints) -> Choice:
    """Choose the texts to keep by the sizes `[n]` of all."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(pairs.equal)
    ids = np.arange(n)
    rank = np.empty(n, dtype=np.int64)
    rank[np.lexsort((ids, -sizes))] = ids
    # The better of each pair first; then by the worse one's turn, and of the better the most alike.
    swap = rank[pairs.first] > rank[pairs.second]
    better = np.where(swap, pairs.second, pairs.first)
    worse = np.where(swap, pairs.first, pairs.second)
    turn = np.lexsort((better, -pairs.similarity, rank[worse]))
    of, similarity = ids.copy(), np.ones(n)
    _settle(better[turn], worse[turn], pairs.similarity[turn], of, similarity)
    joined = coo_array((np.ones(len(better), bool), (pairs.first, pairs.second)), (n, n))
    components, labels = connected_components(joined, directed=False)
    first = np.full(components, n)
    np.minimum.at(first, labels, ids)
    group = first[labels]
    # Texts of equal shingles follow the first of them.
    equal = pairs.equal != ids
    same = pairs.equal[equal]
    of[equal], similarity[equal], group[equal] = of[same], similarity[same], group[same]
    return Choice(of == ids, of, similarity, group)


@kernel
def _settle(better: Array, worse: Array, similarity: Array, of: Array, similarities: Array) -> None:
    """Let each worse text go where a better one stays; pairs come in the order of the worse."""
    for p in range(len(worse)):
        if of[better[p]] == better[p] and of[worse[p]] == worse[p]:
            of[worse[p]] = better[p]
            similarities[worse[p]] = similarity[p]


@kernel
def _digests(bounds: Array, hashes: Array) -> tuple[Array, Array]:
    """Two digests of each set, `[n]` uint64: the sum of its hashes, and a chain of products."""
    sums = np.zeros(len(bounds) - 1, dtype=np.uint64)
    products = np.zeros(len(bounds) - 1, dtype=np.uint64)
    for t in range(len(bounds) - 1):
        total = product = np.uint64(0)
        for i in range(bounds[t], bounds[t + 1]):
            total += hashes[i]
            product = (product ^ hashes[i]) * np.uint64(0x9E3779B97F4A7C15)
        sums[t], products[t] = total, product
    return sums, products


@kernel
def _bucket_pairs(entries: Array, most: int) -> tuple[Array, int]:
    """Pair the texts of equal keys, given sorted entries (key << 32 | text).

    In a long bucket each text is paired with the first one and the `most - 1` before it.

    Returns:
        The pairs, first << 32 | second, and the number of buckets that were cut.
    """
    shift, text = np.uint64(32), np.uint64(0xFFFFFFFF)
    total = low = cut = 0
    for high in range(1, len(entries) + 1):
        if high == len(entries) or entries[high] >> shift != entries[low] >> shift:
            for i in range(high - low):
                total += min(i, most)
            low = high
    pairs = np.empty(total, dtype=np.uint64)
    size = low = 0
    for high in range(1, len(entries) + 1):
        if high < len(entries) and entries[high] >> shift == entries[low] >> shift:
            continue
        cut += high - low > most + 1
        for i in range(low + 1, high):
            first = max(low, i - most)
            for j in range(first, i):
                other = entries[low] if j == first else entries[j]
                pairs[size] = ((other & text) << shift) | (entries[i] & text)
                size += 1
        low = high
    return pairs, cut


@kernel
def _jaccards(
    bounds: Array, hashes: Array, first: Array, second: Array, threshold: float, out: Array
) -> None:
    """The exact similarity of each pair; 0 where the sizes alone are too unlike."""
    for p in range(len(first)):
        a, a_end = bounds[first[p]], bounds[first[p] + 1]
        b, b_end = bounds[second[p]], bounds[second[p] + 1]
        sizes, shared = a_end - a + b_end - b, 0
        if min(a_end - a, b_end - b) < threshold * max(a_end - a, b_end - b):
            continue
        while a < a_end and b < b_end:
            if hashes[a] == hashes[b]:
                shared += 1
                a += 1
                b += 1
            elif hashes[a] < hashes[b]:
                a += 1
            else:
                b += 1
        out[p] = shared / (sizes - shared)
