"""Any convolution of PyTorch Geometric as a local part."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor
from torch_geometric.nn.conv import MessagePassing

from graphagg.errors import InvalidParameter
from graphagg.nn.conv.base import LocalPart


class ConvPart(LocalPart):
    """A PyG convolution with the interface of `LocalPart`.

    Edge features go to the convolution if it takes them, and are returned unchanged.

    Args:
        conv: from `channels` to `channels`.
        channels: width of the vertices' features.
        edge_channels: width of the edges' features; None to pass none.

    Raises:
        InvalidParameter: not a convolution, or one with further inputs.
    """

    def __init__(
        self, conv: torch.nn.Module, channels: int, edge_channels: int | None = None
    ) -> None:
        super().__init__()
        signature = inspect.signature(conv.forward)
        if not isinstance(conv, MessagePassing) and "edge_index" not in signature.parameters:
            raise InvalidParameter(
                f"{type(conv).__name__} is no convolution: its forward takes "
                f"{', '.join(signature.parameters)}; wanted (x, edge_index, ...)"
            )
        self.conv, self.channels = conv, channels
        self.edge_channels = edge_channels if _takes_edge_attr(conv) else None
        names = ["x", "edge_index", *([] if self.edge_channels is None else ["edge_attr"])]
        try:
            signature.bind(*names[:2], **dict.fromkeys(names[2:]))
        except TypeError as error:
            raise InvalidParameter(
                f"{type(conv).__name__} cannot be called with ({', '.join(names)}): {error}; its "
                f"forward takes ({', '.join(signature.parameters)}): give edge_channels for "
                "edge_attr, or wrap it in a LocalPart of your own"
            ) from None

    def update(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The convolution's output and the unchanged `edge_attr`.

        Raises:
            InvalidParameter: the convolution returns another shape.
        """
        edges = {} if self.edge_channels is None else {"edge_attr": edge_attr}
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
    # GAT, PNA and TransformerConv have `edge_dim`, GeneralConv `in_edge_channels`; those with
    # neither (GINE, GEN) always take edges.
    return getattr(conv, "edge_dim", getattr(conv, "in_edge_channels", 0)) is not None
