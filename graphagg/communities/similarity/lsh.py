"""LSH band tables as flat sorted arrays.

A band is r slots of the signature; two sets meet in a band with probability J^r, in one of b bands
with 1 - (1 - J^r)^b. The paper keeps a dictionary a band; here the vertices of a band stand sorted
by a 32-bit key, in one array for all bands that can be memory-mapped:

    directory[band, prefix] ... [band, prefix + 1]   entries whose key begins with `prefix`
    ids[entry]                                       the vertex; by (key, vertex) ascending

Entries whose key no other vertex has are dropped (as in the paper: they can find nobody). The keys
are not stored, which saves a third of the space: a look-up reads one directory entry and finds its
bucket among about 10 entries by binary search, with keys computed from their signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.errors import InvalidParameter
from graphagg.store import Artifact, ArtifactWriter

_BANDS_AT_ONCE = 8
_MOST_BITS = 16


@dataclass(frozen=True)
class BandTables:
    """The tables of all bands.

    Attributes:
        rows: r, slots a band.
        starts: `[b + 1]` int64, where each band's entries begin.
        directory: `[b, 2^p + 1]` uint32, relative to the band's start.
        ids: `[entries]` int32.
    """

    rows: int
    starts: Array
    directory: Array
    ids: Array

    @property
    def bands(self) -> int:
        """Number of bands, b."""
        return len(self.directory)

    def save(self, writer: ArtifactWriter, name: str) -> None:
        """Write as `<name>.starts`, `.directory` and `.ids`."""
        writer.array(f"{name}.starts", self.starts)
        writer.array(f"{name}.directory", self.directory)
        writer.array(f"{name}.ids", self.ids)

    @classmethod
    def open(cls, artifact: Artifact, name: str, rows: int) -> BandTables:
        """Map what `save` wrote."""
        parts = (artifact.array(f"{name}.{p}") for p in ("starts", "directory", "ids"))
        return cls(rows, *parts)

    def candidates(self, sig: Array, seeds: Array, cap: int, most: int) -> tuple[Array, int]:
        """Vertices that share a bucket with a seed.

        Args:
            sig: `[n, K]` the signatures that the tables were built from.
            seeds: `[s]` vertices.
            cap: at most so many vertices are taken of a bucket, the first by number.
            most: at most so many candidates; those that share most buckets are kept.

        Returns:
            `[c]` int64 ascending distinct vertices, and how many buckets were cut by `cap`.
        """
        found = np.empty(len(seeds) * self.bands * cap, dtype=np.int32)
        size, cut = _collect(
            sig, seeds, self.rows, self.starts, self.directory, self.ids, cap, found
        )
        vertices, shared = np.unique(found[:size], return_counts=True)
        if len(vertices) > most:
            kept = np.argsort(-shared, kind="stable")[:most]
            vertices = np.sort(vertices[kept])
        return vertices.astype(np.int64), int(cut)


@dataclass(frozen=True)
class BucketCounts:
    """Entries kept, vertices in the largest bucket, buckets larger than the cap."""

    entries: int
    largest: int
    over_cap: int


def directory_bits(vertices: int) -> int:
    """p, the bits of the directory: about 16 vertices share a prefix."""
    return min(_MOST_BITS, max(0, vertices.bit_length() - 5))


def build_tables(
    sig: Array, filled: Array, bands: int, rows: int, cap: int
) -> tuple[BandTables, BucketCounts]:
    """Sort each band; O(b n).

    Args:
        sig: `[n, K]` uint16 signatures.
        filled: `[n]` bool, whether a row's set holds anything; empty sets find nobody.
        bands: b.
        rows: r; b * r slots are used.
        cap: buckets larger than this are counted.

    Returns:
        The tables, and what a bucket cap would meet.
    """
    n = len(sig)
    met = np.zeros(2, dtype=np.int64)
    bits = directory_bits(n)
    directory = np.zeros((bands, (1 << bits) + 1), dtype=np.uint32)
    starts = np.zeros(bands + 1, dtype=np.int64)
    ids = []
    keys = np.empty((min(bands, _BANDS_AT_ONCE), n), dtype=np.uint32)
    scratch, spare = np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.uint64)
    for band in range(bands):
        if band % _BANDS_AT_ONCE == 0:  # a cache line of the signatures holds several bands
            _keys(sig, band, min(bands - band, _BANDS_AT_ONCE), rows, keys)
        band_ids = np.empty(n, dtype=np.int32)
        size = _sort_band(
            keys[band % _BANDS_AT_ONCE], filled, bits, scratch, spare, directory[band], band_ids,
            cap, met,
        )  # fmt: skip
        starts[band + 1] = starts[band] + size
        ids.append(band_ids[:size].copy())
    tables = BandTables(rows, starts, directory, np.concatenate(ids))
    return tables, BucketCounts(int(starts[-1]), int(met[0]), int(met[1]))


def build_band(
    sig: Array, filled: Array, band: int, rows: int, cap: int
) -> tuple[Array, Array, BucketCounts]:
    """One band of `build_tables`: its entries, its row of the directory, its counts."""
    n, bits = len(sig), directory_bits(len(sig))
    keys = np.empty((1, n), dtype=np.uint32)
    _keys(sig, band, 1, rows, keys)
    directory = np.zeros((1 << bits) + 1, dtype=np.uint32)
    ids, met = np.empty(n, dtype=np.int32), np.zeros(2, dtype=np.int64)
    scratch, spare = np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.uint64)
    size = _sort_band(keys[0], filled, bits, scratch, spare, directory, ids, cap, met)
    return ids[:size], directory, BucketCounts(size, int(met[0]), int(met[1]))


def choose_bands(permutations: int, similarity: float) -> tuple[int, int]:
    """(b, r) whose S-curve 1 - (1 - J^r)^b errs least about a target similarity.

    The error is the area of wrong candidates below the target plus that of missed ones above it
    (Zhu et al., LSH Ensemble, VLDB 2016, section 5.3), with b = K / r bands.
    """
    if not 0 < similarity < 1:
        raise InvalidParameter(f"similarity is {similarity}, wanted between 0 and 1")
    grid = (np.arange(2000) + 0.5) / 2000
    above = grid >= similarity

    def error(rows: int) -> float:
        found = 1 - (1 - grid**rows) ** (permutations // rows)
        return float(np.where(above, 1 - found, found).mean())

    rows = min(range(1, permutations + 1), key=error)
    return permutations // rows, rows


@numba.njit(cache=True)
def _key(slots: Array, first: int, rows: int) -> Any:
    """32-bit key of slots `first` to `first + rows`; distinct pairs have distinct keys."""
    h = np.uint32(0)
    for i in range(rows):
        if i % 2 == 0 and i > 0:
            h = _mix(h)
        h = np.uint32(h ^ (np.uint32(slots[first + i]) << np.uint32(16 * (i % 2))))
    return _mix(h)


@numba.njit(cache=True)
def _mix(h: Any) -> Any:
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ (h >> np.uint32(16)))


@numba.njit(cache=True)
def _keys(sig: Array, band: int, count: int, rows: int, out: Array) -> None:
    for i in range(len(sig)):
        for j in range(count):
            out[j, i] = _key(sig[i], (band + j) * rows, rows)


@numba.njit(cache=True)
def _sort_band(
    keys: Array,
    filled: Array,
    bits: int,
    scratch: Array,
    spare: Array,
    directory: Array,
    ids: Array,
    cap: int,
    met: Array,
) -> int:
    """Write one band's entries and directory; returns how many entries stay."""
    ends = np.zeros((1 << bits) + 1, dtype=np.int64)
    for i in range(len(keys)):
        if filled[i]:
            ends[(np.uint64(keys[i]) >> np.uint64(32 - bits)) + np.uint64(1)] += 1
    for p in range(1 << bits):
        ends[p + 1] += ends[p]
    place = ends[:-1].copy()
    for i in range(len(keys)):
        if filled[i]:
            prefix = np.uint64(keys[i]) >> np.uint64(32 - bits)
            scratch[place[prefix]] = (np.uint64(keys[i]) << np.uint64(32)) | np.uint64(i)
            place[prefix] += 1
    size = 0
    for p in range(1 << bits):
        low, high = ends[p], ends[p + 1]
        _sort(scratch[low:high], spare)
        directory[p] = size
        size = _keep_shared(scratch[low:high], ids, size, cap, met)
    directory[1 << bits] = size
    return size


