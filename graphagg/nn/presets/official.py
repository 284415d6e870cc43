"""The configurations published with GraphGPS (arXiv 2205.12454).

Their parameter counts are the published ones (`zinc` 423,717, `cifar10` 112,726, `cluster`
502,054), but for these differences:

- The atoms of the Open Graph Benchmark have a fifth chirality since; one more row of an embedding.
- `pattern` answers with one number for each of its two classes, not with one number in all.
- Performers have heads of the width over their number, and a bias in the projections; those of
  GraphGPS are 64 wide whatever the width, without one.
- All gradients are clipped at norm 1, as there; `pcqm4mv2-deep` falls by a cosine where the
  original falls linearly.

Vocabularies are those of the whole benchmark: `zinc` has 28 atom types, though its 12,000
molecules hold 21.
"""

from __future__ import annotations

from graphagg.nn.config.model import (
    AttentionConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LayerOptions,
    LocalConfig,
)
from graphagg.nn.config.training import Metric, TrainingConfig
from graphagg.nn.presets.preset import (
    ATOMS,
    BONDS,
    CONSTANT,
    Preset,
    lap_pe,
    mlp,
    node_mlp,
    random_walk,
    san,
)

_EXACT = AttentionConfig(heads=4, dropout=0.5)
_EXACT_8 = AttentionConfig(heads=8, dropout=0.5)
_PERFORMER = AttentionConfig("performer", heads=4, dropout=0.5)
_SUPERPIXEL = FeatureConfig(width=1)
_REGIONS, _BORDERS = FeatureConfig(width=14), FeatureConfig(width=2)


def _pcqm(layers: int, channels: int, attention: AttentionConfig, layer: LayerOptions) -> GPSConfig:
    return GPSConfig(
        ATOMS,
        BONDS,
        random_walk(20, 16),
        channels,
        layers,
        attention=attention,
        layer=layer,
        head=san("mean"),
    )


def _peptides(answers: int) -> GPSConfig:
    head = mlp("mean", 1, answers)
    return GPSConfig(ATOMS, BONDS, lap_pe(16), 96, 4, attention=_EXACT, head=head)


def _regions(classes: int) -> GPSConfig:
    head = node_mlp(3, classes)
    return GPSConfig(_REGIONS, _BORDERS, lap_pe(16), 96, 4, attention=_EXACT_8, head=head)


def _pixels(columns: int, head_layers: int) -> GPSConfig:
    nodes, head = FeatureConfig(width=columns), mlp("mean", head_layers, 10)
    return GPSConfig(nodes, _SUPERPIXEL, lap_pe(8, 8), 52, 3, attention=_EXACT, head=head)


def _pages(
    columns: int, channels: int = 64, layers: int = 2, attention_dropout: float = 0.0
) -> Preset:
    model = GPSConfig(
        FeatureConfig(width=columns),
        encodings=lap_pe(4, 4),
        channels=channels,
        layers=layers,
        local=LocalConfig("gcn"),
        attention=AttentionConfig(heads=4, dropout=attention_dropout),
        layer=LayerOptions(norm="none", activation="gelu", dropout=0.2),
        head=node_mlp(1, 5),
    )
    return Preset(model, TrainingConfig("accuracy", epochs=200, lr=5e-4, warmup_epochs=10))


def _undecayed(metric: Metric, epochs: int, batch_size: int, lr: float) -> TrainingConfig:
    return TrainingConfig(
        metric, epochs=epochs, batch_size=batch_size, lr=lr, weight_decay=0.0, warmup_epochs=10
    )


