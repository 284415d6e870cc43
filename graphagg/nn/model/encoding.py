"""Finds the transform and the encoder for an `EncodingConfig`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch_geometric.transforms import AddRandomWalkPE, BaseTransform

from graphagg.errors import InvalidParameter
from graphagg.nn.config.model import EncodingConfig, GPSConfig
from graphagg.nn.encodings import DeepSetEncoder, LapPE, LinearEncoder, VertexEncoder
from graphagg.nn.resolver import find

# Maps each name to its transform, the encoder that reads its output, and their default size.
ENCODINGS: dict[
    str, tuple[Callable[[int], BaseTransform], Callable[[int, int], VertexEncoder], int]
] = {
    "lappe-deepset": (LapPE, DeepSetEncoder, 8),
    "rwse": (partial(AddRandomWalkPE, attr_name="rwse"), LinearEncoder, 20),
}


def encoding_transforms(config: GPSConfig) -> tuple[BaseTransform, ...]:
    """Return the transforms that write all encodings of a model, without duplicates.

    Raises:
        InvalidParameter: two encodings read the same attribute with different sizes.

    Examples:
        >>> from graphagg.nn import EncodingConfig, FeatureConfig, GPSConfig, encoding_transforms
        >>> walks = EncodingConfig("rwse", 8, size=4)
        >>> encoding_transforms(GPSConfig(FeatureConfig(width=3), encodings=(walks,)))
        (AddRandomWalkPE(),)
    """
    sizes: dict[str, int] = {}
    for encoding in config.encodings:
        size = encoding.size or find("encoding", encoding.name, ENCODINGS)[2]
        if sizes.setdefault(encoding.name, size) != size:
            raise InvalidParameter(
                f"two encodings {encoding.name!r} have the sizes {sizes[encoding.name]} and "
                f"{size}; give them the same size"
            )
    return tuple(find("encoding", name, ENCODINGS)[0](size) for name, size in sizes.items())


def build_encoder(config: EncodingConfig) -> VertexEncoder:
    """Create the encoder of `config`, with new weights."""
    _, encoder, size = find("encoding", config.name, ENCODINGS)
    return encoder(config.dim, config.size or size)
