"""Exact softmax attention on a ragged batch, without padding and without a mask.

    a_ij = softmax_j(q_i . k_j / sqrt(d) + b_ij),   j over the vertices of i's graph

as in the global part of GraphGPS (arXiv 2205.12454), which pads each graph to the largest of the
batch. Here, on a CPU, a batch of small graphs is done in a few batched products, see
`graphagg.nn.attention.packed`. In batches with larger graphs those of equal size form one bucket:
rows are sorted by the size of their graph once, and each bucket is a view `[graphs, n, H, d]` that
goes to PyTorch's fused kernel as it is. Buckets of unequal sizes with a mask were measured to be
slower there, at every width of the buckets: a mask costs the kernel more than the calls it saves.

On CUDA one call of FlexAttention or of `varlen_attn` covers the batch, see
`graphagg.nn.attention.fused`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from graphagg.checks import one_of
from graphagg.errors import InvalidParameter
from graphagg.nn.attention import fused, packed
from graphagg.nn.attention.base import ProjectedAttention
from graphagg.nn.attention.bias import PairBias, flat_bias
from graphagg.nn.segments import Segments

Engine = Literal["auto", "packs", "buckets", "flex", "varlen"]


class ExactAttention(ProjectedAttention):
    """Multi-head softmax attention; equals `torch.nn.MultiheadAttention` on each graph alone.

    Time O(C sum n_g^2). Memory O(N C) without a bias, forward and backward; a bias is as large as
    the scores, H sum n_g^2. With dropout while training, PyTorch's kernel on a CPU holds the scores
    of graphs of up to some 4,000 vertices; larger ones are done in parts, which are done again in
    the backward pass.

    Args:
        channels: C.
        heads: H; must divide C.
        dropout: probability with which an attention weight is dropped in training.
        energy_gate: see `GraphAttention`.
        engine: `auto` chooses by device and input; `packs`, `buckets`, `flex` or `varlen` insist.

    Raises:
        InvalidParameter: an unknown engine, or what `GraphAttention` raises.
    """

    accepts_bias: ClassVar[bool] = True

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        dropout: float = 0.0,
        energy_gate: bool = False,
        engine: Engine = "auto",
    ) -> None:
        super().__init__(channels, heads, dropout=dropout, energy_gate=energy_gate)
        self.engine = one_of("engine", engine, get_args(Engine))

    def attend(
        self, x: Tensor, graphs: Segments, edges: Tensor | None, bias: Tensor | PairBias | None
    ) -> Tensor:
        """Attend with the engine that fits device and input."""
        flat = None if bias is None else flat_bias(bias, graphs, self.heads)
        dropout = self.dropout if self.training else 0.0
        engine = self.engine
        if engine == "auto":
            engine = fused.engine_for(
                x, self.head_channels, drops=dropout > 0, biased=flat is not None
            )
        if self.engine == "auto" and engine == "buckets" and flat is None and _small(x, graphs):
            engine = "packs"
        if engine == "packs":
            return self._in_packs(x, graphs, flat, dropout)
        if engine == "buckets":
            return self._in_buckets(x, graphs, flat, dropout)
        if dropout:
            raise InvalidParameter(f"the engine {engine} drops nothing; wanted dropout=0 or auto")
        queries, keys, values = self.project(x)
        if engine == "varlen":
            if flat is not None:
                raise InvalidParameter("the engine varlen takes no bias; wanted flex or auto")
            mixed = fused.varlen(queries, keys, values, graphs)
        else:
            mixed = fused.flex(queries, keys, values, graphs, flat)
        out: Tensor = self.out_proj(mixed.flatten(1))
        return out

    def _in_packs(self, x: Tensor, graphs: Segments, bias: Tensor | None, dropout: float) -> Tensor:
        if bias is not None:
            raise InvalidParameter("the engine packs takes no bias; wanted buckets or auto")
        packs = graphs.plan(("packs", self.heads), lambda: packed.Packs.of(graphs, self.heads))
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        if self.gate is not None:
            qkv = torch.cat([part.flatten(1) for part in self.gated(qkv)], 1)
        out: Tensor = self.out_proj(packed.attend(qkv, packs, self.heads, dropout))
        return out

    def _in_buckets(
        self, x: Tensor, graphs: Segments, bias: Tensor | None, dropout: float
    ) -> Tensor:
        buckets = graphs.plan("buckets", lambda: Buckets.of(graphs))
        # Rows are moved before the projection: C columns instead of 3 C.
        queries, keys, values = self.project(buckets.sort(x))
        mixed = bucketed_softmax(queries, keys, values, buckets, bias=bias, dropout=dropout)
        out: Tensor = self.out_proj(mixed.flatten(1))
        return buckets.restore(out)


def _small(x: Tensor, graphs: Segments) -> bool:
    """Whether packs serve such a batch: small graphs, and numbers that need no wider sums."""
    wide = x.dtype in (torch.float32, torch.float64)
    return (
        wide
        and not torch.is_autocast_enabled(x.device.type)
        and (0 < graphs.longest <= packed.LARGEST)
    )


@dataclass(frozen=True)
class Buckets:
    """Graphs sorted by size; those of one size lie side by side.

    Attributes:
        graphs: the batch.
        order: `[G]` graphs by size, the smallest first; equal sizes stay in the batch's order.
        shapes: (number of graphs, vertices of each) of each bucket; empty graphs are in none.
        rows: `[N]` the row of the batch at each sorted place, or None where the order is the same.
    """

    graphs: Segments
    order: Tensor
    shapes: list[tuple[int, int]]
    rows: Tensor | None

    @classmethod
    def of(cls, graphs: Segments) -> Buckets:
        """Buckets of a batch; O(G log G + N)."""
        sizes, order = graphs.sizes.sort(stable=True)
        counts = torch.bincount(sizes)
        present = counts.nonzero().flatten()
        shapes = [
            (count, size)
            for count, size in zip(counts[present].tolist(), present.tolist(), strict=True)
            if size
        ]
        if len(shapes) <= 1:
            return cls(graphs, order, shapes, None)
        shift = graphs.ptr[order] - (sizes.cumsum(0) - sizes)
        rows = torch.arange(graphs.rows, device=order.device)
        return cls(graphs, order, shapes, rows + torch.repeat_interleave(shift, sizes))

    def sort(self, values: Tensor) -> Tensor:
        """Rows `[N, ...]` in the buckets' order."""
        return values if self.rows is None else values[self.rows]

    def restore(self, values: Tensor) -> Tensor:
        """Rows `[N, ...]` back in the batch's order."""
        if self.rows is None:
            return values
        back = torch.empty_like(self.rows)
        back[self.rows] = torch.arange(self.rows.numel(), device=back.device)
        return values[back]

    def pairs(self, flat: Tensor) -> Iterator[Tensor]:
        """Of a flat bias `[sum n^2, H]`, each bucket's part `[graphs, H, n, n]`."""
        parts = flat.split_with_sizes(self.graphs.sizes.square().tolist())
        order = [graph for graph in self.order.tolist() if parts[graph].shape[0]]
        for count, size in self.shapes:
            here, order = order[:count], order[count:]
            part = torch.stack([parts[graph] for graph in here])
            yield part.view(count, size, size, -1).permute(0, 3, 1, 2)


