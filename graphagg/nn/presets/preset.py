"""A model with its training settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphagg.nn.config.model import GPSConfig
from graphagg.nn.config.training import TrainingConfig

TABLES = ("model", "training")


@dataclass(frozen=True)
class Preset:
    """A model and its training settings: all that `graphagg train` needs except the data.

    Attributes:
        model: the model.
        training: the settings of its training.

    Examples:
        >>> from graphagg.nn import Preset, get_preset
        >>> zinc = get_preset("zinc")
        >>> zinc.model.layers, zinc.training.metric
        (10, 'mae')
        >>> Preset.from_dict(zinc.to_dict()) == zinc
        True
    """

    model: GPSConfig
    training: TrainingConfig

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: the tables `model` and `training` of a TOML file."""
        return {"model": self.model.to_dict(), "training": self.training.to_dict()}

    @classmethod
    def from_dict(cls, tables: dict[str, Any]) -> Preset:
        """Create a preset from the result of `to_dict`; missing fields get their defaults.

        Raises:
            InvalidParameter: a field is unknown, or a value has the wrong type or is out of range.
        """
        return cls(
            GPSConfig.from_dict(tables.get("model", {})),
            TrainingConfig.from_dict(tables.get("training", {})),
        )
