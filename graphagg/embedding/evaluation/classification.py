"""Labels of vertices out of files, and node classification by the protocol of DeepWalk.

Paper: DeepWalk (KDD 2014), section 5: train one-vs-rest logistic regression on a share of the
labeled nodes, take for each other node as many labels as it truly has, and report micro and macro
F1, over shuffles. The regression is liblinear's (L2, C = 1, the bias penalized too); all labels are
minimized together, which gives the same minimum for they share nothing.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.checks import number
from graphagg.embedding.prone.sparse import one_thread
from graphagg.errors import InvalidLabels, MissingExtra, UnreadableFile
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.reading.files import read_bytes

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


@dataclass(frozen=True)
class Labels:
    """The labels of each vertex.

    Attributes:
        names: of the labels.
        matrix: `[n, L]` bool.
        unknown: labels of vertices that are not in the graph; they were left out.
    """

    names: tuple[str, ...]
    matrix: npt.NDArray[np.bool_]
    unknown: int

    def first(self) -> list[str | None]:
        """One label a vertex: its first, or None."""
        labels = [np.flatnonzero(row) for row in self.matrix]
        return [self.names[first[0]] if len(first) else None for first in labels]


def read_labels(path: str | os.PathLike[str], vertices: VertexIds) -> Labels:
    """Read labels.

    Taken are: `vertex label` pairs, a vertex as often as it has labels; CSV of the two, whose
    header may name more columns (the vertex is the first, the label the last); `.cmty`, where line
    i holds the vertices with label i; the matrix `group` of a MATLAB file. gzip too.

    Args:
        path: the file.
        vertices: the graph's; labels of others are counted.

    Raises:
        InvalidLabels: no label is of a vertex of the graph, or a line is no pair.
        UnreadableFile: it is missing or broken.
    """
    source = Path(path)
    if source.suffix == ".mat":
        return number_labels(_from_mat(source), vertices, str(source))
    try:
        text = read_bytes(source).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{source}: cannot be read ({error})") from None
    return number_labels(_from_text(text, source), vertices, str(source))


def number_labels(
    pairs: Iterable[tuple[VertexId, str]], vertices: VertexIds, name: str = "the labels"
) -> Labels:
    """Pairs of a vertex and a label as a matrix."""
    pairs_of_graph: list[tuple[int, str]] = []
    unknown = 0
    for vertex, label in pairs:
        node = vertices.find(vertex)
        if node is None:
            unknown += 1
        else:
            pairs_of_graph.append((node, label))
    if not pairs_of_graph:
        raise InvalidLabels(
            f"{name}: none of {unknown:,} labels is of a vertex of the graph, wanted its ids; "
            "check that labels and edges belong together"
        )
    names = sorted({label for _, label in pairs_of_graph})
    columns = {label: i for i, label in enumerate(names)}
    matrix = np.zeros((len(vertices), len(names)), dtype=bool)
    matrix[[v for v, _ in pairs_of_graph], [columns[label] for _, label in pairs_of_graph]] = True
    return Labels(tuple(names), matrix, unknown)


def _from_text(text: str, path: Path) -> Iterable[tuple[VertexId, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if ".cmty" in path.suffixes:
        return [(vertex, f"{i:06d}") for i, line in enumerate(lines) for vertex in line.split()]
    comma = bool(lines) and "," in lines[0]
    rows = list(csv.reader(io.StringIO("\n".join(lines)))) if comma else [x.split() for x in lines]
    for line, row in enumerate(rows, 1):
        if len(row) < 2 or (len(row) != 2 and not comma):
            raise InvalidLabels(
                f"{path}, line {line} of data: {' '.join(row)[:80]!r}, wanted a vertex and a "
                "label; mend it, or name the file .cmty if each line is one label's vertices"
            )
    header = comma and rows and rows[0][0].strip().casefold() in ("id", "vertex", "node", "name")
    return [(row[0].strip(), row[-1].strip()) for row in rows[1 if header else 0 :]]


def _from_mat(path: Path) -> Iterable[tuple[VertexId, str]]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingExtra("scipy", "embedding") from None
    try:
        group: Any = loadmat(str(path), variable_names=["group"], spmatrix=False).get("group")
    except (OSError, ValueError, NotImplementedError) as error:
        raise UnreadableFile(f"{path}: not a MATLAB file ({error})") from None
    if group is None:
        raise InvalidLabels(f"{path}: no matrix `group` in it, wanted one of vertices by labels")
    rows, columns = group.nonzero()
    return [(int(v), f"{int(c):06d}") for v, c in zip(rows, columns, strict=True)]
