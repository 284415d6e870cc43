"""One vector a graph from those of its vertices."""

from __future__ import annotations

from torch import Tensor

from graphagg.nn.config.model import Pooling
from graphagg.nn.segments import Segments


def pool(x: Tensor, graphs: Segments, how: Pooling) -> Tensor:
    """Sum, mean or maximum over each graph; 0 for a graph without vertices.

    Args:
        x: `[N, d]`.
        graphs: N vertices in G graphs.
        how: which.

    Returns:
        `[G, d]`.
    """
    if how == "add":
        return graphs.sum(x)
    if how == "mean":
        return graphs.mean(x)
    index = graphs.index.unsqueeze(1).expand_as(x)
    # Without the initial zeros, so that a maximum can be negative; empty graphs keep them.
    out = x.new_zeros((graphs.count, x.size(1)))
    return out.scatter_reduce(0, index, x, "amax", include_self=False)
