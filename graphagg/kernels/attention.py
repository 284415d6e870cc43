"""Softmax attention within small graphs, compiled: each graph's scores stay in the cache.

For one head of a graph of n vertices, with queries q, keys k and values v `[n, d]`:

    forward    s_ij = q_i . k_j / sqrt(d),  p_ij = softmax_j(s_ij),  o_i = sum_j m_ij p_ij v_j
    backward   dv_j = sum_i m_ij p_ij do_i,  w_ij = m_ij v_j . do_i,
               ds_ij = p_ij (w_ij - sum_l p_il w_il) / sqrt(d),
               dq_i = sum_j ds_ij k_j,  dk_j = sum_i ds_ij q_i

where m_ij is 0 for a dropped weight, else 1 / (share that is left); 1 without dropout.

Matrices over pairs are stored by key: row j holds all queries i, side by side in vector registers,
so that softmax is a pass over rows. Rows and lanes are filled up to multiples of `SIDE`; a lane
that is filled up belongs to no query and is never read, and no sum runs over a row that is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from graphagg.kernels import kernel

SIDE = 8
_inside = numba.njit(inline="always")  # small helpers: calls would cost more than what they do
# Numba looks at the sign of an index, since a negative one counts from the end. Sums of numbers are
# told to have none: a look at each lane's index turns loads of a row into gathers.
_place = np.uintp
_ORDER = ("contract", "reassoc", "nsz")  # what sums may do; NaN and infinity stay what they are


class Heads(NamedTuple):
    """Queries, keys and values of a batch.

    Attributes:
        qkv: `[N, 3 H d]` float32.
        ptr: `[G + 1]` int64, offsets of the graphs.
        number: H.
        step: of 65,536 draws so many drop a weight; 0: nothing is dropped.
        seed: of the draws.
    """

    qkv: Any
    ptr: Any
    number: int
    step: int
    seed: Any


def _tile(lanes: int) -> Any:
    """A product of `SIDE` rows and so many columns, whose sums stay in vector registers."""

    @intrinsic
    def tile(typing: Any, out: Any, left: Any, right: Any, at: Any, terms: Any) -> Any:
        """Write `out[o + r O + c] = sum_k left[a + r R + k K] right[b + k M + c]`.

        `at` is (o, O, a, R, K, b, M); `terms` is how many k there are, one at least.
        """

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            size, number = ir.IntType(64), context.get_value_type(out.dtype)
            vector, spread = ir.VectorType(number, lanes), ir.VectorType(ir.IntType(32), lanes)
            arrays = zip(signature.args[:3], args[:3], strict=True)
            into, p, q = (context.make_array(t)(context, builder, v).data for t, v in arrays)
            o, next_o, a, next_a, step_a, b, step_b = (
                builder.extract_value(args[3], place) for place in range(7)
            )
            before = builder.block
            body, after = (builder.append_basic_block(name) for name in ("terms", "done"))
            rows = [builder.mul(next_a, size(row)) for row in range(SIDE)]
            builder.branch(body)
            builder.position_at_end(body)
            term = builder.phi(size)
            term.add_incoming(size(0), before)
            sums = [builder.phi(vector) for _ in rows]
            place = builder.add(b, builder.mul(term, step_b))
            line = builder.load(builder.bitcast(builder.gep(q, [place]), vector.as_pointer()))
            line.align = 4
            place = builder.add(a, builder.mul(term, step_a))
            for row, total in enumerate(sums):
                factor = builder.load(builder.gep(p, [builder.add(place, rows[row])]))
                none = ir.Constant(vector, ir.Undefined)
                factor = builder.insert_element(none, factor, ir.IntType(32)(0))
                factor = builder.shuffle_vector(factor, none, ir.Constant(spread, [0] * lanes))
                more = builder.fmul(factor, line, flags=_ORDER)
                sums[row] = builder.fadd(total, more, flags=_ORDER)
                total.add_incoming(ir.Constant(vector, [0.0] * lanes), before)
                total.add_incoming(sums[row], body)
            following = builder.add(term, size(1))
            term.add_incoming(following, body)
            builder.cbranch(builder.icmp_signed("<", following, args[4]), body, after)
            builder.position_at_end(after)
            for row, total in enumerate(sums):
                place = builder.add(o, builder.mul(next_o, size(row)))
                target = builder.bitcast(builder.gep(into, [place]), vector.as_pointer())
                builder.store(total, target).align = 4
            return context.get_dummy_value()

        return types.void(out, left, right, at, terms), code

    return tile


def _turning() -> Any:
    """A block of `SIDE` rows and columns, transposed in vector registers."""

    @intrinsic
    def turn(typing: Any, out: Any, values: Any, at: Any) -> Any:
        """Write `out[o + r O + c] = values[v + c V + r]`, r, c < `SIDE`; `at` is (o, O, v, V)."""

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            size, number = ir.IntType(64), context.get_value_type(out.dtype)
            vector, order = ir.VectorType(number, SIDE), ir.VectorType(ir.IntType(32), SIDE)
            arrays = zip(signature.args[:2], args[:2], strict=True)
            into, rows = (context.make_array(t)(context, builder, v).data for t, v in arrays)
            o, next_o, v, next_v = (builder.extract_value(args[2], place) for place in range(4))

            def line(array: Any, start: Any, step: Any, row: int) -> Any:
                place = builder.add(start, builder.mul(step, size(row)))
                return builder.bitcast(builder.gep(array, [place]), vector.as_pointer())

            lines = []
            for row in range(SIDE):
                lines.append(builder.load(line(rows, v, next_v, row)))
                lines[-1].align = 4
            # To shuffle the first half of all numbers into the second, as cards, moves the first
            # bit of a number's place to the end: after three times row and column are exchanged.
            half = SIDE // 2
            halves = [[x for c in range(half) for x in (c + a, c + a + SIDE)] for a in (0, half)]
            masks = [ir.Constant(order, half_order) for half_order in halves]
            for _ in range(SIDE.bit_length() - 1):
                pairs = zip(lines[:half], lines[half:], strict=True)
                lines = [builder.shuffle_vector(a, b, mask) for a, b in pairs for mask in masks]
            for row, values_of in enumerate(lines):
                builder.store(values_of, line(into, o, next_o, row)).align = 4
            return context.get_dummy_value()

        return types.void(out, values, at), code

    return turn


_narrow, _wide, _turn = _tile(SIDE), _tile(2 * SIDE), _turning()


@kernel
def product(
    out: Any, left: Any, by: tuple[int, int], right: Any, shape: tuple[int, int, int]
) -> None:
    """Write `out[r, c] = sum_k left[r, k] right[k, c]` into a flat array.

    Args:
        out: `[rows, columns]`, row after row.
        left: flat; from row to row and from term to term it is `by` numbers.
        by: those two.
        right: `[terms, columns]`, row after row.
        shape: rows and columns, both multiples of `SIDE`, and terms.
    """
    rows, columns, terms = shape
    next_row, next_term = by
    for row in range(0, rows, SIDE):
        start, first = row * columns, row * next_row
        for column in range(0, columns - SIDE, 2 * SIDE):
            at = (start + column, columns, first, next_row, next_term, column, columns)
            _wide(out, left, right, at, terms)
        if columns % (2 * SIDE):
            column = columns - SIDE
            at = (start + column, columns, first, next_row, next_term, column, columns)
            _narrow(out, left, right, at, terms)


@kernel
def power(x: Any) -> Any:
    """2^x for float32 x <= 0, to 2e-7 of it; NaN for NaN."""
    x = np.float32(-126.0) if x < np.float32(-126.0) else x
    whole = np.floor(x + np.float32(0.5))
    rest = x - whole
    # Taylor's series of 2^rest on [-1/2, 1/2]: (ln 2)^k / k!.
    found = np.float32(0.00015403530393381606)
    found = found * rest + np.float32(0.0013333558146428443)
    found = found * rest + np.float32(0.009618129107628477)
    found = found * rest + np.float32(0.05550410866482158)
    found = found * rest + np.float32(0.2402265069591007)
    found = found * rest + np.float32(0.6931471805599453)
    found = found * rest + np.float32(1.0)
    # 2^whole: its bits are the exponent alone.
    bits = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23))
    return found * bits.view(np.float32)


@kernel
def mixed(bits: Any) -> Any:
    """The finalizer of splitmix64, as `graphagg.nn.segments.mix`."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@_inside
