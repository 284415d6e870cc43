"""Exact attention on a batch of small graphs: a few batched products for all of them.

Molecules have a few dozen vertices each. PyTorch's fused kernel takes one call a size, and where
weights are dropped it falls apart into many small operations on each. Here graphs are padded to
the next multiple of `STEP` vertices, those of one padded size lie side by side, and each size is
two batched products and a softmax, forward, and four products backward. Queries, keys and values
are gathered into that order by one index, and the result is gathered back by another: both ways
every row has one place, so that no gradient is added up.

A padded place holds its own graph's last row. As a key it has the score -inf and takes no weight,
as a query it gets no gradient; so a graph gets the same result whatever lies beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphagg.nn.compat import softmax_backward
from graphagg.nn.segments import GOLDEN, Segments, mix

LARGEST = 64  # vertices of a graph; above, the fused kernel is faster
STEP = 8


@dataclass(frozen=True)
class Packs:
    """Where the rows of small graphs lie among the padded ones.

    A place is one row of one head. Packs of one size hold queries, keys and values as
    `[3, graphs, H, size, d]`, one pack after the other, and results as `[graphs, H, size, d]`.
    A place that no row has holds a copy of its graph's last row.

    Attributes:
        shapes: (graphs times heads, size) of each pack.
        hidden: of each pack what is added to the scores, `[graphs H, 1, size]`: -inf at padding;
            None where there is none.
        rows: int32, the row of `[N 3 H, d]` at each place of queries, keys and values.
        places: `[N 3 H]` int32, the place of each such row.
        out_rows: int32, the row of `[N H, d]` at each place of the results.
        out_places: `[N H]` int32, the place of each such row.
        real: `[places of the results, 1]` float32: 1 at a row, 0 at padding.
    """

    shapes: list[tuple[int, int]]
    hidden: list[Tensor | None]
    rows: Tensor
    places: Tensor
    out_rows: Tensor
    out_places: Tensor
    real: Tensor

    @classmethod
    def known(cls, graphs: Segments, heads: int) -> Packs:
        """`of`, made once for the layers of a model."""
        return graphs.plan(("packs", heads), lambda: cls.of(graphs, heads))

    @classmethod
    def of(cls, graphs: Segments, heads: int) -> Packs:
        """The packs of a batch of graphs; O(N H)."""
        ptr, sizes = graphs.ptr.int(), graphs.sizes.int()
        pack = torch.div(sizes + STEP - 1, STEP, rounding_mode="floor")  # 0: an empty graph
        counts = torch.bincount(pack).tolist()
        order = torch.argsort(pack, stable=True)
        shapes, hidden, rows, out_rows, real = [], [], [], [], []
        # Of each graph: where its pack begins among the results, where it begins in its pack, and
        # how many results the pack has.
        base, first, stride = (torch.zeros_like(sizes) for _ in range(3))
        begin = done = 0
        for number, count in enumerate(counts):
            ids, size = order[begin : begin + count], number * STEP
            begin += count
            if not (number and count):
                continue
            inside = torch.arange(size, dtype=torch.int32, device=ptr.device)
            own = sizes[ids, None]
            row, beyond = ptr[ids, None] + torch.minimum(inside, own - 1), inside >= own
            rows.append(_of_parts(row, 3 * heads).view(3, heads, count, size).transpose(1, 2))
            out_rows.append(_of_parts(row, heads).transpose(0, 1))
            real.append((~beyond)[:, None].expand(-1, heads, -1))
            shapes.append((count * heads, size))
            hidden.append(_hidden(beyond, heads))
            strips = torch.arange(count, dtype=torch.int32, device=ptr.device)
            base[ids], first[ids], stride[ids] = done, strips * (heads * size), count * heads * size
            done += count * heads * size
        places, out_places = _places(graphs, base, first, stride, pack * STEP, heads)
        flat = [torch.cat([part.reshape(-1) for part in parts]) for parts in (rows, out_rows, real)]
        return cls(shapes, hidden, flat[0], places, flat[1], out_places, flat[2].float()[:, None])


def _of_parts(row: Tensor, parts: int) -> Tensor:
    """Rows `[graphs, size]` in a table whose rows are cut in parts: `[parts, graphs, size]`."""
    part = torch.arange(parts, dtype=torch.int32, device=row.device)
    return row * parts + part[:, None, None]


def _places(
    graphs: Segments, base: Tensor, first: Tensor, stride: Tensor, padded: Tensor, heads: int
) -> tuple[Tensor, Tensor]:
    """The place of each row of queries, keys and values, `[N 3 H]`, and of results, `[N H]`."""
    index = graphs.index
    inside = torch.arange(graphs.rows, dtype=torch.int32, device=index.device)
    inside = inside - graphs.ptr.int()[index]
    part = torch.arange(3, dtype=torch.int32, device=index.device)
    head = torch.arange(heads, dtype=torch.int32, device=index.device)
    local = (first[index] + inside)[:, None] + padded[index, None] * head
    # Queries, keys and values of a pack take three times the room of its results.
    start = 3 * base[index, None] + stride[index, None] * part
    places = start[:, :, None] + local[:, None]
    return places.reshape(-1), (base[index, None] + local).reshape(-1)


def serves(x: Tensor, graphs: Segments) -> bool:
    """Whether packs are for such a batch: small graphs, and numbers that need no wider sums."""
    wide = x.dtype in (torch.float32, torch.float64)
    plain = wide and not torch.is_autocast_enabled(x.device.type)
    return plain and 0 < graphs.longest <= LARGEST


def attend(
    qkv: Tensor, packs: Packs, heads: int, dropout: float, seed: Tensor | None = None
) -> Tensor:
    """Softmax attention within each graph.

    Args:
        qkv: `[N, 3 H d]`: queries, keys and values of all heads.
        packs: the packs of the batch for these heads.
        heads: H.
        dropout: probability with which an attention weight is dropped.
        seed: `[1]` int64, which ones; by default drawn.

    Returns:
        `[N, H d]`.
    """
    out: Tensor = _Attend.apply(qkv, packs, heads, dropout, seed)
    return out


class _Attend(torch.autograd.Function):
    """Forward and backward over packs; keeps the padded input and the weights."""

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, packs: Packs, heads: int, dropout: float, seed: Tensor | None
    ) -> Tensor:
        width = qkv.size(1) // (3 * heads)
        flat = qkv.reshape(-1, width).index_select(0, packs.rows)
        mixed = flat.new_empty(packs.out_rows.numel(), width)
        drops = Drops.drawn(packs, dropout, flat, seed) if dropout else Drops(1.0)
        weights = []
        for number, ((q, k, v), (out,)) in enumerate(
            zip(_parts(flat, packs, 3), _parts(mixed, packs, 1), strict=True)
        ):
            weight = _weights(q, k, packs.hidden[number])
            torch.bmm(drops.applied(weight, number), v, out=out)
            weights.append(weight)
        ctx.packs, ctx.drops = packs, drops
        ctx.save_for_backward(flat, *weights)
        out = mixed.index_select(0, packs.out_places).view(len(qkv), heads * width)
        return out.mul_(drops.scale) if dropout else out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        packs, drops, (flat, *weights) = ctx.packs, ctx.drops, ctx.saved_tensors
        width = flat.size(1)
        gathered = grad.reshape(-1, width).index_select(0, packs.out_rows)
        # A padded query asks for nothing.
        gathered.mul_((packs.real * drops.scale).to(gathered.dtype))
        into = torch.empty_like(flat)
        sides = zip(_parts(flat, packs, 3), _parts(gathered, packs, 1), strict=True)
        for number, (((q, k, v), (out,)), (to_q, to_k, to_v)) in enumerate(
            zip(sides, _parts(into, packs, 3), strict=True)
        ):
            used = drops.applied(weights[number], number)
            torch.bmm(used.transpose(1, 2), out, out=to_v)
            of_weight = drops.apply_(torch.bmm(out, v.transpose(1, 2)), number)
            of_score = softmax_backward(of_weight, weights[number]).mul_(1 / math.sqrt(width))
            torch.bmm(of_score, k, out=to_q)
            torch.bmm(of_score.transpose(1, 2), q, out=to_k)
        back = into.index_select(0, packs.places).view(len(grad), -1)
        return back, None, None, None, None


@dataclass(frozen=True)
class Drops:
    """Which attention weights are dropped.

    PyTorch draws a Bernoulli number in some ten nanoseconds, more than a small graph's scores take.
    Here one number is drawn, and splitmix64 makes 64 bits a step from it: four weights.

    Attributes:
        scale: by which the weights that are left are multiplied.
        kept: of each pack `[graphs H, size, size]`, 0 or 1, in the type of the weights: products
            are faster than selections by booleans. Empty: none is dropped.
    """

    scale: float
    kept: tuple[Tensor, ...] = ()

    @classmethod
    def drawn(
        cls, packs: Packs, probability: float, like: Tensor, seed: Tensor | None = None
    ) -> Drops:
        """Draw for all packs; without a seed one number is read from PyTorch's generator."""
        sizes = [strips * size * size for strips, size in packs.shapes]
        if seed is None:
            seed = torch.randint(2**62, (1,), device=like.device)
        bits = mix(seed + GOLDEN * torch.arange(-(-sum(sizes) // 4), device=like.device))
        step = drop_step(probability)
        kept = (bits.view(torch.int16)[: sum(sizes)] >= step - 2**15).to(like.dtype)
        parts = zip(torch.split(kept, sizes), packs.shapes, strict=True)
        every = tuple(part.view(strips, size, size) for part, (strips, size) in parts)
        return cls(2**16 / (2**16 - step), every)

    def applied(self, weight: Tensor, number: int) -> Tensor:
        """The weights of a pack without those dropped."""
        return weight * self.kept[number] if self.kept else weight

    def apply_(self, weight: Tensor, number: int) -> Tensor:
        """The same in place."""
        return weight.mul_(self.kept[number]) if self.kept else weight


def drop_step(probability: float) -> int:
    """Of 65,536 draws so many drop a weight; the scale is that of the step: the mean is exact."""
    return min(max(round(probability * 2**16), 1), 2**16 - 1)


def _weights(q: Tensor, k: Tensor, hidden: Tensor | None) -> Tensor:
    """Softmax of the scores of a pack."""
    scale = 1 / math.sqrt(q.size(2))
    if hidden is None:
        scores = torch.bmm(q, k.transpose(1, 2)).mul_(scale)
    else:
        scores = torch.baddbmm(hidden.to(q.dtype), q, k.transpose(1, 2), alpha=scale)
    return torch.softmax(scores, 2)


def _parts(flat: Tensor, packs: Packs, count: int) -> list[tuple[Tensor, ...]]:
    """The places of each pack as `count` tensors `[graphs H, size, d]`."""
    sizes = [count * strips * size for strips, size in packs.shapes]
    return [
        part.view(count, strips, size, -1).unbind(0)
        for part, (strips, size) in zip(torch.split(flat, sizes), packs.shapes, strict=True)
    ]


def _hidden(beyond: Tensor, heads: int) -> Tensor | None:
    """What is added to the scores of a pack, from which places `[graphs, size]` are padding."""
    if not bool(beyond.any()):
        return None
    hidden = torch.zeros(beyond.shape, device=beyond.device).masked_fill_(beyond, -math.inf)
    return hidden.repeat_interleave(heads, 0)[:, None]
