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
from graphagg.nn import GPS, GPSConfig
from graphagg.nn.config.model import (
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    HeadConfig,
    LocalConfig,
)
from graphagg.nn.config.training import LOSSES, Metric
from graphagg.nn.presets import get_preset, override
from graphagg.nn.presets.plain import plain_preset
from graphagg.nn.training import GraphData, Shape, Split, TrainingConfig, train
from graphagg.nn.training.fit.learner import learning_rate_factor
from graphagg.nn.training.metrics import compute_loss
from graphagg.nn.training.plan import fit_config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metric", "rmse"),
        ("loss", "hinge"),
        ("schedule", "linear"),
        ("precision", "float16"),
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", True),
        ("lr", 0.0),
        ("lr", math.nan),
        ("lr", "fast"),
        ("weight_decay", -1e-3),
        ("clip_norm", math.inf),
        ("warmup_epochs", 101),
        ("patience", -1),
        ("fanouts", [10, 0]),
        ("fanouts", [10, 2.5]),
        ("fanouts", 5),
        ("fanouts", None),
        ("fanouts", "55"),
        pytest.param("lr", 10**400, id="more than a float holds"),
        pytest.param("lr", 10**5000, id="more digits than Python prints"),
        pytest.param("epochs", 10**5000, id="an integer of as many"),
        ("random_state", -1),
    ],
)
def test_a_value_outside_is_named_with_what_was_wanted(key: str, value: Any) -> None:
    with pytest.raises(InvalidParameter, match=rf"{key} is .*wanted"):
        TrainingConfig(**{key: value})