def filled_up(size: int) -> int:
    """The next multiple of `SIDE`."""
    return (size + SIDE - 1) // SIDE * SIDE


@_inside
def copy_head(rows: Any, first: int, column: int, shape: tuple[int, int, int], into: Any) -> None:
    """Copy one head of a graph's rows into a flat array `[n, width]`.

    Args:
        rows: of all vertices.
        first: the graph's first row.
        column: the head's first column.
        shape: n, d, and the width that d is filled up to.
        into: its columns after d stay as they are.
    """
    n, d, width = shape
    for i in range(n):
        for c in range(d):
            into[_place(i * width + c)] = rows[first + i, _place(column + c)]


@_inside
def put_head(values: Any, first: int, column: int, shape: tuple[int, int, int], rows: Any) -> None:
    """The reverse of `copy_head`."""
    n, d, width = shape
    for i in range(n):
        for c in range(d):
            rows[first + i, _place(column + c)] = values[_place(i * width + c)]


@_inside
def transpose(values: Any, shape: tuple[int, int], into: Any) -> None:
    """Write `[rows, columns]`, both multiples of `SIDE`, as `[columns, rows]`."""
    rows, columns = shape
    for row in range(0, rows, SIDE):
        for column in range(0, columns, SIDE):
            at = (column * rows + row, rows, row * columns + column, columns)
            _turn(into, values, at)


