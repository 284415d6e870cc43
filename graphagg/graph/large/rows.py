"""Build compressed rows from more pairs than fit in memory.

Pairs are distributed over files, one file per range of rows; then one file after another is
sorted, deduplicated and appended to the rows. Memory holds 8 bytes per row, one chunk of pairs
and the pairs of one range. The row of a hub is a separate range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from graphagg.arrays import Ints, offsets
from graphagg.graph.adjacency import Keys, merge_repeats, pair_keys, pairs_of
from graphagg.graph.reading.buffer import Numbers
from graphagg.store.ranges import GrowingFile

PAIRS_PER_RANGE = 1 << 22
"""Number of pairs in a range of rows; a pair takes about 50 bytes during the sort."""
_MOST_RANGES = 1000  # upper bound on files open at once


@dataclass(frozen=True)
class Pairs:
    """Pairs of dense numbers, in chunks that are computed on demand."""

    sources: Numbers  # the first number of each pair, by chunk
    targets: Numbers  # the second number of each pair
    rows: int  # number of rows; all sources are less
    columns: int  # number of columns; all targets are less
    loops: bool  # keep pairs of two equal numbers
    symmetric: bool  # also add the reverse of each pair

    def turned(self) -> Pairs:
        """Return the pairs with both numbers swapped."""
        return replace(
            self, sources=self.targets, targets=self.sources, rows=self.columns, columns=self.rows
        )

    def chunks(self) -> Iterator[Keys]:
        """Yield the keys of each chunk of pairs."""
        for sources, targets in zip(self.sources, self.targets, strict=True):
            keys = pair_keys(sources, targets)
            mask = np.ones(len(keys), np.bool_) if self.loops else sources != targets
            if self.symmetric:
                keys, mask = np.append(keys, pair_keys(targets, sources)), np.tile(mask, 2)
            yield keys[mask]


@dataclass(frozen=True)
class Bins:
    """Files that pairs were distributed over."""

    folder: Path  # the folder, with one file per range of rows
    bounds: list[int]  # first row of each range, and the number of rows
    sizes: list[int]  # pairs of each range

    def path(self, i: int) -> Path:
        """Path of the file that holds a range of rows."""
        return self.folder / f"{i:06d}.pairs.bin"


def bin_pairs(pairs: Pairs, folder: Path, step: Callable[[int, int], None]) -> Bins:
    """Distribute pairs over files in an empty folder, one per range of rows."""
    counts, total = np.zeros(pairs.rows, dtype=np.int64), 2 * len(pairs.sources)
    for i, keys in enumerate(pairs.chunks(), start=1):
        np.add.at(counts, pairs_of(keys)[0], 1)
        step(i, total)
    bounds = _ranges(counts)
    sizes = np.add.reduceat(counts, bounds[:-1]).tolist() if len(counts) else []
    bins = Bins(folder, bounds, sizes)
    range_of = np.repeat(np.arange(len(sizes), dtype=np.uint16), np.diff(bounds))
    with ExitStack() as stack:
        files = [stack.enter_context(bins.path(i).open("wb", 0)) for i in range(len(sizes))]
        for i, keys in enumerate(pairs.chunks(), start=1):
            ranges = range_of[pairs_of(keys)[0]]
            order = np.argsort(ranges, kind="stable")  # a radix sort, for 16-bit integers
            ends = np.cumsum(np.bincount(ranges, minlength=len(sizes)))[:-1]
            for file, some in zip(files, np.split(order, ends), strict=True):
                file.write(keys[some].data)
            step(len(pairs.sources) + i, total)
    return bins


def _ranges(counts: Ints) -> list[int]:
    """Divide the rows into ranges of about `PAIRS_PER_RANGE` pairs: first rows, and the end."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    size = max(PAIRS_PER_RANGE, -(-total // _MOST_RANGES))
    starts = np.searchsorted(ends, np.arange(size, total, size)) + 1
    hubs = np.flatnonzero(counts > size)  # each becomes a separate range
    ends = np.concatenate([[0], starts, hubs, hubs + 1, [len(counts)]])
    bounds: list[int] = np.unique(ends).tolist()
    return bounds


def write_rows(bins: Bins, indptr: Path, indices: Path, step: Callable[[int, int], None]) -> int:
    """Sort each range and append it to the compressed rows; return the number of repeats."""
    lengths, repeats = np.zeros(bins.bounds[-1], dtype=np.int64), 0
    file = GrowingFile(indices, np.int32)
    for i, size in enumerate(bins.sizes):
        first, end = bins.bounds[i], bins.bounds[i + 1]
        keys, _ = merge_repeats(np.fromfile(bins.path(i), np.uint64), None)
        rows, columns = pairs_of(keys)
        lengths[first:end] = np.bincount(rows - first, minlength=end - first)
        file.append(columns)
        repeats += size - len(keys)
        step(i + 1, len(bins.sizes))
    file.close()
    np.save(indptr, offsets(lengths))
    return repeats
