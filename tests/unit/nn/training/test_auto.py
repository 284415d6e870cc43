"""`auto`: the winner of a race on the validation part, which a run then trains."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from graphagg.errors import RunExists, TrainingInterrupted
from graphagg.nn.presets.simple import simple
from graphagg.nn.training import GraphData, TrainingConfig, auto, train
from graphagg.nn.training.auto import ORDER, Auto, choose, winner
from graphagg.nn.training.results import Control
from tests.unit.nn.training.toys import many, single

CPU = torch.device("cpu")


def short(epochs: int = 2) -> Auto:
    return Auto(lambda plain: replace(plain, training=brief(plain.training, epochs)))


def brief(training: TrainingConfig, epochs: int = 2) -> TrainingConfig:
    return replace(training, epochs=epochs, warmup_epochs=0, batch_size=8)


def raced(**scores: float | None) -> list[Control]:
    return [Control(name, val, 0.5, 0.1) for name, val in scores.items()]


@pytest.mark.parametrize(
    ("splits", "metric", "name"),
    [
        ([{"gcn": 0.8, "sage": 0.7, "mlp": 0.9, "gps": 0.1}], "accuracy", "mlp"),
        ([{"gcn": 0.8, "sage": 0.7, "mlp": 0.9, "gps": 0.1}], "mae", "gps"),
        ([{"gcn": 0.8, "sage": 0.7}, {"gcn": 0.5, "sage": 0.7}], "accuracy", "sage"),
        ([{"gcn": 0.8, "sage": 0.8, "mlp": 0.8}], "accuracy", "sage"),
        ([{"gcn": None, "sage": 0.8, "mlp": 0.7}], "accuracy", "sage"),
        ([{"gcn": 0.9, "mlp": 0.7}, {"gcn": None, "mlp": 0.7}], "accuracy", "mlp"),
        ([{"gcn": None, "sage": None}], "accuracy", "sage"),
    ],
)
def test_the_best_mean_of_the_validation_parts_wins(splits, metric, name) -> None:
    taken, reasons = winner([raced(**scores) for scores in splits], ORDER["node"], metric)
    assert taken == name and len(reasons) == 1 and f"takes {name}" in reasons[0]


@pytest.mark.parametrize("better", [True, False])
def test_a_control_that_no_network_comes_up_to_is_named(better: bool) -> None:
    controls = raced(gcn=0.8, spread=0.9 if better else 0.8)
    taken, reasons = winner([controls], ORDER["node"], "accuracy")
    assert taken == "gcn"
    assert any("the control 'spread'" in reason for reason in reasons) == better


@pytest.mark.parametrize("data", [single, many])
def test_labels_of_the_test_part_choose_nothing(data) -> None:
    choices = []
    for flipped in (False, True):
        source: GraphData = data()
        for row in source.splits[0].test.tolist() if flipped else ():
            labels = source.graphs[0].y[row] if source.single else source.graphs[row].y
            labels.copy_(1 - labels)
        choices.append(choose(short(), source, "accuracy", 1, CPU))
    left, right = choices
    assert (left.name, left.reasons) == (right.name, right.reasons)
    assert [c.val for c in left.raced[0]] == [c.val for c in right.raced[0]]
    assert [c.test for c in left.raced[0]] != [c.test for c in right.raced[0]]


def test_a_run_trains_the_winner_and_its_controls_are_the_others(tmp_path: Path) -> None:
    data = many()
    result = train("auto", data, tmp_path / "auto", training=brief(TrainingConfig()), splits=2)
    name = json.loads((tmp_path / "auto" / "run.json").read_text())["auto"]["name"]
    plain = train(
        simple(name, "graph", 6).model, data, tmp_path / "plain", splits=2,
        training=brief(TrainingConfig()),
    )  # fmt: skip
    assert [(s.val, s.test) for s in result.splits] == [(s.val, s.test) for s in plain.splits]
    others = {"constant", "trees on counts", *ORDER["graph"]} - {name}
    assert set(result.control_scores) == others
    for split, race in zip(result.splits, result.controls, strict=True):
        networks = [c.val for c in race if c.name in ORDER["graph"]]
        assert len(networks) == 3 and all(val is not None for val in networks), split
    mean = sum(split.val for split in result.splits)
    for other in set(ORDER["graph"]) - {name}:
        assert sum(c.val or 0 for race in result.controls for c in race if c.name == other) <= mean
    assert f"auto takes {name}" in result.notes[0]


def test_a_resumed_run_does_not_race_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(short(), single(), tmp_path)
    monkeypatch.setattr(auto, "measure", lambda *_: pytest.fail("raced again"))
    with pytest.raises(RunExists, match="already holds"):
        train(short(), single(), tmp_path)
    again = train(short(), single(), tmp_path, resume=True)
    assert again.to_json() | {"seconds": 0} == first.to_json() | {"seconds": 0}


def test_a_race_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(auto, "measure", interrupted)
    with pytest.raises(TrainingInterrupted, match="before the training began"):
        train(short(), single(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_large_data_are_raced_for_fewer_epochs_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auto, "_READ", 1)
    choice = choose(short(20), single(), "accuracy", 1, CPU)
    assert choice.raced == () and choice.preset.training.epochs == 20
    monkeypatch.setattr(auto, "_LARGE", 10)
    choice = choose(Auto(), single(), "accuracy", 1, CPU)
    assert (choice.name, choice.preset.training.fanouts) == ("sage", (10, 5))
    assert "40 vertices, over 10" in choice.reasons[0]