@kernel
def softmax(scores: Any, shape: tuple[int, int], scale: Any, most: Any, total: Any) -> None:
    """Softmax of scaled scores `[n, lanes]` to base 2 over the keys, in place.

    `most` and `total` are room.
    """
    n, lanes = shape
    for i in range(lanes):
        most[i] = scores[i]
        total[i] = 0
    for j in range(1, n):
        for i in range(lanes):
            score = scores[_place(j * lanes + i)]
            most[i] = score if score > most[i] else most[i]
    for j in range(n):
        for i in range(lanes):
            found = power((scores[_place(j * lanes + i)] - most[i]) * scale)
            scores[_place(j * lanes + i)] = found
            total[i] += found
    for i in range(lanes):
        total[i] = np.float32(1) / total[i]
    for j in range(n):
        for i in range(lanes):
            scores[_place(j * lanes + i)] *= total[i]


@kernel
def drop(weights: Any, size: int, heads: Heads, at: int, left: Any) -> None:
    """Draw which weights are dropped: those get a minus sign; `left` are the others, scaled.

    Args:
        weights: of one head of a graph; so many are read, a multiple of 4.
        size: how many.
        heads: the step and the seed.
        at: a number of draws that no other head has among the following ones.
        left: 0 at a dropped weight.
    """
    scale = np.float32(65536.0 / (65536 - heads.step))
    golden, low = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFFFF)
    quarter = size // 4
    for number in range(quarter):
        # 64 bits are four draws, each for a weight of another quarter.
        bits = mixed(heads.seed + golden * np.uint64(at + number))
        for part in range(4):
            place = _place(part * quarter + number)
            weight = weights[place]
            kept = ((bits >> np.uint64(16 * part)) & low) >= np.uint64(heads.step)
            weights[place] = weight if kept else -weight
            left[place] = weight * scale if kept else np.float32(0)


