"""The models of the table: one width, one depth per kind of data, settings fixed beforehand.

One graph (vertex classification): width 64, two layers, dropout 0.5, AdamW 5e-3 with decay 5e-4,
at most 200 epochs, patience 30. Many graphs (graph classification): width 64, three layers, dropout
0.2, batches of 32, AdamW 1e-3 with decay 1e-5, at most 100 epochs, patience 20; CSL, with three
steps per epoch: 200 epochs, patience 60. Warm-up of five epochs, cosine. None was tuned on results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch_geometric.nn import global_add_pool, global_mean_pool
from torch_geometric.nn.models import GCN, GIN, GraphSAGE

from graphagg.nn.config.model import (
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LayerOptions,
    LocalConfig,
)
from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.training.data.dataset import Shape

WIDTH = 64


@dataclass(frozen=True)
class Kind:
    """Settings that differ between classification of one graph's vertices and of many graphs."""

    layers: int
    dropout: float
    training: TrainingConfig


ONE = Kind(
    2,
    0.5,
    TrainingConfig(
        "accuracy", epochs=200, lr=5e-3, weight_decay=5e-4, warmup_epochs=5, patience=30
    ),
)
MANY = Kind(3, 0.2, TrainingConfig("accuracy", epochs=100, warmup_epochs=5, patience=20))
# CSL's 90 training graphs make three steps per epoch.
SKIPS = replace(MANY, training=replace(MANY.training, epochs=200, patience=60))


class Baseline(torch.nn.Module):
    """A linear map, PyG's GCN, GIN or GraphSAGE, a pooling and a linear map.

    GIN sums over the vertices of a graph, the others average, as in their papers.
    """

    def __init__(self, kind: str, shape: Shape, settings: Kind) -> None:
        super().__init__()
        columns = shape.features or sum(shape.categories)
        # GIN would sum thousands of raw columns over every edge.
        self.lift = torch.nn.Linear(columns, WIDTH)
        self.categories = shape.categories
        many = shape.level == "graph"
        self.network = BASELINES[kind](
            WIDTH,
            WIDTH,
            settings.layers,
            dropout=settings.dropout,
            norm="batch_norm" if many else None,
            jk=None,
        )
        self.pool = None if not many else global_add_pool if "GIN" in kind else global_mean_pool
        self.head = torch.nn.Linear(WIDTH, shape.outputs)

    def forward(self, data) -> torch.Tensor:
        x = data.x
        if self.categories:
            columns = zip(x.T, self.categories, strict=True)
            x = torch.cat([torch.nn.functional.one_hot(c, n).float() for c, n in columns], dim=1)
        x = self.network(self.lift(x), data.edge_index)
        return self.head(x if self.pool is None else self.pool(x, data.batch, data.num_graphs))


def gps(attention: AttentionConfig, local: LocalConfig | None = None) -> Callable[..., GPSConfig]:
    """Return the config of a GPS model; without attention, layers have the order of GNN+."""

    def config(many: bool) -> GPSConfig:
        kind = MANY if many else ONE
        plain = attention.name == "none"
        encoding = (
            EncodingConfig("rwse", 16, size=16)
            if many
            else EncodingConfig("lappe-deepset", 4, size=4)
        )
        head = (
            HeadConfig(task="graph", kind="mlp", pooling="mean", layers=2, norm="batch")
            if many
            else HeadConfig(task="node", kind="mlp", layers=1)
        )
        return GPSConfig(
            nodes=FeatureConfig(width=1),  # fitted to the data
            edges=FeatureConfig(constant=many or local == _GATED),
            encodings=(encoding,),
            channels=WIDTH,
            layers=kind.layers,
            local=local or (_GATED if many else LocalConfig("gcn")),
            attention=attention,
            layer=LayerOptions(
                norm="batch" if many else "none",
                dropout=kind.dropout,
                order="gnn+" if plain else "gps",
            ),
            head=head,
        )

    return config


_EXACT = AttentionConfig("exact", heads=4, dropout=0.5)
_NONE = AttentionConfig("none")
_GATED = LocalConfig("gatedgcn")

BASELINES = {"GCN (PyG)": GCN, "GIN (PyG)": GIN, "SAGE (PyG)": GraphSAGE}
OURS: dict[str, Callable[[bool], GPSConfig]] = {
    "GPS exact": gps(_EXACT),
    "GPS performer": gps(AttentionConfig("performer", heads=4)),
    "GPS no attention": gps(_NONE),
    "GatedGCN": gps(_NONE, _GATED),
    "LCM": gps(_NONE, LocalConfig("sage", "lcm-gru")),
}
TREES = "trees on counts"  # only for graph classification
MODELS = (*BASELINES, *OURS, TREES)
