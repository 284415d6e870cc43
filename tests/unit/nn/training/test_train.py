from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from graphagg.errors import (
    CheckpointMismatch,
    DeviceOutOfMemory,
    DeviceUnavailable,
    InvalidDataset,
    InvalidParameter,
    RunBusy,
    RunExists,
    TrainingInterrupted,
    UnknownPreset,
)
from graphagg.nn.config.model import FeatureConfig, GPSConfig, LocalConfig
from graphagg.nn.training import Split, TrainingConfig, TrainingResult, train
from tests.unit.nn.training.toys import (
    Tiny,
    certain,
    line,
    losses,
    many,
    pairs,
    read_epochs,
    scores,
    single,
    tiny,
)

SHORT = TrainingConfig(epochs=4, batch_size=4, lr=1e-2, warmup_epochs=1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "split-0" / "model.safetensors")


def equal_weights(left: Path, right: Path) -> bool:
    first, second = weights(left), weights(right)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def falls(values: list[float]) -> bool:
    return all(after < before for before, after in pairwise(values))


def test_a_toy_task_is_learned_and_everything_is_in_the_folder(tmp_path: Path) -> None:
    training = replace(SHORT, epochs=15, patience=0)
    told: list[tuple[str, int, int]] = []
    result = train(
        line, certain(many()), tmp_path / "run", training=training, splits=2,
        progress=lambda *report: told.append(report),
    )  # fmt: skip
    loss = losses(tmp_path / "run")
    assert len(loss) == 15 and falls(loss)
    assert result.test.mean == 1.0
    assert told[:2] == [("split 0", 0, 15), ("split 0", 1, 15)]
    assert ("split 0", 15, 15) in told
    assert told[-1] == ("split 1", 15, 15)
    plain = json.loads((tmp_path / "run" / "results.json").read_text())
    assert plain == result.to_json()
    assert (plain["task"], plain["model"], plain["metric"]) == ("graph", "line", "accuracy")
    tests = [split["test"] for split in plain["splits"]]
    assert plain["test"] == {"mean": np.mean(tests), "std": np.std(tests)}
    folder = tmp_path / "run" / "split-0"
    names = {"last.safetensors", "model.safetensors", "metrics.csv", "result.json"}
    assert names <= set(os.listdir(folder))
    last, saved = load_file(folder / "last.safetensors"), weights(tmp_path / "run")
    assert all(torch.equal(saved[key], last[f"best.model.{key}"]) for key in saved)
    assert result.parameters == sum(v.numel() for v in saved.values())


