"""Graph learning: aggregators, attention, local parts, encodings, GPS models and their training.

`graphagg.nn.attention.attention` and `graphagg.nn.presets.presets` stay in the modules whose names
they share.

The heavy modules load when one of these names is first used. Without PyTorch or PyTorch Geometric
the import says what to install.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from graphagg.errors import MissingExtra

if TYPE_CHECKING:
    from graphagg.nn.aggr import (
        LCMAggregation,
        MomentAggregation,
        RecurrentAggregation,
        aggregation,
    )
    from graphagg.nn.attention import GraphAttention
    from graphagg.nn.conv import LocalPart, local
    from graphagg.nn.encodings import encoder
    from graphagg.nn.gps import GPSLayer
    from graphagg.nn.model.config import (
        AttentionConfig,
        EncodingConfig,
        FeatureConfig,
        GPSConfig,
        HeadConfig,
        LayerOptions,
        LocalConfig,
    )
    from graphagg.nn.model.network import GPS
    from graphagg.nn.presets import Preset, preset, read_preset
    from graphagg.nn.segments import Segments
    from graphagg.nn.training import TrainingConfig, train

__all__ = [
    "GPS",
    "AttentionConfig",
    "EncodingConfig",
    "FeatureConfig",
    "GPSConfig",
    "GPSLayer",
    "GraphAttention",
    "HeadConfig",
    "LCMAggregation",
    "LayerOptions",
    "LocalConfig",
    "LocalPart",
    "MomentAggregation",
    "Preset",
    "RecurrentAggregation",
    "Segments",
    "TrainingConfig",
    "aggregation",
    "encoder",
    "local",
    "preset",
    "read_preset",
    "train",
]

_HOME = {
    "GPS": "model.network",
    "AttentionConfig": "model.config",
    "EncodingConfig": "model.config",
    "FeatureConfig": "model.config",
    "GPSConfig": "model.config",
    "GPSLayer": "gps",
    "GraphAttention": "attention",
    "HeadConfig": "model.config",
    "LCMAggregation": "aggr",
    "LayerOptions": "model.config",
    "LocalConfig": "model.config",
    "LocalPart": "conv",
    "MomentAggregation": "aggr",
    "Preset": "presets",
    "RecurrentAggregation": "aggr",
    "Segments": "segments",
    "TrainingConfig": "training",
    "aggregation": "aggr",
    "encoder": "encodings",
    "local": "conv",
    "preset": "presets",
    "read_preset": "presets",
    "train": "training",
}

for _package in ("torch", "torch_geometric"):
    if find_spec(_package) is None:
        raise MissingExtra(_package, "nn")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "graphagg"):
            raise
        raise MissingExtra(package, "nn") from None