_ZINC = GPSConfig(
    FeatureConfig(vocabulary=(28,)),
    FeatureConfig(vocabulary=(4,)),
    random_walk(28, 20),
    64,
    10,
    local=LocalConfig("gine"),
    attention=_EXACT,
    head=san("add"),
)
_PATTERN = GPSConfig(
    FeatureConfig(width=3), CONSTANT, lap_pe(16), 64, 6, attention=_EXACT, head=node_mlp(3, 2)
)
_CLUSTER = GPSConfig(
    FeatureConfig(width=7),
    CONSTANT,
    lap_pe(16),
    48,
    16,
    attention=_EXACT_8,
    layer=LayerOptions(dropout=0.1),
    head=node_mlp(3, 6),
)
_MALNET = GPSConfig(
    FeatureConfig(width=5, batch_norm=True),
    CONSTANT,
    channels=64,
    layers=5,
    attention=_PERFORMER,
    head=mlp("max", 3, 5),
)
_MOLHIV = GPSConfig(
    ATOMS,
    BONDS,
    random_walk(16, 16),
    64,
    10,
    attention=_EXACT,
    layer=LayerOptions(dropout=0.05),
    head=san("mean"),
)
_MOLPCBA = GPSConfig(
    ATOMS,
    BONDS,
    random_walk(20, 16),
    384,
    5,
    attention=_EXACT,
    layer=LayerOptions(dropout=0.2),
    head=mlp("mean", 1, 128),
)
_PPA = GPSConfig(
    CONSTANT,
    FeatureConfig(width=7),
    channels=256,
    layers=3,
    attention=AttentionConfig("performer", heads=8, dropout=0.5),
    layer=LayerOptions(dropout=0.1),
    head=mlp("mean", 2, 37),
)
_CODE = GPSConfig(
    FeatureConfig(vocabulary=(98, 10030, 21)),
    FeatureConfig(vocabulary=(2, 2)),
    channels=256,
    layers=4,
    attention=_PERFORMER,
    layer=LayerOptions(dropout=0.2),
    head=HeadConfig(kind="mlp", pooling="mean", layers=1, shape=(5, 5002)),
)
_CONTACT = GPSConfig(
    ATOMS,
    BONDS,
    lap_pe(16),
    96,
    4,
    attention=_EXACT,
    head=HeadConfig(task="edge", kind="dot", layers=1),
)

OFFICIAL: dict[str, Preset] = {
    "zinc": Preset(_ZINC, TrainingConfig("mae", epochs=2000, warmup_epochs=50)),
    "pcqm4mv2-small": Preset(
        _pcqm(5, 304, _EXACT, LayerOptions()),
        TrainingConfig(
            "mae", epochs=100, batch_size=256, lr=5e-4, weight_decay=0.0, warmup_epochs=5
        ),
    ),
    "pcqm4mv2-medium": Preset(
        _pcqm(10, 384, AttentionConfig(heads=16, dropout=0.1), LayerOptions(dropout=0.1)),
        _undecayed("mae", 150, 256, 2e-4),
    ),
    "pcqm4mv2-deep": Preset(
        _pcqm(
            16,
            256,
            AttentionConfig(heads=8, dropout=0.1),
            LayerOptions(activation="gelu", dropout=0.1),
        ),
        _undecayed("mae", 150, 256, 2e-4),
    ),
    "peptides-func": Preset(_peptides(10), _undecayed("ap", 200, 128, 3e-4)),
    "peptides-struct": Preset(_peptides(11), _undecayed("mae", 200, 128, 3e-4)),
    "pascalvoc-sp": Preset(_regions(21), _undecayed("f1", 300, 32, 5e-4)),
    "coco-sp": Preset(_regions(81), _undecayed("f1", 300, 32, 5e-4)),
    "pcqm-contact": Preset(_CONTACT, _undecayed("mrr", 200, 256, 3e-4)),
    "malnet-tiny": Preset(
        _MALNET, TrainingConfig("accuracy", epochs=150, batch_size=16, lr=5e-4, warmup_epochs=10)
    ),
    "mnist": Preset(
        _pixels(3, 3), TrainingConfig("accuracy", epochs=100, batch_size=16, warmup_epochs=5)
    ),
    "cifar10": Preset(
        _pixels(5, 2), TrainingConfig("accuracy", epochs=100, batch_size=16, warmup_epochs=5)
    ),
    "pattern": Preset(
        _PATTERN, TrainingConfig("weighted-accuracy", epochs=100, lr=5e-4, warmup_epochs=5)
    ),
    "cluster": Preset(
        _CLUSTER,
        TrainingConfig("weighted-accuracy", epochs=100, batch_size=16, lr=5e-4, warmup_epochs=5),
    ),
    "ogbg-molhiv": Preset(_MOLHIV, TrainingConfig("roc-auc", epochs=100, lr=1e-4, warmup_epochs=5)),
    "ogbg-molpcba": Preset(
        _MOLPCBA, TrainingConfig("ap", epochs=100, batch_size=512, lr=5e-4, warmup_epochs=5)
    ),
    "ogbg-ppa": Preset(_PPA, TrainingConfig("accuracy", epochs=200, lr=3e-4, warmup_epochs=10)),
    "ogbg-code2": Preset(_CODE, TrainingConfig("f1", epochs=30, lr=1e-4, warmup_epochs=2)),
    "actor": _pages(932),
    "texas": _pages(1703),
    "cornell": _pages(1703),
    "wisconsin": _pages(1703),
    "squirrel": _pages(2089),
    "chameleon": _pages(2325, 96, 3, 0.5),
}
