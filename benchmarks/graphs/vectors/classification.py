"""Node classification with the protocol of DeepWalk (KDD 2014, section 5).

One-vs-rest logistic regression is trained on a share of the labeled nodes. For each other node it
predicts as many labels as the node has. The result is micro and macro F1 over several shuffles.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from graphagg.arrays import Array
from graphagg.embedding.sparse import normalize_rows, one_thread
from graphagg.graph import Graph, GraphKind, load_graph
from graphagg.graph.ids import VertexIds
from graphagg.graph.reading.files import read_bytes

FRACTIONS = (0.1, 0.5)


def read_benchmark_graph(path: Path, kind: GraphKind = "undirected") -> Graph:
    """Load a graph in the format that its authors publish, also MATLAB's `network` and `.jlg`."""
    if path.suffix == ".mat":
        return load_graph(loadmat(path)["network"], kind)
    return load_graph(path, kind, header=True if path.suffix == ".jlg" else None)


@dataclass(frozen=True)
class F1:
    """Scores of one shuffle at one share of training nodes."""

    micro: float
    macro: float


def classify(vectors: Array, labels: Array, fraction: float, seed: int) -> F1:
    """Train on a share of the nodes and score on the rest.

    Args:
        vectors: `[s, d]` vectors of the labeled nodes; rows are normalized to length 1.
        labels: `[s, L]` bool.
        fraction: share of training nodes.
        seed: seed of the shuffle.
    """
    order = np.random.default_rng(seed).permutation(len(vectors))
    train, test = np.split(order, [max(1, int(fraction * len(order)))])
    unit, scores = normalize_rows(vectors), np.full((len(test), labels.shape[1]), -np.inf)
    with one_thread():
        for label in range(labels.shape[1]):
            if len(np.unique(labels[train, label])) == 2:
                model = LogisticRegression(solver="liblinear")
                model.fit(unit[train], labels[train, label])
                scores[:, label] = model.decision_function(unit[test])
    return score(scores, labels[test])


def score(scores: Array, labels: Array) -> F1:
    """Compute F1; each node gets the labels of highest score, as many as it has true labels."""
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    chosen = ranks < labels.sum(axis=1)[:, None]
    both = (f1_score(labels, chosen, average=kind, zero_division=0) for kind in ("micro", "macro"))
    return F1(*map(float, both))


def read_labels(path: Path, vertices: VertexIds) -> Array:
    """Read a `.cmty` file as a bool matrix `[n, L]`: line i has the vertices with label i."""
    lines = read_bytes(path).decode("utf-8").splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    matrix = np.zeros((len(vertices), len(rows)), dtype=np.bool_)
    for label, row in enumerate(rows):
        members = map(vertices.find, row)
        matrix[[vertex for vertex in members if vertex is not None], label] = True
    return matrix
