"""The energy gate scales down the values of vertices whose keys carry little energy.

Paper: Energy-Gated Attention: Spectral Salience as an Inductive Bias for Transformer Attention
(arXiv 2605.21842). The paper's idea: one learned linear projection of the keys finds the dominant
mode of the embedding; the energy in it gates the value that a token hands out. With w_h, alpha_h
and tau_h learned for each head h:

    e_jh = (w_h . k_jh)^2
    g_jh = sigmoid(alpha_h (e_jh - tau_h))
    o_ih = sum_j a_ijh g_jh v_jh

Departures: the energy is not standardized over a sequence, so that the gate of a vertex depends
on that vertex alone and a batch can change nothing; threshold and slope are learned per head. The
threshold starts at 0.35, where the paper reports that it settles. How the paper sets the slope's
first value is not known here; it starts at 1. The attention's weights themselves stay as they are,
so a mechanism with a denominator keeps it.
"""

from __future__ import annotations

import torch
from torch import Tensor

FIRST_THRESHOLD = 0.35


class EnergyGate(torch.nn.Module):
    """Gates values by the energy of keys; d + 2 parameters per head.

    Args:
        heads: H.
        head_channels: d, the width of a key of one head.

    Examples:
        >>> import torch
        >>> from graphagg.nn.attention import EnergyGate
        >>> gate, keys = EnergyGate(2, 4), torch.randn(5, 2, 4)
        >>> tuple(gate(keys, torch.ones(5, 2, 4)).shape)
        (5, 2, 4)
    """

    def __init__(self, heads: int, head_channels: int) -> None:
        super().__init__()
        self.projection = torch.nn.Parameter(torch.empty(heads, head_channels))
        self.slope = torch.nn.Parameter(torch.ones(heads))
        self.threshold = torch.nn.Parameter(torch.full((heads,), FIRST_THRESHOLD))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the projection again; slope and threshold go back to 1 and 0.35."""
        torch.nn.init.normal_(self.projection, std=self.projection.shape[1] ** -0.5)
        torch.nn.init.ones_(self.slope)
        torch.nn.init.constant_(self.threshold, FIRST_THRESHOLD)

    def gate(self, keys: Tensor) -> Tensor:
        """The gate of each vertex and head: keys `[N, H, d]` to `[N, H]` in (0, 1)."""
        energy = (keys * self.projection).sum(-1).square()
        return torch.sigmoid(self.slope * (energy - self.threshold))

    def forward(self, keys: Tensor, values: Tensor) -> Tensor:
        """Gated values: keys `[N, H, d]`, values `[N, H, c]` to `[N, H, c]`; O(N H d)."""
        return values * self.gate(keys).unsqueeze(-1).to(values.dtype)
