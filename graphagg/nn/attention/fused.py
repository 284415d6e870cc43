"""Exact attention on CUDA: one kernel call for the whole ragged batch.

`varlen_attn` (FlashAttention with offsets) takes 16-bit input without a bias. FlexAttention with a
block mask takes most other input, also with a pair bias. Neither supports dropout, so in training
with dropout the size buckets are used on CUDA too. FlexAttention also runs on a CPU, forward only;
the tests use that to compare it with the buckets.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.attention import flex_attention as flex_module

from graphagg.errors import InvalidParameter
from graphagg.nn.attention.bias import flat_offsets
from graphagg.nn.segments import Segments

Chosen = Literal["buckets", "flex", "varlen"]
BLOCK = 128  # the side of FlexAttention's blocks of scores


def choose(device: str, kind: torch.dtype, width: int, *, drops: bool, biased: bool) -> Chosen:
    """The engine for input of type `kind` and heads of `width`; buckets except on CUDA.

    FlexAttention's kernels take no float64 and no head narrower than 16, FlashAttention's only
    widths that are multiples of 8.
    """
    if device != "cuda" or drops:
        return "buckets"
    short = kind in (torch.float16, torch.bfloat16)
    has_varlen = importlib.util.find_spec("torch.nn.attention.varlen") is not None
    if short and not biased and width % 8 == 0 and has_varlen:
        return "varlen"
    return "flex" if width >= 16 and kind != torch.float64 else "buckets"


def varlen(queries: Tensor, keys: Tensor, values: Tensor, graphs: Segments) -> Tensor:
    """Softmax attention by `torch.nn.attention.varlen`: `[N, H, d]`, 16-bit, on CUDA."""
    from torch.nn.attention.varlen import varlen_attn

    if not queries.is_cuda or queries.element_size() != 2:
        raise InvalidParameter(
            f"the engine varlen was given {queries.dtype} on {queries.device.type}; wanted float16 "
            "or bfloat16 on cuda: move the model there, or take the engine auto"
        )
    offsets = graphs.ptr.to(queries.device, torch.int32)
    longest = graphs.longest
    out = varlen_attn(
        queries.contiguous(), keys.contiguous(), values.contiguous(), offsets, offsets, longest,
        longest,
    )  # fmt: skip
    assert isinstance(out, Tensor)
    return out


def flex(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    graphs: Segments,
    bias: Tensor | None,
    *,
    compiled: bool | None = None,
) -> Tensor:
    """Softmax attention by FlexAttention: `[N, H, d]` to `[N, H, d]`; `bias` is flat or None.

    By default it is compiled on CUDA only. The uncompiled form holds N^2 H scores and is for tests.
    """
    q, k, v = (rows.transpose(0, 1).unsqueeze(0) for rows in (queries, keys, values))
    fast = queries.is_cuda if compiled is None else compiled
    attend = _compiled_flex() if fast else flex_module.flex_attention
    score = None if bias is None else _score_mod(graphs, bias)
    out = attend(q, k, v, score_mod=score, block_mask=block_mask(graphs))
    return out.squeeze(0).transpose(0, 1)  # type: ignore[no-any-return]


def block_mask(graphs: Segments) -> flex_module.BlockMask:
    """The blocks of scores that hold a pair of vertices of one graph; O((N / 128)^2) integers.

    Rows are sorted by graph, so a block of queries needs one run of blocks of keys: from the block
    with the first vertex of its first row's graph to that with the last vertex of its last row's
    graph. Nothing of size N x N is built.
    """
    index, ptr, rows = graphs.index, graphs.ptr, graphs.rows
    firsts = torch.arange(0, rows, BLOCK, device=index.device)
    lasts = (firsts + BLOCK - 1).clamp(max=rows - 1)
    low = ptr[index[firsts]] // BLOCK
    count = (ptr[index[lasts] + 1] - 1) // BLOCK - low + 1
    columns = torch.arange(firsts.numel(), device=index.device)
    indices = (low[:, None] + columns).remainder(firsts.numel())

    def same_graph(b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return index[query] == index[key]

    mask: flex_module.BlockMask = flex_module.BlockMask.from_kv_blocks(
        count.int()[None, None],
        indices.int()[None, None],
        BLOCK_SIZE=BLOCK,
        mask_mod=same_graph,
        seq_lengths=(rows, rows),
    )
    return mask


def _score_mod(graphs: Segments, bias: Tensor) -> Any:
    index, ptr, sizes, offsets = graphs.index, graphs.ptr, graphs.sizes, flat_offsets(graphs)

    def add(score: Tensor, b: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        graph = index[query]
        position = offsets[graph] + (query - ptr[graph]) * sizes[graph] + key - ptr[graph]
        # Pairs of two graphs are scored before they are masked, so they need a valid position.
        return score + bias[torch.where(graph == index[key], position, 0), head]

    return add


@functools.cache
def _compiled_flex() -> Any:
    return torch.compile(flex_module.flex_attention)
