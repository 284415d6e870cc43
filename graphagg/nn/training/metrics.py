"""Losses and metrics as the benchmarks define them.

Benchmarking-GNNs and GraphGPS: ZINC by the mean absolute error; PATTERN and CLUSTER by the mean of
the classes' recalls, trained with a cross entropy weighted by each class's share of the other
vertices in the batch. OGB: ROC-AUC and average precision are means over the label columns that
have both classes, unknown labels left out. LRGB: macro F1, average precision, and the mean
reciprocal rank of `graphagg.nn.training.ranking`.
"""

from __future__ import annotations

from typing import Literal, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graphagg.arrays import Doubles, Ints
from graphagg.errors import InvalidDataset
from graphagg.nn.config.training import Loss

RowMetric = Literal["mae", "accuracy", "weighted-accuracy", "roc-auc", "ap", "f1"]
"""Metrics of answers and labels, row by row: all but `mrr`."""


def loss_of(objective: Loss, predicted: Tensor, wanted: Tensor) -> Tensor:
    """The loss of a batch, over what is known.

    Args:
        objective: which one; not `auto`.
        predicted: `[n, C]`, without a sigmoid or softmax.
        wanted: `[n]` int64 classes, or `[n]` / `[n, C]` numbers; see `known`.

    Returns:
        a scalar; 0 with a gradient of 0 where nothing is known.
    """
    of_classes = objective in ("cross-entropy", "weighted-cross-entropy")
    wanted = wanted.view(-1) if of_classes else wanted.view(predicted.shape)
    there = known(objective, wanted)
    if not bool(there.any()):
        return predicted[:0].sum()  # also where predicted holds NaN, which 0 times would keep
    predicted, wanted = predicted[there], wanted[there]
    if of_classes:
        return _cross_entropy(predicted, wanted.long(), objective == "weighted-cross-entropy")
    values = wanted.to(predicted.dtype)
    if objective == "binary":
        return functional.binary_cross_entropy_with_logits(predicted, values)
    distance = functional.l1_loss if objective == "l1" else functional.mse_loss
    return distance(predicted, values)


def known(objective: Loss, wanted: Tensor) -> Tensor:
    """Where labels are known, in the shape of `wanted`: neither NaN nor -1.

    Any number, -1 too, is known where real-valued labels are regressed (`l1`, `mse`).
    """
    if objective in ("l1", "mse") and wanted.dtype.is_floating_point:
        return ~wanted.isnan()
    return wanted >= 0  # NaN is not


def _cross_entropy(predicted: Tensor, classes: Tensor, weighted: bool) -> Tensor:
    weight = class_weights(classes, predicted.size(1)).to(predicted.dtype) if weighted else None
    if weight is not None and not bool(weight.any()):
        weight = None  # one class alone weighs 0, and a mean of weight 0 is not defined
    return functional.cross_entropy(predicted, classes, weight)


def class_weights(classes: Tensor, count: int) -> Tensor:
    """`(n - n_c) / n` for each class present, 0 for the others: `[count]` float64."""
    sizes = torch.bincount(classes, minlength=count).to(torch.float64)
    return (len(classes) - sizes) / max(len(classes), 1) * (sizes > 0)


def score(metric: RowMetric, predicted: Tensor, wanted: Tensor, part: str = "the data") -> float:
    """A metric over a whole part of the data, over what is known.

    Args:
        metric: which one.
        predicted: `[n, C]`, without a sigmoid or softmax.
        wanted: as for `loss_of`.
        part: what errors call the part.

    Returns:
        a share of 1, or for `mae` an error.

    Raises:
        InvalidDataset: it is not defined: no label is known, or for `roc-auc` and `ap` no column
            has both classes.
    """
    logits = predicted.detach().to(torch.float64).cpu().numpy()
    truth = wanted.detach().cpu().numpy()
    if metric in ("roc-auc", "ap"):
        return _over_columns(metric, logits, truth.reshape(logits.shape), part)
    truth = truth.reshape(logits.shape if metric == "mae" else -1)
    there = ~np.isnan(truth) if metric == "mae" else truth >= 0
    if not there.any():
        not_defined(metric, part, f"none of {truth.size:,} labels is known", "at least one that is")
    if metric == "mae":
        return float(np.abs(logits[there] - truth[there]).mean())
    return _of_classes(metric, logits[there].argmax(axis=1), truth[there])


def _of_classes(metric: RowMetric, found: Ints, classes: Ints) -> float:
    if metric == "accuracy":
        return float((found == classes).mean())
    if metric == "weighted-accuracy":
        return float(np.mean([(found[classes == c] == c).mean() for c in np.unique(classes)]))
    from sklearn.metrics import f1_score

    return float(f1_score(classes, found, average="macro", zero_division=0))


def _over_columns(metric: RowMetric, logits: Doubles, truth: Doubles, part: str) -> float:
    from sklearn.metrics import average_precision_score, roc_auc_score

    measure = roc_auc_score if metric == "roc-auc" else average_precision_score
    scores = []
    for column in range(truth.shape[1]):
        there = truth[:, column] >= 0  # NaN is not
        labels = truth[there, column]
        if (labels == 1).any() and (labels == 0).any():
            scores.append(measure(labels, logits[there, column]))
    if not scores:
        found = (
            f"its {truth.shape[1]:,} columns of labels hold {int((truth == 1).sum()):,} ones and "
            f"{int((truth == 0).sum()):,} zeros"
        )
        not_defined(metric, part, found, "at least one column with both classes")
    return float(np.mean(scores))


def not_defined(metric: str, part: str, found: str, wanted: str) -> NoReturn:
    """Refuse a metric that a part of the data leaves without a value.

    Raises:
        InvalidDataset: always.
    """
    raise InvalidDataset(
        f"metric {metric!r} is not defined on {part}: {found}; wanted {wanted}: take another "
        "split, or set training.metric to another one"
    )
