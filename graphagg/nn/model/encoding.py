"""The transform and the encoder of an `EncodingConfig`."""

from __future__ import annotations

from collections.abc import Callable

from graphagg.errors import InvalidParameter
from graphagg.nn.config.model import EncodingConfig, GPSConfig
from graphagg.nn.encodings import (
    RWSE,
    DeepSetEncoder,
    Encoding,
    LapPE,
    LinearEncoder,
    VertexEncoder,
)
from graphagg.nn.resolver import find

# Of each name the transform, the encoder that reads it, and the default size of both.
ENCODINGS: dict[str, tuple[Callable[[int], Encoding], Callable[[int, int], VertexEncoder], int]] = {
    "lappe-deepset": (LapPE, DeepSetEncoder, 8),
    "rwse": (RWSE, LinearEncoder, 20),
}


def encoding_transforms(config: GPSConfig) -> tuple[Encoding, ...]:
    """The transforms that write all encodings of a model, each once.

    Raises:
        InvalidParameter: two encodings read other forms of the same attribute.

    Examples:
        >>> from graphagg.nn import EncodingConfig, FeatureConfig, GPSConfig, encoding_transforms
        >>> walks = EncodingConfig("rwse", 8, size=4)
        >>> config = GPSConfig(FeatureConfig(width=3), encodings=(walks,))
        >>> [transform.names for transform in encoding_transforms(config)]
        [('rwse',)]
    """
    by_name: dict[tuple[str, ...], Encoding] = {}
    for encoding in config.encodings:
        make, _, size = find("encoding", encoding.name, ENCODINGS)
        transform = make(encoding.size or size)
        same = by_name.setdefault(transform.names, transform)
        if same != transform:
            raise InvalidParameter(
                f"two encodings read other forms of {transform.names[0]}: {same} and {transform}; "
                "give them the same size"
            )
    return tuple(by_name.values())


def build_encoder(config: EncodingConfig) -> VertexEncoder:
    """The encoder of `config`, with new weights."""
    _, encoder, size = find("encoding", config.name, ENCODINGS)
    return encoder(config.dim, config.size or size)