@kernel(nogil=True)
def attend(heads: Heads, longest: int, keep: bool, weights: Any, out: Any) -> None:
    """The forward pass.

    Args:
        heads: the batch.
        longest: vertices of the largest graph.
        keep: whether the weights of all heads are kept, or only those of one at a time.
        weights: room for them: for each graph and head a square, its side filled up.
        out: `[N, H d]`.
    """
    qkv, ptr, number, step, _ = heads
    channels = out.shape[1]
    d = channels // number
    width, side = filled_up(d), filled_up(longest)
    rows = np.zeros((3, side * width), np.float32)
    q, k, v = rows
    by_query, result = np.zeros(side * width, np.float32), np.zeros(side * width, np.float32)
    left = np.zeros(side * side, np.float32)
    most, total = np.zeros(side, np.float32), np.zeros(side, np.float32)
    scale = np.float32(1.4426950408889634 / np.sqrt(d))  # log2 e: softmax takes powers of 2
    at = done = 0
    for graph in range(len(ptr) - 1):
        first, n = ptr[graph], ptr[graph + 1] - ptr[graph]
        if not n:
            continue
        lanes, shape = filled_up(n), (n, d, width)
        for head in range(number):
            for part in range(3):
                copy_head(qkv, first, part * channels + head * d, shape, rows[part])
            transpose(q, (lanes, width), by_query)
            own = weights[at : at + lanes * lanes]
            product(own, k, (width, 1), by_query, (lanes, lanes, d))
            softmax(own, (n, lanes), scale, most, total)
            used = own
            if step:
                drop(own, n * lanes, heads, done, left)
                used = left
            product(result, used, (1, lanes), v, (lanes, width, n))
            put_head(result, first, head * d, shape, out)
            done += lanes * lanes
            at = done if keep else 0


@kernel
def differentiate(heads: Heads, longest: int, weights: Any, grad: Any, into: Any) -> None:
    """The backward pass: the gradient `[N, 3 H d]` of qkv from that of the result.

    Args:
        heads: the batch.
        longest: vertices of the largest graph.
        weights: as `attend` kept them.
        grad: `[N, H d]`.
        into: the gradient of qkv.
    """
    qkv, ptr, number, step, _ = heads
    channels = grad.shape[1]
    d = channels // number
    width, side = filled_up(d), filled_up(longest)
    rows = np.zeros((4, side * width), np.float32)
    q, k, v, of_out = rows
    by_query, result = np.zeros(side * width, np.float32), np.zeros(side * width, np.float32)
    of_score, left = np.zeros(side * side, np.float32), np.zeros(side * side, np.float32)
    total = np.zeros(side, np.float32)
    scale, again = np.float32(1 / np.sqrt(d)), np.float32(65536.0 / (65536 - step))
    at = 0
    for graph in range(len(ptr) - 1):
        first, n = ptr[graph], ptr[graph + 1] - ptr[graph]
        lanes, shape = filled_up(n), (n, d, width)
        for head in range(number if n else 0):
            for part in range(3):
                copy_head(qkv, first, part * channels + head * d, shape, rows[part])
            copy_head(grad, first, head * d, shape, of_out)
            transpose(of_out, (lanes, width), by_query)
            own = weights[at : at + lanes * lanes]
            at += lanes * lanes
            product(of_score, v, (width, 1), by_query, (lanes, lanes, d))
            used = own
            if step:
                take_kept(own, n * lanes, again, of_score, left)
                used = left
            product(result, used, (lanes, 1), of_out, (lanes, width, n))
            put_head(result, first, 2 * channels + head * d, shape, into)
            through_softmax(own, n, lanes, scale, total, of_score)
            product(result, of_score, (1, lanes), k, (lanes, width, n))
            put_head(result, first, head * d, shape, into)
            product(result, of_score, (lanes, 1), q, (lanes, width, n))
            put_head(result, first, channels + head * d, shape, into)


@kernel
def take_kept(weights: Any, size: int, scale: Any, of_weight: Any, left: Any) -> None:
    """From weights with a minus where they were dropped: `left`, 0 there, and their gradients."""
    for place in range(size):
        weight = weights[place]
        dropped = weight < 0
        left[place] = np.float32(0) if dropped else weight * scale
        of_weight[place] = np.float32(0) if dropped else of_weight[place] * scale


@kernel
def through_softmax(weights: Any, n: int, lanes: int, scale: Any, total: Any, values: Any) -> None:
    """From gradients of the weights to those of the scores, in place; `total` is room."""
    for i in range(lanes):
        total[i] = 0
    for j in range(n):
        for i in range(lanes):
            total[i] += abs(weights[_place(j * lanes + i)]) * values[_place(j * lanes + i)]
    for j in range(n):
        for i in range(lanes):
            place = _place(j * lanes + i)
            values[place] = abs(weights[place]) * (values[place] - total[i]) * scale