@numba.njit(cache=True)
def _sort(part: Array, spare: Array) -> None:
    """Sort by key; the vertices come in ascending order, and stay so where keys are equal."""
    if len(part) > 256:  # a hub's leaves: one key a million times
        for shift in (32, 40, 48, 56):
            _sort_by_byte(part, spare, np.uint64(shift))
        return
    for i in range(1, len(part)):
        value = part[i]
        j = i
        while j > 0 and part[j - 1] > value:
            part[j] = part[j - 1]
            j -= 1
        part[j] = value


@numba.njit(cache=True)
def _sort_by_byte(part: Array, spare: Array, shift: Any) -> None:
    """Stable counting sort by one byte of the key."""
    place = np.zeros(257, dtype=np.int64)
    for i in range(len(part)):
        place[((part[i] >> shift) & np.uint64(255)) + np.uint64(1)] += 1
        spare[i] = part[i]
    for byte in range(256):
        place[byte + 1] += place[byte]
    for i in range(len(part)):
        byte = (spare[i] >> shift) & np.uint64(255)
        part[place[byte]] = spare[i]
        place[byte] += 1


@numba.njit(cache=True)
def _keep_shared(part: Array, ids: Array, size: int, cap: int, met: Array) -> int:
    """Append the runs of two and more entries with one key."""
    shift = np.uint64(32)
    low = 0
    while low < len(part):
        high = low + 1
        while high < len(part) and part[high] >> shift == part[low] >> shift:
            high += 1
        if high - low > 1:
            met[0] = max(met[0], high - low)
            met[1] += high - low > cap
            for i in range(low, high):
                ids[size] = np.int32(part[i] & np.uint64(0xFFFFFFFF))
                size += 1
        low = high
    return size


@numba.njit(cache=True)
def _collect(
    sig: Array,
    seeds: Array,
    rows: int,
    starts: Array,
    directory: Array,
    ids: Array,
    cap: int,
    found: Array,
) -> tuple[int, int]:
    bits = np.uint64(0)
    while (1 << bits) + 1 < directory.shape[1]:
        bits += np.uint64(1)
    size = cut = 0
    for seed in seeds:
        for band in range(len(directory)):
            first = band * rows
            key = np.uint64(_key(sig[seed], first, rows))
            prefix = key >> (np.uint64(32) - bits)
            low = starts[band] + np.int64(directory[band, prefix])
            end = starts[band] + np.int64(directory[band, prefix + np.uint64(1)])
            high = end
            while low < high:
                middle = (low + high) // 2
                if np.uint64(_key(sig[ids[middle]], first, rows)) < key:
                    low = middle + 1
                else:
                    high = middle
            stop = min(end, low + cap)
            while low < stop and np.uint64(_key(sig[ids[low]], first, rows)) == key:
                found[size] = ids[low]
                size += 1
                low += 1
            if low == stop and low < end and np.uint64(_key(sig[ids[low]], first, rows)) == key:
                cut += 1
    return size, cut
