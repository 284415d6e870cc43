"""Results of a training run: scores of each split, their mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import InvalidParameter, UnreadableFile
from graphagg.nn.config.model import TaskLevel
from graphagg.nn.config.training import Metric
from graphagg.nn.settings import STRICT, parse
from graphagg.nn.training.data.dataset import SUBSETS


@dataclass(frozen=True)
class SplitResult:
    """The result of one split, with scores from the epoch with the best validation score.

    Attributes:
        split: name of the split.
        train: metric on the training part, in evaluation mode.
        val: metric on the validation part.
        test: metric on the test part.
        epoch: the best epoch, counted from 1.
        epochs: number of epochs trained.
        parameters: number of trainable parameters of the model.
        seconds: wall time of training and evaluation.
        cpu_seconds: CPU time of training and evaluation.

    Examples:
        >>> from graphagg.nn.training import SplitResult
        >>> SplitResult("0", 0.9, 0.8, 0.7, 3, 10, 423, 1.5, 1.2).to_json()["test"]
        0.7
    """

    __pydantic_config__ = STRICT

    split: str
    train: float
    val: float
    test: float
    epoch: int
    epochs: int
    parameters: int
    seconds: float
    cpu_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any], path: Path, remedy: str) -> SplitResult:
        """Read the result of `to_json`; `UnreadableFile` names the path and ends with `remedy`."""
        try:
            return parse(cls, values, "result")
        except InvalidParameter as error:
            raise UnreadableFile(f"{path} is not a result ({error}); {remedy}") from None


@dataclass(frozen=True)
class Score:
    """Mean and standard deviation (divided by n) over the splits.

    Examples:
        >>> from graphagg.nn.training import Score
        >>> Score.from_values([1.0, 3.0])
        Score(mean=2.0, std=1.0)
    """

    mean: float
    std: float

    @classmethod
    def from_values(cls, values: Sequence[float]) -> Score:
        """Summarize the values of the splits."""
        return cls(float(np.mean(values)), float(np.std(values)))


@dataclass(frozen=True)
class TrainingResult:
    """The results of all splits.

    Attributes:
        task: `graph`, `node` or `edge`.
        model: name of the preset, or of the model.
        data: name of the data.
        parameters: number of trainable parameters of the model.
        metric: metric of the scores.
        splits: one result per split.
        encoding_seconds: CPU time for the encodings, computed once for all splits.

    Examples:
        >>> from graphagg.nn.training import SplitResult, TrainingResult
        >>> split = SplitResult("0", 0.9, 0.8, 0.7, 3, 10, 423, 1.5, 1.2)
        >>> TrainingResult("graph", "gcn", "rings", 423, "accuracy", (split,)).test
        Score(mean=0.7, std=0.0)
    """

    task: TaskLevel
    model: str
    data: str
    parameters: int
    metric: Metric
    splits: tuple[SplitResult, ...]
    encoding_seconds: float = 0.0

    @property
    def train(self) -> Score:
        """Score on the training parts."""
        return Score.from_values([split.train for split in self.splits])

    @property
    def val(self) -> Score:
        """Score on the validation parts."""
        return Score.from_values([split.val for split in self.splits])

    @property
    def test(self) -> Score:
        """Score on the test parts."""
        return Score.from_values([split.test for split in self.splits])

    @property
    def seconds(self) -> float:
        """Wall time of all splits."""
        return sum(split.seconds for split in self.splits)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with the keys of `graphagg train --json`."""
        return {
            "task": self.task,
            "model": self.model,
            "data": self.data,
            "parameters": self.parameters,
            "metric": self.metric,
            **{subset: asdict(getattr(self, subset)) for subset in SUBSETS},
            "splits": [split.to_json() for split in self.splits],
            "seconds": round(self.seconds, 2),
            "encoding_cpu_seconds": round(self.encoding_seconds, 2),
        }
