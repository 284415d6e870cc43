"""Sketches of an index with a segment: those before it, and of who was touched as it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Ints, Mask
from graphagg.communities.query.planner import Sketches
from graphagg.communities.segment.bands import ByHash, LookUps, candidates, inverses
from graphagg.communities.segment.grown_sets import Grown, signatures_now
from graphagg.communities.similarity.neighborhood import Neighborhoods
from graphagg.minhash.signatures import Hashes, agreements
from graphagg.store import Artifact, ArtifactWriter

PENDING = "pending."
"""How the files of a segment begin."""
_ROWS_AT_ONCE = 1 << 16
_LOCK = threading.Lock()


class Pending(NamedTuple):
    """What a segment left for compaction; see `Grown`.

    Attributes:
        new: int32 ascending, vertices that have no row in `signatures`.
        touched: `[t]` int32 ascending, vertices whose set is not the one that was signed.
        starts: `[t + 1]` int64, where the elements that were added to each begin.
        added: int32, those elements.
    """

    new: Array
    touched: Array
    starts: Array
    added: Array

    @classmethod
    def open(cls, artifact: Artifact) -> Pending | None:
        """Map it; None where the index has no segment."""
        if f"{PENDING}touched.npy" not in artifact:
            return None
        return cls(*(artifact.array(f"{PENDING}{name}") for name in cls._fields))

    def save(self, writer: ArtifactWriter) -> None:
        """Write it."""
        for name, array in self._asdict().items():
            writer.array(f"{PENDING}{name}", array)


@dataclass(frozen=True)
class SegmentSketches(Sketches):
    """Signatures and band tables of the sets of now; equal to those of an index that is built anew.

    `sig` and `tables` are those before the segment. Of who was touched the signature is computed
    when it is asked for. The first look-up in the tables hashes all elements and sorts them once.

    Attributes:
        hoods: the sets of now.
        pending: what was added.
        make_hashes: gives the hashes of elements and vertices.
    """

    hoods: Neighborhoods
    pending: Pending
    make_hashes: Callable[[], Hashes]

    def of(self, vertices: Array) -> Array:
        """The signatures of some vertices, `[len(vertices), K]`."""
        out = np.empty((len(vertices), self.permutations), dtype=np.uint16)
        rows, changed, grown = self._found(vertices)
        out[~changed], out[changed] = self.sig[rows], grown
        return out

    def agreements(self, seeds: Array, vertices: Array) -> Array:
        """Equal slots of each vertex with all seeds together, `[len(vertices)]` uint32."""
        own, equal = self.of(seeds), np.empty(len(vertices), dtype=np.uint32)
        for low in range(0, len(vertices), _ROWS_AT_ONCE):
            rows, changed, grown = self._found(vertices[low : low + _ROWS_AT_ONCE])
            some = equal[low : low + _ROWS_AT_ONCE]
            some[~changed] = agreements(self.sig, own, rows)
            some[changed] = agreements(grown, own, np.arange(len(grown)))
        return equal

    def _found(self, vertices: Array) -> tuple[Ints, Mask, Array]:
        """Rows of `sig` of those who were not touched, who was, and the signatures of these."""
        touched, new = self.pending.touched, self.pending.new
        places, changed = np.searchsorted(touched, vertices), np.zeros(len(vertices), np.bool_)
        if len(touched):
            changed = touched[np.minimum(places, len(touched) - 1)] == vertices
        kept, grew = vertices[~changed], vertices[changed]
        grown = np.empty((len(grew), self.permutations), dtype=np.uint16)
        if len(grew):
            signatures_now(self._grown, self._hashes, grew, places[changed], grown)
        return kept - np.searchsorted(new, kept), changed, grown

    def scan(self, seeds: Array) -> Array:
        """Equal slots of every vertex with all seeds together, `[n]` uint32: all is read."""
        return self.agreements(seeds, np.arange(self.hoods.sets.rows))

    def candidates(self, seeds: Array, cap: int, most: int) -> tuple[Array, int]:
        """Vertices that share a bucket with a seed, see `BandTables.candidates`."""
        with _LOCK:  # the first of several threads computes it
            ups = self._look_ups
        own = self.of(seeds)
        return candidates(ups, self._grown, self._hashes, seeds, own, cap, most)

    @cached_property
    def _grown(self) -> Grown:
        sets = self.hoods.sets
        return Grown(self.sig, *self.pending, *sets.parts, self.hoods.closed)

    @cached_property
    def _hashes(self) -> Hashes:
        return self.make_hashes()

    @cached_property
    def _look_ups(self) -> LookUps:
        hashes, pending, holders = self._hashes, self.pending, self.hoods.holders
        added, lengths = hashes.elements[pending.added], np.diff(pending.starts)
        return LookUps(
            self.tables,
            inverses(hashes.factors),
            added,
            ByHash.of(added, np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)),
            ByHash.of(hashes.elements),
            *holders.parts,
        )
