"""Signatures of weighted sets: two agree in a slot with the probability of their weighted Jaccard.

J(A, B) = sum of min(a_x, b_x) / sum of max(a_x, b_x) over the elements x, for weights a_x, b_x.

Paper: Ioffe, Improved Consistent Sampling, Weighted Minhash and L1 Sketching, ICDM 2010. Slot k of
a set has r, c ~ Gamma(2, 1) and b ~ Uniform(0, 1) for each element x, and takes the least of

    log a = log c - r (ceil(log(weight) / r + b) - b).

It depends on the weight through the number that is rounded alone, so that similar weights give the
same value: a set that has x with a larger weight keeps the value with the probability that the
similarity asks for. Departures:

- Drawing r, c and b for each pair of element and slot costs logarithms and hashes. Here slot k of
  an element reads place (start + k) of three tables, which hold the quantiles of the distributions
  in a random order; the hash of the element gives its three starts. A slot costs seven operations
  on consecutive floats, without a branch.
- The index keeps the low 16 bits of the value itself, as it does of a minimum without weights:
  equal samples have equal values, and others differ in these bits but for one in 65,536.

All numbers are made of sums, products and quotients of IEEE floats in one order, so that all
machines write the same bits.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Floats
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel
from graphagg.minhash.bands import mix_one
from graphagg.minhash.signatures import EMPTY, Hashes

_RATE_BITS, _COST_BITS, _SHIFT_BITS = 14, 12, 10
"""Bits of the starts in the tables of r, c and b. The largest r bounds how small a share of its set
an element may have and still be sampled fairly: by 2^14 quantiles about 1 in 100,000."""
_LN2 = 0.6931471805599453


class Draws(NamedTuple):
    """The tables of a seed, float32, each as long as its starts and the slots of a signature."""

    rates: Floats  # r
    inverse: Floats  # 1 / r
    costs: Floats  # log c
    shifts: Floats  # b

    @classmethod
    def of(cls, permutations: int, random_state: int) -> Draws:
        """Draw the tables for K permutations."""
        return _draws(permutations, random_state)


@lru_cache(4)
def _draws(permutations: int, random_state: int) -> Draws:
    generator = np.random.RandomState(random_state)  # its stream is fixed for ever
    rates = _gamma_quantiles(1 << _RATE_BITS)[generator.permutation(1 << _RATE_BITS)]
    costs = np.log(_gamma_quantiles(1 << _COST_BITS))[generator.permutation(1 << _COST_BITS)]
    shifts = (generator.permutation(1 << _SHIFT_BITS) + 0.5) / (1 << _SHIFT_BITS)
    tables = []
    for table in (rates, 1.0 / rates, costs, shifts):
        # 20 bits are kept: libraries may differ in the last bits of a logarithm.
        rounded = np.round(np.resize(table, len(table) + permutations) * 2.0**20) / 2.0**20
        tables.append(rounded.astype(np.float32))
    return Draws(*tables)


def _gamma_quantiles(count: int) -> npt.NDArray[np.float64]:
    """The quantiles (i + 1/2) / count of Gamma(2, 1), by bisection of 1 - (1 + x) exp(-x)."""
    shares = (np.arange(count) + 0.5) / count
    low, high = np.zeros(count), np.full(count, 64.0)
    for _ in range(52):
        middle = (low + high) / 2
        below = 1.0 - (1.0 + middle) * np.exp(-middle) < shares
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


def weighted_minima(
    sets: Csr, set_weights: Array, hashes: Hashes, draws: Draws, rows: Array, bits: type = np.uint32
) -> Array:
    """Compute each slot's float32 value as bits, `[len(rows), K]`, in O(entries * K).

    The values of `sets` are weights above 0. `set_weights[:, 0]` is the weight of each vertex in
    its own set; open sets do not read it. `bits` np.uint16 keeps the low bits alone.
    """
    out: Array = np.empty((len(rows), len(hashes.factors)), dtype=bits)
    numbers = rows.astype(np.int64)
    _sample(sets.indptr, sets.indices, sets.entries, set_weights, hashes, draws, numbers, out)
    return out


@kernel(checked=False)
def _sample(
    offsets: Array, elements: Array, weights: Array, set_weights: Array, hashes: Hashes,
    draws: Draws, rows: Array, out: Array,
) -> None:  # fmt: skip
    """Write the bits of each slot's least value, cut to the type of `out`.

    Two elements are read at once, and minima go to another array: slots are loaded half as often,
    and stored without a mask, which would delay the loads of the next elements.
    """
    mixed, vertices, _, _ = hashes
    rates, inverse, costs, shifts = draws
    closed = 1 if len(vertices) > 0 else 0
    best, lower = np.empty((2, out.shape[1]), dtype=np.float32)
    for i in range(len(rows)):
        best[:] = np.inf
        first, last = offsets[rows[i]], offsets[rows[i] + 1]
        # In a closed set the first element is the vertex itself, read before its row.
        for j in range(first - closed, last, 2):
            if j >= first:
                level, rate, cost, shift = _starts(mixed[elements[j]], weights[j])
            else:
                level, rate, cost, shift = _starts(vertices[rows[i]], set_weights[rows[i], 0])
            level2, rate2, cost2, shift2 = level, rate, cost, shift
            if j + 1 < last:
                level2, rate2, cost2, shift2 = _starts(mixed[elements[j + 1]], weights[j + 1])
            for slot in range(len(best)):
                k = np.uint64(slot)  # unsigned: no index counts from the end
                steps = np.ceil(level * inverse[rate + k] + shifts[shift + k]) - shifts[shift + k]
                value = costs[cost + k] - rates[rate + k] * steps
                steps = (
                    np.ceil(level2 * inverse[rate2 + k] + shifts[shift2 + k]) - shifts[shift2 + k]
                )
                value2 = costs[cost2 + k] - rates[rate2 + k] * steps
                lower[k] = min(best[k], min(value, value2))
            best, lower = lower, best
        bits = best.view(np.uint32)
        for slot in range(len(best)):
            out[i, slot] = bits[slot] if last - first + closed > 0 else EMPTY


@kernel(checked=False)
def _starts(hash_: np.uint32, weight: float) -> tuple[Any, Any, Any, Any]:
    """The logarithm of an element's weight, and where it starts in the tables of r, c and b."""
    second = mix_one(hash_)  # 36 bits of starts from two words
    return (
        np.float32(_log(weight)),
        np.uint64(hash_ & np.uint32((1 << _RATE_BITS) - 1)),
        np.uint64(hash_ >> np.uint32(32 - _COST_BITS)),
        np.uint64(second >> np.uint32(32 - _SHIFT_BITS)),
    )


@kernel
def _log(weight: float) -> float:
    """Natural logarithm to 1e-8, by operations that all processors round alike."""
    mantissa, exponent = math.frexp(weight)
    z = (mantissa - 0.75) / (mantissa + 0.75)  # |z| <= 1/5: log m = log .75 + 2 artanh z
    square = z * z
    series = 1.0 + square * (1 / 3 + square * (1 / 5 + square * (1 / 7 + square / 9)))
    return exponent * _LN2 + 2.0 * z * series - 0.2876820724517809
