"""What a run tells the user's loggers, and what it says where a device has too little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from graphagg.errors import DeviceOutOfMemory
from graphagg.nn.training import TrainingConfig, train
from tests.unit.nn.training.toys import Tiny, many, read_epochs, tiny

SHORT = TrainingConfig(epochs=2, batch_size=5, lr=1e-2, warmup_epochs=1)


def test_loggers_are_told_of_each_epoch(tmp_path: Path) -> None:
    told: list[tuple[dict[str, float], int]] = []
    train(
        tiny, many(), tmp_path / "run", training=SHORT,
        loggers=[lambda values, epoch: told.append((values, epoch))],
    )  # fmt: skip
    rows = read_epochs(tmp_path / "run" / "split-0" / "metrics.csv")
    assert [
        {"epoch": str(epoch), **{k: str(v) for k, v in values.items()}} for values, epoch in told
    ] == rows


class Short(Tiny):
    """A model for which no batch is small enough."""

    def forward(self, data: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_too_little_memory_names_the_batch_size_and_the_knobs(tmp_path: Path) -> None:
    with pytest.raises(DeviceOutOfMemory, match=r"batches of 5 .*lower training\.batch_size"):
        train(Short, many(), tmp_path / "run", training=SHORT)
