"""Pairs of near duplicates among texts, and the choice of the texts to keep.

A text is a set of shingles: runs of k words, by their 64-bit hashes, regardless of case and
spacing. A text of fewer than k words is one shingle.

Texts with the same key in a band of their MinHash signatures are candidates; every pair of them is
compared exactly. Texts with equal shingles are represented by the first. In a bucket of more than
`BUCKET` texts each is compared with that number of texts before it.

Texts are kept by size, the largest first, then the earliest, unless they are near duplicates of a
kept one. So every removed text has a kept text at the threshold, and no two kept texts were found
to be near duplicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Doubles, Ints, Mask, distinct, offsets
from graphagg.graph.adjacency import scipy_sparse
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel
from graphagg.minhash.bands import write_keys
from graphagg.minhash.signatures import Hashes, HashFamily, mix, signatures
from graphagg.rag.config.corpus import DedupConfig
from graphagg.store.ranges import forget

BUCKET = 64
"""Texts of a bucket that each of its texts is compared with at most."""
_SEED = 1
_TEXTS_AT_ONCE = 1 << 13
_KEYS_AT_ONCE = 1 << 26  # of all bands, or of some after others
_PAIRS_AT_ONCE = 1 << 22  # candidates of all bands that wait until repeats are dropped


class NearDuplicates(NamedTuple):
    """Near duplicates.

    Attributes:
        first: `[p]` int64, a text; pairs ascend by (first, second).
        second: `[p]` a later text.
        similarity: `[p]` Jaccard.
        equal: `[n]` int64, the first text with the same shingles as each text, or itself.
        cut: number of buckets in which not all pairs were compared.
    """

    first: Ints
    second: Ints
    similarity: Doubles
    equal: Ints
    cut: int


class KeptTexts(NamedTuple):
    """The texts to keep, and the reason for the others; n texts.

    Attributes:
        kept: `[n]` bool.
        of: `[n]` int64, the text kept instead of each; itself if it is kept.
        similarity: `[n]` of the two.
        group: `[n]` int64, the first text of the connected group of near duplicates.
    """

    kept: Mask
    of: Ints
    similarity: Doubles
    group: Ints


def near_duplicates(sets: ShingleSets, config: DedupConfig) -> NearDuplicates:
    """Find pairs at or above the threshold, among the first of equal texts."""
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
            pairs, more = _bucket_pairs(entries, BUCKET)
            candidates.append(pairs)
            cut += more
            if sum(map(len, candidates[1:])) > max(len(candidates[0]), _PAIRS_AT_ONCE):
                candidates = [distinct(np.concatenate(candidates))]
    pairs = distinct(np.concatenate(candidates))
    first_text = (pairs >> np.uint64(32)).astype(np.int64)
    second_text = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
    similarity = np.zeros(len(pairs))
    _jaccards(sets.bounds, sets.hashes, first_text, second_text, config.threshold, similarity)
    near = similarity >= config.threshold
    return NearDuplicates(first_text[near], second_text[near], similarity[near], equal, cut)


def band_keys(sets: ShingleSets, texts: Ints, config: DedupConfig, bands: range) -> Array:
    """Keys of ascending texts, `[len(bands), len(texts)]` uint32, from the hashes' high halves."""
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


def equal_texts(sets: ShingleSets) -> Ints:
    """The first text with the same shingles as each, `[n]`."""
    filled, digests = np.diff(sets.bounds) > 0, np.zeros((2, len(sets.bounds) - 1), np.uint64)
    for digest, reduce in zip(digests, (np.add, np.bitwise_xor), strict=True):
        digest[filled] = reduce.reduceat(sets.hashes, sets.bounds[:-1][filled])
    order = np.lexsort(digests)  # stable: of equal ones the earliest text comes first
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(digests[:, order]) != 0).any(axis=0)
    equal = np.empty(len(order), np.int64)
    equal[order] = order[begins][np.cumsum(begins) - 1]
    return equal


