from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from graphagg.errors import InvalidFeatures, TrainingDiverged
from graphagg.nn.config.model import (
    AttentionConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    LayerOptions,
    LocalConfig,
)
from graphagg.nn.training import GraphData, Split, TrainingConfig, train
from graphagg.nn.training.batches import graph_batches
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.fit.learner import Learner, collect_predictions
from graphagg.nn.training.metrics import score
from tests.unit.nn.training.toys import Tiny, losses, many, ring, single

SHORT = TrainingConfig(epochs=3, batch_size=4, lr=1e-2)
WILD = replace(SHORT, lr=1e30, clip_norm=0.0)
GPS_OF_FOUR = GPSConfig(
    FeatureConfig(width=4), channels=8, layers=2, local=LocalConfig("gine"),
    attention=AttentionConfig(heads=2), layer=LayerOptions(norm="none"),
    head=HeadConfig(task="graph", kind="mlp"),
)  # fmt: skip


@pytest.mark.parametrize("batch_size", [4, 24])  # some steps an epoch, and a single one
@pytest.mark.parametrize(("data", "task"), [(many, "graph"), (single, "node")])
def test_a_rate_that_is_far_too_large_is_blamed_and_not_the_data(
    tmp_path: Path, data: Callable[[], GraphData], task: Any, batch_size: int
) -> None:
    training = replace(WILD, batch_size=batch_size)
    config = replace(GPS_OF_FOUR, head=HeadConfig(task=task, kind="mlp"))
    with pytest.raises(TrainingDiverged, match=r"in epoch \d.*lower training\.lr \(1e\+30\)"):
        train(config, data(), tmp_path, training=training)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "roc-auc", "ap"])
def test_answers_of_nan_in_validation_are_no_score(tmp_path: Path, metric: Any) -> None:
    class NanInEvaluation(Tiny):
        def forward(self, data: Any) -> torch.Tensor:
            out: torch.Tensor = super().forward(data)
            return out if self.training else out * math.nan

    training = replace(SHORT, metric=metric)
    message = r"the predictions hold NaN or infinity in epoch 1 \(\d+ of \d+\); lower"
    with pytest.raises(TrainingDiverged, match=message):
        train(NanInEvaluation, many(), tmp_path, training=training)


def batches() -> Iterator[Data]:
    return graph_batches(Graphs.from_list(many().graphs), torch.arange(24), 4)


class Constant(torch.nn.Module):
    def __init__(self, answer: list[float]) -> None:
        super().__init__()
        self.answer = torch.tensor(answer)

    def forward(self, data: Any) -> torch.Tensor:
        return self.answer.expand(data.num_graphs, -1)


def test_a_class_that_is_ruled_out_is_no_divergence() -> None:
    """Minus infinity is a sensible logit of a class, but no number to regress or rank curves by."""
    cpu = torch.device("cpu")
    ruled = Learner(Constant([0.0, -math.inf]), SHORT, "accuracy", "graph")
    assert score("accuracy", *collect_predictions(ruled, batches(), cpu)) == 0.5
    for metric in ("mae", "roc-auc", "ap"):
        learner = Learner(Constant([-math.inf]), SHORT, metric, "graph")
        learner.stage = "the test part"
        with pytest.raises(TrainingDiverged, match="NaN or infinity in the test part"):
            collect_predictions(learner, batches(), cpu)


def test_the_loss_of_a_step_is_checked_at_once(tmp_path: Path) -> None:
    steps: list[int] = []

    class Inf(Tiny):
        def forward(self, data: Any) -> torch.Tensor:
            steps.append(1)
            return super().forward(data) * (math.inf if len(steps) == 2 else 1.0)

    with pytest.raises(TrainingDiverged, match=r"the loss is (nan|inf) in epoch 1; lower tr"):
        train(Inf, many(), tmp_path, training=replace(SHORT, clip_norm=0.0))
    assert len(steps) == 2


def test_features_that_are_not_finite_stay_the_datas_fault() -> None:
    graphs = many().graphs
    graphs[0].x[0, 0] = math.nan
    from graphagg.nn import GPS

    learner = Learner(GPS(GPS_OF_FOUR), SHORT, "mae", "graph")
    with pytest.raises(InvalidFeatures, match="x is nan"):
        learner.labeled_predictions(Graphs.from_list(graphs).batch(torch.arange(3)))
    narrow = many().graphs
    for graph in narrow:
        graph.x = graph.x[:, :2]
    with pytest.raises(InvalidFeatures, match="expected"):
        learner.labeled_predictions(Graphs.from_list(narrow).batch(torch.arange(3)))


def nodes(y: Any) -> GraphData:
    """Rings with labels of their vertices, `y(number, x)`."""
    generator = torch.Generator().manual_seed(0)
    graphs = []
    for number in range(12):
        x = torch.randn(5, 4, generator=generator)
        graphs.append(Data(x=x, edge_index=ring(5), y=y(number, x)))
    ids = torch.arange(12)
    return GraphData("rings", "node", graphs, (Split("0", ids[:6], ids[6:9], ids[9:]),))


def test_a_batch_without_a_known_label_does_not_count_in_the_mean_loss(tmp_path: Path) -> None:
    """All other batches hold the same graph, and the rate is so low that it stays the same."""

    def known(number: int, x: torch.Tensor) -> torch.Tensor:
        x[:] = torch.eye(5)[:, :4]
        return torch.arange(5) % 2

    def blank(number: int, x: torch.Tensor) -> torch.Tensor:
        return known(number, x) if number != 2 else torch.full_like(known(number, x), -1)

    training = replace(SHORT, epochs=1, batch_size=1, lr=1e-12)
    for name, y in (("known", known), ("blank", blank)):
        train(lambda s: Tiny(s, dropout=0.0), nodes(y), tmp_path / name, training=training)
    assert losses(tmp_path / "blank") == pytest.approx(losses(tmp_path / "known"), rel=1e-5)