@pytest.mark.parametrize("metric", get_args(Metric))
def test_a_loss_fits_the_metric_or_is_refused_with_those_that_do(metric: Metric) -> None:
    """Those that fit give a number for labels of the metric; with them goes `auto`."""
    of_classes = metric in ("accuracy", "f1")
    wanted = torch.tensor([1, 0, 2]) if of_classes else torch.tensor([[1.0, 0.0, 1.0]] * 3)
    fitting = [name for name in LOSSES[1:] if ("entropy" in name) == of_classes]
    fitting = [name for name in fitting if (metric, name) != ("mae", "binary")]
    for loss in LOSSES[1:]:
        if loss in fitting:
            objective = TrainingConfig(metric, loss).objective(metric)
            assert objective == loss
            assert compute_loss(objective, torch.randn(3, 3), wanted).isfinite()
            continue
        message = rf"loss is '{loss}', .* metric '{metric}', wanted .*auto, .*{fitting[0]}"
        with pytest.raises(InvalidParameter, match=message):
            TrainingConfig(metric, loss)
        with pytest.raises(InvalidParameter, match=message):  # the metric is that of the data
            TrainingConfig("auto", loss).objective(metric)
    assert TrainingConfig(metric).objective(metric) in fitting


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.fanouts=5", r"training\.fanouts is 5"),
        ("training.fanouts=null", r"training\.fanouts is None"),
        ("training.fanouts=[[2]]", r"training\.fanouts\.0 is \[2\]"),
        pytest.param("training.lr=1" + "0" * 400, "lr is ", id="more than a float holds"),
        pytest.param("training.lr=1" + "0" * 5000, "lr is ", id="more digits than are read"),
        ("training.lr=NaN", "lr is nan, wanted a finite number above 0"),
        pytest.param("training.lr=" + "[" * 50_000, "lr is ", id="brackets"),
        ("training.epochs=2.5", r"training\.epochs is 2\.5"),
        ("training.loss=l1", "loss is 'l1', .* metric 'accuracy'"),
        ("model.encodings.0.size=8", r"model\.encodings is \{'0': "),
        ("model.depth=4", r"model\.depth is not a field; the fields are nodes, "),
        (
            "model.layer.nrom=none",
            r"nrom is not a field \(did you mean .norm.\?\); the fields are norm, ",
        ),
        ("model.layers.x=8", r"model\.layers is \{'x': 8\}"),
        ("layers=4", "wanted PATH=VALUE"),
        ("model.layers", "wanted PATH=VALUE"),
        ("model.layers=many", r"layers is 'many'"),
        ("training.epochs=-1", "epochs is -1"),
    ],
)
def test_a_setting_by_its_path_that_cannot_be_is_named(change: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        override(get_preset("cora"), [change])


def test_settings_by_their_path_take_what_toml_takes() -> None:
    changed = override(get_preset("cora"), ["training.lr=1", "training.fanouts=[]"])
    assert (changed.training.lr, changed.training.fanouts) == (1.0, ())
    changes = ["model.attention.name=none", "training.fanouts=[10, 5]", "model.encodings=[]"]
    changed = override(get_preset("zinc"), changes)
    assert (changed.model.attention.name, changed.model.encodings) == ("none", ())
    assert changed.training.fanouts == (10, 5)
    both = ["training.metric=mae", "training.loss=mse"]
    assert override(get_preset("cora"), both).training.objective("mae") == "mse"


def test_unknown_keys_are_refused_and_plain_values_come_back() -> None:
    config = TrainingConfig("mae", epochs=7, fanouts=(10, 5), lr=3e-4)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(InvalidParameter, match=r"training\.learning_rate is not a field"):
        TrainingConfig.from_dict({"learning_rate": 1.0})


@given(st.integers(1, 60), st.integers(0, 20), st.sampled_from(["cosine", "constant"]))
def test_the_rate_rises_to_one_and_falls_to_zero(epochs: int, warm: int, schedule: Any) -> None:
    warm = min(warm, epochs)
    training = TrainingConfig(epochs=epochs, warmup_epochs=warm, schedule=schedule)
    rates = [learning_rate_factor(training, epoch) for epoch in range(epochs + 1)]
    assert all(0 < r <= 1 for r in rates[:epochs])
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[:warm] == [pytest.approx((e + 1) / (warm + 1)) for e in range(warm)]
    after = rates[warm:]
    if epochs > warm:
        assert after[0] == 1
        assert after == sorted(after, reverse=True)
        assert after[-1] == pytest.approx(0.0 if schedule == "cosine" else 1.0, abs=1e-12)


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
    with pytest.raises(InvalidDataset, match=r"'dot' gives one number per pair, but there are 2 c"):
        fit_config(plain_preset("sage", "edge").model, replace(GRAPHS, level="edge", outputs=2))


@pytest.mark.parametrize("model", [get_preset("zinc").model, plain_preset("sage", "edge").model])
def test_the_kind_of_answer_is_refused_before_the_metric(model: GPSConfig, tmp_path: Path) -> None:
    rows = torch.arange(30)
    data = Data(x=torch.ones(30, 1), edge_index=torch.stack([rows, rows.roll(1)]), y=rows % 3)
    with pytest.raises(InvalidDataset, match="have labels per node; set model"):
        train(model, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def circulants() -> GraphData:
    """Cycles of 13 with chords of length 2, 3 or 5: alike for message passing, as all of CSL."""
    graphs, classes = [], (2, 3, 5)
    generator = torch.Generator().manual_seed(0)
    for number in range(30):
        at, label = torch.arange(13), number % 3
        ends = torch.cat([(at + 1) % 13, (at + classes[label]) % 13])
        names = torch.randperm(13, generator=generator)
        pairs = names[torch.stack([at.repeat(2), ends])]
        edges = torch.cat([pairs, pairs.flip(0)], dim=1)
        x = torch.zeros(13, 1, dtype=torch.int64)
        graphs.append(Data(x=x, edge_index=edges, y=torch.tensor([label])))
    ids = torch.arange(30)
    return GraphData("circulants", "graph", graphs, (Split("0", ids[:15], ids[15:21], ids[21:]),))


@pytest.mark.parametrize(("encoded", "wanted"), [(True, 1.0), (False, 1 / 3)])
def test_return_probabilities_tell_circulants_apart_and_nothing_else_does(
    tmp_path: Path, encoded: bool, wanted: float
) -> None:
    config = GPSConfig(
        nodes=FeatureConfig(constant=True),
        encodings=(EncodingConfig("rwse", 8, size=8),) if encoded else (),
        channels=16,
        layers=2,
        local=LocalConfig("gin"),
        attention=AttentionConfig("none"),
        head=HeadConfig(task="graph", kind="mlp", pooling="mean", layers=1),
    )
    training = TrainingConfig(epochs=80, batch_size=5, lr=1e-2, warmup_epochs=2, patience=30)
    result = train(config, circulants(), tmp_path, training=training)
    assert result.test.mean == pytest.approx(wanted)
    model = GPS.load(tmp_path / "split-0")
    assert model.config.head.shape == (3,) and result.parameters == model.parameter_count
