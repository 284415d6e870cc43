"""The gate of EquivStableLapPE (PEG, arXiv 2203.00199), as GraphGPS puts it on messages."""

from __future__ import annotations

import torch
from torch import Tensor


class PositionGate(torch.nn.Module):
    """sigmoid(MLP(|p_i - p_j|^2)) for each edge, with MLP: 1 -> channels -> 1.

    The distance does not change when an eigenvector changes its sign, nor under any rotation
    within an eigenspace that lies wholly inside the positions: the gate is stable where the
    positions are not unique.

    Args:
        channels: width of the hidden layer.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = torch.nn.Sequential(
            torch.nn.Linear(1, channels),
            torch.nn.ReLU(),
            torch.nn.Linear(channels, 1),
            torch.nn.Sigmoid(),
        )

    def forward(self, positions: Tensor, edge_index: Tensor) -> Tensor:
        """`positions` `[N, k]`, `edge_index` `[2, E]`; returns `[E, 1]` in (0, 1)."""
        source, target = edge_index[0], edge_index[1]
        difference = positions.index_select(0, target) - positions.index_select(0, source)
        gate: Tensor = self.mlp(difference.square().sum(1, keepdim=True))
        return gate
