"""Encoders by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphagg.nn.encodings.encoder import LinearEncoder, VertexEncoder
from graphagg.nn.encodings.sets import DeepSetEncoder
from graphagg.nn.encodings.signnet import SignNet
from graphagg.nn.resolver import build, find

_MAKERS: dict[str, Callable[..., VertexEncoder]] = {
    "lappe-deepset": DeepSetEncoder,
    "signnet": SignNet,
    "rwse": LinearEncoder,
}
ENCODERS = tuple(_MAKERS)


def encoder(name: str, dim: int, **options: Any) -> VertexEncoder:
    """The encoder of this name, of width `dim`.

    Args:
        name: one of `ENCODERS`.
        dim: width of its output.
        options: of the encoder: `k` if it reads Laplacian vectors, `width` if it reads other
            columns (the default is the transform's default), and its own.

    Raises:
        InvalidParameter: an unknown name or option, or a width that is not allowed.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import encoder
        >>> from graphagg.nn.encodings import RWSE
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> tuple(encoder("rwse", 8, width=4)(RWSE(4)(path)).shape)
        (3, 8)
    """
    return build(f"encoder {name!r}", find("encoder", name, _MAKERS), dim, **options)
