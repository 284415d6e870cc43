"""From an `EncodingConfig` to its transform, which writes on a graph, and its encoder."""

from __future__ import annotations

from collections.abc import Callable

from graphagg.errors import InvalidParameter
from graphagg.nn.config.model import EncodingConfig, GPSConfig
from graphagg.nn.encodings import (
    ENCODERS,
    RWSE,
    Encoding,
    HKdiagSE,
    LapPE,
    VertexEncoder,
    encoder,
)
from graphagg.nn.resolver import unknown

_OF_VECTORS = ("lappe-", "signnet-")
# What a transform writes where the config names no size.
_VECTORS, _COLUMNS = 8, 20
_TRANSFORMS: dict[str, Callable[[int], Encoding]] = {
    "rwse": RWSE,
    "heat": lambda size: HKdiagSE(times=tuple(range(1, size + 1))),
}


def build_transform(config: EncodingConfig) -> Encoding:
    """The transform that writes what the encoder of `config` reads.

    Raises:
        InvalidParameter: an unknown name.
    """
    if config.name not in ENCODERS:
        raise unknown("encoding", config.name, ENCODERS)
    if config.name.startswith(_OF_VECTORS):
        return LapPE(_size(config), normalization=config.laplacian, trivial=config.trivial)
    return _TRANSFORMS[config.name](_size(config))


def encoding_transforms(config: GPSConfig) -> tuple[Encoding, ...]:
    """The transforms that write all that a model reads, each once.

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
                "give them the same size, laplacian and trivial"
            )
    return tuple(by_name.values())


def build_encoder(config: EncodingConfig) -> VertexEncoder:
    """The encoder of `config`, with new weights.

    Raises:
        InvalidParameter: an unknown name, or a size or depth that there is not.
    """
    build_transform(config)  # checks the name and the size
    vectors = config.name.startswith(_OF_VECTORS)
    options = {"k" if vectors else "width": _size(config)}
    if config.layers:
        options["layers"] = config.layers
    return encoder(config.name, config.dim, **options)


def _size(config: EncodingConfig) -> int:
    return config.size or (_VECTORS if config.name.startswith(_OF_VECTORS) else _COLUMNS)