def choose(pairs: NearDuplicates, sizes: Ints) -> KeptTexts:
    """Choose the texts to keep, given the sizes `[n]` of all."""
    coo_array = scipy_sparse().coo_array
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
    kept_for, scores = ids.tolist(), [1.0] * n
    columns = (column[turn].tolist() for column in (better, worse, pairs.similarity))
    for a, b, similarity_of_pair in zip(*columns, strict=True):
        if kept_for[a] == a and kept_for[b] == b:  # the better one stays, so the worse one goes
            kept_for[b], scores[b] = a, similarity_of_pair
    of, similarity = np.array(kept_for, np.int64), np.array(scores)
    joined = coo_array((np.ones(len(better), bool), (pairs.first, pairs.second)), (n, n))
    components, labels = connected_components(joined, directed=False)
    first = np.full(components, n)
    np.minimum.at(first, labels, ids)
    group = first[labels]
    # Texts of equal shingles follow the first of them.
    equal = pairs.equal != ids
    same = pairs.equal[equal]
    of[equal], similarity[equal], group[equal] = of[same], similarity[same], group[same]
    return KeptTexts(of == ids, of, similarity, group)


@kernel(checked=False)
def _bucket_pairs(entries: Array, most: int) -> tuple[Array, int]:
    """Pair the texts of equal keys, given sorted entries (key << 32 | text).

    In a long bucket each text is paired with the first one and the `most - 1` before it.
    Returns the pairs, first << 32 | second, and the number of buckets that were cut.
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


@kernel(checked=False)
def _jaccards(
    bounds: Array, hashes: Array, first: Array, second: Array, threshold: float, out: Array
) -> None:
    """The exact similarity of each pair; 0 where the sizes already differ too much."""
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


Shingles = npt.NDArray[np.uint64]

_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a


class ShingleSets(NamedTuple):
    """The shingles of some texts; text i has the hashes from `bounds[i]` to `bounds[i + 1]`.

    Attributes:
        bounds: `[n + 1]` int64.
        hashes: uint64, ascending and distinct in each text.
    """

    bounds: Ints
    hashes: Shingles

    def of(self, i: int) -> Shingles:
        """The shingles of a text."""
        return self.hashes[self.bounds[i] : self.bounds[i + 1]]


def shingles(texts: Sequence[str], config: DedupConfig) -> ShingleSets:
    """The shingles of texts; a text without a word has none."""
    encoded = [text.casefold().encode("utf-8", "surrogatepass") for text in texts]
    starts = offsets(list(map(len, encoded)))
    units, bounds = _words(np.frombuffer(b"".join(encoded), dtype=np.uint8), starts)
    lengths = np.zeros(len(texts), dtype=np.int64)
    hashes = np.empty(len(units), dtype=np.uint64)
    size = _shingles(units, bounds, config.length, lengths, hashes)
    return ShingleSets(offsets(lengths), hashes[:size])


@kernel(checked=False)
def _words(text: Array, starts: Array) -> tuple[Array, Array]:
    """Hash each word of the texts; returns the hashes and the bounds of each text's words.

    A word is a run of letters, digits and non-ASCII characters.
    """
    words = np.empty(len(text) // 2 + len(starts), dtype=np.uint64)
    bounds = np.zeros(len(starts), dtype=np.int64)
    size = 0
    for t in range(len(starts) - 1):
        inside, state = False, _BASIS
        for i in range(starts[t], starts[t + 1]):
            byte = text[i]
            if 48 <= byte <= 57 or 97 <= byte <= 122 or byte >= 128:
                state = (state ^ np.uint64(byte)) * _PRIME
                inside = True
            elif inside:
                words[size] = state
                size += 1
                inside, state = False, _BASIS
        if inside:
            words[size] = state
            size += 1
        bounds[t + 1] = size
    return words[:size], bounds


@kernel(checked=False)
def _mixed(value: Any) -> Any:
    """A bijection of 64 bits that spreads neighboring values (the finalizer of MurmurHash3)."""
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@kernel(checked=False)
def _shingles(units: Array, bounds: Array, length: int, lengths: Array, out: Array) -> int:
    """Write the distinct shingles of each text one after another; returns their number."""
    size = 0
    for t in range(len(bounds) - 1):
        first, end = bounds[t], bounds[t + 1]
        if first == end:
            continue
        count = max(1, end - first - length + 1)
        start = size
        for i in range(count):
            state = _BASIS
            for j in range(first + i, min(first + i + length, end)):
                state = _mixed(state + units[j])
            out[size] = state
            size += 1
        some = out[start:size]
        some.sort()
        end_of_text = start
        for i in range(start, size):
            if i == start or out[i] != out[i - 1]:
                # `end_of_text` never passes `i`; the value before is compared as it was.
                out[end_of_text] = out[i]
                end_of_text += 1
        lengths[t] = end_of_text - start
        size = end_of_text
    return size
