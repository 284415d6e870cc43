"""The pair bias of a ragged batch: a number added to the score of each pair of vertices.

No form of it is N x N over the batch. A bias of G graphs with n_g vertices is one of

- a flat tensor `[sum n_g^2, H]`: graph by graph, within a graph row (query) by row, the order of
  `scores[g].flatten()`. Graphormer's spatial bias fits here: `embedding(distance)` of the distances
  that each graph's transform stored as `[n_g^2]` (PyG concatenates them);
- a `PairBias`: a list of pairs and their values; other pairs have bias 0. Features of pairs such as
  RRWP fit here, through a linear map without offset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graphagg.errors import InvalidBatch, NotFinite
from graphagg.nn.segments import Segments, check_index, offsets


@dataclass(frozen=True)
class PairBias:
    """A sparse pair bias.

    Attributes:
        index: `[2, P]` integers: query vertex and key vertex of each pair, as rows of the batch
            (so PyG shifts it when it joins graphs, as any attribute named `*index*`).
        values: `[P, H]` the bias of each pair for each head; values of a pair listed twice add up.

    Examples:
        >>> import torch
        >>> from graphagg.nn.attention import ExactAttention, PairBias
        >>> apart = PairBias(torch.tensor([[0], [2]]), torch.full((1, 2), -torch.inf))
        >>> tuple(ExactAttention(8, 2)(torch.randn(3, 8), bias=apart).shape)
        (3, 8)
    """

    index: Tensor
    values: Tensor


def flat_bias(bias: Tensor | PairBias, graphs: Segments, heads: int) -> Tensor:
    """Convert a pair bias to the flat form `[sum n_g^2, H]`.

    It takes O(H sum n_g^2) memory, as exact attention with a bias does for its scores. Raises
    `InvalidBatch` for a wrong shape, an unknown vertex or a pair across graphs, and `NotFinite` for
    NaN or +infinity; -infinity excludes a pair.
    """
    total = int(graphs.sizes.square().sum())
    values = bias if isinstance(bias, Tensor) else bias.values
    # The maximum is NaN if any value is.
    most = values.detach().amax() if values.numel() else values.new_zeros(())
    if not bool(most < math.inf):
        raise NotFinite(
            f"the bias holds {float(most)}; wanted finite values, or -inf for pairs to keep apart"
        )
    if isinstance(bias, Tensor):
        if bias.shape != (total, heads):
            raise InvalidBatch(
                f"bias has shape {tuple(bias.shape)}; wanted [{total}, {heads}]: "
                "the sum of squared graph sizes by the heads"
            )
        return bias
    pairs = bias.index
    if pairs.dim() != 2 or pairs.shape[0] != 2 or values.shape != (pairs.shape[1], heads):
        raise InvalidBatch(
            f"the pair bias has index {tuple(pairs.shape)} and values {tuple(values.shape)}; "
            f"wanted [2, P] and [P, {heads}]"
        )
    pairs = check_index(pairs.flatten(), graphs.rows).view(2, -1)
    graph = graphs.index[pairs[0]]
    if not torch.equal(graph, graphs.index[pairs[1]]):
        raise InvalidBatch("a pair of the bias joins two graphs; pairs must stay in their graph")
    local = pairs - graphs.ptr[graph]
    at = flat_offsets(graphs)[graph] + local[0] * graphs.sizes[graph] + local[1]
    return values.new_zeros(total, heads).index_add(0, at, values)


def flat_offsets(graphs: Segments) -> Tensor:
    """`[G + 1]`: where each graph's pairs begin in the flat form."""
    return offsets(graphs.sizes.square())
