"""Sketches of an index with a segment: those before it, and of who was touched as it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.query.planner import Sketches
from graphagg.communities.segment.bands import (
    ROWS_AT_ONCE,
    MovedBands,
    Signed,
    candidates,
    moved_bands,
)
from graphagg.communities.similarity.neighborhood import Neighborhoods
from graphagg.minhash.bands import write_keys
from graphagg.minhash.signatures import Hashes, agreements, signatures
from graphagg.store import Artifact, ArtifactWriter

PENDING = "pending."
"""How the files of a segment begin."""
_LOCK = threading.Lock()


class Pending(NamedTuple):
    """What a segment left for compaction.

    Attributes:
        rows: `[n]` int32, the row of the sketches of each vertex; -1: it has none.
        touched: `[t]` int32 ascending, vertices whose set is not the one that was signed.
    """

    rows: Array
    touched: Array

    @classmethod
    def open(cls, artifact: Artifact) -> Pending | None:
        """Map it; None where the index has no segment."""
        if f"{PENDING}rows.npy" not in artifact:
            return None
        return cls(artifact.array(f"{PENDING}rows"), artifact.array(f"{PENDING}touched"))

    def save(self, writer: ArtifactWriter) -> None:
        """Write it."""
        writer.array(f"{PENDING}rows", self.rows)
        writer.array(f"{PENDING}touched", self.touched)


@dataclass(frozen=True)
class SegmentSketches(Sketches):
    """Signatures and band tables of the sets of now; equal to those of an index that is built anew.

    `sig` and `tables` are those before the segment. Of who was touched the signature is computed
    when it is asked for. The first look-up in the tables computes who moved, which takes about as
    long as the signatures of the touched.

    Attributes:
        hoods: the sets of now.
        rows: `[n]` int32, the row of `sig` of each vertex; -1: none.
        touched: `[t]` int32 ascending, vertices whose set is not the one that was signed.
        make_hashes: gives the hashes of elements and vertices.
    """

    hoods: Neighborhoods
    rows: Array
    touched: Array
    make_hashes: Callable[[], Hashes]

    def of(self, vertices: Array) -> Array:
        """The signatures of some vertices, `[len(vertices), K]`."""
        out = np.empty((len(vertices), self.permutations), dtype=np.uint16)
        changed = self._is_touched(vertices)
        kept = np.flatnonzero(~changed)
        out[kept] = self.sig[self.rows[vertices[kept]]]
        if changed.any():
            out[changed] = signatures(self.hoods.sets, self._hashes, vertices[changed])
        return out

    def agreements(self, seeds: Array, vertices: Array) -> Array:
        """Equal slots of each vertex with all seeds together, `[len(vertices)]` uint32."""
        own, equal = self.of(seeds), np.empty(len(vertices), dtype=np.uint32)
        for low in range(0, len(vertices), ROWS_AT_ONCE):
            some = self.of(vertices[low : low + ROWS_AT_ONCE])
            equal[low : low + len(some)] = agreements(some, own, np.arange(len(some)))
        return equal

    def scan(self, seeds: Array) -> Array:
        """Equal slots of every vertex with all seeds together, `[n]` uint32: all is read."""
        return self.agreements(seeds, np.arange(self.hoods.sets.rows))

    def candidates(self, seeds: Array, cap: int, most: int) -> tuple[Array, int]:
        """Vertices that share a bucket with a seed, see `BandTables.candidates`."""
        with _LOCK:  # the first of several threads computes it
            moved = self._moved
        return candidates(self.tables, self._signed, moved, self.of(seeds), cap, most)

    def _is_touched(self, vertices: Array) -> Array:
        if not len(self.touched):
            return np.zeros(len(vertices), dtype=np.bool_)
        places = np.minimum(np.searchsorted(self.touched, vertices), len(self.touched) - 1)
        changed: Array = self.touched[places] == vertices
        return changed

    @cached_property
    def _hashes(self) -> Hashes:
        return self.make_hashes()

    @cached_property
    def _signed(self) -> Signed:
        """What the tables were made from. A set that was empty has no row (`rows` is -1)."""
        known = np.flatnonzero(self.rows >= 0)
        now = np.full(len(self.sig), -1, dtype=np.int32)
        now[self.rows[known]] = known
        filled = np.zeros(len(self.sig), dtype=np.bool_)
        # Sets only grow: one that is touched and has a row was not empty.
        filled[self.rows[known]] = (self.hoods.sizes(known) > 0) | self._is_touched(known)
        return Signed(self.sig, filled, now)

    @cached_property
    def _moved(self) -> MovedBands:
        bands, rows = self.tables.bands, self.tables.rows
        found: list[list[tuple[Array, Array]]] = [[] for _ in range(bands)]
        for low in range(0, len(self.touched), ROWS_AT_ONCE):
            some = self.touched[low : low + ROWS_AT_ONCE].astype(np.int64)
            some = some[self.hoods.sizes(some) > 0]
            now = _keys(self.of(some), bands, rows)
            had = self.rows[some] >= 0
            moves = np.ones(now.shape, dtype=np.bool_)
            before = _keys(self.sig[self.rows[some[had]]], bands, rows)
            moves[:, had] = now[:, had] != before
            for band in range(bands):
                at = moves[band]
                found[band].append((some[at].astype(np.int32), now[band, at]))
        return moved_bands(self.tables, self._signed, [_joined(each) for each in found])


def _keys(sig: Array, bands: int, rows: int) -> Array:
    """The keys of signatures in all bands, `[bands, n]` uint32."""
    keys = np.empty((bands, len(sig)), dtype=np.uint32)
    write_keys(np.ascontiguousarray(sig), 0, 0, bands, rows, keys)
    return keys


def _joined(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Vertices and keys of all blocks, one after another."""
    vertices = [np.zeros(0, np.int32), *(vertices for vertices, _ in parts)]
    keys = [np.zeros(0, np.uint32), *(keys for _, keys in parts)]
    return np.concatenate(vertices), np.concatenate(keys)
