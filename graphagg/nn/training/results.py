"""Results of a training run: scores of each split, their mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import UnreadableFile
from graphagg.nn.config.training import Metric
from graphagg.nn.training.data.dataset import PARTS, Level


@dataclass(frozen=True)
class SplitResult:
    """One split, with the scores of the epoch that was best on its validation part.

    Attributes:
        split: name of the split.
        train: metric over the training part, in evaluation mode.
        val: metric over the validation part.
        test: metric over the test part.
        epoch: the best epoch, counted from 1.
        epochs: epochs trained.
        parameters: learned numbers of the model.
        seconds: wall time of training and evaluation.
        cpu_seconds: CPU time of the process meanwhile.
    """

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
        """Plain values."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: dict[str, Any], path: Path, remedy: str) -> SplitResult:
        """The result that `to_json` gave; else `UnreadableFile`, with the path and what to do."""
        kinds = {field.name: str(field.type) for field in fields(cls)}
        if values.keys() != kinds.keys():
            odd = ", ".join(sorted(values.keys() ^ kinds.keys()))
            raise UnreadableFile(f"{path} is no result (see {odd}); {remedy}")
        for name, value in values.items():
            if not isinstance(value, _JSON[kinds[name]]) or isinstance(value, bool):
                raise UnreadableFile(f"{path} is no result ({name} is {value!r}); {remedy}")
        return cls(**values)


_JSON: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


@dataclass(frozen=True)
class Score:
    """Mean and standard deviation (divided by n) over the splits.

    Examples:
        >>> from graphagg.nn.training import Score
        >>> Score.of([1.0, 3.0])
        Score(mean=2.0, std=1.0)
    """

    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Score:
        """Summarize the values of the splits."""
        return cls(float(np.mean(values)), float(np.std(values)))


@dataclass(frozen=True)
class TrainingResult:
    """All splits.

    Attributes:
        task: what an answer is about: `graph`, `node` or `edge`.
        model: name of the preset, or of the model.
        data: name of the data.
        parameters: learned numbers of the model.
        metric: what the scores are.
        splits: one result per split.
        encoding_seconds: CPU time of the encodings, once for all splits.
    """

    task: Level
    model: str
    data: str
    parameters: int
    metric: Metric
    splits: tuple[SplitResult, ...]
    encoding_seconds: float = 0.0

    @property
    def train(self) -> Score:
        """Over the training parts."""
        return Score.of([split.train for split in self.splits])

    @property
    def val(self) -> Score:
        """Over the validation parts."""
        return Score.of([split.val for split in self.splits])

    @property
    def test(self) -> Score:
        """Over the test parts."""
        return Score.of([split.test for split in self.splits])

    @property
    def seconds(self) -> float:
        """Wall time of all splits."""
        return sum(split.seconds for split in self.splits)

    def to_json(self) -> dict[str, Any]:
        """The keys of `graphagg train --json`."""
        return {
            "task": self.task,
            "model": self.model,
            "data": self.data,
            "parameters": self.parameters,
            "metric": self.metric,
            **{subset: asdict(getattr(self, subset)) for subset in PARTS},
            "splits": [split.to_json() for split in self.splits],
            "seconds": round(self.seconds, 2),
            "encoding_cpu_seconds": round(self.encoding_seconds, 2),
        }
