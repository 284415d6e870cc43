"""Compressed rows of more pairs than memory holds.

Pairs are dealt out into files, each of which has the pairs of a range of rows; then one file after
another is sorted, freed of repeats and appended to the rows. In memory are 8 bytes per row, a
chunk of the pairs and the pairs of one range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints, offsets
from graphagg.graph.adjacency import Dense
from graphagg.graph.reading.buffer import Numbers
from graphagg.kernels import kernel
from graphagg.store.ranges import GrowingFile

PAIRS_PER_RANGE = 1 << 23
"""Pairs of a range of rows, 8 bytes each and as much again while they are sorted."""
_MOST_RANGES = 1000  # files that are open at once
_READ = 1 << 20


@dataclass(frozen=True)
class Pairs:
    """Pairs of dense numbers, in chunks that are made when they are asked for.

    Attributes:
        sources: the first of each pair, by chunk.
        targets: the second.
        rows: number of rows, which the first of a pair is below.
        columns: number of columns, which the second is below.
        loops: keep pairs of a number with itself.
    """

    sources: Numbers
    targets: Numbers
    rows: int
    columns: int
    loops: bool

    def turned(self) -> Pairs:
        """The same pairs the other way round."""
        return Pairs(self.targets, self.sources, self.columns, self.rows, self.loops)

    def chunks(self) -> Iterator[tuple[Dense, Dense]]:
        """The pairs of each chunk."""
        return zip(self.sources, self.targets, strict=True)


@dataclass(frozen=True)
class Dealt:
    """Files that pairs were dealt out to.

    Attributes:
        folder: the folder, with one file per range of rows.
        bounds: first row of each range, and the number of rows.
        sizes: pairs of each range.
        loops: pairs of a row with itself, which were left out.
    """

    folder: Path
    bounds: list[int]
    sizes: list[int]
    loops: int

    def path(self, i: int) -> Path:
        """The file of a range."""
        return self.folder / f"{i:06d}.bin"


def deal(pairs: Pairs, folder: Path, *, symmetric: bool, step: Callable[[int, int], None]) -> Dealt:
    """Deal pairs out into one file per range of rows.

    Args:
        pairs: the pairs; repeats allowed.
        folder: an empty folder.
        symmetric: take each pair both ways.
        step: called after each chunk with the chunks done, and all chunks.
    """
    counts, loops, total = np.zeros(pairs.rows, dtype=np.int64), 0, 2 * len(pairs.sources)
    for i, (sources, targets) in enumerate(pairs.chunks(), start=1):
        loops += _count(sources, targets, symmetric, pairs.loops, counts)
        step(i, total)
    bounds = _ranges(counts)
    sizes = np.add.reduceat(counts, bounds[:-1]).tolist() if len(counts) else []
    dealt = Dealt(folder, bounds, sizes, loops)
    range_of = np.repeat(np.arange(len(sizes), dtype=np.uint16), np.diff(bounds))
    with ExitStack() as stack:
        files = [stack.enter_context(dealt.path(i).open("wb", 0)) for i in range(len(sizes))]
        for i, (sources, targets) in enumerate(pairs.chunks(), start=1):
            keys = np.empty(len(sources) * (2 if symmetric else 1), dtype=np.uint64)
            ends = np.zeros(len(sizes) + 1, dtype=np.int64)
            _deal(sources, targets, symmetric, pairs.loops, range_of, ends, keys)
            low = 0
            for file, high in zip(files, ends.tolist(), strict=False):
                if high > low:
                    file.write(keys[low:high].data)
                low = high
            step(len(pairs.sources) + i, total)
    return dealt


def _ranges(counts: Ints) -> list[int]:
    """Divide the rows into ranges of about `PAIRS_PER_RANGE` pairs: first rows, and the end."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    size = max(PAIRS_PER_RANGE, -(-total // _MOST_RANGES))
    starts = np.searchsorted(ends, np.arange(size, total, size)) + 1
    hubs = np.flatnonzero(counts > size)  # each a range of its own
    ends = np.concatenate([[0], starts, hubs, hubs + 1, [len(counts)]])
    bounds: list[int] = np.unique(ends).tolist()
    return bounds


