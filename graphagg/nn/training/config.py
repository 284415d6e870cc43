"""Settings of a training run."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from graphagg.errors import InvalidParameter

Metric = Literal["mae", "accuracy", "weighted-accuracy", "roc-auc", "ap", "mrr", "f1"]
MetricOrAuto = Literal["auto", "mae", "accuracy", "weighted-accuracy", "roc-auc", "ap", "mrr", "f1"]
Loss = Literal["auto", "l1", "mse", "cross-entropy", "weighted-cross-entropy", "binary"]
Schedule = Literal["cosine", "constant"]
Precision = Literal["float32", "bfloat16", "float64"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# The first of each is what `auto` stands for. Labels of 0 and 1 can be regressed, too.
_LOSSES_OF: dict[Metric, tuple[Loss, ...]] = {
    "mae": ("l1", "mse"),
    "accuracy": ("cross-entropy", "weighted-cross-entropy"),
    "weighted-accuracy": ("weighted-cross-entropy", "cross-entropy"),
    "roc-auc": ("binary", "mse", "l1"),
    "ap": ("binary", "mse", "l1"),
    "mrr": ("binary", "mse", "l1"),
    "f1": ("cross-entropy", "weighted-cross-entropy"),
}
_MANY = 10**7
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class TrainingConfig:
    """What a model is trained with: AdamW, a schedule of its rate, and when to stop.

    Attributes:
        metric: what the validation chooses the best epoch by: `auto` (the one of the data, or by
            their labels `mae`, `accuracy` or `ap`), `mae` (mean absolute error, lower is
            better), `accuracy`, `weighted-accuracy` (mean of the classes' recalls), `roc-auc` and
            `ap` (mean over the columns of labels, unknown ones left out), `mrr` (mean reciprocal
            rank of each true edge among all pairs of its source), `f1` (mean over the classes).
        loss: `auto` takes the metric's: L1, cross entropy (weighted by the inverse frequency of
            the batch's classes for `weighted-accuracy`) or binary cross entropy. Others must fit
            the metric: `l1` and `mse` numbers and 0 or 1, the two cross entropies classes,
            `binary` 0 or 1.
        epochs: passes over the training data, at most.
        batch_size: graphs a step; with `fanouts` seed vertices a step. A single graph without
            `fanouts` is one step an epoch.
        lr: AdamW's rate after the warm-up.
        weight_decay: AdamW's decoupled decay.
        schedule: after the warm-up `cosine` falls to 0 at the end, `constant` stays.
        warmup_epochs: the rate rises linearly over these. The rate is set once an epoch.
        clip_norm: largest norm of the gradient; 0 does not clip.
        patience: epochs without a better validation metric before training stops; 0: never.
        fanouts: neighbors sampled a hop, nearest first, for one large graph; empty: whole graph.
        precision: `float32`, `bfloat16` (autocast; weights stay float32) or `float64`.
        random_state: seed of the weights, the order of the batches, dropout and sampling.
    """

    metric: MetricOrAuto = "auto"
    loss: Loss = "auto"
    epochs: int = 100
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-5
    schedule: Schedule = "cosine"
    warmup_epochs: int = 0
    clip_norm: float = 1.0
    patience: int = 0
    fanouts: tuple[int, ...] = ()
    precision: Precision = "float32"
    random_state: int = 0

    def __post_init__(self) -> None:
        _one_of("metric", self.metric, get_args(MetricOrAuto))
        _one_of("loss", self.loss, LOSSES)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("precision", self.precision, PRECISIONS)
        _integer("epochs", self.epochs, 1, _MANY)
        _integer("batch_size", self.batch_size, 1, _MANY)
        _integer("warmup_epochs", self.warmup_epochs, 0, self.epochs)
        _integer("patience", self.patience, 0, _MANY)
        _integer("random_state", self.random_state, 0, 2**32 - 1)
        _number("lr", self.lr, above=0.0)
        _number("weight_decay", self.weight_decay, least=0.0)
        _number("clip_norm", self.clip_norm, least=0.0)
        if not isinstance(self.fanouts, list | tuple):
            raise InvalidParameter(
                f"fanouts is {_shown(self.fanouts)}, wanted a list of integers such as [10, 5]"
            )
        object.__setattr__(self, "fanouts", tuple(self.fanouts))  # lists come from TOML and JSON
        for fanout in self.fanouts:
            _integer("fanouts", fanout, 1, _MANY)
        if self.metric != "auto":
            self.objective(self.metric)

    def objective(self, metric: Metric) -> Loss:
        """The loss given, or the one that `auto` stands for.

        Raises:
            InvalidParameter: A loss of other labels than the metric's.
        """
        fitting = _LOSSES_OF[metric]
        if self.loss == "auto":
            return fitting[0]
        if self.loss not in fitting:
            raise InvalidParameter(
                f"loss is {self.loss!r}, which does not fit the labels of metric {metric!r}, "
                f"wanted one of auto, {', '.join(fitting)}"
            )
        return self.loss

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON and TOML have them."""
        return {**asdict(self), "fanouts": list(self.fanouts)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingConfig:
        """The inverse of `to_dict`; keys that are left out take their defaults.

        Raises:
            InvalidParameter: an unknown key, or a value outside what is allowed.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise InvalidParameter(f"training has no key {unknown[0]!r}, wanted some of {known}")
        return cls(**values)


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidParameter(f"{name} is {_shown(value)}, wanted one of {choices}")


def _integer(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidParameter(f"{name} is {_shown(value)}, wanted an integer of {low} to {high}")


def _number(
    name: str, value: object, *, above: float = -math.inf, least: float = -math.inf
) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    # No comparison turns an integer into a float, which may hold no number that large.
    if not good or not (-_LARGEST <= value <= _LARGEST and value > above and value >= least):  # type: ignore[operator]  # a number by now
        bound = f"above {above:g}" if above > -math.inf else f"of at least {least:g}"
        raise InvalidParameter(f"{name} is {_shown(value)}, wanted a finite number {bound}")


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "an integer of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}..."
