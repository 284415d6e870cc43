"""Four plain models of width 64, with one training recipe for each kind of task.

`mlp` reads only the features (for vertices, with one hidden layer); `gcn` and `sage` are stacks of
PyG's convolutions. For vertices they have no residual, which would fit only the features if labels
are few, and `gcn` for many features is Kipf and Welling's (arXiv 1609.02907): two linear maps,
dropout. `gps` adds attention and a positional encoding. `graphagg.nn.train_auto` compares them.
Widths, depths and rates were fixed in advance, as in `benchmarks.training.models`. A patience of 30
for vertices and of 20 for graphs stopped some models before they had learned anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from graphagg.nn.config.model import (
    OFF,
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LayerOptions,
    LocalConfig,
    TaskLevel,
)
from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.presets.preset import Preset

PlainModel = Literal["mlp", "gcn", "sage", "gps"]
PLAIN_MODELS: tuple[PlainModel, ...] = get_args(PlainModel)
WORDS = 256  # minimum number of feature columns to treat them as words
EXACT_UP_TO = 1000
"""Maximum number of vertices for which `gps` uses exact attention; above it uses Performer."""

_ONE = TrainingConfig(epochs=200, lr=5e-3, weight_decay=5e-4, warmup_epochs=5, patience=50)
_MANY = TrainingConfig(epochs=100, warmup_epochs=5, patience=50)


def plain_preset(name: PlainModel, task: TaskLevel, vertices: int = 0, columns: int = 0) -> Preset:
    """Return a plain model by its name: three layers for graphs, two for vertices or pairs.

    `vertices` is the size of the largest graph, `columns` the number of feature columns.
    """
    many, attends, perceptron = task == "graph", name == "gps", (name, task) == ("mlp", "node")
    attention = AttentionConfig(OFF)
    if attends:
        kind = "exact" if vertices <= EXACT_UP_TO else "performer"
        attention = AttentionConfig(kind, dropout=0.5)
    walks, vectors = EncodingConfig("rwse", 16, size=16), EncodingConfig("lappe-deepset", 4, size=4)
    gated = attends and many
    local = {"mlp": OFF, "gps": "gatedgcn" if gated else "gcn"}.get(name, name)
    classic = (name, task) == ("gcn", "node") and columns >= WORDS
    model = GPSConfig(
        FeatureConfig(width=1, dropout=0.5 if classic else 0.0),  # fitted to the data
        FeatureConfig(constant=True) if gated else FeatureConfig(),
        ((walks,) if many else (vectors,)) if attends else (),
        64,
        3 if many else 1 if perceptron else 2,
        local=LocalConfig("propagation" if classic else local),
        attention=attention,
        layer=LayerOptions(
            "batch" if many else "none",
            dropout=0.2 if many else 0.5,
            feedforward=2 if attends or (name == "mlp" and not perceptron) else 0,
            order="gps" if attends else "plain" if task == "node" else "gnn+",
        ),
        head=_HEADS[task],
    )
    return Preset(model, _MANY if many else _ONE)


def for_epochs(training: TrainingConfig, epochs: int) -> TrainingConfig:
    """Adapt the settings to fewer epochs: a higher learning rate and a shorter warm-up.

    The rate grows with the square root of the ratio; the warm-up is at most 1/20 of the epochs.
    """
    epochs = min(epochs, training.epochs)
    rate = training.lr * (training.epochs / epochs) ** 0.5
    warmup = min(training.warmup_epochs, epochs // 20)
    return replace(training, epochs=epochs, lr=rate, warmup_epochs=warmup)


_HEADS: dict[TaskLevel, HeadConfig] = {
    "graph": HeadConfig(kind="mlp", layers=2, norm="batch"),
    "node": HeadConfig("node", "mlp", layers=1),
    "edge": HeadConfig("edge", "dot", layers=1),
}
