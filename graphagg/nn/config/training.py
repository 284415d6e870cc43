"""Settings of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from graphagg.nn.settings import STRICT, check_choices, check_integers, check_numbers, parse

Metric = Literal["mae", "accuracy", "roc-auc", "ap", "f1"]
MetricOrAuto = Literal["auto", "mae", "accuracy", "roc-auc", "ap", "f1"]
Loss = Literal["l1", "cross-entropy", "binary"]
LOSSES: dict[Metric, Loss] = {
    "mae": "l1",
    "accuracy": "cross-entropy",
    "roc-auc": "binary",
    "ap": "binary",
    "f1": "cross-entropy",
}
"""The loss of each metric."""
_MANY = 10**7


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training run: AdamW, its learning rate schedule, and early stopping.

    Attributes:
        metric: selects the best epoch on the validation set: `mae` (mean absolute error, lower is
            better), `accuracy`, `roc-auc` and `ap` (mean over the columns of labels, ignoring
            unknown labels), `f1` (mean over the classes), or `auto`: `mae`, `accuracy` or `ap`,
            depending on the labels.
        epochs: maximum number of passes over the training data.
        batch_size: graphs per step; a single graph is one step per epoch.
        lr: learning rate of AdamW after the warm-up.
        weight_decay: decoupled weight decay of AdamW.
        warmup_epochs: number of epochs in which the rate rises linearly; then it falls to 0
            along a cosine. It is set once per epoch.
        clip_norm: maximum norm of the gradient; 0: no clipping.
        patience: stop after this many epochs without a better validation metric; 0: never.
        random_state: seed of the weights, the order of the batches and dropout.

    Examples:
        >>> from graphagg.nn import TrainingConfig
        >>> TrainingConfig("mae", epochs=10).for_split(3).random_state
        3
    """

    __pydantic_config__ = STRICT

    metric: MetricOrAuto = "auto"
    epochs: int = 100
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-5
    warmup_epochs: int = 0
    clip_norm: float = 1.0
    patience: int = 0
    random_state: int = 0

    def __post_init__(self) -> None:
        check_choices(self, metric=MetricOrAuto)
        check_integers(
            self,
            epochs=(1, _MANY),
            batch_size=(1, _MANY),
            warmup_epochs=(0, self.epochs),
            patience=(0, _MANY),
            random_state=(0, 2**32 - 1),
        )
        check_numbers(
            self, lr={"above": 0.0}, weight_decay={"least": 0.0}, clip_norm={"least": 0.0}
        )

    def for_split(self, index: int) -> TrainingConfig:
        """Return the settings of a split, with a different random state for each split."""
        return replace(self, random_state=(self.random_state + index) % 2**32)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON and TOML."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingConfig:
        """Create a config from the result of `to_dict`; missing keys get their defaults.

        Raises:
            InvalidParameter: a key is unknown, or a value is invalid.
        """
        return parse(cls, values, "training")
