"""MinHash signatures, computed directly from compressed rows.

Paper: Real-Time Community Detection in Large Social Networks on a Laptop, arXiv 1601.03958. Slot k
of a set's signature is the minimum of h_k(x) over its elements x. Two sets agree in a slot with
probability J, their Jaccard similarity, so the share of equal slots estimates J with variance
J(1 - J)/K. Departures:

- The hash family is the `affine32` of datasketch 2: h_k(x) = a_k f(x) + b_k mod 2^32, f the 32-bit
  finalizer of MurmurHash3. The paper's (a x + b mod 2^64 mod P) mod M needs two divisions.
- The minima are taken over 32 bits; the index keeps the low 16 bits. The high bits are near 0 in
  all large sets and would agree by chance.
- One pass over the rows instead of one over edges sorted by source: the full signature matrix never
  has to be in memory, and the signature of a single vertex is recomputed from its row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel

Tokens = npt.NDArray[np.uint32]

_AT_ONCE = 1 << 16
_ROWS_AT_ONCE = 1 << 10
EMPTY = 0xFFFFFFFF
"""Value of each slot in the signature of the empty set."""


class HashFamily:
    """The K permutations of `datasketch.MinHash(num_perm=K, seed=random_state)`."""

    def __init__(self, permutations: int, random_state: int) -> None:
        # datasketch draws its values from the legacy generator.
        generator = np.random.RandomState(random_state)
        odd = [2 * generator.randint(0, 2**31, dtype=np.int64) + 1 for _ in range(permutations)]
        shift = [generator.randint(0, 2**32, dtype=np.int64) for _ in range(permutations)]
        self.factors = np.array(odd, dtype=np.uint32)
        self.shifts = np.array(shift, dtype=np.uint32)


class Hashes(NamedTuple):
    """Hashes f(x) of elements and of each row's vertex, and a_k, b_k of each slot; all uint32.

    `vertices` is empty if the sets are not closed.
    """

    elements: Tokens
    vertices: Tokens
    factors: Tokens
    shifts: Tokens

    @classmethod
    def of(cls, mixed: Tokens, closed: bool | None, family: HashFamily) -> Hashes:
        """Bundle the hashes of a graph; `mixed` `[columns]` is `mix` of each element's token.

        If the sets are `closed`, the elements are the vertices.
        """
        return cls(mixed, mixed if closed else mixed[:0], family.factors, family.shifts)


def signatures(sets: Csr, hashes: Hashes, rows: Array | None = None) -> npt.NDArray[np.uint16]:
    """Compute the low 16 bits of the minima, `[len(rows), K]`; O(entries * K). None: all rows."""
    numbers = np.arange(sets.rows) if rows is None else rows
    out = np.empty((len(numbers), len(hashes.factors)), dtype=np.uint16)
    _minima(sets.indptr, sets.indices, hashes, numbers.astype(np.int64), out)
    return out


def mix(tokens: Array) -> Tokens:
    """Apply MurmurHash3's 32-bit finalizer, a bijection that spreads neighboring ids."""
    h = np.array(tokens, dtype=np.uint32)
    for low in range(0, len(h), _AT_ONCE):
        some = h[low : low + _AT_ONCE]
        some ^= some >> np.uint32(16)
        some *= np.uint32(0x85EBCA6B)
        some ^= some >> np.uint32(13)
        some *= np.uint32(0xC2B2AE35)
        some ^= some >> np.uint32(16)
    return h


@kernel(checked=False, small=True)
def _minima(offsets: Array, elements: Array, hashes: Hashes, rows: Array, out: Array) -> None:
    """Write the low bits of the minima of some rows to `out`, `[len(rows), K]`."""
    mixed, vertices, factors, shifts = hashes
    best = np.empty(len(factors), dtype=np.uint32)
    closed = 1 if len(vertices) > 0 else 0
    for i in range(len(rows)):
        first = offsets[rows[i]]
        best[:] = np.uint32(EMPTY)
        # In a closed set the first element is the vertex itself; it is read before its row.
        for j in range(first - closed, offsets[rows[i] + 1]):
            h = mixed[elements[j]] if j >= first else vertices[rows[i]]
            # Slots are the inner loop: K slots stay in cache, and the loop is vectorized.
            for k in range(len(factors)):
                best[k] = min(best[k], np.uint32(factors[k] * h + shifts[k]))
        for k in range(len(factors)):
            out[i, k] = best[k]  # 16-bit slots keep the low bits


def agreements(sig: Array, seeds: Array, rows: Array) -> Array:
    """Count, for each row, the slots that agree with a seed, summed over the seeds; uint32."""
    equal = np.empty(len(rows), dtype=np.uint32)
    for low in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(low, low + _ROWS_AT_ONCE)
        # Copying rows overlaps the memory latency of several rows; comparing them does not.
        _agreements(sig.take(rows[some], axis=0), seeds, equal[some])
    return equal


@kernel
def _agreements(sig: Array, seeds: Array, out: Array) -> None:
    """Write to `out[i]` the number of slots of row i that agree with a seed, summed over seeds."""
    for i in range(len(sig)):
        row = sig[i]
        equal = np.uint32(0)
        for s in range(len(seeds)):
            seed = seeds[s]
            same = np.uint16(0)  # as wide as a slot, which keeps the loop vectorized
            for k in range(len(row)):
                same += np.uint16(row[k] == seed[k])
            equal += same
        out[i] = equal
