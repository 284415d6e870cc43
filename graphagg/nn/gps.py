"""A GPS layer: message passing and global attention side by side (arXiv 2205.12454, equations 2-5).

Let h be the vectors of the vertices, e the vectors of the edges, N a norm and D dropout:

    local   a, e <- MPNN(h, e);   a = N(h + D(a))
    global  b = N(h + D(Attention(h)))
    out     s = a + b;            h <- N(s + D(W2 D(relu(W1 s))))

A local part with its own residual (GatedGCN) includes residual, dropout, norm and activation, and
is normalized once more, as in the authors' configurations. If one of the parts is missing, s is
the other part; if both are missing, s is h.

With order `gnn+` (arXiv 2502.09263), the local part is a = h + D(relu(N(a))) instead, and a part
with its own residual is not normalized again. With order `plain` it is D(relu(N(a))), or D(relu(h))
without a local part.

One addition to the paper: attention accepts ragged batches.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphagg.checks import integer
from graphagg.errors import InvalidFeatures, InvalidParameter
from graphagg.nn.attention import ATTENTIONS, GraphAttention
from graphagg.nn.config.model import OFF, AttentionConfig, LayerOptions, LocalConfig
from graphagg.nn.conv import LocalPart, make_local_part
from graphagg.nn.conv.base import find_norm
from graphagg.nn.dropout import Dropout
from graphagg.nn.resolver import find
from graphagg.nn.segments import Segments
from graphagg.nn.settings import LARGE


class GPSLayer(torch.nn.Module):
    """Local message passing plus global attention, then a feed-forward network.

    Paper: Rampášek et al., Recipe for a General, Powerful, Scalable Graph Transformer,
    arXiv 2205.12454. Cost: that of the local part and of the attention, plus O(N d^2).

    Args:
        channels: d, width of the vertices' vectors.
        local: the local part: a name of `graphagg.nn.conv.base`, a `LocalConfig`, any convolution
            of PyTorch Geometric from `channels` to `channels`, or None.
        attention: the global part: a name of `graphagg.nn.attention.ATTENTIONS`, an
            `AttentionConfig`, a `GraphAttention`, or None.
        heads: number of heads, if `attention` is a name; must divide `channels`.
        edge_channels: width of the edges' vectors; None if edges have none. A PyG convolution
            as `local` takes `edge_attr` without it.
        layer: norm, dropout, feed-forward network and order.

    Raises:
        InvalidParameter: there is neither a part nor a feed-forward network (unless the order is
            `plain`), `heads` does not divide the width, or a name is unknown.

    Examples:
        >>> import torch
        >>> from graphagg.nn import GPSLayer
        >>> layer = GPSLayer(8, "gine", "exact", heads=2)
        >>> x, _ = layer(torch.randn(3, 8), torch.tensor([[0, 1], [1, 2]]))
        >>> tuple(x.shape)
        (3, 8)
    """

    def __init__(
        self,
        channels: int,
        local: str | LocalConfig | torch.nn.Module | None = "gatedgcn",
        attention: str | AttentionConfig | GraphAttention | None = "exact",
        *,
        heads: int = 4,
        edge_channels: int | None = None,
        layer: LayerOptions | None = None,
    ) -> None:
        super().__init__()
        integer("channels", channels, 1, LARGE)
        layer = layer or LayerOptions()
        self.channels = channels
        self.local = _local(local, channels, edge_channels, layer)
        if isinstance(attention, str):
            attention = AttentionConfig(attention, heads)
        self.attention = _attention(attention, channels)
        self.residual_first, self.plain = layer.order == "gps", layer.order == "plain"
        empty = self.local is None and self.attention is None and not layer.feedforward
        if empty and not self.plain:
            raise InvalidParameter(
                "local and attention are None and layer.feedforward is 0; a layer needs one, or "
                "layer.order 'plain'"
            )
        self.own_residual = self.local is not None and self.local.own_residual
        if self.local is not None:
            again = self.residual_first or not self.own_residual
            self.local_norm = find_norm(layer.norm if again else OFF, channels)
        if self.attention is not None:
            self.attention_norm = find_norm(layer.norm, channels)
        self.dropout = Dropout(layer.dropout)
        self.feedforward = _feedforward(channels, layer)
        self.norm = find_norm(layer.norm if layer.feedforward else OFF, channels)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        *,
        batch: Tensor | None = None,
        ptr: Tensor | None = None,
        segments: Segments | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Compute the next vectors of the vertices and the edges.

        Args:
            x: `[N, channels]`, with the vertices of each graph in consecutive rows.
            edge_index: `[2, E]` int64, from row 0 to row 1.
            edge_attr: `[E, edge_channels]`.
            batch: `[N]` int64, sorted: the graph of each vertex; without `batch`, `ptr` and
                `segments`, all vertices are one graph.
            ptr: `[G + 1]` int64: graph g owns the rows `ptr[g]:ptr[g+1]`.
            segments: the graphs as checked segments; a model computes them once for all layers.

        Returns:
            `[N, channels]`, and the edges' vectors: updated by the local part if it does so,
            else `edge_attr`.

        Raises:
            InvalidBatch: indices are out of range, unsorted or of a float type.
            InvalidFeatures: features have the wrong shape, are not finite, or are not used.
        """
        branches: list[Tensor] = []
        if self.local is not None:
            h, edge_attr = self.local(x, edge_index, edge_attr)
            branches.append(self._after_local(x, h))
        elif edge_attr is not None:
            raise InvalidFeatures(
                f"edge_attr is {tuple(edge_attr.shape)}, but the layer has no local part to read "
                "it; give `local`, or no edge_attr"
            )
        elif self.plain:
            branches.append(self.dropout(x.relu()))
        if self.attention is not None:
            h = self.attention(x, batch, ptr, segments=segments)
            branches.append(self.attention_norm(x + self.dropout(h)))
        out = branches[0] + branches[1] if len(branches) == 2 else [x, *branches][-1]
        if self.feedforward is None:
            return out, edge_attr
        return self.norm(out + self.feedforward(out)), edge_attr

    def _after_local(self, x: Tensor, h: Tensor) -> Tensor:
        if self.own_residual:
            h = self.local_norm(h)
        elif self.residual_first:
            h = self.local_norm(x + self.dropout(h))
        else:
            h = self.dropout(self.local_norm(h).relu())
            h = h if self.plain else x + h
        return h


