"""Results of a training run: scores of each split, their mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import InvalidParameter, UnreadableFile
from graphagg.nn.config.training import Metric
from graphagg.nn.presets.simple import AUTO
from graphagg.nn.settings import STRICT, parse
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
        parameters: number of the model's learned parameters.
        seconds: wall time of training and evaluation.
        cpu_seconds: CPU time of the process meanwhile.
        measures: the user's metrics by name, each with `train`, `val` and `test`.

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
    measures: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any], path: Path, remedy: str) -> SplitResult:
        """The inverse of `to_json`; `UnreadableFile` names the path and ends with `remedy`."""
        try:
            return parse(cls, {"measures": {}, **values}, "result")
        except InvalidParameter as error:
            raise UnreadableFile(f"{path} is no result ({error}); {remedy}") from None


@dataclass(frozen=True)
class Control:
    """A simple model on one split (see `graphagg.nn.training.controls`) and its metrics.

    If it failed, `val` and `test` are None, and `note` is the reason. `cpu_seconds` are those of
    fitting and measuring.
    """

    name: str
    val: float | None
    test: float | None
    cpu_seconds: float
    note: str = ""


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
    """All splits.

    Attributes:
        task: `graph`, `node` or `edge`.
        model: name of the preset, or of the model.
        data: name of the data.
        parameters: number of the model's learned parameters.
        metric: metric of the scores.
        splits: one result per split.
        encoding_seconds: CPU time of the encodings, once for all splits.
        controls: those of each split, in order; empty if they were left out.
        notes: sentences on choices, and on data and settings that do not fit well.

    Examples:
        >>> from graphagg.nn.training import SplitResult, TrainingResult
        >>> split = SplitResult("0", 0.9, 0.8, 0.7, 3, 10, 423, 1.5, 1.2)
        >>> TrainingResult("graph", "gcn", "rings", 423, "accuracy", (split,)).test
        Score(mean=0.7, std=0.0)
    """

    task: Level
    model: str
    data: str
    parameters: int
    metric: Metric
    splits: tuple[SplitResult, ...]
    encoding_seconds: float = 0.0
    controls: tuple[tuple[Control, ...], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def train(self) -> Score:
        """Over the training parts."""
        return Score.from_values([split.train for split in self.splits])

    @property
    def val(self) -> Score:
        """Over the validation parts."""
        return Score.from_values([split.val for split in self.splits])

    @property
    def test(self) -> Score:
        """Over the test parts."""
        return Score.from_values([split.test for split in self.splits])

    @property
    def seconds(self) -> float:
        """Wall time of all splits."""
        return sum(split.seconds for split in self.splits)

    @property
    def control_scores(self) -> dict[str, Score]:
        """Test scores of each control that succeeded on every split."""
        tests: dict[str, list[float]] = {}
        for control in (control for split in self.controls for control in split):
            if control.test is not None:
                tests.setdefault(control.name, []).append(control.test)
        whole = {name: values for name, values in tests.items() if len(values) == len(self.splits)}
        return {name: Score.from_values(values) for name, values in whole.items()}

    @property
    def verdict(self) -> str:
        """A sentence that compares the model with its best control; empty without controls."""
        scores, sign = self.control_scores, -1 if self.metric == "mae" else 1
        if not scores:
            return ""
        name = max(scores, key=lambda name: sign * scores[name].mean)
        best, lead = scores[name], sign * (self.test.mean - scores[name].mean)
        against = f"(test {self.metric} {self.test.mean:.4f} against {best.mean:.4f})"
        spread = max(self.test.std, best.std)
        if lead <= 0:
            beaten = f"{self.model} does not beat the control {name!r} {against}"
            if len(self.splits) > 1 and -lead < spread:
                return f"{beaten}; it is behind by less than the deviation over the splits"
            if lead == 0:
                return f"{beaten}: they are level"
            other = "" if self.model == AUTO else ", or let the preset 'auto' choose a model"
            return f"{beaten}: take that{other}"
        if len(self.splits) < 2:
            return (
                f"{self.model} is ahead of the best control, {name!r} {against}; one split says "
                "nothing about chance: train on more"
            )
        word = "more" if lead > spread else "less"
        return (
            f"{self.model} is ahead of the best control, {name!r} {against}, by {word} than the "
            "deviation over the splits"
        )

    def card(self, split: SplitResult, controls: Sequence[Control], made: dict[str, Any]) -> str:
        """Model card of a split in Markdown: data, scores, controls, how it was made."""
        lines = [
            f"# {self.model} on {self.data}",
            f"\nIt answers for each {self.task}; {split.parameters:,} parameters, the weights of "
            f"epoch {split.epoch} of {split.epochs}, which the validation part chose.\n",
            *(f"- {name}: {value}" for name, value in made.items()),
            f"- training: {split.cpu_seconds} CPU seconds",
            "\n| | train | val | test |\n| --- | ---: | ---: | ---: |",
        ]
        scores: dict[str, dict[str, Any]] = {self.metric: split.to_json(), **split.measures}
        scores |= {f"{self.metric} of the control {c.name}": asdict(c) for c in controls}
        for name, of in scores.items():
            shown = ("" if of.get(key) is None else f"{of[key]:.4f}" for key in PARTS)
            lines.append(f"| {name} | {' | '.join(shown)} |")
        return "\n".join([*lines, f"\n{self.verdict}".rstrip(), *self.notes]).strip() + "\n"

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
            "controls": [[asdict(control) for control in split] for split in self.controls],
            "verdict": self.verdict,
            "notes": list(self.notes),
        }
