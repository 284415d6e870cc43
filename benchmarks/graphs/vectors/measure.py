"""Measure an embedding, always together with controls that it must beat.

Link prediction: some edges are held out, the rest is embedded, and pairs are scored with the dot
product of the unnormalized vectors and with cosine. Negatives are drawn uniformly, or in proportion
to degrees (uniform ones are easy to recognize by their degrees). Node classification uses
DeepWalk's protocol. The baselines are the same graph embedded without a partition (`control`),
random vectors with the same propagation (`random`), common neighbors and Adamic-Adar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.utils.extmath import randomized_svd

from benchmarks.graphs.vectors.classification import FRACTIONS, classify
from benchmarks.graphs.vectors.splits import Split, heuristic_scores, split_edges
from graphagg.arrays import Array
from graphagg.embedding.build import embed
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import PieceLayout, cut_piece, save_piece
from graphagg.embedding.partition.report import ISOLATED
from graphagg.embedding.prone.factorization import Factorization, VectorArrays
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.embedding.prone.tasks import PieceTasks
from graphagg.embedding.sparse import normalize_rows, one_thread, sparse_array
from graphagg.execution.arrays import MemoryArrays
from graphagg.execution.runner import InProcessRunner
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph
from graphagg.progress import Progress, silent

Embedder = Callable[[NetworkMatrix, EmbeddingConfig], Array]

HITS = 50
_ITERATIONS = 5  # power iterations of the control


def embed_whole(network: NetworkMatrix, config: EmbeddingConfig) -> Array:
    """Run ProNE on the whole matrix: one randomized SVD with 5 power iterations, `[N, d]`.

    The matrix and the propagation are those of `build.embed`, but without pieces and merges.
    """
    with one_thread():
        stages = _undivided(network, config)
        matrix = sparse_array(stages.log_matrix(stages.tasks.piece(0)))
        left, singular, _ = randomized_svd(
            matrix, min(config.dim, *matrix.shape), n_iter=_ITERATIONS,
            power_iteration_normalizer="QR", random_state=config.random_state,
        )  # fmt: skip
        return propagated(stages, left * np.sqrt(singular), network, config)


def embed_random(network: NetworkMatrix, config: EmbeddingConfig) -> Array:
    """Return normal random vectors with the same propagation, `[N, d]`."""
    generator = np.random.default_rng(config.random_state)
    with one_thread():
        stages = _undivided(network, config)
        shape = (len(stages.tasks.layout.order), config.dim)
        rows = generator.standard_normal(shape, dtype=np.float32)
        return propagated(stages, rows, network, config)


def _undivided(network: NetworkMatrix, config: EmbeddingConfig) -> Factorization:
    """Return the stages over the whole matrix as one piece."""
    piece_of = np.where(network.matrix.degrees() > 0, 0, ISOLATED)
    layout = PieceLayout.from_parts(piece_of, 1)
    stages = factorization(network.matrix, layout, replace(config, pieces=1))
    stages.prepare()
    return stages


def factorization(matrix: Csr, layout: PieceLayout, config: EmbeddingConfig) -> Factorization:
    """Return in-memory stages over a symmetric matrix that is cut into the pieces of `layout`."""
    arrays, numbers = MemoryArrays(), layout.numbers(matrix.rows)
    for i in range(layout.pieces):
        save_piece(arrays, cut_piece(matrix, layout, numbers, i))
    return Factorization(PieceTasks(layout, arrays, InProcessRunner()), config)


def propagated(
    stages: Factorization, rows: Array, network: NetworkMatrix, config: EmbeddingConfig
) -> Array:
    """Propagate vectors `[N', d]`, in the order of the layout; return vectors of all nodes."""
    stages.tasks.arrays.writer.array("given", rows)
    stages.tasks.save_matrix("given.turn", np.eye(rows.shape[1], dtype=rows.dtype))
    vectors = VectorArrays("given", "no sources")
    for turn in range(1, config.propagate + 1):
        vectors = stages.propagate(vectors, turn)
    nodes = stages.tasks.layout.numbers(network.nodes)
    return stages.rotated_rows(vectors, vectors.rows, nodes)


METHODS: dict[str, Embedder] = {
    "graphagg": lambda network, config: embed(network, config).vectors,
    "control": embed_whole,
    "random": embed_random,
}


@dataclass
class Scores:
    """Figures of several methods over several runs: one value per method, measure and run."""

    runs: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, method: str, measure: str, value: float) -> None:
        """Add the value of one run."""
        self.runs.setdefault(method, {}).setdefault(measure, []).append(float(value))

    def mean(self, method: str, measure: str) -> float:
        """Return the mean over the runs."""
        return float(np.mean(self.runs[method][measure]))

    def to_json(self) -> dict[str, Any]:
        """Return `{method: {measure: {mean, std}}}`; slashes in measure names add levels."""
        shown: dict[str, Any] = {}
        for method, measures in self.runs.items():
            for measure, values in measures.items():
                level = shown.setdefault(method, {})
                for name in measure.split("/"):
                    level = level.setdefault(name, {})
                level["mean"], level["std"] = float(np.mean(values)), float(np.std(values))
        return shown


@dataclass(frozen=True)
class LinkPrediction:
    """Link prediction against two kinds of negatives."""

    uniform: Scores
    matched: Scores


def predict_links(
    graph: Graph,
    weights: Array | None,
    config: EmbeddingConfig,
    *,
    holdout: float = 0.3,
    repeats: int = 3,
    methods: Sequence[str] = tuple(METHODS),
    progress: Progress = silent,
) -> LinkPrediction:
    """Hold out edges, embed the rest, and separate held-out edges from pairs without an edge.

    Args:
        graph: the whole graph.
        weights: `[nnz]` weights of the entries of its adjacency; None: all 1.
        config: parameters; run r uses `random_state + r` for the split and the embedding.
        holdout: share of held-out edges.
        repeats: number of splits.
        methods: names from `METHODS`.
        progress: called after each split.
    """
    result = LinkPrediction(Scores(), Scores())
    for turn in range(repeats):
        again = replace(config, random_state=config.random_state + turn)
        split = split_edges(graph, weights, holdout, again.random_state)
        network = NetworkMatrix.from_graph(split.train, split.weights)
        for name in methods:
            _score_vectors(result, name, METHODS[name](network, again), split)
        _score_heuristics(result, split)
        progress("link prediction", turn + 1, repeats)
    return result


def _score_vectors(result: LinkPrediction, name: str, vectors: Array, split: Split) -> None:
    n = len(split.train.rows)
    sides = (vectors, vectors) if split.train.kind == "undirected" else (vectors[:n], vectors[n:])
    for normalized, suffix in ((False, ""), (True, "_cosine")):
        first, second = (normalize_rows(side) for side in sides) if normalized else sides

        def products(pairs: Array, first: Array = first, second: Array = second) -> Array:
            scores: Array = np.einsum("ij,ij->i", first[pairs[0]], second[pairs[1]])
            return scores

        positive = products(split.positive)
        for scores, pairs in ((result.uniform, split.uniform), (result.matched, split.matched)):
            negative = products(pairs)
            scores.add(name, f"auc{suffix}", auc(positive, negative))
            if not normalized:
                scores.add(name, f"hits@{HITS}", hits(positive, negative))


def _score_heuristics(result: LinkPrediction, split: Split) -> None:
    positive = heuristic_scores(split.train, split.positive)
    for scores, pairs in ((result.uniform, split.uniform), (result.matched, split.matched)):
        for name, negative in heuristic_scores(split.train, pairs).items():
            scores.add(name, "auc", auc(positive[name], negative))
            scores.add(name, f"hits@{HITS}", hits(positive[name], negative))


def auc(positive: Array, negative: Array) -> float:
    """Return the probability that a positive scores above a negative; ties count half."""
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    return float(roc_auc_score(truth, np.concatenate((positive, negative))))


def hits(positive: Array, negative: Array, k: int = HITS) -> float:
    """Return the share of positives that score above the k-th best negative."""
    if len(negative) < k:
        return 1.0
    bound = np.partition(negative, len(negative) - k)[len(negative) - k]
    return float(np.mean(positive > bound))


def classify_nodes(
    graph: Graph,
    weights: Array | None,
    labels: Array,
    config: EmbeddingConfig,
    *,
    repeats: int = 1,
    shuffles: int = 10,
    methods: Sequence[str] = tuple(METHODS),
    progress: Progress = silent,
) -> Scores:
    """Predict the labels of nodes from their vectors, with 10 % and with 50 % training nodes.

    Args:
        graph: the graph; if directed, both vectors are concatenated; two-mode: only the sets.
        weights: `[nnz]` weights of the entries of its adjacency; None: all 1.
        labels: `[n, L]` bool labels of its vertices.
        config: parameters; run r uses `random_state + r`.
        repeats: number of embeddings.
        shuffles: number of shuffles of the nodes for each embedding.
        methods: names from `METHODS`.
        progress: called after each embedding.
    """
    network, scores = NetworkMatrix.from_graph(graph, weights), Scores()
    chosen = np.flatnonzero(labels.any(axis=1))
    for turn in range(repeats):
        again = replace(config, random_state=config.random_state + turn)
        for name in methods:
            rows = _rows_of_vertices(METHODS[name](network, again), graph)[chosen]
            for fraction in FRACTIONS:
                for shuffle in range(shuffles):
                    score = classify(rows, labels[chosen], fraction, shuffle)
                    scores.add(name, f"micro_f1/{fraction}", score.micro)
                    scores.add(name, f"macro_f1/{fraction}", score.macro)
        progress("classification", turn + 1, repeats)
    return scores


def _rows_of_vertices(vectors: Array, graph: Graph) -> Array:
    n = len(graph.rows)
    if graph.kind == "directed":
        return np.hstack((normalize_rows(vectors[:n]), normalize_rows(vectors[n:])))
    return vectors[:n]
