"""LSH band tables as flat sorted arrays.

A band is r slots of the signature. Two sets agree in a band with probability J^r, and in at least
one of b bands with 1 - (1 - J^r)^b. The paper keeps a dictionary per band. Here the vertices of a
band are sorted by a 32-bit key, in one array for all bands that can be memory-mapped:

    directory[band, prefix] ... [band, prefix + 1]   entries whose key starts with `prefix`
    ids[entry]                                       the vertex; by (key, vertex) ascending

Entries with a unique key are dropped, as in the paper, since they find no other vertex. Keys are
not stored, which saves a third of the space: a look-up reads one directory entry and finds its
bucket among about 10 entries by binary search, with keys computed from the signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.kernels import kernel
from graphagg.store import Artifact
from graphagg.store.ranges import forget

BANDS_AT_ONCE = 8
"""Number of bands whose keys are computed in one pass over the signatures."""
_ROWS_AT_ONCE = 1 << 16
_MOST_BITS = 16


class BandTables(NamedTuple):
    """The tables of all bands, as arrays for kernels."""

    rows: int  # r, slots per band
    starts: Array  # `[b + 1]` int64, where each band's entries begin
    directory: Array  # `[b, 2^p + 1]` uint32, relative to the band's start
    ids: Array  # `[entries]` int32

    @classmethod
    def open(cls, artifact: Artifact, name: str, rows: int) -> BandTables:
        """Map the arrays `<name>.starts`, `.directory` and `.ids`."""
        names = ("starts", "directory", "ids")
        return cls(rows, *(artifact.array(f"{name}.{each}") for each in names))

    def candidates(self, sig: Array, seeds: Array, cap: int, most: int) -> tuple[Array, int]:
        """Find the vertices that share a bucket with a seed, `[c]` int64 ascending.

        Each bucket yields its first `cap` vertices. At most `most` vertices are returned: those in
        the largest number of buckets. `sig` has the signatures that the tables were built from.
        Also returns the number of truncated buckets.
        """
        entries = np.empty(len(seeds) * len(self.directory) * cap, dtype=np.int32)
        size, cut = _collect(self, sig, seeds, cap, entries)
        vertices, shared = np.unique(entries[:size], return_counts=True)
        if len(vertices) > most:
            best = np.argsort(-shared, kind="stable")[:most]
            vertices = np.sort(vertices[best])
        return vertices.astype(np.int64), int(cut)


@dataclass(frozen=True)
class BucketCounts:
    """Number of entries, size of the largest bucket, and number of buckets above the cap."""

    entries: int
    largest: int
    over_cap: int


def directory_bits(vertices: int) -> int:
    """Return the number p of bits in a directory prefix: about 16 vertices share a prefix."""
    return min(_MOST_BITS, max(0, vertices.bit_length() - 5))


def build_tables(
    sig: Array, filled: Array, bands: range, rows: int, cap: int
) -> tuple[BandTables, BucketCounts]:
    """Sort some bands of signatures `[n, K]` uint16; O(bands * n), 4 bytes per vertex and band.

    Rows that are not `filled` (empty sets) are left out. Also returns bucket counts; buckets larger
    than `cap` are counted in `over_cap`. A mapped `sig` is read block by block.
    """
    n, bits = len(sig), directory_bits(len(sig))
    keys, counts = np.empty((len(bands), n), dtype=np.uint32), np.zeros(2, dtype=np.int64)
    for low in range(0, n, _ROWS_AT_ONCE):  # a cache line of the signatures holds several bands
        block = sig[low : low + _ROWS_AT_ONCE]
        write_keys(block, low, bands.start, len(bands), rows, keys)
        forget(block)
    entries, ids = np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.int32)
    directories = np.zeros((len(bands), (1 << bits) + 1), dtype=np.uint32)
    ids_of_bands = []
    for i in range(len(bands)):
        size = _sort_band(keys[i], filled, cap, entries, directories[i], ids, counts)
        ids_of_bands.append(ids[:size].copy())
    starts, (largest, over_cap) = offsets([len(each) for each in ids_of_bands]), counts.tolist()
    tables = BandTables(rows, starts, directories, np.concatenate(ids_of_bands))
    return tables, BucketCounts(int(starts[-1]), largest, over_cap)


@kernel
def key_of(slots: Array, first: int, rows: int) -> Any:
    """Return the 32-bit key of `rows` slots from `first` on; distinct pairs have distinct keys."""
    h = np.uint32(0)
    for i in range(rows):
        if i % 2 == 0 and i > 0:  # two 16-bit slots fill the key; mix before the next two
            h = mix_one(h)
        h = np.uint32(h ^ (np.uint32(slots[first + i]) << np.uint32(16 * (i % 2))))
    return mix_one(h)


@kernel
def mix_one(h: Any) -> Any:
    """Compute `signatures.mix` of one number: a bijection, so keys stay distinct."""
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ (h >> np.uint32(16)))


@kernel(small=True)
def write_keys(sig: Array, first: int, band: int, count: int, rows: int, out: Array) -> None:
    """Write the keys of the vertices from `first` on in `count` bands from `band` on."""
    for i in range(len(sig)):
        for j in range(count):
            out[j, first + i] = key_of(sig[i], (band + j) * rows, rows)


@kernel(small=True)
def _sort_band(
    keys: Array, filled: Array, cap: int, entries: Array, directory: Array, ids: Array,
    counts: Array,
) -> int:  # fmt: skip
    """Write one band's `ids` and its row of the directory; return the number of entries.

    `entries` is a uint64 buffer for (key << 32 | vertex) of each vertex. `counts` accumulates the
    size of the largest bucket, and the number of buckets above `cap`.
    """
    prefixes = len(directory) - 1  # a power of two
    bits = np.uint64(0)
    while (1 << bits) < prefixes:
        bits += np.uint64(1)
    shift = np.uint64(32) - bits
    # Counting sort by prefix; after it only the few entries of one prefix have to be compared.
    ends = np.zeros(prefixes + 1, dtype=np.int64)
    for i in range(len(keys)):
        if filled[i]:
            ends[(np.uint64(keys[i]) >> shift) + np.uint64(1)] += 1
    for p in range(prefixes):
        ends[p + 1] += ends[p]
    free = ends[:-1].copy()  # position of the next entry of each prefix
    for i in range(len(keys)):
        if filled[i]:
            prefix = np.uint64(keys[i]) >> shift
            entries[free[prefix]] = (np.uint64(keys[i]) << np.uint64(32)) | np.uint64(i)
            free[prefix] += 1
    size = 0
    for p in range(prefixes):
        bucket = entries[ends[p] : ends[p + 1]]
        _sort(bucket)
        directory[p] = size  # counts only the entries that are kept
        size = _keep_shared(bucket, ids, size, cap, counts)
    directory[prefixes] = size
    return size


@kernel
def _sort(entries: Array) -> None:
    """Sort entries by key; entries with equal keys stay in ascending order of the vertices."""
    if len(entries) > 256:  # the leaves of a hub can repeat one key a million times
        entries.sort()
        return
    for i in range(1, len(entries)):  # insertion sort: about 16 entries share a prefix
        value = entries[i]
        j = i
        while j > 0 and entries[j - 1] > value:
            entries[j] = entries[j - 1]
            j -= 1
        entries[j] = value


@kernel
def _keep_shared(entries: Array, ids: Array, size: int, cap: int, counts: Array) -> int:
    """Append buckets with two or more vertices after the first `size` of `ids`."""
    shift = np.uint64(32)
    low = 0
    while low < len(entries):
        high = low + 1
        while high < len(entries) and entries[high] >> shift == entries[low] >> shift:
            high += 1
        if high - low > 1:  # a bucket of one vertex finds no other vertex
            counts[0] = max(counts[0], high - low)
            counts[1] += high - low > cap
            for i in range(low, high):
                ids[size] = np.int32(entries[i] & np.uint64(0xFFFFFFFF))
                size += 1
        low = high
    return size


@kernel
def bucket(tables: BandTables, sig: Array, band: int, key: Any) -> tuple[int, int]:
    """Find where the entries of a key begin, and where the entries of its prefix end.

    Entries are sorted by key. Keys are not stored; the binary search computes the few that it needs
    from the signatures.
    """
    rows, starts, directory, ids = tables
    bits = np.uint64(0)
    while (1 << bits) + 1 < directory.shape[1]:
        bits += np.uint64(1)
    prefix = key >> (np.uint64(32) - bits)
    last = starts[band + 1]  # a damaged directory must not lead past the end
    low = min(last, starts[band] + np.int64(directory[band, prefix]))
    end = min(last, starts[band] + np.int64(directory[band, prefix + np.uint64(1)]))
    high = end
    while low < high:
        middle = (low + high) // 2
        if np.uint64(key_of(sig[ids[middle]], band * rows, rows)) < key:
            low = middle + 1
        else:
            high = middle
    return low, end


@kernel
def _collect(tables: BandTables, sig: Array, seeds: Array, cap: int, out: Array) -> tuple[int, int]:
    """Write the vertices in the seeds' buckets to `out`; return the counts of vertices and cuts."""
    rows, ids = tables.rows, tables.ids
    size = cut = 0
    for seed in seeds:
        for band in range(len(tables.directory)):
            first = band * rows
            key = np.uint64(key_of(sig[seed], first, rows))
            low, end = bucket(tables, sig, band, key)
            stop = min(end, low + cap)
            while low < stop and np.uint64(key_of(sig[ids[low]], first, rows)) == key:
                out[size] = ids[low]
                size += 1
                low += 1
            # The bucket continues beyond the cap only if the next entry has the same key.
            if low == stop and low < end and np.uint64(key_of(sig[ids[low]], first, rows)) == key:
                cut += 1
    return size, cut
