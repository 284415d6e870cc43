"""The plain models, and how `train_auto` chooses among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import MLP, GCNConv

from graphagg.errors import CheckpointMismatch, RunExists
from graphagg.nn import GPS, FeatureConfig, Preset, load_model, train_auto
from graphagg.nn.presets.plain import PLAIN_MODELS, for_epochs, plain_preset
from graphagg.nn.training import GraphData, TrainingConfig, TrainingResult, auto, device, train
from graphagg.nn.training.auto import ORDER
from graphagg.nn.training.device import few_threads
from tests.unit.nn.training.toys import many, pairs, scores, single, tiny


def brief(preset: Preset) -> Preset:
    training = replace(preset.training, epochs=2, warmup_epochs=0, batch_size=8)
    return replace(preset, training=training)


def run(data: GraphData, out: Path, **options: bool) -> list[TrainingResult]:
    return train_auto(data, out, change=brief, device="cpu", **options)


@pytest.mark.parametrize("name", PLAIN_MODELS)
@pytest.mark.parametrize("task", ["graph", "node", "edge"])
def test_every_plain_model_can_be_built(name, task) -> None:
    assert GPS(plain_preset(name, task, 10).model).parameter_count > 0


def test_the_mlp_for_vertices_is_the_one_of_pyg() -> None:
    config = replace(plain_preset("mlp", "node").model, nodes=FeatureConfig(width=5))
    model, peer = GPS(config).eval(), MLP([5, 64, 1], norm=None).eval()
    peer.load_state_dict(dict(zip(peer.state_dict(), model.state_dict().values(), strict=True)))
    data = Data(x=torch.randn(7, 5), edge_index=torch.zeros((2, 0), dtype=torch.int64))
    torch.testing.assert_close(model(data), peer(data.x))


def test_the_gcn_for_vertices_is_the_one_of_pyg() -> None:
    config = replace(plain_preset("gcn", "node", 7, 256).model, nodes=FeatureConfig(width=5))
    model, first, second = GPS(config).eval(), GCNConv(5, 64, bias=False), GCNConv(64, 1)
    weights = dict(zip(("w", "b", "v", "c"), model.parameters(), strict=True))
    weights["b"].data.zero_()  # before the sum over neighbors, in PyG after it
    first.load_state_dict({"lin.weight": weights["w"]})
    second.load_state_dict({"lin.weight": weights["v"], "bias": weights["c"]})
    data = Data(x=torch.randn(7, 5), edge_index=torch.randint(0, 7, (2, 20)))
    hidden = first(data.x, data.edge_index).relu()
    torch.testing.assert_close(model(data), second(hidden, data.edge_index))


@pytest.mark.parametrize("kind", [many, single, pairs])
def test_the_best_by_validation_comes_first_and_is_loaded(
    tmp_path: Path, kind: Callable[[], GraphData]
) -> None:
    data = kind()
    results = train_auto(data, tmp_path, change=brief, splits=len(data.splits), device="cpu")
    assert {result.model for result in results} == set(ORDER[data.level])
    validation = [result.val.mean for result in results]
    assert validation == sorted(validation, reverse=True)
    best = results[0]
    plain = json.loads((tmp_path / "results.json").read_text())
    assert plain["model"] == best.model and plain["auto"][best.model] == best.val.mean
    alone = load_model(tmp_path / best.model, device="cpu").predict(data)
    assert (load_model(tmp_path, device="cpu").predict(data) == alone).all()


def test_labels_of_the_test_part_choose_nothing(tmp_path: Path) -> None:
    order = []
    for flipped in (False, True):
        data = many()
        for row in data.splits[0].test.tolist() if flipped else ():
            data.graphs[row].y = 1 - data.graphs[row].y
        order.append([(r.model, r.val) for r in run(data, tmp_path / str(flipped))])
    assert order[0] == order[1]


def test_a_finished_run_is_resumed_without_training(tmp_path: Path) -> None:
    first = run(single(), tmp_path)
    with pytest.raises(RunExists, match="already holds"):
        run(single(), tmp_path)
    again = run(single(), tmp_path, resume=True)
    assert [r.to_json()["splits"] for r in again] == [r.to_json()["splits"] for r in first]
    assert [scores(r) for r in run(single(), tmp_path, force=True)] == [scores(r) for r in first]
    train(tiny, single(), tmp_path / "other", training=TrainingConfig(epochs=1))
    with pytest.raises(CheckpointMismatch, match="has another configuration"):
        run(single(), tmp_path / "other", resume=True)


def test_a_large_graph_is_trained_by_sage_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "_LARGE", 10)
    (result,) = run(single(), tmp_path)
    assert result.model == "sage"


def test_a_shorter_run_of_a_plain_model_has_a_higher_rate_unless_it_is_set(tmp_path: Path) -> None:
    whole = plain_preset("gcn", "node").training
    for epochs in (10, 30, 100):
        short = for_epochs(whole, epochs)
        assert short.lr == pytest.approx(whole.lr * (whole.epochs / epochs) ** 0.5)
        assert (short.epochs, short.warmup_epochs) == (epochs, epochs // 20)
    assert for_epochs(whole, 500) == for_epochs(whole, 200) == whole
    run(single(), tmp_path / "follows")
    train_auto(
        single(), tmp_path / "set", device="cpu",
        change=lambda p: replace(p, training=replace(brief(p).training, lr=0.02)),
    )  # fmt: skip
    rates = [
        json.loads((tmp_path / name / "gcn" / "run.json").read_text())["training"]["lr"]
        for name in ("follows", "set")
    ]
    assert rates == [pytest.approx(whole.lr * 10), 0.02]


def test_small_steps_run_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with few_threads(single(), TrainingConfig()):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        monkeypatch.setattr(device, "_SMALL", 1)
        with few_threads(single(), TrainingConfig()):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
