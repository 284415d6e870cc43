"""Pairs of near duplicates: candidates by the bands of signatures, then their exact similarity.

Texts of equal shingles are one text here: the first stands for all. Of each band two texts are
candidates where their keys are equal; in a bucket of more texts than `bucket` each is compared with
so many before it. Every pair that is returned was compared shingle by shingle.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, distinct
from graphagg.kernels import kernel
from graphagg.minhash.bands import mix_one, write_keys
from graphagg.minhash.signatures import EMPTY, HashFamily
from graphagg.rag.config.dedup import DedupConfig
from graphagg.rag.corpus.dedup.shingles import Sets
from graphagg.store.ranges import forget

_SEED = 1
_TEXTS_AT_ONCE = 1 << 13
_KEYS_AT_ONCE = 1 << 26  # of all bands, or of some after others
_PAIRS_AT_ONCE = 1 << 22  # candidates that wait to be freed of repeats, of all bands


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
    found, cut = [np.zeros(0, dtype=np.uint64)], 0
    at_once = max(1, min(config.bands, _KEYS_AT_ONCE // max(len(texts), 1)))
    for first in range(0, config.bands, at_once):
        bands = range(first, min(first + at_once, config.bands))
        for keys in band_keys(sets, texts, config, bands):
            pairs, more = _bucket_pairs(_sorted_entries(keys, texts), config.bucket)
            found.append(pairs)
            cut += more
            if sum(map(len, found[1:])) > max(len(found[0]), _PAIRS_AT_ONCE):
                found = [distinct(np.concatenate(found))]
    return _compared(sets, distinct(np.concatenate(found)), equal, cut, config)


def _compared(sets: Sets, found: Array, equal: Ints, cut: int, config: DedupConfig) -> Pairs:
    """Of candidates those that are alike, by their shingles."""
    first = (found >> np.uint64(32)).astype(np.int64)
    second = (found & np.uint64(0xFFFFFFFF)).astype(np.int64)
    similarity = np.zeros(len(found))
    _jaccards(sets.bounds, sets.hashes, first, second, config.threshold, similarity)
    kept = similarity >= config.threshold
    return Pairs(first[kept], second[kept], similarity[kept], equal, cut)


def band_keys(sets: Sets, texts: Ints, config: DedupConfig, bands: range) -> Array:
    """The keys of some texts, `[len(bands), len(texts)]` uint32; their signatures are not kept."""
    family = HashFamily(config.permutations, _SEED)
    slots = slice(bands.start * config.rows, bands.stop * config.rows)
    factors, shifts = family.factors[slots], family.shifts[slots]
    keys = np.empty((len(bands), len(texts)), dtype=np.uint32)
    for low in range(0, len(texts), _TEXTS_AT_ONCE):
        some = texts[low : low + _TEXTS_AT_ONCE]
        sig = np.empty((len(some), len(factors)), dtype=np.uint16)
        _sign(sets.bounds, sets.hashes, some, factors, shifts, sig)
        write_keys(sig, low, 0, len(bands), config.rows, keys)
        forget(sets.hashes[sets.bounds[some[0]] : sets.bounds[some[-1] + 1]])
    return keys


def equal_texts(sets: Sets) -> Ints:
    """The first text that has the same shingles as each, `[n]`."""
    first, second = _digests(sets.bounds, sets.hashes)
    order = np.argsort(first)
    same = first[order[1:]] == first[order[:-1]]
    again = np.zeros(len(order), dtype=np.bool_)  # only whose first half another has are compared
    again[1:] |= same
    again[:-1] |= same
    some = order[again]
    some = some[np.lexsort((some, second[some], first[some]))]
    equal = np.arange(len(first))
    _first_of_equal(some, first, second, equal)
    return equal


@kernel
def _first_of_equal(ordered: Array, first: Array, second: Array, equal: Array) -> None:
    """Of texts in order of their digests, the first of each run of equal ones."""
    head = 0
    for i in range(1, len(ordered)):
        text, of = ordered[i], ordered[head]
        if first[text] == first[of] and second[text] == second[of]:
            equal[text] = of
        else:
            head = i


@kernel
def _sign(
    bounds: Array, hashes: Array, texts: Array, factors: Array, shifts: Array, out: Array
) -> None:
    """The signatures of some texts, `[len(texts), K]` uint16, as `minhash.signatures` has them.

    The token of a shingle is the high half of its hash.
    """
    best = np.empty(len(factors), dtype=np.uint32)
    for i in range(len(texts)):
        best[:] = np.uint32(EMPTY)
        for j in range(bounds[texts[i]], bounds[texts[i] + 1]):
            h = mix_one(np.uint32(hashes[j] >> np.uint64(32)))
            for k in range(len(factors)):
                best[k] = min(best[k], np.uint32(factors[k] * h + shifts[k]))
        for k in range(len(factors)):
            out[i, k] = best[k]


@kernel
def _digests(bounds: Array, hashes: Array) -> tuple[Array, Array]:
    """128 bits of each set, two times `[n]` uint64: the sum and one of products of its hashes."""
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
def _sorted_entries(keys: Array, texts: Array) -> Array:
    """(key << 32 | text) ascending, where texts ascend: by the first bits of the key, then each.

    Keys are hashes, so that few of them begin alike.
    """
    bits = 1
    while bits < 20 and (4 << bits) < len(keys):
        bits += 1
    shift = np.uint32(32 - bits)
    ends = np.zeros((1 << bits) + 1, dtype=np.int64)
    for key in keys:
        ends[(key >> shift) + 1] += 1
    for prefix in range(1 << bits):
        ends[prefix + 1] += ends[prefix]
    free = ends[:-1].copy()  # where the next entry of each prefix goes
    entries = np.empty(len(keys), dtype=np.uint64)
    for i in range(len(keys)):
        prefix = keys[i] >> shift
        entries[free[prefix]] = (np.uint64(keys[i]) << np.uint64(32)) | np.uint64(texts[i])
        free[prefix] += 1
    for prefix in range(1 << bits):
        low, high = ends[prefix], ends[prefix + 1]
        if high - low > 64:  # one key many times
            entries[low:high].sort()
            continue
        for i in range(low + 1, high):
            entry, j = entries[i], i
            while j > low and entries[j - 1] > entry:
                entries[j] = entries[j - 1]
                j -= 1
            entries[j] = entry
    return entries


@kernel
def _bucket_pairs(entries: Array, most: int) -> tuple[Array, int]:
    """Pairs (first << 32 | second) of sorted entries (key << 32 | text); how many buckets were cut.

    Of equal keys texts ascend. In a long bucket each text is compared with the first one and the
    `most - 1` before it.
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
