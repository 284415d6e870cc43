"""The transform and the encoder of an `EncodingConfig`."""

from __future__ import annotations

from graphagg.errors import InvalidParameter
from graphagg.nn.config.model import EncodingConfig, GPSConfig
from graphagg.nn.encodings import (
    ENCODERS,
    RWSE,
    Encoding,
    LapPE,
    VertexEncoder,
    encoder,
)
from graphagg.nn.resolver import unknown

_VECTORS, _STEPS = 8, 20  # default sizes


def build_transform(config: EncodingConfig) -> Encoding:
    """The transform whose attributes the encoder of `config` reads."""
    if config.name not in ENCODERS:
        raise unknown("encoding", config.name, ENCODERS)
    if config.name == "rwse":
        return RWSE(_size(config))
    return LapPE(_size(config), normalization="none", trivial=True)  # as in GraphGPS


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
    transforms = [build_transform(encoding) for encoding in config.encodings]
    by_name: dict[tuple[str, ...], Encoding] = {}
    for transform in transforms:
        same = by_name.setdefault(transform.names, transform)
        if same != transform:
            raise InvalidParameter(
                f"two encodings read other forms of {transform.names[0]}: {same} and {transform}; "
                "give them the same size"
            )
    return tuple(by_name.values())


def build_encoder(config: EncodingConfig) -> VertexEncoder:
    """The encoder of `config`, with new weights."""
    build_transform(config)  # check name and size
    options = {"width" if config.name == "rwse" else "k": _size(config)}
    return encoder(config.name, config.dim, **options)


def _size(config: EncodingConfig) -> int:
    return config.size or (_STEPS if config.name == "rwse" else _VECTORS)
