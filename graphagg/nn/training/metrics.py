"""Losses and metrics as the benchmarks define them.

Benchmarking-GNNs and GraphGPS: ZINC by the mean absolute error; PATTERN and CLUSTER by the mean of
the classes' recalls, trained with a cross entropy weighted by each class's share of the other
vertices in the batch. OGB: ROC-AUC and average precision are means over the label columns that
have both classes, unknown labels (NaN) left out. LRGB: macro F1, average precision, and the mean
reciprocal rank of true edges among the false ones of the same source.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from graphagg.nn.training.config import Loss, Metric

Array = npt.NDArray[np.float64]


def loss_of(objective: Loss, predicted: Tensor, wanted: Tensor) -> Tensor:
    """The loss of a batch.

    Args:
        objective: Which one; not `auto`.
        predicted: `[n, C]`, without a sigmoid or softmax.
        wanted: `[n]` int64 classes, or `[n]` / `[n, C]` numbers; NaN or -1 counts as unknown for
            `binary` and is left out.

    Returns:
        A scalar; 0 where nothing is known.
    """
    if objective in ("cross-entropy", "weighted-cross-entropy"):
        classes = wanted.view(-1).long()
        weight = None
        if objective == "weighted-cross-entropy":
            weight = class_weights(classes, predicted.size(1)).to(predicted.dtype)
        return functional.cross_entropy(predicted, classes, weight)
    values = wanted.view(predicted.shape).to(predicted.dtype)
    if objective == "binary":
        known = (values == values) & (values >= 0)
        if not bool(known.any()):
            return predicted.sum() * 0.0
        return functional.binary_cross_entropy_with_logits(predicted[known], values[known])
    distance = functional.l1_loss if objective == "l1" else functional.mse_loss
    return distance(predicted, values)


def class_weights(classes: Tensor, count: int) -> Tensor:
    """`(n - n_c) / n` for each class present, 0 for the others: `[count]` float64."""
    sizes = torch.bincount(classes, minlength=count).to(torch.float64)
    return (len(classes) - sizes) / max(len(classes), 1) * (sizes > 0)


def score(metric: Metric, predicted: Tensor, wanted: Tensor, query: Tensor | None = None) -> float:
    """A metric over a whole part of the data.

    Args:
        metric: Which one.
        predicted: `[n, C]`, without a sigmoid or softmax.
        wanted: As for `loss_of`.
        query: For `mrr`, `[n]` int64: what the candidates answer, such as their source vertex.

    Returns:
        A share of 1, or for `mae` an error; NaN where it is not defined.
    """
    logits = predicted.detach().to(torch.float64).cpu().numpy()
    truth = wanted.detach().cpu().numpy()
    if metric == "mae":
        return float(np.abs(logits - truth.reshape(logits.shape)).mean())
    if metric == "mrr":
        assert query is not None
        return _mrr(logits.reshape(-1), truth.reshape(-1) > 0, query.cpu().numpy())
    if metric in ("roc-auc", "ap"):
        return _over_columns(metric, logits, truth.reshape(logits.shape))
    found, classes = logits.argmax(axis=1), truth.reshape(-1)
    if metric == "accuracy":
        return float((found == classes).mean())
    if metric == "weighted-accuracy":
        return float(np.mean([(found[classes == c] == c).mean() for c in np.unique(classes)]))
    from sklearn.metrics import f1_score

    return float(f1_score(classes, found, average="macro", zero_division=0))


def _over_columns(metric: Metric, logits: Array, truth: Array) -> float:
    from sklearn.metrics import average_precision_score, roc_auc_score

    measure = roc_auc_score if metric == "roc-auc" else average_precision_score
    scores = []
    for column in range(truth.shape[1]):
        known = (truth[:, column] == truth[:, column]) & (truth[:, column] >= 0)
        labels = truth[known, column]
        if (labels == 1).any() and (labels == 0).any():
            scores.append(measure(labels, logits[known, column]))
    return float(np.mean(scores)) if scores else float("nan")


def _mrr(values: Array, positive: npt.NDArray[np.bool_], query: npt.NDArray[np.int64]) -> float:
    """Ties count half, as in OGB's evaluator: the mean of the best and the worst rank."""
    ranks = []
    for one in np.unique(query[positive]):
        own = query == one
        false = np.sort(values[own & ~positive])
        true = values[own & positive]
        above = len(false) - np.searchsorted(false, true, side="right")
        not_below = len(false) - np.searchsorted(false, true, side="left")
        ranks.append(1.0 + (above + not_below) / 2.0)
    return float((1.0 / np.concatenate(ranks)).mean()) if ranks else float("nan")
