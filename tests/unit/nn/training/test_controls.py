"""Controls by their definition, what the verdict says, and the race of `auto`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from graphagg.errors import RunExists, TrainingDiverged, TrainingInterrupted, UnreadableFile
from graphagg.nn.presets import override
from graphagg.nn.presets.simple import SIMPLE, for_epochs, simple
from graphagg.nn.training import GraphData, TrainingConfig, TrainingResult, auto, device, train
from graphagg.nn.training import controls as module
from graphagg.nn.training.auto import ORDER, Auto, choose, winner
from graphagg.nn.training.batches import Feed
from graphagg.nn.training.controls import AdamicAdar, Task, graph_counts, measure
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.device import few_threads
from graphagg.nn.training.results import Control, SplitResult
from tests.unit.nn.training.toys import many, pairs, ring, single, tiny

SHORT = TrainingConfig(epochs=2, batch_size=8)


def task_of(data: GraphData, metric: str, epochs: int = 2) -> Task:
    graphs = None if data.single else Graphs.from_list(data.graphs)
    training = replace(SHORT, epochs=epochs)
    feed = Feed(data, graphs, data.splits[0], training)
    return Task(feed, data.shape(metric), metric, training, torch.device("cpu"))


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (many, ["constant", "trees on counts", "sage"]),
        (single, ["constant", "label propagation", "mlp", "gcn", "sage"]),
        (pairs, ["constant", "Adamic-Adar", "mlp", "sage"]),
    ],
)
def test_a_run_of_each_level_has_its_controls(tmp_path: Path, data, names) -> None:
    result = train(tiny, data(), tmp_path, training=SHORT)
    (split,) = result.controls
    assert [control.name for control in split] == names
    assert all(c.val is not None and c.test is not None and not c.note for c in split)
    saved = json.loads((tmp_path / "results.json").read_text())
    assert [control["name"] for control in saved["controls"][0]] == names
    assert saved["verdict"] == result.verdict != ""


def test_a_run_without_controls_has_the_same_model(tmp_path: Path) -> None:
    data = many()
    runs = [
        train(tiny, data, tmp_path / str(on), training=SHORT, splits=2, controls=on)
        for on in (True, False)
    ]
    assert runs[1].controls == () and runs[1].verdict == ""
    left, right = ([(s.train, s.val, s.test) for s in run.splits] for run in runs)
    assert left == right
    # A run that left them out measures them when it is asked again, and not twice.
    again = train(tiny, data, tmp_path / "False", training=SHORT, splits=2, resume=True)
    scores = [[(c.name, c.test) for c in split] for split in again.controls]
    assert scores == [[(c.name, c.test) for c in split] for split in runs[0].controls]
    (tmp_path / "False" / "split-0" / "controls.json").write_text('{"controls": [{"x": 1}]}')
    with pytest.raises(UnreadableFile, match=r"remove .* to measure them again"):
        train(tiny, data, tmp_path / "False", training=SHORT, splits=2, resume=True)


def test_constants_are_medians_and_shares() -> None:
    regression = many(regression=True)
    train_labels = torch.cat([regression.graphs[i].y for i in regression.splits[0].train.tolist()])
    test_labels = torch.cat([regression.graphs[i].y for i in regression.splits[0].test.tolist()])
    (constant, *_) = measure(task_of(regression, "mae"), networks={})
    wanted = (test_labels - train_labels.median()).abs().mean()
    assert constant.test == pytest.approx(float(wanted))
    (constant, *_) = measure(task_of(single(), "accuracy"), networks={})
    labels = single().graphs[0].y
    most = labels[single().splits[0].train].mode().values
    shares = (labels[single().splits[0].test] == most).double().mean()
    assert constant.test == pytest.approx(float(shares))


def test_labels_spread_along_edges() -> None:
    """Two rings, each of a class: a few known labels say the others."""
    edges = torch.cat([ring(10), ring(10) + 10], dim=1)
    y = torch.repeat_interleave(torch.arange(2), 10)
    rows = torch.arange(20)
    split = single().splits[0].__class__("0", rows[::5], rows[1::5], rows[2::5])
    graph = Data(x=torch.ones(20, 1), edge_index=edges, y=y)
    data = GraphData("rings", "node", [graph], (split,))
    spread = measure(task_of(data, "accuracy"), networks={})[1]
    assert (spread.name, spread.val, spread.test) == ("label propagation", 1.0, 1.0)


def test_adamic_adar_is_the_one_of_networkx() -> None:
    graph = nx.gnm_random_graph(20, 50, seed=1)
    edges = torch.tensor(list(graph.edges)).T
    asked = [(u, v) for u in range(20) for v in range(20) if u != v]
    data = Data(edge_index=edges, num_nodes=20, edge_label_index=torch.tensor(asked).T)
    wanted = [score for _, _, score in nx.adamic_adar_index(graph, asked)]
    torch.testing.assert_close(AdamicAdar()(data), torch.tensor(wanted), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("categories", [True, False])
def test_counts_are_those_of_each_graph_alone(categories: bool) -> None:
    data = many()
    if categories:
        for graph in data.graphs:
            graph.x = (graph.x > 0).long()
    shape = data.shape("accuracy")
    together = graph_counts(Batch.from_data_list(data.graphs), shape)
    for row, graph in enumerate(data.graphs):
        alone = graph_counts(Batch.from_data_list([graph]), shape)[0]
        np.testing.assert_allclose(together[row], alone)
        assert alone[0] == graph.num_edges and alone[1:10].sum() == graph.num_nodes
        if categories:
            counts = [(graph.x[:, c] == value).sum() for c in range(4) for value in (0, 1)]
            assert alone[10:].tolist() == [float(count) for count in counts]


def test_a_graph_without_edges_has_controls() -> None:
    data = single()
    data.graphs[0].edge_index = torch.zeros(2, 0, dtype=torch.int64)
    assert all(control.test is not None for control in measure(task_of(data, "accuracy")))


def test_a_control_that_fails_leaves_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(preset, task):
        raise TrainingDiverged("the loss is nan")

    monkeypatch.setattr(module, "train_model", failing)
    failed = measure(task_of(many(), "accuracy"))[-1]
    assert (failed.name, failed.test, failed.note) == ("sage", None, "the loss is nan")


def result_of(tests: list[float], controls: list[float], metric: str = "accuracy"):
    splits = tuple(SplitResult("0", 1.0, t, t, 1, 1, 5, 0.1, 0.1) for t in tests)
    each = tuple(
        (Control("gcn", c, c, 0.1), Control("mlp", None, None, 0.1, "no")) for c in controls
    )
    return TrainingResult("node", "cora", "data", 5, metric, splits, controls=each)


@pytest.mark.parametrize(
    ("tests", "controls", "said"),
    [
        ([0.6, 0.62], [0.78, 0.78], "control 'gcn' (test accuracy 0.6100 against 0.7800): take"),
        ([0.6, 0.7], [0.67, 0.67], "(test accuracy 0.6500 against 0.6700); it is behind"),
        ([0.7, 0.92], [0.8, 0.8], "by less than the deviation"),
        ([0.9, 0.91], [0.8, 0.8], "by more than the deviation"),
        ([0.9], [0.8], "one split says nothing about chance"),
        ([0.9], [0.9], "(test accuracy 0.9000 against 0.9000): they are level"),
    ],
)
def test_the_verdict(tests: list[float], controls: list[float], said: str) -> None:
    result = result_of(tests, controls)
    assert said in result.verdict and set(result.control_scores) == {"gcn"}
    lower = result_of([0.6, 0.6], [0.5, 0.5], "mae").verdict
    assert "does not beat the control 'gcn'" in lower and "let the preset 'auto'" in lower


@pytest.mark.parametrize("name", SIMPLE)
@pytest.mark.parametrize("task", ["graph", "node", "edge"])
def test_every_plain_model_can_be_built(name, task) -> None:
    from graphagg.nn import GPS

    model = GPS(simple(name, task, 10).model)
    assert model.parameter_count > 0


def test_the_mlp_for_vertices_is_the_one_of_pyg() -> None:
    from torch_geometric.nn import MLP

    from graphagg.nn import GPS, FeatureConfig

    model = GPS(replace(simple("mlp", "node").model, nodes=FeatureConfig(width=5))).eval()
    peer = MLP([5, 64, 1], norm=None).eval()
    peer.load_state_dict(dict(zip(peer.state_dict(), model.state_dict().values(), strict=True)))
    data = Data(x=torch.randn(7, 5), edge_index=torch.zeros((2, 0), dtype=torch.int64))
    torch.testing.assert_close(model(data), peer(data.x))


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


def test_a_shorter_run_of_a_plain_model_has_a_higher_rate() -> None:
    whole = simple("gcn", "node").training
    for epochs in (10, 30, 100):
        brief = for_epochs(whole, epochs)
        assert brief.lr == pytest.approx(whole.lr * (whole.epochs / epochs) ** 0.5)
        assert (brief.epochs, brief.warmup_epochs) == (epochs, epochs // 20)
    assert for_epochs(whole, 500) == for_epochs(whole, 200) == whole
    raced = choose(short(10), single(), "accuracy", 1, CPU).preset.training
    wanted = for_epochs(simple("gcn", "node").training, 10)
    assert (raced.lr, raced.warmup_epochs) == (wanted.lr, wanted.warmup_epochs)


@pytest.mark.parametrize("rate", [0.02, TrainingConfig().lr, simple("gcn", "node").training.lr])
def test_a_rate_that_is_set_stays(tmp_path: Path, rate: float) -> None:
    given = {"epochs": 2, "lr": rate}
    changes = [f"training.{name}={value}" for name, value in {**given, "warmup_epochs": 0}.items()]
    for source, settings in (
        ("auto", TrainingConfig(epochs=2, lr=rate)),
        ("auto", TrainingConfig.from_dict(given)),
        (Auto(lambda plain: override(plain, changes)), None),
    ):
        train(source, single(), tmp_path, training=settings, controls=False, force=True)
        found = json.loads((tmp_path / "run.json").read_text())["training"]
        assert (found["epochs"], found["lr"]) == (2, rate)
        assert found["weight_decay"] == simple("gcn", "node").training.weight_decay


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
