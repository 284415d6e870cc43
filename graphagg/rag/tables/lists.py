"""Inverted lists: the windows of a large segment, each in the list of its nearest centroid.

A query probes lists in order of an upper bound: the product with the centroid, plus the reach of
the list's windows around it. It stops after `probe_budget` visible windows, the number that a
sample of the segment's own sentences needed for the target recall, or where no further list can
contain one of the `NEAR` nearest.

Centroids come from k-means over a sample. They are packed, and products of integers are exact, so
all bytes are equal on any machine and for any batch size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import Array, Floats, Ints, Mask, offsets, read_only
from graphagg.kernels import kernel
from graphagg.rag.tables.packed import (
    TAIL,
    Packed,
    QuantizedQueries,
    dimension_of,
    exact_type,
    multiply,
    pack,
    query_of,
    row_product,
    scales_of,
    spare_rows,
    unpack,
)
from graphagg.store import ArtifactWriter
from graphagg.store.ranges import is_large, preallocate, will_need, write_range
from graphagg.store.reading import NamedArrays

TARGET = 0.99
"""Recall of the nearest windows by which `probe_budget` is chosen."""
NEAREST = 10
"""Number of nearest windows per sentence that recall counts."""
NEAR = 100
"""A list is skipped if at least this many windows are above its upper bound."""
_LEVELS = 512  # histogram bins of products from -1 to 1
_SENTENCES = 200  # half of them choose the budget, the others measure recall
_PER_LIST = 32  # windows of the sample per list
_ROUNDS = 8
_WIDE = 4.0  # standard deviations above its centroid at which a list is judged
_BLOCK = 2048  # windows that are compared with all centroids together
_WRITTEN = 1 << 16  # windows whose vectors are written together
_ARRAYS = ("centroids", "reach", "bounds", "windows", "vectors")
_MEASURED = "measured"


@dataclass(frozen=True)
class Lists:
    """L lists of the W windows of a segment.

    Attributes:
        centroids: `[L, d + 4]`, packed.
        reach: `[L]` float32, added to the product with a centroid to get the list's upper bound.
        bounds: `[L + 1]` int64, where each list begins.
        windows: `[W]` int32, numbers in the segment; ascending in each list.
        vectors: `[W, d + 4]`, packed, of these windows, and some rows of 0.
        probe_budget: number of visible windows that a query is compared with.
        recall: share of their nearest windows that held-out sentences see with this budget.
    """

    centroids: Packed
    reach: Array
    bounds: Array
    windows: Array
    vectors: Packed
    probe_budget: int
    recall: float

    def scan(
        self, query: QuantizedQueries, visible: Mask | None, least: int = 0, near: int = NEAR
    ) -> tuple[Ints, Floats]:
        """Compare one query with visible windows (`[W]` mask; None: all) of the best lists.

        Sees `least` windows even where `probe_budget` is less, and skips lists whose bound
        is below the products of `near` windows. Returns windows and their products with the
        query.
        """
        return self._ahead._see(query, visible, max(self.probe_budget, least), near)

    def positions(self, query: QuantizedQueries) -> Ints:
        """Positions of the nearest windows in the order in which a scan of all lists sees them."""
        every = len(self.windows)
        _, products = self._see(query, None, every, every)
        count = min(NEAREST, every)
        return np.argpartition(-products, count - 1)[:count].copy()  # not a view of all positions

    def _see(
        self, query: QuantizedQueries, visible: Mask | None, size: int, near: int
    ) -> tuple[Ints, Floats]:
        promises = multiply(self.centroids, query)[:, 0] + self.reach
        order = np.argsort(-promises, kind="stable")
        size = min(size, len(self.windows))
        windows, products = np.empty(size, np.int64), np.empty(size, np.float32)
        mask = np.zeros(0, np.bool_) if visible is None else visible
        arrays: tuple[Array, ...] = (self.bounds, self.windows, self.vectors, mask)
        bounds, members, vectors, mask = map(read_only, arrays)
        promises = promises[order]
        seen = _see(bounds, members, vectors, mask, order, promises, near, query, windows, products)
        return windows[:seen], products[:seen]

    @cached_property
    def _ahead(self) -> Lists:
        """The lists, after the system was asked to read them ahead."""
        if not is_large(self.vectors.nbytes):
            will_need(self.vectors, self.windows)
        return self

    @classmethod
    def open(cls, arrays: NamedArrays, prefix: str) -> Lists | None:
        """Map the lists of a segment; None where it has none."""
        if f"{prefix}lists.{_MEASURED}.npy" not in arrays:
            return None
        budget, recall = arrays.array(f"{prefix}lists.{_MEASURED}").tolist()
        columns: dict[str, Any] = {n: arrays.array(f"{prefix}lists.{n}") for n in _ARRAYS}
        return cls(**columns, probe_budget=int(budget), recall=recall)


def trained(vectors: Packed) -> Packed:
    """Centroids for the windows `[W, d + 4]` of a segment, by k-means over a sample."""
    rng, count = np.random.default_rng(0), max(1, round(4 * math.sqrt(len(vectors))))
    count = min(count, len(vectors))
    size = min(len(vectors), _PER_LIST * count)
    sample = vectors[np.sort(rng.choice(len(vectors), size, replace=False))]
    centroids = sample[np.sort(rng.choice(size, count, replace=False))]
    for _ in range(_ROUNDS):
        labels, similar = labels_of(sample, centroids)
        # A list without windows takes the place of one that is far from its own.
        empty = np.setdiff1d(np.arange(count), labels)
        labels[np.argsort(similar, kind="stable")[: len(empty)]] = empty
        order = np.argsort(labels, kind="stable")
        held, begins, members = np.unique(labels[order], return_index=True, return_counts=True)
        sums = np.add.reduceat(unpack(sample[order]).astype(np.float64), begins, axis=0)
        centroids[held] = pack((sums / members[:, None]).astype(np.float32))
    return centroids


def labels_of(vectors: Packed, centroids: Packed) -> tuple[Array, Floats]:
    """The nearest centroid of each window, the first of equals, and their product; `[n]` each."""
    labels, products = np.empty(len(vectors), np.int32), np.empty(len(vectors), np.float32)
    kind, scales = exact_type(centroids), scales_of(centroids)
    codes = centroids[:, :-TAIL].astype(kind).T
    halves = _squares(centroids) / 2
    for start in range(0, len(vectors), _BLOCK):
        rows = vectors[start : start + _BLOCK]
        block = rows[:, :-TAIL].astype(kind) @ codes  # exact integers
        block *= scales
        block *= scales_of(rows)[:, None]
        nearest = (block - halves).argmax(axis=1)
        labels[start : start + _BLOCK] = nearest
        products[start : start + _BLOCK] = block[np.arange(len(nearest)), nearest]
    return labels, products


def write_lists(
    folder: Path,
    prefix: str,
    vectors: Array,
    sentences: Array,
    centroids: Packed,
    nearest: tuple[Array, Floats],
) -> None:
    """Write the lists of a segment with file names from `prefix`, and measure `probe_budget`.

    `vectors` `[W, ...]` are of the windows, `sentences` `[S, ...]` of sentences that stand for
    questions; `centroids` come from `trained` and `nearest` from `labels_of`.
    """
    labels, products = nearest
    order, sizes = np.argsort(labels, kind="stable"), np.bincount(labels, minlength=len(centroids))
    similar = np.bincount(labels, products, len(centroids)) / np.maximum(sizes, 1)
    variance = (1.0 + _squares(centroids) - 2.0 * similar) / dimension_of(centroids)
    reach = (_WIDE * np.sqrt(np.maximum(variance, 0.0))).astype(np.float32)
    path, spare = folder / f"{prefix}lists.vectors.npy", spare_rows(centroids.shape[1])
    preallocate(path, np.int8, (len(order) + spare, centroids.shape[1]))
    for start in range(0, len(order), _WRITTEN):
        write_range(path, start, vectors[order[start : start + _WRITTEN]])
    codes: Packed = np.load(path, mmap_mode="r", allow_pickle=False)
    windows = order.astype(np.int32)
    lists = Lists(centroids, reach, offsets(sizes), windows, codes, probe_budget=0, recall=0.0)
    writer = ArtifactWriter(folder)
    for name in _ARRAYS[:-1]:
        writer.array(f"{prefix}lists.{name}", getattr(lists, name))
    writer.array(f"{prefix}lists.{_MEASURED}", np.array(_measured(lists, sentences)))


def _measured(lists: Lists, sentences: Array) -> tuple[int, float]:
    """Choose the budget by half of a sample of sentences, and measure recall by the others.

    The window at position p of a scan of all lists is seen if the budget is more than p.
    """
    count = min(len(sentences), _SENTENCES)
    rows = np.random.default_rng(0).choice(len(sentences), count, replace=False)
    queries = [query_of(unpack(sentences[row : row + 1])) for row in rows.tolist()]
    pairs = [(query, lists.positions(query)) for query in queries]
    chose = np.sort(np.concatenate([positions for _, positions in pairs[::2]]))
    enough = int(chose[math.ceil(TARGET * len(chose)) - 1]) + 1
    seen = [
        positions < len(lists._see(query, None, enough, NEAR)[0])
        for query, positions in pairs[1::2] or pairs
    ]
    return enough, float(np.mean(seen))


def _squares(rows: Packed) -> Floats:
    """Squared lengths of some rows."""
    codes = rows[:, :-TAIL].astype(np.int64)
    squares: Floats = (codes * codes).sum(axis=1).astype(np.float32) * scales_of(rows) ** 2
    return squares


@kernel(nogil=True)
def _see(
    bounds: Array,
    members: Array,
    vectors: Array,
    visible: Array,
    order: Array,
    promises: Array,
    near: int,
    query: QuantizedQueries,
    windows: Array,
    products: Array,
) -> int:
    """Fill windows and products from the lists in `order`, with upper bounds `promises`.

    `members` are the windows of all lists. Returns the number of windows. An empty `visible`
    hides none: looking up each one takes two fifths of the time on millions.
    """
    width, seen, flat = vectors.shape[1], 0, vectors.reshape(-1)
    half, hides = _LEVELS // 2, len(visible) > 0
    # `above` products seen are at this level or above it; `near` of them once it was raised.
    counts, level, above = np.zeros(_LEVELS, np.int64), 0, 0
    for n in range(len(order)):
        i = order[n]
        while level + 1 < _LEVELS and above - counts[level] >= near:
            above -= counts[level]
            level += 1
        if level > 0 and promises[n] < level / half - 1.0:
            return seen
        for at in range(bounds[i], bounds[i + 1]):
            if seen == len(windows):
                return seen
            if not hides or visible[members[at]]:
                windows[seen] = members[at]
                product = row_product(flat, at * width, width - TAIL, query, 0)
                products[seen] = product
                seen += 1
                of_product = min(max(int((product + 1.0) * half), 0), _LEVELS - 1)
                counts[of_product] += 1
                above += of_product >= level
    return seen