@pytest.mark.parametrize("kind", ["many", "whole"])
def test_equal_settings_give_equal_numbers_and_a_resumed_run_the_same(
    tmp_path: Path, kind: str
) -> None:
    data = many() if kind == "many" else single()
    training = SHORT

    def run(name: str, **options: Any) -> TrainingResult:
        return train(tiny, data, tmp_path / name, training=training, **options)

    def stop(stage: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    whole = run("whole")
    assert scores(run("again")) == scores(whole)
    assert equal_weights(tmp_path / "again", tmp_path / "whole")
    with pytest.raises(TrainingInterrupted, match=r"keeps the epochs .* `resume=True`"):
        run("resumed", progress=stop)
    assert not (tmp_path / "resumed" / "split-0" / "result.json").exists()
    assert scores(run("resumed", resume=True)) == scores(whole)
    assert equal_weights(tmp_path / "resumed", tmp_path / "whole")
    rows = [read_epochs(tmp_path / n / "split-0" / "metrics.csv") for n in ("whole", "resumed")]
    assert rows[0] == rows[1] and [row["epoch"] for row in rows[0]] == ["1", "2", "3", "4"]
    other = train(tiny, data, tmp_path / "other", training=replace(training, random_state=7))
    assert not equal_weights(tmp_path / "other", tmp_path / "whole")
    assert other.splits[0].epochs == 4


def test_resuming_a_finished_run_trains_nothing_and_more_splits_are_added(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = train(tiny, many(), tmp_path / "run", training=SHORT)
    both = train(tiny, many(), tmp_path / "run", training=SHORT, splits=2, resume=True)
    assert both.splits[0] == first.splits[0] and len(both.splits) == 2
    assert capfd.readouterr() == ("", "")  # nothing reaches the terminal


def test_a_folder_in_use_and_other_settings_are_refused(tmp_path: Path) -> None:
    train(tiny, many(), tmp_path, training=SHORT)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunExists, match=r"`resume=True`.*`force=True`"):
        train(tiny, many(), tmp_path, training=SHORT)
    with pytest.raises(CheckpointMismatch, match=r"training\.lr: there 0\.01, now 0\.5"):
        train(tiny, many(), tmp_path, training=replace(SHORT, lr=0.5), resume=True)
    with pytest.raises(CheckpointMismatch, match=r"data\.digest"):
        train(tiny, many(seed=1), tmp_path, training=SHORT, resume=True)
    with pytest.raises(CheckpointMismatch, match=r"model\.name: there 'tiny', now 'Tiny'"):
        train(Tiny, many(), tmp_path, training=SHORT, resume=True)
    train(tiny, many(), tmp_path, training=replace(SHORT, lr=0.5), force=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("options", [{"force": True}, {"resume": True}, {}])
def test_two_runs_do_not_share_a_folder(tmp_path: Path, options: dict[str, bool]) -> None:
    def meanwhile(stage: str, done: int, total: int) -> None:
        with pytest.raises(RunBusy, match=r"another process trains there.*another folder"):
            train(tiny, many(), tmp_path / "run", training=SHORT, **options)

    first = train(tiny, many(), tmp_path / "run", training=SHORT, progress=meanwhile)
    alone = train(tiny, many(), tmp_path / "alone", training=SHORT)
    assert scores(first) == scores(alone)
    train(tiny, many(), tmp_path / "run", training=SHORT, force=True)


def test_early_stopping_keeps_the_first_best_epoch(tmp_path: Path) -> None:
    """A model that cannot learn: the first epoch stays the best."""

    class Constant(torch.nn.Module):
        def __init__(self, shape: Any) -> None:
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(1))

        def forward(self, data: Any) -> torch.Tensor:
            rows = data.num_graphs
            return torch.stack([self.bias.expand(rows), -1 + 0 * self.bias.expand(rows)], dim=1)

    training = replace(SHORT, epochs=30, patience=3)
    result = train(Constant, many(), tmp_path, training=training)
    assert (result.splits[0].epoch, result.splits[0].epochs) == (1, 4)
    assert result.splits[0].val == pytest.approx(0.5)
    (tmp_path / "split-0" / "result.json").unlink()  # as if it had died right after training
    again = train(Constant, many(), tmp_path, training=training, resume=True)
    assert scores(again) == scores(result)


def test_regression_and_pairs(tmp_path: Path) -> None:
    training = replace(SHORT, epochs=15, patience=0)
    result = train(line, certain(many(regression=True)), tmp_path / "a", training=training)
    assert result.metric == "mae" and falls(losses(tmp_path / "a"))
    rows = read_epochs(tmp_path / "a" / "split-0" / "metrics.csv")
    assert falls([float(row["val"]) for row in rows]) and result.splits[0].epoch == 15
    found = train(tiny, pairs(24), tmp_path / "b", training=replace(training, metric="auto"))
    assert found.metric == "ap" and 0.5 <= found.test.mean <= 1.0


def test_what_cannot_be_trained_is_named_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(UnknownPreset, match="no preset is named 'zink'"):
        train("zink", many(), out)
    with pytest.raises(DeviceUnavailable, match=r"'cuda:99' is not available; found: .*cpu"):
        train(tiny, many(), out, device="cuda:99")
    with pytest.raises(InvalidParameter, match=r"splits is 3, but the data have 2; draw"):
        train(tiny, many(), out, splits=3)
    with pytest.raises(InvalidDataset, match="metric 'mae' does not fit"):
        train(tiny, many(), out, training=replace(SHORT, metric="mae"))
    for wrong in (2.0, "2", True, 0):
        with pytest.raises(InvalidParameter, match="expected an integer of at least 1"):
            train(tiny, many(), out, splits=wrong)  # type: ignore[arg-type]
    for model in (3, torch.nn.Linear(2, 2)):
        with pytest.raises(InvalidParameter, match=r"model is \w+, .*begins with a new one"):
            train(model, many(), out)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="nonsense"):
        train(GPSConfig(FeatureConfig(width=4), local=LocalConfig("nonsense")), many(), out)
    with pytest.raises(InvalidDataset, match="test of split 0 is empty"):
        ids = torch.arange(4)
        empty = replace(many(), splits=(Split("0", ids[:2], ids[2:], ids[:0]),))
        train(tiny, empty, out)
    assert not out.exists()


@pytest.mark.gpu
def test_the_gpu_learns_the_same_task(tmp_path: Path) -> None:
    training = replace(SHORT, epochs=2)
    for name, data in (("many", many()), ("one", single())):
        out = tmp_path / name
        train(tiny, data, out / "tiny", training=training, device="cuda")
        assert all(math.isfinite(loss) for loss in losses(out / "tiny"))
        learned = train(line, certain(data), out / "line", training=training, device="cuda")
        assert learned.test.mean == 1.0


BRIEF = TrainingConfig(epochs=3, batch_size=8)


class Short(Tiny):
    """A model for which no batch is small enough."""

    def forward(self, data: Any) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_too_little_memory_names_the_batch_size_and_the_knobs(tmp_path: Path) -> None:
    with pytest.raises(DeviceOutOfMemory, match=r"batches of 8 .*lower training\.batch_size"):
        train(Short, many(), tmp_path / "run", training=BRIEF)


def test_another_loss_is_minimized_and_loggers_get_each_epoch(tmp_path: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    train(
        tiny, many(), tmp_path, training=BRIEF,
        loss=lambda predicted, labels: 0.0 * predicted.sum() + 7.0,
        loggers=[lambda values, epoch: logged.append((values, epoch))],
    )  # fmt: skip
    assert [values["loss"] for values, _ in logged] == [7.0, 7.0, 7.0]
    assert [
        {"epoch": str(epoch), **{k: str(v) for k, v in values.items()}} for values, epoch in logged
    ] == read_epochs(tmp_path / "split-0" / "metrics.csv")


def test_a_run_is_not_resumed_with_another_loss(tmp_path: Path) -> None:
    train(tiny, many(), tmp_path, training=BRIEF)
    with pytest.raises(CheckpointMismatch, match="loss"):
        train(tiny, many(), tmp_path, training=BRIEF, loss=functional.cross_entropy, resume=True)
