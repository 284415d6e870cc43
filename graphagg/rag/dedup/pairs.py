"""Pairs of near duplicates: candidates by the bands of signatures, then their exact similarity.

Texts of equal shingles are one text here: the first stands for all. Of each band two texts are
candidates where their keys are equal; in a bucket of more texts than `bucket` each is compared with
so many before it. Every pair that is returned was compared shingle by shingle.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from graphagg.arrays import Array, Doubles, Ints, offsets
from graphagg.graph.csr import Csr
from graphagg.minhash.bands import write_keys
from graphagg.minhash.signatures import Hashes, HashFamily, signatures
from graphagg.rag.dedup.config import DedupConfig
from graphagg.rag.dedup.shingles import Sets
from graphagg.store.ranges import forget

_SEED = 1
_TEXTS_AT_ONCE = 1 << 13


class Pairs(NamedTuple):
    """Near duplicates.

    Attributes:
        first: `[p]` int64, a text; pairs ascend by (first, second).
        second: `[p]` a later text.
        similarity: `[p]` of the two, Jaccard.
        equal: `[n]` int64, the first text that has the shingles of each text; itself where it is.
        cut: buckets in which not all pairs were compared.
    """

    first: Ints
    second: Ints
    similarity: Doubles
    equal: Ints
    cut: int


def near_duplicates(sets: Sets, config: DedupConfig) -> Pairs:
    """All pairs found at or above the threshold, among the first of equal texts.

    Args:
        sets: the shingles of n texts, in memory or mapped.
        config: the threshold, and the signatures.
    """
    equal, numbers = equal_texts(sets), np.arange(len(sets.bounds) - 1)
    empty = np.diff(sets.bounds) == 0
    equal[empty] = numbers[empty]  # a text that has no shingle is like no other
    texts = np.flatnonzero((equal == numbers) & ~empty)
    found, cut = np.zeros(0, dtype=np.uint64), 0
    for keys in band_keys(sets, texts, config):
        order = np.argsort(keys, kind="stable")
        pairs, more = _bucket_pairs(keys[order], texts[order], config.bucket)
        found, cut = np.union1d(found, pairs), cut + more
    first = (found >> np.uint64(32)).astype(np.int64)
    second = (found & np.uint64(0xFFFFFFFF)).astype(np.int64)
    similarity = np.zeros(len(found))
    _jaccards(sets.bounds, sets.hashes, first, second, config.threshold, similarity)
    kept = similarity >= config.threshold
    return Pairs(first[kept], second[kept], similarity[kept], equal, cut)


def band_keys(sets: Sets, texts: Ints, config: DedupConfig) -> Array:
    """The keys of some texts, `[bands, len(texts)]` uint32; their signatures are not kept."""
    family = HashFamily(config.permutations, _SEED)
    keys = np.empty((config.bands, len(texts)), dtype=np.uint32)
    for low in range(0, len(texts), _TEXTS_AT_ONCE):
        some = texts[low : low + _TEXTS_AT_ONCE]
        begins, ends = sets.bounds[some], sets.bounds[some + 1]
        # An element is the position of a shingle, so that its token needs no look-up.
        hashes = np.concatenate([sets.hashes[b:e] for b, e in zip(begins, ends, strict=True)])
        tokens = (hashes >> np.uint64(32)).astype(np.uint32)
        rows = Csr(
            offsets(ends - begins), np.arange(len(tokens), dtype=np.int32), None, len(tokens)
        )
        sig = signatures(rows, Hashes.of(tokens, None, family))
        write_keys(sig, low, 0, config.bands, config.rows, keys)
        forget(sets.hashes[begins[0] : ends[-1]])
    return keys


def equal_texts(sets: Sets) -> Ints:
    """The first text that has the same shingles as each, `[n]`."""
    digests = _digests(sets.bounds, sets.hashes)
    _, first, places = np.unique(digests, axis=0, return_index=True, return_inverse=True)
    return first[places.reshape(-1)].astype(np.int64)


@numba.njit(cache=True)
def _digests(bounds: Array, hashes: Array) -> Array:
    """128 bits of each set, `[n, 2]` uint64: the sum and a sum of products of its hashes."""
    out = np.zeros((len(bounds) - 1, 2), dtype=np.uint64)
    for t in range(len(bounds) - 1):
        for i in range(bounds[t], bounds[t + 1]):
            value = hashes[i]
            out[t, 0] += value
            out[t, 1] = (out[t, 1] ^ value) * np.uint64(0x9E3779B97F4A7C15)
    return out


@numba.njit(cache=True)
def _bucket_pairs(keys: Array, texts: Array, most: int) -> tuple[Array, int]:
    """Pairs (first << 32 | second) of neighbors in sorted keys; how many buckets were cut.

    Of equal keys texts ascend. In a long bucket each text is compared with the first one and the
    `most - 1` before it.
    """
    total = low = cut = 0
    for high in range(1, len(keys) + 1):
        if high == len(keys) or keys[high] != keys[low]:
            for i in range(high - low):
                total += min(i, most)
            low = high
    pairs = np.empty(total, dtype=np.uint64)
    size = low = 0
    for high in range(1, len(keys) + 1):
        if high < len(keys) and keys[high] == keys[low]:
            continue
        cut += high - low > most + 1
        for i in range(low + 1, high):
            first = max(low, i - most)
            for j in range(first, i):
                other = texts[low] if j == first else texts[j]
                pairs[size] = (np.uint64(other) << np.uint64(32)) | np.uint64(texts[i])
                size += 1
        low = high
    return pairs, cut


@numba.njit(cache=True)
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