def bucketed_softmax(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    buckets: Buckets,
    *,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Softmax attention bucket by bucket.

    Args:
        queries: `[N, H, d]`, rows in the buckets' order; so are keys and values.
        keys: `[N, H, d]`.
        values: `[N, H, d]`.
        buckets: the buckets of the batch.
        bias: flat, `[sum n_g^2, H]`, in the batch's order.
        dropout: probability with which an attention weight is dropped.

    Returns:
        `[N, H, d]` in the buckets' order.
    """
    rows = [count * size for count, size in buckets.shapes]
    parts = zip(*(part.split_with_sizes(rows) for part in (queries, keys, values)), strict=True)
    biases: Iterator[Tensor | None] = (
        iter([None] * len(rows)) if bias is None else buckets.pairs(bias)
    )
    mixed = []
    for shape, part, pairs in zip(buckets.shapes, parts, biases, strict=True):
        q, k, v = (t.view(*shape, *t.shape[1:]).transpose(1, 2) for t in part)
        if pairs is not None:
            pairs = pairs.to(q.dtype)
        bucket = _softmax(q, k, v, pairs, dropout)
        mixed.append(bucket.transpose(1, 2).flatten(0, 1))
    return torch.cat(mixed) if len(mixed) > 1 else mixed[0] if mixed else values


def _softmax(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, dropout: float
) -> Tensor:
    """Attention of one bucket, `[graphs, H, n, d]`.

    Where PyTorch's kernel on a CPU would hold very many scores, some queries are taken at a time,
    and once more in the backward pass: as fast, and the memory is that of their scores.
    """
    attend = F.scaled_dot_product_attention
    scores = queries.shape[0] * queries.shape[1] * queries.shape[2] ** 2
    holds = dropout > 0 or (bias is not None and bias.requires_grad)
    if not holds or scores <= _SCORES or queries.device.type != "cpu":
        return attend(queries, keys, values, attn_mask=bias, dropout_p=dropout)
    rows = max(1, _SCORES_AT_ONCE * queries.shape[2] // scores)
    parts = torch.split(queries, rows, 2)
    biases = [None] * len(parts) if bias is None else torch.split(bias, rows, 2)
    mixed = [
        checkpoint(attend, part, keys, values, pairs, dropout, use_reentrant=False)
        for part, pairs in zip(parts, biases, strict=True)
    ]
    return torch.cat(mixed, 2)


_SCORES, _SCORES_AT_ONCE = 1 << 26, 1 << 21
"""256 MiB and 8 MiB in float32."""