def write_rows(
    dealt: Dealt, columns: int, indptr: Path, indices: Path, step: Callable[[int, int], None]
) -> int:
    """Write the compressed rows of what was dealt out.

    Args:
        dealt: the pairs.
        columns: number of columns.
        indptr: file of the offsets.
        indices: file of the columns of all rows, ascending and distinct in each.
        step: called after each range with the ranges done, and all ranges.

    Returns:
        The number of pairs that were repeats.
    """
    lengths, repeats = np.zeros(dealt.bounds[-1], dtype=np.int64), 0
    file = GrowingFile(indices, np.int32)
    for i, size in enumerate(dealt.sizes):
        first, end = dealt.bounds[i], dealt.bounds[i + 1]
        if end - first == 1 and size > 2 * PAIRS_PER_RANGE:
            kept = _one_row(dealt.path(i), columns)
            lengths[first] = len(kept)
        else:
            keys = np.fromfile(dealt.path(i), dtype=np.uint64)
            keys.sort()
            kept = np.empty(len(keys), dtype=np.int32)
            kept = kept[: _distinct(keys, first, lengths[first:end], kept)]
        file.append(kept)
        repeats += size - len(kept)
        step(i + 1, len(dealt.sizes))
    file.close()
    np.save(indptr, offsets(lengths))
    return repeats


def _one_row(path: Path, columns: int) -> Dense:
    """Read the columns of a row that alone has more pairs than a range, by marking."""
    seen = np.zeros(columns, dtype=np.bool_)
    with path.open("rb") as file:
        while len(keys := np.fromfile(file, dtype=np.uint64, count=_READ)):
            seen[keys & np.uint64(0xFFFFFFFF)] = True
    return np.flatnonzero(seen).astype(np.int32)


@kernel
def _count(sources: Array, targets: Array, symmetric: bool, loops: bool, counts: Array) -> int:
    """Count the pairs of each row. Returns: the number of loops, which are left out."""
    dropped = 0
    for i in range(len(sources)):
        if not loops and sources[i] == targets[i]:
            dropped += 1
            continue
        counts[sources[i]] += 1
        if symmetric:
            counts[targets[i]] += 1
    return dropped


@kernel
def _deal(
    sources: Array, targets: Array, symmetric: bool, loops: bool, range_of: Array,
    ends: Array, keys: Array,
) -> None:  # fmt: skip
    """Group keys, (row << 32) | column, by the range of their row; `ends`: where each ends."""
    for i in range(len(sources)):
        if loops or sources[i] != targets[i]:
            ends[range_of[sources[i]] + 1] += 1
            if symmetric:
                ends[range_of[targets[i]] + 1] += 1
    for r in range(len(ends) - 1):
        ends[r + 1] += ends[r]
    # From here `ends[r]` is where the next key of range r goes: in the end, where the range ends.
    for i in range(len(sources)):
        if loops or sources[i] != targets[i]:
            source, target = np.uint64(sources[i]), np.uint64(targets[i])
            at = range_of[sources[i]]
            keys[ends[at]] = (source << np.uint64(32)) | target
            ends[at] += 1
            if symmetric:
                at = range_of[targets[i]]
                keys[ends[at]] = (target << np.uint64(32)) | source
                ends[at] += 1


@kernel
def _distinct(keys: Array, first: int, lengths: Array, columns: Array) -> Any:
    """Write the columns of sorted keys without repeats, and count them per row and in all."""
    kept = 0
    for i in range(len(keys)):
        if i > 0 and keys[i] == keys[i - 1]:
            continue
        columns[kept] = np.int32(keys[i] & np.uint64(0xFFFFFFFF))
        lengths[np.int64(keys[i] >> np.uint64(32)) - first] += 1
        kept += 1
    return kept
