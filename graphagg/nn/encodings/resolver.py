"""Encoders by name."""

from __future__ import annotations

from typing import Any

from graphagg.errors import InvalidParameter
from graphagg.nn.encodings.encoder import Encoder, EquivStableEncoder, LinearEncoder
from graphagg.nn.encodings.sets import DeepSetEncoder, TransformerEncoder
from graphagg.nn.encodings.signnet import SignNet

# The attribute of each linear encoder, and its width by the defaults of the transform.
_LINEAR = {
    "rwse": ("rwse", 20),
    "heat": ("heat", 20),
    "electrostatic": ("electrostatic", 10),
    "degree": ("degree", 1),
    "cycles": ("cycles", 4),
}
_VECTORS: dict[str, Any] = {
    "lappe-deepset": DeepSetEncoder,
    "lappe-transformer": TransformerEncoder,
    "equivstable": EquivStableEncoder,
}
_SIGNNETS = {"signnet-mlp": "mlp", "signnet-deepset": "deepset"}
ENCODERS = (*_VECTORS, *_SIGNNETS, *_LINEAR)


def encoder(name: str, dim: int, **options: Any) -> Encoder:
    """The encoder of this name, of width `dim`.

    Args:
        name: One of `ENCODERS`.
        dim: Width of its output.
        options: Of the encoder: `k` where it reads Laplacian vectors, `width` where it reads other
            columns (by default as many as the transform writes by default), and its own.

    Raises:
        InvalidParameter: An unknown name or option, or a width that is not allowed.
    """
    if dim < 1:
        raise InvalidParameter(f"the width of encoder {name!r} is {dim}; wanted at least 1")
    try:
        if name in _LINEAR:
            attribute, width = _LINEAR[name]
            return LinearEncoder(attribute, options.pop("width", width), dim, **options)
        if name in _SIGNNETS:
            return SignNet(dim, rho=_SIGNNETS[name], **options)
        if name in _VECTORS:
            found: Encoder = _VECTORS[name](dim, **options)
            return found
    except TypeError as error:
        raise InvalidParameter(
            f"encoder {name!r} cannot be built from {options}: {error}"
        ) from error
    raise InvalidParameter(f"unknown encoder {name!r}; choose one of {', '.join(ENCODERS)}")
