"""Node classification by the protocol of DeepWalk.

Paper: DeepWalk (KDD 2014), section 5: train one-vs-rest logistic regression on a share of the
labeled nodes, take for each other node as many labels as it truly has, and report micro and macro
F1, over shuffles. The regression is liblinear's (L2, C = 1, the bias penalized too); all labels are
minimized together, which gives the same minimum for they share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.checks import number
from graphagg.embedding.prone.sparse import one_thread

FRACTIONS = (0.1, 0.5)


@dataclass(frozen=True)
class F1:
    """Scores of one shuffle at one share of training nodes."""

    micro: float
    macro: float


def classify(vectors: Array, labels: Array, fraction: float, seed: int) -> F1:
    """Train on a share of the nodes and score on the rest.

    Args:
        vectors: `[s, d]` of the labeled nodes; their rows are brought to length 1.
        labels: `[s, L]` bool.
        fraction: share that is trained on.
        seed: of the shuffle.
    """
    number("fraction", fraction, above=0, below=1)
    order = np.random.default_rng(seed).permutation(len(vectors))
    bound = max(1, int(fraction * len(order)))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1.0)
    inputs = np.hstack((unit, np.ones((len(unit), 1)))).astype(np.float64)
    train, test = order[:bound], order[bound:]
    weights = fit(inputs[train], labels[train])
    return score(inputs[test] @ weights, labels[test])


def fit(inputs: Array, labels: Array, penalty: float = 1.0) -> Array:
    """Weights `[d, L]` that minimize |w|^2 / 2 + C sum log(1 + exp(-y x w)) for each label."""
    from scipy.optimize import minimize

    signs = np.where(labels, 1.0, -1.0)
    shape = (inputs.shape[1], labels.shape[1])

    def loss(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(shape)
        margins = signs * (inputs @ weights)
        value = 0.5 * float(flat @ flat) + penalty * float(np.logaddexp(0.0, -margins).sum())
        pull = -signs / (1.0 + np.exp(np.clip(margins, -500, 500)))
        slope = weights + penalty * (inputs.T @ pull)
        return value, slope.ravel()

    options = {"maxiter": 500, "ftol": 1e-10, "gtol": 1e-4}
    start = np.zeros(shape[0] * shape[1])
    with one_thread():
        result = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    weights: Array = result.x.reshape(shape)
    return weights


def score(scores: Array, labels: Array) -> F1:
    """F1 when each node is given its number of true labels, by the highest scores."""
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    chosen = ranks < labels.sum(axis=1)[:, None]
    hits = (chosen & labels).sum(axis=0)
    counted = chosen.sum(axis=0) + labels.sum(axis=0)
    each = 2 * hits / np.maximum(counted, 1)
    micro = 2 * hits.sum() / max(counted.sum(), 1)
    return F1(float(micro), float(each.mean()))
