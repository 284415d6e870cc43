"""Vectors as integers of 8 bits, a quarter of the bytes, and their exact products.

A row is `d` codes of int8 and the four bytes of its scale (float32, little-endian): component j is
`scale * code[j]`, with an error of at most half a 127th of the row's largest component. A row
depends on its vector only.

A query becomes integers of 13 bits and a sign. Products of integers are exact in any order of
summation, so a score does not depend on where a row is or on what is computed with it:

- Few rows use BLAS, so a small index needs no compiled code. float32 holds integers up to 2^24, so
a query is split into two digits of 7 bits: 127 * 127 * d stays below for d up to 1040; longer
vectors use float64. - Many rows use a compiled loop over integers, in a quarter of the time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Floats, read_only
from graphagg.kernels import kernel

TAIL = 4
"""Bytes of the scale at the end of a row."""
_LARGEST = 127
_DIGIT = 7
_QUERY = (64 << _DIGIT) - 1  # the largest component of a query: two digits and a sign
_EXACT_AS_FLOAT32 = 2**24 // _LARGEST**2
_BLOCK = 256  # rows that are multiplied together, so that they stay in a core's cache
_MANY = 1 << 16  # rows from which on a compiled loop pays for being loaded
_LANES = 64  # components that are multiplied together; with others a row takes three times as long
LONGEST = (2**31 - 1) // (_LARGEST * _QUERY) // _LANES * _LANES
"""Components of a vector, at most, whose products the compiled loop sums in 32 bits."""

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
    vectors: Floats = rows[:, :-TAIL] * scales_of(rows)[:, None]
    return vectors


def dimension_of(rows: Packed) -> int:
    """Length d of the vectors of some rows."""
    return int(rows.shape[1]) - TAIL


class QuantizedQueries(NamedTuple):
    """Queries as integers; q of them.

    Attributes:
        whole: `[q, D]` int16, padded with 0 to a multiple D of `_LANES`.
        scales: `[q]` float64.
        digits: `[d, 2 q]`, the high digits of all queries, then the low ones.
    """

    whole: Array
    scales: Array
    digits: Array


def query_of(queries: Floats) -> QuantizedQueries:
    """Round queries `[q, d]` to integers."""
    largest = np.abs(queries).max(axis=1, initial=0.0).astype(np.float64)
    scales = np.where(largest > 0, largest, 1.0) / _QUERY
    whole = np.rint(queries / scales[:, None]).astype(np.int16)
    count, length = whole.shape
    padded = np.zeros((count, length + -length % _LANES), np.int16)  # np.pad is slow
    padded[:, :length] = whole
    return QuantizedQueries(padded, scales, _digits(whole))


def products(rows: Packed, query: QuantizedQueries) -> Floats:
    """Products of packed rows `[n, d + 4]` with queries; `[n, q]` float32."""
    if len(rows) >= _MANY and dimension_of(rows) <= LONGEST:
        return multiply(rows, query)
    digits, count = query.digits, len(query.scales)
    both = np.empty((len(rows), 2 * count), digits.dtype)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK, :-TAIL].astype(digits.dtype)
        np.matmul(block, digits, out=both[start : start + _BLOCK])
    sums = both[:, :count].astype(np.float64)
    sums *= 1 << _DIGIT
    sums += both[:, count:]  # below 2^53: exact
    sums *= scales_of(rows).astype(np.float64)[:, None] * query.scales
    return sums.astype(np.float32)


def multiply(rows: Packed, query: QuantizedQueries) -> Floats:
    """`products` by the compiled loop, for at most `LONGEST` components."""
    result, fits = np.empty((len(rows), len(query.scales)), np.float32), len(rows)
    fits = max(fits - spare_rows(rows.shape[1]), 0)
    _multiply(read_only(rows.reshape(-1)), rows.shape[1], query, result[:fits])
    last = with_spare(rows[fits:])
    _multiply(read_only(last.reshape(-1)), rows.shape[1], query, result[fits:])
    return result


def spare_rows(width: int) -> int:
    """Rows of `width` bytes that must follow a row that the compiled loop reads."""
    length = width - TAIL
    return -(-(length + -length % _LANES - width) // width) if length % _LANES else 0


def with_spare(rows: Packed) -> Packed:
    """A copy of some rows with `spare_rows` rows of 0 after them."""
    count, width = rows.shape
    spared = np.zeros((count + spare_rows(width), width), rows.dtype)
    spared[:count] = rows
    return spared


def exact_type(rows: Packed) -> type[np.floating[Any]]:
    """The narrower float type that holds every sum of products of 8-bit codes exactly."""
    return np.float32 if dimension_of(rows) <= _EXACT_AS_FLOAT32 else np.float64


def scales_of(rows: Packed) -> Floats:
    """The scales of packed rows, `[n]`."""
    scales: Floats = rows[:, -TAIL:].view("<f4")[:, 0].astype(np.float32)
    return scales


def _digits(whole: Array) -> Array:
    """Split integers `[q, d]` into two digits; see `QuantizedQueries`."""
    high = whole >> _DIGIT
    kind = np.float32 if whole.shape[1] <= _EXACT_AS_FLOAT32 else np.float64
    return np.ascontiguousarray(np.concatenate([high, whole - (high << _DIGIT)]).T, kind)


@kernel(nogil=True)
def _multiply(rows: Any, width: int, query: QuantizedQueries, result: Any) -> None:
    """Write the products of consecutive rows of `width` bytes."""
    for i in range(len(result)):
        for q in range(len(query.whole)):
            result[i, q] = row_product(rows, i * width, width - TAIL, query, q)


@kernel(nogil=True)
def row_product(rows: Any, begin: int, length: int, query: QuantizedQueries, q: int) -> Any:
    """Product of query `q` and the row of `length` components at byte `begin`.

    The bytes after the components are multiplied with the padding, which is 0.
    """
    whole, first, total = query.whole[q], np.uintp(begin), np.int32(0)
    for j in range(len(whole)):
        at = np.uintp(j)  # without a sign: a negative place would count from the end
        total = np.int32(total + np.int32(np.int32(rows[first + at]) * np.int32(whole[at])))
    bits = np.uint32(0)
    for j in range(TAIL):
        bits |= np.uint32(np.uint8(rows[first + np.uintp(length + j)])) << np.uint32(8 * j)
    scale = np.float64(np.uint32(bits).view(np.float32)) * query.scales[q]
    return np.float32(np.float64(total) * scale)
