from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset, InvalidParameter
from graphagg.nn import GPSConfig
from graphagg.nn.config.model import (
    FeatureConfig,
)
from graphagg.nn.config.training import LOSSES, Metric
from graphagg.nn.presets import get_preset, override
from graphagg.nn.presets.plain import plain_preset
from graphagg.nn.training import Shape, TrainingConfig, train
from graphagg.nn.training.fit.learner import learning_rate_factor
from graphagg.nn.training.metrics import compute_loss
from graphagg.nn.training.plan import fit_config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metric", "rmse"),
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", True),
        ("lr", 0.0),
        ("lr", math.nan),
        ("weight_decay", -1e-3),
        ("clip_norm", math.inf),
        ("warmup_epochs", 101),
        ("patience", -1),
        pytest.param("lr", 10**400, id="more than a float holds"),
        pytest.param("lr", 10**5000, id="more digits than Python prints"),
        ("random_state", -1),
    ],
)
def test_a_value_outside_is_named_with_what_was_wanted(key: str, value: Any) -> None:
    with pytest.raises(InvalidParameter, match=rf"{key} is .*expected"):
        TrainingConfig(**{key: value})


@pytest.mark.parametrize("metric", get_args(Metric))
def test_each_metric_has_a_loss(metric: Metric) -> None:
    of_classes = metric in ("accuracy", "f1")
    wanted = torch.tensor([1, 0, 2]) if of_classes else torch.tensor([[1.0, 0.0, 1.0]] * 3)
    assert compute_loss(LOSSES[metric], torch.randn(3, 3), wanted).isfinite()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param("training.lr=1" + "0" * 400, "lr is ", id="more than a float holds"),
        ("training.lr=NaN", "lr is nan, expected a finite number above 0"),
        pytest.param("training.lr=" + "[" * 50_000, "lr is ", id="brackets"),
        ("training.epochs=2.5", r"training\.epochs is 2\.5"),
        ("model.encodings.0.size=8", r"model\.encodings is \{'0': "),
        ("model.depth=4", r"model\.depth is not a field; the fields are nodes, "),
        (
            "model.layer.nrom=none",
            r"nrom is not a field \(did you mean .norm.\?\); the fields are norm, ",
        ),
        ("layers=4", "expected PATH=VALUE"),
        ("model.layers", "expected PATH=VALUE"),
        ("model.layers=many", r"layers is 'many'"),
    ],
)
def test_a_setting_by_its_path_that_cannot_be_is_named(change: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        override(get_preset("cora"), [change])


def test_unknown_keys_are_refused_and_plain_values_come_back() -> None:
    config = TrainingConfig("mae", epochs=7, lr=3e-4)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(InvalidParameter, match=r"training\.learning_rate is not a field"):
        TrainingConfig.from_dict({"learning_rate": 1.0})


@given(st.integers(1, 60), st.integers(0, 20))
def test_the_rate_rises_to_one_and_falls_to_zero(epochs: int, warm: int) -> None:
    warm = min(warm, epochs)
    training = TrainingConfig(epochs=epochs, warmup_epochs=warm)
    rates = [learning_rate_factor(training, epoch) for epoch in range(epochs + 1)]
    assert all(0 < r <= 1 for r in rates[:epochs])
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[:warm] == [pytest.approx((e + 1) / (warm + 1)) for e in range(warm)]
    after = rates[warm:]
    if epochs > warm:
        assert after[0] == 1
        assert after == sorted(after, reverse=True)
        assert after[-1] == pytest.approx(0.0, abs=1e-12)


GRAPHS = Shape("graph", 0, (21,), 0, (3,), 1)


def test_a_config_takes_the_widths_of_the_data_but_keeps_a_larger_vocabulary() -> None:
    zinc = get_preset("zinc").model
    assert fit_config(zinc, GRAPHS) == zinc
    more = fit_config(zinc, replace(GRAPHS, categories=(40,), outputs=7))
    assert more.nodes == FeatureConfig(vocabulary=(40,)) and more.head.shape == (7,)
    real = fit_config(zinc, Shape("graph", 5, (), 2, (), 1))
    assert (real.nodes.width, real.edges.width) == (5, 2)
    bare = fit_config(zinc, Shape("graph", 5, (), 0, (), 1))
    assert not bare.edges.used
    constant = replace(zinc, nodes=FeatureConfig(constant=True), edges=FeatureConfig(constant=True))
    assert fit_config(constant, Shape("graph", 0, (1,), 0, (), 1)) == constant
    with pytest.raises(
        InvalidDataset, match="predicts per graph, but the data have labels per node"
    ):
        fit_config(zinc, replace(GRAPHS, level="node"))
    with pytest.raises(
        InvalidDataset, match=r"'dot' returns one number per pair, but there are 2 c"
    ):
        fit_config(plain_preset("sage", "edge").model, replace(GRAPHS, level="edge", outputs=2))


@pytest.mark.parametrize("model", [get_preset("zinc").model, plain_preset("sage", "edge").model])
def test_the_kind_of_answer_is_refused_before_the_metric(model: GPSConfig, tmp_path: Path) -> None:
    rows = torch.arange(30)
    data = Data(x=torch.ones(30, 1), edge_index=torch.stack([rows, rows.roll(1)]), y=rows % 3)
    with pytest.raises(InvalidDataset, match="have labels per node; set model"):
        train(model, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
