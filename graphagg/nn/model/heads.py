"""Heads: map the final vectors of the vertices to the predictions of a task.

They follow GraphGPS: `san_graph`, and GraphGym's `default`, `inductive_node`, `inductive_edge`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphagg.errors import InvalidFeatures
from graphagg.nn.config.model import GraphPooling, HeadConfig
from graphagg.nn.conv.base import check_edge_index, find_norm
from graphagg.nn.segments import Segments

_AT_ONCE = 2**14
"""Pairs per batch: their vectors fit in the cache; ten times as fast as 2^18 at width 64."""


class Head(torch.nn.Module):
    """Predicts `[A, *shape]`: one row per graph, vertex, or pair of `edge_label_index`.

    `channels` is the width d of the vertices' vectors.
    """

    def __init__(self, config: HeadConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        dot = config.kind == "dot"
        width = 2 * channels if config.task == "edge" and not dot else channels
        if config.kind == "san":
            self.mlp = _halving(width, config)
        else:
            self.mlp = _keeping(width, channels if dot else config.width, config)

    def forward(self, x: Tensor, graphs: Segments, pairs: Tensor | None = None) -> Tensor:
        """Predict from `x` `[N, d]`: `[G, *shape]`, `[N, *shape]` or `[P, *shape]`.

        `pairs` `[2, P]` int64 is used for the task `edge`.

        Raises:
            InvalidFeatures: the task is `edge` and there are no pairs.
            InvalidBatch: a pair refers to a vertex that does not exist.
        """
        if self.config.task == "edge":
            out = self._edges(x, pairs)
        else:
            whole = self.config.task == "graph"
            out = self.mlp(pool(x, graphs, self.config.pooling) if whole else x)
        return out.reshape(out.shape[0], *self.config.shape)

    def _edges(self, x: Tensor, pairs: Tensor | None) -> Tensor:
        if pairs is None:
            raise InvalidFeatures(
                "edge_label_index is missing; an edge task needs [2, P], the pairs to predict"
            )
        check_edge_index(pairs, x.size(0))
        if self.config.kind == "dot":
            x = self.mlp(x)
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._scored(x, pairs)
        return torch.cat([self._scored(x, some) for some in torch.split(pairs, _AT_ONCE, 1)])

    def _scored(self, x: Tensor, pairs: Tensor) -> Tensor:
        sources, targets = x.index_select(0, pairs[0]), x.index_select(0, pairs[1])
        if self.config.kind == "dot":
            return (sources * targets).sum(1)
        out: Tensor = self.mlp(torch.cat([sources, targets], dim=1))
        return out


def _keeping(width: int, out: int, config: HeadConfig) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for _ in range(config.layers - 1):
        # No bias before batch norm, which would subtract it again.
        layers += [
            torch.nn.Linear(width, width, bias=config.norm != "batch"),
            find_norm(config.norm, width),
            torch.nn.ReLU(),
        ]
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, out))


def _halving(width: int, config: HeadConfig) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for _ in range(config.layers):
        half = max(width // 2, 1)
        layers += [torch.nn.Linear(width, half), torch.nn.ReLU()]
        width = half
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, config.width))


def pool(x: Tensor, graphs: Segments, how: GraphPooling) -> Tensor:
    """Compute the sum, mean or maximum `[G, d]` over each graph; 0 for an empty graph."""
    if how == "add":
        return graphs.sum(x)
    if how == "mean":
        return graphs.mean(x)
    index = graphs.index.unsqueeze(1).expand_as(x)
    # Exclude the initial zeros, so that a maximum can be negative; empty graphs keep 0.
    out = x.new_zeros((graphs.count, x.size(1)))
    return out.scatter_reduce(0, index, x, "amax", include_self=False)
