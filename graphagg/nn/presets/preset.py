"""A model with its training, and the settings that presets share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphagg.nn.config.model import EncodingConfig, FeatureConfig, GPSConfig, HeadConfig, Pooling
from graphagg.nn.config.training import TrainingConfig

# Open Graph Benchmark: the columns of its atoms and bonds.
ATOMS = FeatureConfig(vocabulary=(119, 5, 12, 12, 10, 6, 6, 2, 2))
BONDS = FeatureConfig(vocabulary=(5, 6, 2))
CONSTANT = FeatureConfig(constant=True)
TABLES = ("model", "training")


@dataclass(frozen=True)
class Preset:
    """A model and its training: all that `graphagg train` needs beside the data.

    Attributes:
        model: the model.
        training: how it is trained.
    """

    model: GPSConfig
    training: TrainingConfig

    def to_dict(self) -> dict[str, Any]:
        """As plain values: the tables `model` and `training` of a TOML file."""
        return {"model": self.model.to_dict(), "training": self.training.to_dict()}

    @classmethod
    def from_dict(cls, tables: dict[str, Any]) -> Preset:
        """The inverse of `to_dict`; what is left out has its defaults.

        Raises:
            InvalidParameter: an unknown field, or a value of the wrong type or out of range.
        """
        return cls(
            GPSConfig.from_dict(tables.get("model", {})),
            TrainingConfig.from_dict(tables.get("training", {})),
        )


def lap_pe(dim: int, vectors: int = 10, layers: int = 2) -> tuple[EncodingConfig, ...]:
    """Laplacian eigenvectors through a DeepSet."""
    return (EncodingConfig("lappe-deepset", dim, size=vectors, layers=layers),)


def random_walk(dim: int, steps: int) -> tuple[EncodingConfig, ...]:
    """Return probabilities of random walks, batch-normalized, through a linear map."""
    return (EncodingConfig("rwse", dim, size=steps),)


def san(pooling: Pooling, answers: int = 1) -> HeadConfig:
    """The graph head that halves the width twice."""
    return HeadConfig(kind="san", pooling=pooling, shape=(answers,))


def mlp(pooling: Pooling, layers: int, answers: int) -> HeadConfig:
    """The graph head of constant width."""
    return HeadConfig(kind="mlp", pooling=pooling, layers=layers, shape=(answers,))


def node_mlp(layers: int, classes: int) -> HeadConfig:
    """The vertex head of constant width."""
    return HeadConfig(task="node", kind="mlp", layers=layers, shape=(classes,))
