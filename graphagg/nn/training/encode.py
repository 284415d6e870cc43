"""The transforms that write what a model's encoders read."""

from __future__ import annotations

from collections.abc import Callable

from torch_geometric.data import Data

from graphagg.nn.model.config import GPSConfig


def transform_of(config: GPSConfig) -> Callable[[Data], Data] | None:
    """One transform for all encodings of a model; None where it has none."""
    from graphagg.nn.model.encoding import transforms_of

    transforms = transforms_of(config)
    if not transforms:
        return None

    def encode(graph: Data) -> Data:
        for transform in transforms:
            graph = transform(graph)
        return graph

    return encode