def _local(
    given: str | LocalConfig | torch.nn.Module | None,
    channels: int,
    edge_channels: int | None,
    layer: LayerOptions,
) -> LocalPart | None:
    if isinstance(given, str):
        given = LocalConfig(given)
    if given is None or given == LocalConfig(OFF):
        return None
    if isinstance(given, torch.nn.Module):
        return make_local_part(given, channels, edge_channels)
    inside = {}
    if given.name == "gatedgcn":
        inside = {"dropout": layer.dropout, "norm": layer.norm}
    return make_local_part(given.name, channels, edge_channels, given.aggregation or None, **inside)


def _attention(
    given: AttentionConfig | GraphAttention | None, channels: int
) -> GraphAttention | None:
    if isinstance(given, GraphAttention) or given is None:
        return given
    if given.name == OFF:
        return None
    make = find("attention", given.name, ATTENTIONS)
    return make(channels, given.heads, dropout=given.dropout)


def _feedforward(channels: int, layer: LayerOptions) -> torch.nn.Sequential | None:
    if not layer.feedforward:
        return None
    hidden = channels * layer.feedforward
    return torch.nn.Sequential(
        torch.nn.Linear(channels, hidden),
        torch.nn.ReLU(inplace=True),
        Dropout(layer.dropout),
        torch.nn.Linear(hidden, channels),
        Dropout(layer.dropout),
    )
