"""Models that two processor cores train in minutes."""

from __future__ import annotations

from graphagg.nn.config.model import (
    AttentionConfig,
    FeatureConfig,
    GPSConfig,
    LayerOptions,
    LocalConfig,
)
from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.presets.preset import CONSTANT, Preset, lap_pe, mlp, node_mlp, random_walk, san

_DROPPED = LayerOptions(dropout=0.2)
_FOLDS = TrainingConfig("accuracy", epochs=100, warmup_epochs=5, patience=30)


def _citations(columns: int, classes: int) -> Preset:
    model = GPSConfig(
        FeatureConfig(width=columns),
        encodings=lap_pe(4, 4),
        channels=64,
        layers=2,
        local=LocalConfig("gcn"),
        attention=AttentionConfig(heads=4, dropout=0.5),
        layer=LayerOptions(norm="none", dropout=0.5),
        head=node_mlp(1, classes),
    )
    training = TrainingConfig(
        "accuracy", epochs=200, lr=5e-3, weight_decay=5e-4, warmup_epochs=5, patience=50
    )
    return Preset(model, training)


def _proteins(columns: int, classes: int) -> Preset:
    model = GPSConfig(
        FeatureConfig(width=columns),
        CONSTANT,
        random_walk(16, 16),
        channels=48,
        layers=3,
        layer=_DROPPED,
        head=mlp("mean", 2, classes),
    )
    return Preset(model, _FOLDS)


_MUTAG = GPSConfig(
    FeatureConfig(vocabulary=(7,)),
    FeatureConfig(vocabulary=(4,)),
    random_walk(16, 16),
    channels=32,
    layers=3,
    local=LocalConfig("gine"),
    layer=_DROPPED,
    head=mlp("mean", 2, 2),
)
_CSL = GPSConfig(
    CONSTANT, CONSTANT, random_walk(16, 16), channels=32, layers=3, head=mlp("mean", 2, 10)
)
_ZINC = GPSConfig(
    FeatureConfig(vocabulary=(28,)),
    FeatureConfig(vocabulary=(4,)),
    random_walk(28, 20),
    64,
    4,
    local=LocalConfig("gine"),
    head=san("add"),
)

SMALL: dict[str, Preset] = {
    "cora": _citations(1433, 7),
    "citeseer": _citations(3703, 6),
    "csl": Preset(_CSL, TrainingConfig("accuracy", epochs=100, batch_size=16, warmup_epochs=5)),
    "mutag": Preset(_MUTAG, _FOLDS),
    "proteins": _proteins(4, 2),
    "enzymes": _proteins(21, 6),
    "zinc-small": Preset(_ZINC, TrainingConfig("mae", epochs=40, batch_size=64, warmup_epochs=3)),
}
