"""A loss and metrics of one's own, the model card, and a saved model without either."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from graphagg.errors import CheckpointMismatch, DeviceOutOfMemory, InvalidParameter
from graphagg.nn import FeatureConfig, GPSConfig, load, save_npz, train
from graphagg.nn.training import TrainingConfig
from tests.unit.nn.training.toys import Tiny, many, read_epochs, tiny

SHORT = TrainingConfig(epochs=3, batch_size=8)


def wrong(predicted: Tensor, labels: Tensor) -> Tensor:
    return (predicted.argmax(1) != labels).double().mean()


def test_the_metric_s_own_loss_given_as_a_function_trains_the_same_model(tmp_path: Path) -> None:
    plain = train(tiny, many(), tmp_path / "plain", training=SHORT, controls=False)
    own = train(
        tiny, many(), tmp_path / "own", training=SHORT, controls=False,
        loss=functional.cross_entropy, metrics={"wrong": wrong},
    )  # fmt: skip
    (left,), (right,) = plain.splits, own.splits
    assert (left.train, left.val, left.test) == (right.train, right.val, right.test)
    for part in ("train", "val", "test"):
        assert right.measures["wrong"][part] == pytest.approx(1 - getattr(right, part))


class Short(Tiny):
    """A model for which no batch is small enough."""

    def forward(self, data: Any) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_too_little_memory_names_the_batch_size_and_the_knobs(tmp_path: Path) -> None:
    with pytest.raises(DeviceOutOfMemory, match=r"batches of 8 .*lower training\.batch_size"):
        train(Short, many(), tmp_path / "run", training=SHORT)


def test_another_loss_is_minimized_and_loggers_get_each_epoch(tmp_path: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    train(
        tiny, many(), tmp_path, training=SHORT, controls=False,
        loss=lambda predicted, labels: 0.0 * predicted.sum() + 7.0,
        loggers=[lambda values, epoch: logged.append((values, epoch))],
    )  # fmt: skip
    assert [values["loss"] for values, _ in logged] == [7.0, 7.0, 7.0]
    assert [
        {"epoch": str(epoch), **{k: str(v) for k, v in values.items()}} for values, epoch in logged
    ] == read_epochs(tmp_path / "split-0" / "metrics.csv")


def test_a_loss_without_a_number_or_a_gradient_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"loss gives \(8, 2\); wanted a tensor of one"):
        train(tiny, many(), tmp_path, training=SHORT, loss=lambda predicted, labels: predicted)
    with pytest.raises(InvalidParameter, match="loss gives a number without a gradient"):
        train(tiny, many(), tmp_path / "wrong", training=SHORT, loss=wrong)


@pytest.mark.parametrize("value", ["x", None, torch.zeros(2)])
def test_a_metric_that_is_no_number_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"metric 'odd' gives \w+ \(.*\); wanted a"):
        train(tiny, many(), tmp_path, training=SHORT, metrics={"odd": lambda p, y: value})


def test_a_run_is_not_resumed_with_another_loss(tmp_path: Path) -> None:
    train(tiny, many(), tmp_path, training=SHORT, controls=False, metrics={"wrong": wrong})
    again = train(
        tiny, many(), tmp_path, training=SHORT, controls=False, metrics={"wrong": wrong},
        resume=True,
    )  # fmt: skip
    assert again.splits[0].measures["wrong"].keys() == {"train", "val", "test"}
    with pytest.raises(CheckpointMismatch, match="own"):
        train(tiny, many(), tmp_path, training=SHORT, loss=functional.cross_entropy, resume=True)


def test_the_card_says_what_the_model_was_trained_on(tmp_path: Path) -> None:
    result = train(tiny, many(), tmp_path, training=SHORT, splits=2, metrics={"wrong": wrong})
    card = (tmp_path / "split-1" / "model-card.md").read_text()
    assert (tmp_path / "split-1" / "model.safetensors").exists()
    split = result.splits[1]
    named = ("tiny on rings", "1: 12 train, 6 val, 6 test", "random state: 1", "digest")
    assert all(part in card for part in named)
    assert f"| accuracy | {split.train:.4f} | {split.val:.4f} | {split.test:.4f} |" in card
    assert all(f"control {control.name}" in card for control in result.controls[1])
    assert "| wrong |" in card and Path(sys.argv[0]).name in card


def test_a_saved_model_predicts_without_the_code_that_trained_it(tmp_path: Path) -> None:
    config = GPSConfig(FeatureConfig(width=4), channels=8, layers=1)
    run, data, out = tmp_path / "run", tmp_path / "rings.npz", tmp_path / "answers.parquet"
    train(config, many(), run, training=SHORT, loss=lambda p, y: functional.cross_entropy(p, y),
          metrics={"wrong": wrong}, controls=False)  # fmt: skip
    save_npz(data, many())
    command = [sys.executable, "-m", "graphagg", "predict", str(run), "--data", str(data)]
    done = subprocess.run(
        [*command, "--out", str(out), "--device", "cpu"], cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outputs = np.stack(pq.read_table(out).column("outputs").to_numpy())
    torch.testing.assert_close(outputs, load(run).predict(many().graphs), rtol=1e-5, atol=1e-6)
