"""Adapter that makes any PyTorch Geometric convolution a local part."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor
from torch_geometric.nn.conv import MessagePassing

from graphagg.errors import InvalidParameter
from graphagg.nn.conv.base import LocalPart


class ConvPart(LocalPart):
    """A PyG convolution with the interface of `LocalPart`.

    `edge_attr` is passed to the convolution if it accepts it, and is returned unchanged.

    Args:
        conv: a convolution from `channels` to `channels`.
        channels: width of the vertices' features.
        edge_channels: width of the edges' features, for a check; None: not checked.

    Raises:
        InvalidParameter: `conv` is not a convolution or needs other inputs, or `edge_channels`
            is set but `conv` does not accept edge features.
    """

    def __init__(
        self, conv: torch.nn.Module, channels: int, edge_channels: int | None = None
    ) -> None:
        super().__init__()
        signature = inspect.signature(conv.forward)
        if not isinstance(conv, MessagePassing) and "edge_index" not in signature.parameters:
            raise InvalidParameter(
                f"{type(conv).__name__} is not a convolution: its forward takes "
                f"{', '.join(signature.parameters)}; expected (x, edge_index, ...)"
            )
        self.conv, self.channels, self.edge_channels = conv, channels, edge_channels
        self._takes_edges = _takes_edge_attr(conv)
        if edge_channels is not None and not self._takes_edges:
            raise InvalidParameter(
                f"edge_channels is {edge_channels}, but {conv} reads no edge features; expected "
                "None, or a local part that reads them, such as 'gine' or 'gatedgcn'"
            )
        names = ["x", "edge_index", *(["edge_attr"] if self._takes_edges else [])]
        try:
            signature.bind(*names[:2], **dict.fromkeys(names[2:]))
        except TypeError as error:
            raise InvalidParameter(
                f"{type(conv).__name__} cannot be called with ({', '.join(names)}): {error}; its "
                f"forward takes ({', '.join(signature.parameters)}): wrap it in a LocalPart of "
                "your own"
            ) from None

    @property
    def reads_edges(self) -> bool:
        """Whether the convolution accepts `edge_attr`."""
        return self._takes_edges

    def update(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the output of the convolution, and `edge_attr` unchanged.

        Raises:
            InvalidParameter: the convolution changes the shape.
        """
        edges = {} if edge_attr is None else {"edge_attr": edge_attr}
        out = self.conv(x, edge_index, **edges)
        if not isinstance(out, Tensor) or out.shape != x.shape:
            returned = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise InvalidParameter(
                f"{self.conv} returns {returned} for x {tuple(x.shape)}; a local part keeps the "
                "shape"
            )
        return out, edge_attr


def _takes_edge_attr(conv: torch.nn.Module) -> bool:
    if "edge_attr" not in inspect.signature(conv.forward).parameters:
        return False
    # GAT, PNA and TransformerConv have `edge_dim`, GeneralConv `in_edge_channels`. Convolutions
    # without either (GINE, GEN) always use edge features.
    return getattr(conv, "edge_dim", getattr(conv, "in_edge_channels", 0)) is not None
