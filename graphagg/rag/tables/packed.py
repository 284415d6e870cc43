"""Vectors as integers of 8 bits, a quarter of the bytes, and their exact products.

A row is `d` codes of int8 and the four bytes of its scale (float32, little-endian): component j is
`scale * code[j]`, off by half a 127th of the row's largest component at most. A row depends on its
vector alone.

A query becomes integers of 13 bits and a sign. The product of two rows of integers is exact however
it is summed, so BLAS gives the same bits wherever a row is and whatever is beside it. As float32
holds integers up to 2^24, a query is split in two digits of 7 bits: 127 * 127 * d stays below for
d up to 1040, and longer vectors are multiplied as float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Floats

TAIL = 4
"""Bytes of the scale at the end of a row."""
_LARGEST = 127
_DIGIT = 7
_QUERY = (64 << _DIGIT) - 1  # the largest component of a query: two digits and a sign
_EXACT_AS_FLOAT32 = 2**24 // _LARGEST**2
_BLOCK = 1024  # rows that are multiplied together, so that they stay in a core's cache

Packed = npt.NDArray[np.int8]


def pack(vectors: Floats) -> Packed:
    """Pack vectors `[n, d]` as rows `[n, d + 4]`; a vector of 0 stays 0."""
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    scales = (largest / _LARGEST).astype("<f4")
    divisors = np.where(scales > 0, scales, 1).astype(np.float32)
    packed = np.empty((len(vectors), vectors.shape[1] + TAIL), np.int8)
    packed[:, :-TAIL] = np.clip(np.rint(vectors / divisors[:, None]), -_LARGEST, _LARGEST)
    packed[:, -TAIL:] = scales.view(np.int8).reshape(-1, TAIL)
    return packed


def unpack(rows: Packed) -> Floats:
    """The vectors of packed rows, `[n, d]` float32."""
    vectors: Floats = rows[:, :-TAIL] * _scales(rows)[:, None]
    return vectors


def is_packed(rows: Array) -> bool:
    """Whether rows are packed, not plain float32."""
    return rows.dtype == np.int8


def dimension_of(rows: Array) -> int:
    """Length d of the vectors of some rows."""
    return int(rows.shape[1]) - (TAIL if is_packed(rows) else 0)


class Query(NamedTuple):
    """Queries as integers; q of them.

    Attributes:
        digits: `[d, 2 q]`, the high digits of all, then the low ones.
        scales: `[q]` float64.
    """

    digits: Array
    scales: Array


def query_of(queries: Floats) -> Query:
    """Round queries `[q, d]` to integers."""
    largest = np.abs(queries).max(axis=1, initial=0.0).astype(np.float64)
    scales = np.where(largest > 0, largest, 1.0) / _QUERY
    whole = np.rint(queries / scales[:, None]).astype(np.int64)
    high = whole >> _DIGIT
    kind = np.float32 if queries.shape[1] <= _EXACT_AS_FLOAT32 else np.float64
    digits = np.concatenate([high, whole - (high << _DIGIT)]).T
    return Query(np.ascontiguousarray(digits, kind), scales)


def products(rows: Packed, query: Query) -> Floats:
    """Products of packed rows `[n, d + 4]` with queries; `[n, q]` float32."""
    count = len(query.scales)
    result = np.empty((len(rows), count), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        both = (block[:, :-TAIL].astype(query.digits.dtype) @ query.digits).astype(np.float64)
        whole = both[:, :count] * (1 << _DIGIT) + both[:, count:]  # below 2^53: exact
        scales = _scales(block).astype(np.float64)[:, None] * query.scales
        result[start : start + _BLOCK] = whole * scales
    return result


def _scales(rows: Packed) -> Floats:
    scales: Floats = np.ascontiguousarray(rows[:, -TAIL:]).view("<f4")[:, 0]
    return scales
