"""Compressed rows of more pairs than memory holds.

Pairs are dealt out into files, each of which has the pairs of a range of rows; then one file after
another is sorted, freed of repeats and appended to the rows. In memory are 8 bytes per row, a
chunk of the pairs and the pairs of one range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, offsets
from graphagg.graph.adjacency import Dense, add_up, check_sums, exact_sum
from graphagg.graph.reading.buffer import Numbers
from graphagg.kernels import kernel
from graphagg.store.ranges import GrowingFile

PAIRS_PER_RANGE = 1 << 23
"""Pairs of a range of rows, 8 bytes each and as much again while they are sorted."""
_MOST_RANGES = 1000  # files that are open at once
_READ = 1 << 20


@dataclass(frozen=True)
class Pairs:
    """Pairs of dense numbers, in chunks that are made when they are asked for."""

    sources: Numbers  # the first of each pair, by chunk
    targets: Numbers  # the second
    rows: int  # number of rows, which the first of a pair is below
    columns: int  # number of columns, which the second is below
    loops: bool  # keep pairs of a number with itself
    # files of the weights of each chunk, float32; empty: there are none
    weights: Sequence[Path] = ()

    def turned(self) -> Pairs:
        """The same pairs the other way round."""
        return replace(
            self, sources=self.targets, targets=self.sources, rows=self.columns, columns=self.rows
        )

    def chunks(self) -> Iterator[tuple[Dense, Dense, Array | None]]:
        """The pairs of each chunk, and their weights."""
        weights = map(np.load, self.weights) if self.weights else repeat(None)
        return zip(self.sources, self.targets, weights, strict=False)


@dataclass(frozen=True)
class Dealt:
    """Files that pairs were dealt out to."""

    folder: Path  # the folder, with one file per range of rows
    bounds: list[int]  # first row of each range, and the number of rows
    sizes: list[int]  # pairs of each range
    loops: int  # pairs of a row with itself, which were left out

    def path(self, i: int, values: str = "pairs") -> Path:
        """The file of a range, with its `pairs` or its `weights`."""
        return self.folder / f"{i:06d}.{values}.bin"


def deal(pairs: Pairs, folder: Path, *, symmetric: bool, step: Callable[[int, int], None]) -> Dealt:
    """Distribute pairs over files in an empty folder, one per range of rows."""
    counts, loops, total = np.zeros(pairs.rows, dtype=np.int64), 0, 2 * len(pairs.sources)
    for i, (sources, targets, _) in enumerate(pairs.chunks(), start=1):
        loops += _count(sources, targets, symmetric, pairs.loops, counts)
        step(i, total)
    bounds = _ranges(counts)
    sizes = np.add.reduceat(counts, bounds[:-1]).tolist() if len(counts) else []
    dealt = Dealt(folder, bounds, sizes, loops)
    range_of = np.repeat(np.arange(len(sizes), dtype=np.uint16), np.diff(bounds))
    with ExitStack() as stack:

        def opened(values: str) -> list[IO[bytes]]:
            paths = [dealt.path(i, values) for i in range(len(sizes))]
            return [stack.enter_context(path.open("wb", 0)) for path in paths]

        files = opened("pairs")
        weight_files = opened("weights") if pairs.weights else files
        for i, (sources, targets, weights) in enumerate(pairs.chunks(), start=1):
            keys = np.empty(len(sources) * (2 if symmetric else 1), dtype=np.uint64)
            ends = np.zeros(len(sizes) + 1, dtype=np.int64)
            carried = None if weights is None else np.empty(len(keys), dtype=np.float32)
            _deal(sources, targets, weights, symmetric, pairs.loops, range_of, ends, keys, carried)
            low = 0
            for file, weight_file, high in zip(files, weight_files, ends.tolist(), strict=False):
                if high > low:
                    file.write(keys[low:high].data)
                    if carried is not None:
                        weight_file.write(carried[low:high].data)
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
    dealt: Dealt,
    columns: int,
    indptr: Path,
    indices: Path,
    step: Callable[[int, int], None],
    data: Path | None = None,
) -> int:
    """Sort each range and append it to the files of compressed rows. Returns the number of repeats.

    Weights of repeated pairs are summed into the file `data`.
    """
    lengths, repeats = np.zeros(dealt.bounds[-1], dtype=np.int64), 0
    file = GrowingFile(indices, np.int32)
    data_file = None if data is None else GrowingFile(data, np.float64)
    for i, size in enumerate(dealt.sizes):
        first, end = dealt.bounds[i], dealt.bounds[i + 1]
        sums = None if data is None else np.empty(size)
        if end - first == 1 and size > 2 * PAIRS_PER_RANGE:
            kept, sums = _one_row(dealt, i, columns, data is not None)
            lengths[first] = len(kept)
        else:
            keys = np.fromfile(dealt.path(i), dtype=np.uint64)
            weights = None
            if sums is None:
                keys.sort()
            else:
                order = np.argsort(keys, kind="stable")
                weights = np.fromfile(dealt.path(i, "weights"), dtype=np.float32)[order]
                keys = keys[order]
            kept = np.empty(len(keys), dtype=np.int32)
            kept = kept[: _distinct(keys, first, lengths[first:end], kept, weights, sums)]
        file.append(kept)
        if data_file is not None and sums is not None:
            check_sums(sums[: len(kept)], "the edges")
            data_file.append(sums[: len(kept)])
        repeats += size - len(kept)
        step(i + 1, len(dealt.sizes))
    file.close()
    if data_file is not None:
        data_file.close()
    np.save(indptr, offsets(lengths))
    return repeats


def _one_row(dealt: Dealt, i: int, columns: int, weighted: bool) -> tuple[Dense, Doubles | None]:
    """Read the columns of a row that alone has more pairs than a range, by marking; and weights."""
    seen, sums = np.zeros(columns, dtype=np.bool_), np.zeros(columns if weighted else 0)
    with ExitStack() as stack:
        file = stack.enter_context(dealt.path(i).open("rb"))
        weight_file = stack.enter_context(dealt.path(i, "weights").open("rb")) if weighted else None
        while len(keys := np.fromfile(file, dtype=np.uint64, count=_READ)):
            marked = keys & np.uint64(0xFFFFFFFF)
            seen[marked] = True
            if weight_file is not None:
                add_up(marked, np.fromfile(weight_file, dtype=np.float32, count=_READ), sums)
    kept = np.flatnonzero(seen)
    return kept.astype(np.int32), sums[kept] if weighted else None


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
    sources: Array, targets: Array, weights: Array | None, symmetric: bool, loops: bool,
    range_of: Array, ends: Array, keys: Array, carried: Array | None,
) -> None:  # fmt: skip
    """Group keys `(row << 32) | column` and `carried` weights by range, which ends at `ends`."""
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
            _carry(weights, i, carried, ends[at])
            ends[at] += 1
            if symmetric:
                at = range_of[targets[i]]
                keys[ends[at]] = (target << np.uint64(32)) | source
                _carry(weights, i, carried, ends[at])
                ends[at] += 1


@kernel
def _carry(weights: Array | None, i: int, carried: Array | None, at: int) -> None:
    """Copy weight i, where there are weights."""
    if weights is not None:
        if carried is not None:
            carried[at] = weights[i]


@kernel
def _sum_up(weights: Array | None, i: int, sums: Array | None, at: int, repeated: bool) -> None:
    """Add weight i to a sum, or begin the sum with it, where there are weights."""
    if weights is not None:
        if sums is not None:
            before = sums[at] if repeated else 0.0
            sums[at] = exact_sum(before, np.float64(weights[i]))


@kernel
def _distinct(
    keys: Array, first: int, lengths: Array, columns: Array, weights: Array | None,
    sums: Array | None,
) -> Any:  # fmt: skip
    """Write the columns of sorted keys without repeats, and count them per row and in all."""
    kept = 0
    for i in range(len(keys)):
        if i > 0 and keys[i] == keys[i - 1]:
            _sum_up(weights, i, sums, kept - 1, True)
            continue
        _sum_up(weights, i, sums, kept, False)
        columns[kept] = np.int32(keys[i] & np.uint64(0xFFFFFFFF))
        lengths[np.int64(keys[i] >> np.uint64(32)) - first] += 1
        kept += 1
    return kept
