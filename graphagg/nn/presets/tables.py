"""The presets: published configurations, models that train in minutes, and GNN+.

`zinc`, `pascalvoc-sp`, `texas` and `chameleon` are configurations of GraphGPS (arXiv 2205.12454);
`zinc` has the published number of parameters, 423,717. All gradients are clipped at norm 1, as
there. A vocabulary covers the whole benchmark: `zinc` has 28 atom types, its 12,000 molecules
contain 21. Models are fitted to data, so one preset serves data sets that differ only in widths:
`cora` is also for Citeseer, `texas` for actor, cornell, squirrel and wisconsin, `enzymes` for
PROTEINS.

GNN+ (arXiv 2502.09263) has no attention, but edge features, norm, dropout, residual, feed-forward.
Widths, depths, encodings and training are those of the GPS preset of the same data, not the tuned
ones of that paper: only the attention and the order of the local part change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graphagg.nn.config.model import (
    OFF,
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LayerOptions,
    LocalConfig,
)
from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.presets.preset import Preset

_CONSTANT, _DROPPED = FeatureConfig(constant=True), AttentionConfig(dropout=0.5)
_GCN, _GINE = LocalConfig("gcn"), LocalConfig("gine")
_FOLDS = TrainingConfig("accuracy", epochs=100, warmup_epochs=5, patience=30)
_LAYER = LayerOptions(dropout=0.2)


def _walks(dim: int, steps: int = 16) -> tuple[EncodingConfig, ...]:
    """Return probabilities of random walks, batch-normalized, through a linear map."""
    return (EncodingConfig("rwse", dim, size=steps),)


def _vectors(dim: int, vectors: int) -> tuple[EncodingConfig, ...]:
    """Laplacian eigenvectors through a DeepSet."""
    return (EncodingConfig("lappe-deepset", dim, size=vectors),)


def _molecules(layers: int, attention: AttentionConfig) -> GPSConfig:
    return GPSConfig(
        FeatureConfig(vocabulary=(28,)), FeatureConfig(vocabulary=(4,)), _walks(28, 20), 64, layers,
        _GINE, attention, head=HeadConfig(pooling="add"),
    )  # fmt: skip


def _graphs(nodes: FeatureConfig, channels: int, classes: int, **options: Any) -> GPSConfig:
    settings: dict[str, Any] = {"edges": _CONSTANT, **options}
    head = HeadConfig(kind="mlp", layers=2, shape=(classes,))
    return GPSConfig(
        nodes, encodings=_walks(16), channels=channels, layers=3, head=head, **settings
    )


def _pages(columns: int, channels: int, layers: int, dropped: float) -> Preset:
    model = GPSConfig(
        FeatureConfig(width=columns), encodings=_vectors(4, 4), channels=channels, layers=layers,
        local=_GCN, attention=AttentionConfig(dropout=dropped),
        layer=LayerOptions("none", "gelu", 0.2), head=_vertices(1, 5),
    )  # fmt: skip
    return Preset(model, TrainingConfig("accuracy", epochs=200, warmup_epochs=10, lr=5e-4))


def _vertices(layers: int, classes: int) -> HeadConfig:
    return HeadConfig(task="node", kind="mlp", layers=layers, shape=(classes,))


_GPS: dict[str, Preset] = {
    "zinc": Preset(
        _molecules(10, _DROPPED), TrainingConfig("mae", epochs=2000, warmup_epochs=50)
    ),
    "zinc-small": Preset(
        _molecules(4, AttentionConfig()),
        TrainingConfig("mae", epochs=40, warmup_epochs=3, batch_size=64),
    ),
    "pascalvoc-sp": Preset(
        GPSConfig(
            FeatureConfig(width=14), FeatureConfig(width=2), _vectors(16, 10), 96, 4,
            attention=AttentionConfig(heads=8, dropout=0.5), head=_vertices(3, 21),
        ),
        TrainingConfig("f1", epochs=300, warmup_epochs=10, lr=5e-4, weight_decay=0.0),
    ),
    "texas": _pages(1703, 64, 2, 0.0),
    "chameleon": _pages(2325, 96, 3, 0.5),
    "cora": Preset(
        GPSConfig(
            FeatureConfig(width=1433), encodings=_vectors(4, 4), layers=2, local=_GCN,
            attention=_DROPPED, layer=LayerOptions("none", dropout=0.5), head=_vertices(1, 7),
        ),
        TrainingConfig(
            "accuracy", epochs=200, warmup_epochs=5, lr=5e-3, weight_decay=5e-4, patience=50
        ),
    ),
    "csl": Preset(
        _graphs(_CONSTANT, 32, 10),
        TrainingConfig("accuracy", epochs=100, warmup_epochs=5, batch_size=16),
    ),
    "mutag": Preset(
        _graphs(
            FeatureConfig(vocabulary=(7,)), 32, 2, edges=FeatureConfig(vocabulary=(4,)),
            local=_GINE, layer=_LAYER,
        ),
        _FOLDS,
    ),
    "enzymes": Preset(_graphs(FeatureConfig(width=21), 48, 6, layer=_LAYER), _FOLDS),
}  # fmt: skip


def _without_attention(preset: Preset) -> Preset:
    layer = replace(preset.model.layer, order="gnn+")
    return replace(preset, model=replace(preset.model, attention=AttentionConfig(OFF), layer=layer))


_PLUS = {
    f"gnn-plus-{name}": _without_attention(_GPS[name])
    for name in ("zinc", "zinc-small", "pascalvoc-sp")
}
PRESETS: dict[str, Preset] = dict(sorted({**_GPS, **_PLUS}.items()))
