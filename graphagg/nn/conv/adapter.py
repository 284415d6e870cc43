"""Any convolution of PyTorch Geometric as a local part."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor
from torch_geometric.nn.conv import MessagePassing

from graphagg.errors import InvalidParameter
from graphagg.nn.conv.part import LocalPart


class ConvPart(LocalPart):
    """A PyG convolution behind the protocol of `LocalPart`.

    Edge features go to the convolution where it takes them, and come back unchanged.

    Args:
        conv: From `channels` to `channels`.
        channels: Width of the vertices' features.
        edge_channels: Width of the edges' features; None where the convolution shall see none.
        takes_edges: Hand `edge_attr` to the convolution; by default, where its `forward` has an
            `edge_attr` and it was not built with `edge_dim=None`.
        own_residual: The convolution has its own residual, norm and dropout.
    """

    def __init__(
        self,
        conv: torch.nn.Module,
        channels: int,
        edge_channels: int | None = None,
        *,
        takes_edges: bool | None = None,
        own_residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.channels = channels
        if takes_edges is None:
            takes_edges = edge_channels is not None and takes_edge_attr(conv)
        self.edge_channels = edge_channels if takes_edges else None
        self.own_residual = own_residual

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        *,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """The convolution's output, and `edge_attr` as it was given.

        Args:
            x: `[N, channels]`.
            edge_index: `[2, E]` int64, from row 0 to row 1.
            edge_attr: `[E, edge_channels]` where the convolution takes it.
            positions: Not read.

        Raises:
            InvalidBatch: `edge_index` out of range or of another form.
            InvalidFeatures: Features that are missing or of another shape.
            InvalidParameter: The convolution returns another shape.
        """
        self.check(x, edge_index, edge_attr, positions)
        if self.edge_channels is None:
            out = self.conv(x, edge_index)
        else:
            out = self.conv(x, edge_index, edge_attr=edge_attr)
        if not isinstance(out, Tensor) or out.shape != x.shape:
            found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise InvalidParameter(
                f"{self.conv} returns {found} for x {tuple(x.shape)}; a local part keeps the shape"
            )
        return out, edge_attr


def takes_edge_attr(conv: torch.nn.Module) -> bool:
    """Whether `conv.forward` takes `edge_attr` and was built for it."""
    if "edge_attr" not in inspect.signature(conv.forward).parameters:
        return False
    # GAT, PNA and TransformerConv keep `edge_dim`; those without it (GINE, GEN) always take edges.
    return getattr(conv, "edge_dim", 0) is not None


def check_conv(conv: torch.nn.Module) -> torch.nn.Module:
    """`conv`, unless its `forward` takes no `edge_index`."""
    parameters = inspect.signature(conv.forward).parameters
    if isinstance(conv, MessagePassing) or "edge_index" in parameters:
        return conv
    raise InvalidParameter(
        f"{type(conv).__name__} is no convolution: its forward takes {', '.join(parameters)}; "
        "wanted (x, edge_index, ...)"
    )
