"""Exact softmax attention on a ragged batch, without padding and without a mask.

    a_ij = softmax_j(q_i . k_j / sqrt(d) + b_ij),   j over the vertices of i's graph

as in the global part of GraphGPS (arXiv 2205.12454), which pads each graph to the largest of the
batch. Here rows are sorted by the size of their graph once, and graphs of one size form a bucket,
which goes to PyTorch's fused kernel (`graphagg.nn.attention.buckets`). On CUDA one call of
FlexAttention or of `varlen_attn` covers the batch (`graphagg.nn.attention.fused`).
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from graphagg.checks import one_of
from graphagg.errors import InvalidParameter
from graphagg.nn.attention import fused
from graphagg.nn.attention.base import ProjectedAttention
from graphagg.nn.attention.bias import PairBias, flat_bias
from graphagg.nn.attention.buckets import Buckets, bucketed_softmax
from graphagg.nn.attention.opaque import ragged_softmax
from graphagg.nn.segments import Segments

Engine = Literal["auto", "buckets", "flex", "varlen"]


class ExactAttention(ProjectedAttention):
    """Multi-head softmax attention; equals `torch.nn.MultiheadAttention` on each graph alone.

    Time O(C sum n_g^2). Memory O(N C) without a bias, forward and backward; a bias is as large as
    the scores, H sum n_g^2. With dropout in training, PyTorch's CPU kernel holds the scores of
    graphs of up to some 4,000 vertices; larger ones are processed in chunks, which are computed
    again in the backward pass.

    Args:
        channels: C.
        heads: H; must divide C.
        dropout: probability with which an attention weight is dropped in training.
        engine: `buckets`, `flex`, `varlen`, or `auto`, which chooses by device and input.

    Raises:
        InvalidParameter: an unknown engine, or what `GraphAttention` raises.

    Examples:
        >>> import torch
        >>> from graphagg.nn.attention import ExactAttention
        >>> out = ExactAttention(8, 2)(torch.randn(5, 8), ptr=torch.tensor([0, 3, 5]))
        >>> tuple(out.shape)
        (5, 8)
    """

    accepts_bias: ClassVar[bool] = True
    traceable: ClassVar[bool] = True

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        dropout: float = 0.0,
        engine: Engine = "auto",
    ) -> None:
        super().__init__(channels, heads, dropout=dropout)
        self.engine = one_of("engine", engine, get_args(Engine))

    def attend(self, x: Tensor, graphs: Segments, bias: Tensor | PairBias | None) -> Tensor:
        """Attend with the engine that fits device and input."""
        flat = None if bias is None else flat_bias(bias, graphs, self.heads)
        dropout = self.dropout if self.training else 0.0
        engine = self.engine
        if engine == "auto":
            device, kind = x.device.type, x.dtype
            if torch.is_autocast_enabled(device):
                kind = torch.get_autocast_dtype(device)
            engine = fused.choose(
                device, kind, self.head_channels, drops=dropout > 0, biased=flat is not None
            )
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

    def traced(self, x: Tensor, graphs: Segments | None) -> Tensor:
        """Attend in one operation: PyTorch's for one graph, else `graphagg.nn.attention.opaque`.

        ONNX does not know the latter, and gets a mask of all pairs instead.
        """
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        dropout = self.dropout if self.training else 0.0
        if graphs is None or torch.onnx.is_in_onnx_export():
            index = None if graphs is None else graphs.index
            mask = None if index is None else index.unsqueeze(1) == index
            rows = qkv.view(1, -1, 3, self.heads, self.head_channels).permute(2, 0, 3, 1, 4)
            queries, keys, values = rows.unbind()
            mixed = F.scaled_dot_product_attention(queries, keys, values, mask, dropout)
            whole: Tensor = self.out_proj(mixed[0].transpose(0, 1).flatten(1))
            return whole
        seed = torch.randint(2**62, (1,), device=x.device)
        mixed = ragged_softmax(qkv, graphs.ptr, graphs.index, self.heads, dropout, seed)
        out: Tensor = self.out_proj(mixed)
        return out

    def _in_buckets(
        self, x: Tensor, graphs: Segments, bias: Tensor | None, dropout: float
    ) -> Tensor:
        buckets = Buckets.from_graphs(graphs, biased=bias is not None)
        # Rows are moved before the projection: C columns instead of 3 C.
        queries, keys, values = self.project(buckets.sort(x))
        draws = buckets.padded and dropout > 0
        seed = torch.randint(2**62, (1,), device=x.device) if draws else None
        mixed = bucketed_softmax(
            queries, keys, values, buckets, bias=bias, dropout=dropout, seed=seed
        )
        out: Tensor = self.out_proj(mixed.flatten(1))
        return buckets.restore(out)
