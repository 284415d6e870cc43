"""Built-in presets: published configurations, models that train in minutes, and GNN+.

`zinc` is the configuration of GraphGPS (arXiv 2205.12454), with the published number of parameters,
423,717. Gradients are clipped at norm 1, as in GraphGPS. Its vocabulary covers the whole benchmark:
28 atom types, of which the 12,000 molecules contain 21. Models are fitted to data, so one preset
serves data sets that differ only in widths: `cora` is also for Citeseer.

GNN+ (arXiv 2502.09263) has edge features, norm, dropout, residual and feed-forward, no attention.
Widths, depths, encodings and training settings come from GraphGPS for the same data, not from the
tuning in the GNN+ paper: only the attention and the order of the local part change.
"""

from __future__ import annotations

from graphagg.nn.config.model import (
    OFF,
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LayerOptions,
    LayerOrder,
    LocalConfig,
)
from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.presets.preset import Preset

_DROPPED = AttentionConfig(dropout=0.5)


def _molecules(layers: int, attention: AttentionConfig, order: LayerOrder = "gps") -> GPSConfig:
    return GPSConfig(
        FeatureConfig(vocabulary=(28,)), FeatureConfig(vocabulary=(4,)),
        (EncodingConfig("rwse", 28, size=20),), 64, layers, LocalConfig("gine"), attention,
        LayerOptions(order=order), HeadConfig(pooling="add"),
    )  # fmt: skip


_ZINC = TrainingConfig("mae", epochs=2000, warmup_epochs=50)

PRESETS: dict[str, Preset] = {
    "cora": Preset(
        GPSConfig(
            FeatureConfig(width=1433), encodings=(EncodingConfig("lappe-deepset", 4, size=4),),
            layers=2, local=LocalConfig("gcn"), attention=_DROPPED,
            layer=LayerOptions("none", dropout=0.5), head=HeadConfig("node", "mlp", layers=1),
        ),
        TrainingConfig(
            "accuracy", epochs=200, warmup_epochs=5, lr=5e-3, weight_decay=5e-4, patience=50
        ),
    ),
    "gnn-plus-pascalvoc-sp": Preset(
        GPSConfig(
            FeatureConfig(width=14), FeatureConfig(width=2),
            (EncodingConfig("lappe-deepset", 16, size=10),), 96, 4, attention=AttentionConfig(OFF),
            layer=LayerOptions(order="gnn+"), head=HeadConfig("node", "mlp", layers=3),
        ),
        TrainingConfig("f1", epochs=300, warmup_epochs=10, lr=5e-4, weight_decay=0.0),
    ),
    "gnn-plus-zinc": Preset(_molecules(10, AttentionConfig(OFF), "gnn+"), _ZINC),
    "zinc": Preset(_molecules(10, _DROPPED), _ZINC),
    "zinc-small": Preset(
        _molecules(4, AttentionConfig()),
        TrainingConfig("mae", epochs=40, warmup_epochs=3, batch_size=64),
    ),
}  # fmt: skip
