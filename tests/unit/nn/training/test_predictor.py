"""A trained run predicts what its evaluation measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch_geometric.data import Data

from graphagg.errors import (
    CheckpointMismatch,
    GraphAggError,
    InvalidDataset,
    InvalidFeatures,
    InvalidParameter,
    UnreadableFile,
)
from graphagg.nn import (
    EncodingConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    encoding_transforms,
    load_model,
    train,
)
from graphagg.nn.training import GraphData, TrainingConfig
from graphagg.nn.training.metrics import score
from graphagg.nn.training.predictor import _best
from tests.unit.nn.training.toys import many, pairs, single, tiny, vertices

LEVELS = ("graph", "node", "nodes", "edge")


def data_of(level: str) -> GraphData:
    if level == "node":
        return replace(single(30), splits=single(30).splits * 2)
    return {"graph": many, "nodes": vertices, "edge": pairs}[level](12)


def config(level: str) -> GPSConfig:
    task = level.rstrip("s")
    head = HeadConfig(task=task, kind="mlp", layers=1)
    return GPSConfig(
        nodes=FeatureConfig(width=4),
        encodings=(EncodingConfig("rwse", 4, size=4), EncodingConfig("lappe-deepset", 4, size=3)),
        channels=16,
        layers=1,
        head=head,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for level in LEVELS:
        metric = "ap" if level == "edge" else "accuracy"
        settings = TrainingConfig(metric, epochs=2, batch_size=4, warmup_epochs=0)
        train(config(level), data_of(level), folder / level, training=settings, splits=2)
    return {level: folder / level for level in LEVELS}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("split", [0, 1])
def test_predictions_are_those_that_the_run_measured(runs, level, split):
    data = data_of(level)
    predictor = load_model(runs[level], split, device="cpu")
    recorded = json.loads((runs[level] / f"split-{split}" / "result.json").read_text())
    for part in ("train", "val", "test"):
        ids = getattr(data.splits[split], part)
        if data.single:
            answers, labels = predictor.predict(data)[ids.numpy()], data.graphs[0].y[ids]
        else:
            chosen = [data.graphs[i] for i in ids.tolist()]
            answers = predictor.predict(chosen)
            labels = torch.cat([one[data.labels] for one in chosen])
        found = score(predictor.metric, torch.from_numpy(answers), labels)
        assert found == pytest.approx(recorded[part], abs=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_the_batch_and_the_labels_change_nothing(runs, level):
    data, predictor = data_of(level), load_model(runs[level], device="cpu")
    before = [sorted(one.keys()) for one in data.graphs]
    whole = predictor.predict(data)
    assert [sorted(one.keys()) for one in data.graphs] == before
    assert whole.dtype == np.float32
    bare = [
        Data(**{k: v for k, v in one.to_dict().items() if k not in ("y", "edge_label")})
        for one in data.graphs
    ]
    np.testing.assert_allclose(predictor.predict(bare, batch_size=1), whole, rtol=1e-4, atol=1e-5)
    one_by_one = np.concatenate([predictor.predict(one) for one in data.graphs])
    np.testing.assert_allclose(one_by_one, whole, rtol=1e-4, atol=1e-5)


def test_the_model_alone_wants_its_transforms(runs):
    predictor, (one, *_) = load_model(runs["graph"], 0, device="cpu"), data_of("graph").graphs
    with pytest.raises(InvalidFeatures, match=r"encoding_transforms\(model\.config\)"):
        predictor.model(one)
    encoded = one.clone()
    for transform in encoding_transforms(predictor.model.config):
        encoded = transform(encoded)
    with torch.no_grad():
        answer = predictor.model(encoded).numpy()
    np.testing.assert_allclose(answer, predictor.predict(one), rtol=1e-4, atol=1e-5)


def test_the_best_split_is_that_of_validation():
    assert _best({0: 0.5, 1: 0.7, 2: 0.7}, "accuracy") == 1
    assert _best({2: 0.1, 1: 0.3}, "mae") == 2


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": torch.ones(5, 2)}, InvalidFeatures, "x is"),
        ({"x": None}, InvalidDataset, "graph 0 has no 'x'"),
        ({"edge_index": torch.tensor([[0], [9]])}, InvalidDataset, "its vertices are 0 to 4"),
        ({"x": torch.full((5, 4), torch.nan)}, InvalidFeatures, "nan"),
    ],
)
def test_graphs_that_do_not_fit(runs, change, error, match):
    values = {**data_of("graph").graphs[2].to_dict(), "x": torch.ones(5, 4), **change}
    wrong = Data(**{key: value for key, value in values.items() if value is not None})
    with pytest.raises(error, match=match):
        load_model(runs["graph"], device="cpu").predict([wrong])


def test_what_is_no_run(runs, tmp_path: Path):
    with pytest.raises(UnreadableFile, match=r"run\.json does not exist"):
        load_model(tmp_path)
    with pytest.raises(InvalidParameter, match="no split 7; the trained ones are 0, 1"):
        load_model(runs["graph"], 7)
    training = TrainingConfig("accuracy", epochs=1, warmup_epochs=0)
    train(tiny, data_of("graph"), tmp_path / "own", training=training)
    with pytest.raises(InvalidParameter, match="a module of your own"):
        load_model(tmp_path / "own")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("run.json", {"training": [1]}),
        ("run.json", {"training": {"lr": "fast"}}),
        ("run.json", {"auto": ["gps"]}),
        ("split-0/result.json", {"val": "best"}),
        ("split-0/result.json", {"val": [{}]}),
        ("split-0/config.json", {"channels": 2**62}),
        ("split-0/config.json", {"layers": 1000, "channels": 4096}),
        ("split-0/config.json", {"nodes": {"vocabulary": [2**24]}}),
        ("split-0/config.json", {"head": {"shape": [2**40]}}),
    ],
)
def test_a_run_from_elsewhere_is_a_named_error(runs, tmp_path: Path, file, change):
    """No field of its JSON files reserves memory or ends in another exception."""
    shutil.copytree(runs["graph"], tmp_path / "run")
    path = tmp_path / "run" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(GraphAggError):
        load_model(tmp_path / "run", 0)
    path.write_text("[" * 10**5)
    with pytest.raises(UnreadableFile, match="not JSON"):
        load_model(tmp_path / "run", 0)


def test_weights_that_claim_a_large_model_are_refused_before_it_is_made(runs, tmp_path: Path):
    shutil.copytree(runs["graph"], tmp_path / "run")
    folder = tmp_path / "run" / "split-0"
    plain = json.loads((folder / "config.json").read_text()) | {"layers": 10, "channels": 1024}
    (folder / "config.json").write_text(json.dumps(plain))
    metadata = {"config": json.dumps(plain)}
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", metadata)
    with pytest.raises(CheckpointMismatch, match=r"holds [\d,]+ numbers, but .* at least"):
        load_model(tmp_path / "run", 0)
