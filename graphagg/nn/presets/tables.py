"""The presets, as tables: published configurations, models trained in minutes, and GNN+.

Official configurations are those published with GraphGPS (arXiv 2205.12454). Their parameter counts
are the published ones (`zinc` 423,717, `cifar10` 112,726, `cluster` 502,054), but for these
differences:

- The atoms of the Open Graph Benchmark have a fifth chirality since; one more row of an embedding.
- `pattern` answers with one number for each of its two classes, not with one number in all.
- Performers have heads of the width over their number, and a bias in the projections; in GraphGPS
  they are 64 wide whatever the width, without one.
- All gradients are clipped at norm 1, as there; `pcqm4mv2-deep` falls by a cosine where the
  original falls linearly.

Vocabularies hold the whole benchmark: `zinc` has 28 atom types, its 12,000 molecules hold 21.
Models are fitted to data, so that one preset is there for sets that differ in widths alone: `cora`
for Citeseer, `texas` for actor, cornell, squirrel and wisconsin, `enzymes` for PROTEINS.

GNN+ (arXiv 2502.09263) has no attention; edge features, norm, dropout, residual, feed-forward.
Widths, depths, encodings and training are taken from the GPS preset of the same data, not from the
settings tuned for that paper: only the attention changes, and the order of the local part.
`without_attention` makes it of any preset; by name there are the ones that were trained here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from graphagg.nn.config.model import (
    OFF,
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LayerOptions,
    LocalConfig,
    Pooling,
)
from graphagg.nn.config.training import Metric, TrainingConfig
from graphagg.nn.presets.preset import Preset

Encodings = tuple[EncodingConfig, ...]

# Open Graph Benchmark: the columns of its atoms and bonds.
_ATOMS = FeatureConfig(vocabulary=(119, 5, 12, 12, 10, 6, 6, 2, 2))
_BONDS = FeatureConfig(vocabulary=(5, 6, 2))
_CONSTANT, _NONE = FeatureConfig(constant=True), FeatureConfig()
_GCN, _GINE = LocalConfig("gcn"), LocalConfig("gine")


def _categories(*counts: int) -> FeatureConfig:
    return FeatureConfig(vocabulary=counts)


def _numbers(width: int) -> FeatureConfig:
    return FeatureConfig(width=width)


def _exact(heads: int = 4, dropout: float = 0.5) -> AttentionConfig:
    return AttentionConfig(heads=heads, dropout=dropout)


def _performer(heads: int = 4) -> AttentionConfig:
    return AttentionConfig("performer", heads=heads, dropout=0.5)


def _lap_pe(dim: int, vectors: int = 10) -> Encodings:
    """Laplacian eigenvectors through a DeepSet."""
    return (EncodingConfig("lappe-deepset", dim, size=vectors, layers=2),)


def _walks(dim: int, steps: int = 16) -> Encodings:
    """Return probabilities of random walks, batch-normalized, through a linear map."""
    return (EncodingConfig("rwse", dim, size=steps),)


def _san(pooling: Pooling) -> HeadConfig:
    """The graph head that halves the width twice."""
    return HeadConfig(kind="san", pooling=pooling, shape=(1,))


def _mlp(pooling: Pooling, layers: int, *answers: int) -> HeadConfig:
    """The graph head of constant width."""
    return HeadConfig(kind="mlp", pooling=pooling, layers=layers, shape=answers)


def _vertices(layers: int, classes: int) -> HeadConfig:
    """The vertex head of constant width."""
    return HeadConfig(task="node", kind="mlp", layers=layers, shape=(classes,))


def _model(
    nodes: FeatureConfig,
    edges: FeatureConfig,
    encodings: Encodings,
    channels: int,
    layers: int,
    head: HeadConfig,
    attention: AttentionConfig | None = None,
    local: LocalConfig | None = None,
    layer: LayerOptions | None = None,
) -> GPSConfig:
    return GPSConfig(
        nodes, edges, encodings, channels, layers, head=head, attention=attention or _exact(),
        local=local or LocalConfig(), layer=layer or LayerOptions(),
    )  # fmt: skip


def _trained(
    metric: Metric, epochs: int, warmup: int, lr: float = 1e-3, batch_size: int = 32,
    decay: float = 1e-5, patience: int = 0,
) -> TrainingConfig:  # fmt: skip
    return TrainingConfig(
        metric, epochs=epochs, warmup_epochs=warmup, lr=lr, batch_size=batch_size,
        weight_decay=decay, patience=patience,
    )  # fmt: skip


def _dropped(share: float) -> LayerOptions:
    return LayerOptions(dropout=share)


def _pcqm(
    layers: int, channels: int, attention: AttentionConfig, layer: LayerOptions, epochs: int,
    warmup: int, lr: float,
) -> Preset:  # fmt: skip
    model = _model(
        _ATOMS, _BONDS, _walks(20), channels, layers, _san("mean"), attention, layer=layer
    )
    return Preset(model, _trained("mae", epochs, warmup, lr, 256, decay=0.0))


def _long_range(
    nodes: FeatureConfig, edges: FeatureConfig, head: HeadConfig, attention: AttentionConfig,
    training: TrainingConfig,
) -> Preset:  # fmt: skip
    model = _model(nodes, edges, _lap_pe(16), 96, 4, head, attention)
    return Preset(model, replace(training, weight_decay=0.0))


def _pixels(columns: int, head_layers: int) -> Preset:
    head = _mlp("mean", head_layers, 10)
    model = _model(_numbers(columns), _numbers(1), _lap_pe(8, 8), 52, 3, head)
    return Preset(model, _trained("accuracy", 100, 5, batch_size=16))


def _pages(columns: int, channels: int, layers: int, dropped: float) -> Preset:
    layer, attention = LayerOptions("none", "gelu", 0.2), _exact(dropout=dropped)
    model = _model(
        _numbers(columns), _NONE, _lap_pe(4, 4), channels, layers, _vertices(1, 5), attention,
        _GCN, layer,
    )  # fmt: skip
    return Preset(model, _trained("accuracy", 200, 10, 5e-4))


_small = partial(_model, attention=AttentionConfig())
_FOLDS = _trained("accuracy", 100, 5, patience=30)
_REGIONS, _BORDERS, _F1 = _numbers(14), _numbers(2), _trained("f1", 300, 10, 5e-4)
_PEPTIDES = partial(_trained, epochs=200, warmup=10, lr=3e-4, batch_size=128)
_CONTACTS = HeadConfig(task="edge", kind="dot", layers=1)


OFFICIAL: dict[str, Preset] = {
    "zinc": Preset(
        _model(_categories(28), _categories(4), _walks(28, 20), 64, 10, _san("add"), local=_GINE),
        _trained("mae", 2000, 50),
    ),
    "pcqm4mv2-small": _pcqm(5, 304, _exact(), LayerOptions(), 100, 5, 5e-4),
    "pcqm4mv2-medium": _pcqm(10, 384, _exact(16, 0.1), _dropped(0.1), 150, 10, 2e-4),
    "pcqm4mv2-deep": _pcqm(
        16, 256, _exact(8, 0.1), LayerOptions(activation="gelu", dropout=0.1), 150, 10, 2e-4
    ),
    "peptides-func": _long_range(
        _ATOMS, _BONDS, _mlp("mean", 1, 10), _exact(), _PEPTIDES("ap")
    ),
    "peptides-struct": _long_range(
        _ATOMS, _BONDS, _mlp("mean", 1, 11), _exact(), _PEPTIDES("mae")
    ),
    "pascalvoc-sp": _long_range(_REGIONS, _BORDERS, _vertices(3, 21), _exact(8), _F1),
    "coco-sp": _long_range(_REGIONS, _BORDERS, _vertices(3, 81), _exact(8), _F1),
    "pcqm-contact": _long_range(
        _ATOMS, _BONDS, _CONTACTS, _exact(), _trained("mrr", 200, 10, 3e-4, 256)
    ),
    "malnet-tiny": Preset(
        _model(
            FeatureConfig(width=5, batch_norm=True), _CONSTANT, (), 64, 5, _mlp("max", 3, 5),
            _performer(),
        ),
        _trained("accuracy", 150, 10, 5e-4, 16),
    ),
    "mnist": _pixels(3, 3),
    "cifar10": _pixels(5, 2),
    "pattern": Preset(
        _model(_numbers(3), _CONSTANT, _lap_pe(16), 64, 6, _vertices(3, 2)),
        _trained("weighted-accuracy", 100, 5, 5e-4),
    ),
    "cluster": Preset(
        _model(
            _numbers(7), _CONSTANT, _lap_pe(16), 48, 16, _vertices(3, 6), _exact(8),
            layer=_dropped(0.1),
        ),
        _trained("weighted-accuracy", 100, 5, 5e-4, 16),
    ),
    "ogbg-molhiv": Preset(
        _model(_ATOMS, _BONDS, _walks(16), 64, 10, _san("mean"), layer=_dropped(0.05)),
        _trained("roc-auc", 100, 5, 1e-4),
    ),
    "ogbg-molpcba": Preset(
        _model(_ATOMS, _BONDS, _walks(20), 384, 5, _mlp("mean", 1, 128), layer=_dropped(0.2)),
        _trained("ap", 100, 5, 5e-4, 512),
    ),
    "ogbg-ppa": Preset(
        _model(
            _CONSTANT, _numbers(7), (), 256, 3, _mlp("mean", 2, 37), _performer(8),
            layer=_dropped(0.1),
        ),
        _trained("accuracy", 200, 10, 3e-4),
    ),
    "ogbg-code2": Preset(
        _model(
            _categories(98, 10030, 21), _categories(2, 2), (), 256, 4, _mlp("mean", 1, 5, 5002),
            _performer(), layer=_dropped(0.2),
        ),
        _trained("f1", 30, 2, 1e-4),
    ),
    "texas": _pages(1703, 64, 2, 0.0),
    "chameleon": _pages(2325, 96, 3, 0.5),
}  # fmt: skip

SMALL: dict[str, Preset] = {
    "cora": Preset(
        _model(
            _numbers(1433), _NONE, _lap_pe(4, 4), 64, 2, _vertices(1, 7), local=_GCN,
            layer=LayerOptions(norm="none", dropout=0.5),
        ),
        _trained("accuracy", 200, 5, 5e-3, decay=5e-4, patience=50),
    ),
    "csl": Preset(
        _small(_CONSTANT, _CONSTANT, _walks(16), 32, 3, _mlp("mean", 2, 10)),
        _trained("accuracy", 100, 5, batch_size=16),
    ),
    "mutag": Preset(
        _small(
            _categories(7), _categories(4), _walks(16), 32, 3, _mlp("mean", 2, 2), local=_GINE,
            layer=_dropped(0.2),
        ),
        _FOLDS,
    ),
    "enzymes": Preset(
        _small(
            _numbers(21), _CONSTANT, _walks(16), 48, 3, _mlp("mean", 2, 6), layer=_dropped(0.2)
        ),
        _FOLDS,
    ),
    "zinc-small": Preset(
        _small(_categories(28), _categories(4), _walks(28, 20), 64, 4, _san("add"), local=_GINE),
        _trained("mae", 40, 3, batch_size=64),
    ),
}  # fmt: skip
"""Models that two processor cores train in minutes."""


def without_attention(preset: Preset) -> Preset:
    """Make of a preset the same model as GNN+ has it."""
    layer = replace(preset.model.layer, order="gnn+")
    return replace(preset, model=replace(preset.model, attention=AttentionConfig(OFF), layer=layer))


PLUS: dict[str, Preset] = {
    f"gnn-plus-{name}": without_attention({**OFFICIAL, **SMALL}[name])
    for name in ("zinc", "zinc-small", "pascalvoc-sp")
}
