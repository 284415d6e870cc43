"""Losses and metrics as benchmarks define them.

ZINC: mean absolute error. OGB: ROC-AUC and average precision are means over the label columns
that have both classes, ignoring unknown labels. LRGB: macro F1 and average precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graphagg.arrays import Doubles
from graphagg.errors import InvalidDataset, InvalidParameter
from graphagg.nn.config.training import Loss, Metric

Measure = Callable[[Tensor, Tensor], Any]
"""A user's loss or metric: maps predictions `[n, C]` and labels to a scalar."""


def compute_loss(
    objective: Loss, predicted: Tensor, labels: Tensor, replacement: Measure | None = None
) -> Tensor:
    """Compute the loss of a batch over its known labels; 0 if there are none.

    `predicted` is `[n, C]`, without a sigmoid or softmax; `labels` are `[n]` int64 classes, or
    `[n]` or `[n, C]` numbers. `replacement` is the user's loss; it must return a scalar tensor with
    a gradient, or `InvalidParameter` is raised.
    """
    of_classes = objective == "cross-entropy"
    labels = labels.view(-1) if of_classes else labels.view(predicted.shape)
    labeled = known(objective, labels)
    if not bool(labeled.any()):
        return predicted[:0].sum()  # a 0 with a gradient, even if predicted contains NaN
    predicted, labels = predicted[labeled], labels[labeled]
    if replacement is not None:
        loss = replacement(predicted, labels)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            shown = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise InvalidParameter(f"loss returns {shown}; expected a tensor of one number")
        if torch.is_grad_enabled() and not loss.requires_grad:
            raise InvalidParameter(
                "loss returns a number without a gradient; expected one that is computed from the "
                "predictions by PyTorch alone, without detach, item or argmax"
            )
        return loss.view(())
    if of_classes:
        return functional.cross_entropy(predicted, labels.long())
    values = labels.to(predicted.dtype)
    if objective == "binary":
        return functional.binary_cross_entropy_with_logits(predicted, values)
    return functional.l1_loss(predicted, values)


def known(objective: Loss, labels: Tensor) -> Tensor:
    """Return a mask of known labels: not NaN, and not -1 except in regression on real labels."""
    if objective == "l1" and labels.dtype.is_floating_point:
        return ~labels.isnan()
    return labels >= 0  # False for NaN


def score(metric: Metric, predicted: Tensor, labels: Tensor, subset: str = "the data") -> float:
    """Compute a metric over the known labels of a part of the data.

    `predicted` and `labels` are as in `compute_loss`; `subset` names the part in errors.

    Raises:
        InvalidDataset: no label is known, or for `roc-auc` and `ap` no column has both classes.
    """
    logits = predicted.detach().to(torch.float64).cpu().numpy()
    truth = labels.detach().cpu().numpy()
    if metric in ("roc-auc", "ap"):
        return _over_columns(metric, logits, truth.reshape(logits.shape), subset)
    truth = truth.reshape(logits.shape if metric == "mae" else -1)
    labeled = ~np.isnan(truth) if metric == "mae" else truth >= 0
    if not labeled.any():
        not_defined(
            metric, subset, f"none of {truth.size:,} labels is known", "at least one that is"
        )
    if metric == "mae":
        return float(np.abs(logits[labeled] - truth[labeled]).mean())
    chosen, classes = logits[labeled].argmax(axis=1), truth[labeled]
    if metric == "accuracy":
        return float((chosen == classes).mean())
    from sklearn.metrics import f1_score

    return float(f1_score(classes, chosen, average="macro", zero_division=0))


def _over_columns(metric: Metric, logits: Doubles, truth: Doubles, subset: str) -> float:
    from sklearn.metrics import average_precision_score, roc_auc_score

    measure = roc_auc_score if metric == "roc-auc" else average_precision_score
    scores = []
    for column in range(truth.shape[1]):
        labeled = truth[:, column] >= 0  # False for NaN
        labels = truth[labeled, column]
        if (labels == 1).any() and (labels == 0).any():
            scores.append(measure(labels, logits[labeled, column]))
    if not scores:
        counts = (
            f"its {truth.shape[1]:,} columns of labels hold {int((truth == 1).sum()):,} ones and "
            f"{int((truth == 0).sum()):,} zeros"
        )
        not_defined(metric, subset, counts, "at least one column with both classes")
    return float(np.mean(scores))


def not_defined(metric: str, subset: str, problem: str, remedy: str) -> NoReturn:
    """Raise `InvalidDataset`, because a metric is not defined on a part of the data."""
    raise InvalidDataset(
        f"metric {metric!r} is not defined on {subset}: {problem}; expected {remedy}: use another "
        "split, or set training.metric to another one"
    )
