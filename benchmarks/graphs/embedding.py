"""Compares node embeddings with gensim's DeepWalk and pycleora, and measures partitioners.

    python -m benchmarks.graphs.embedding                  all parts
    python -m benchmarks.graphs.embedding --part peers     or partitioners

CPU is process CPU time (user and system, all threads), so that no peer hides threads. Ratios are
medians over pairs of runs, ours and the peer's in alternation, after a warm-up. DeepWalk takes
minutes and runs once. `benchmarks.graphs.large` shows how cost and memory grow with the graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import cost, in_turn, median_cost, ratio
from benchmarks.report import Report, parser_of
from tests.conftest import DATA as ROOT

DATA = ROOT / "graphs"
GRAPHS = {"blogcatalog": "blogcatalog/blogcatalog.mat", "ca-astroph": "ca-astroph/astro-ph-cc1.jlg"}
LABELS = DATA / "blogcatalog" / "blogcatalog.cmty"
PIECES, SHUFFLES = 16, 10
PARTS = ("peers", "partitioners")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    report = Report(chosen.out)
    fill(report, chosen.part or PARTS)
    print(report.save())


def run(report: Report) -> None:
    """Run the peers for the common report."""
    fill(report, ("peers",))


def fill(report: Report, parts: Any) -> None:
    for part in parts:
        if not DATA.is_dir():
            report.line(f"{part} skipped: {DATA} is absent; set GRAPHAGG_DATA")
        elif part == "peers":
            for name in GRAPHS:
                bench_peers(report, name)
        else:
            bench_partitioners(report)


# --- peers ---------------------------------------------------------------------------------------


def bench_peers(report: Report, name: str, pairs: int = 3) -> None:
    """Measure CPU seconds and quality of each side on the same graph (ca-astroph: on its split)."""
    from benchmarks.graphs.vectors.classification import read_benchmark_graph
    from benchmarks.graphs.vectors.splits import split_edges
    from graphagg.embedding import EmbeddingConfig
    from graphagg.embedding.build import embed
    from graphagg.embedding.prone.network import NetworkMatrix

    report.heading(f"Embeddings: {name} compared with gensim and pycleora")
    whole = read_benchmark_graph(DATA / GRAPHS[name])
    split = None if name == "blogcatalog" else split_edges(whole, None, 0.3, 0)
    graph = whole if split is None else split.train
    sides: dict[str, Callable[[], np.ndarray]] = {}
    for passes in (1, 2):
        config = EmbeddingConfig(pieces=PIECES, propagate=passes)
        sides[f"graphagg, propagations: {passes}"] = lambda config=config: (
            embed(NetworkMatrix.from_graph(graph), config).vectors
        )
    for dim in (256, 128):  # 256 is its default
        sides[f"pycleora, d = {dim}"] = lambda dim=dim: pycleora_vectors(graph, dim)
    costs = in_turn(sides, pairs, time.process_time)
    costs["gensim DeepWalk"] = [cost(lambda: deepwalk_vectors(graph))]
    base, rows = next(iter(costs.values())), []
    for side, spent in costs.items():
        figures = quality(spent[-1].result, whole, split)
        times = ratio(spent, base[: len(spent)])
        rows.append(
            [side, median_cost(spent).cpu, f"{times:.1f}", *map("{:.4f}".format, figures.values())]
        )
    report.table(["", "CPU s", "times ours", *figures], rows)


def quality(vectors: np.ndarray, whole: Any, split: Any) -> dict[str, float]:
    """Return the AUC of link prediction if there is a split, else micro and macro F1."""
    from benchmarks.graphs.vectors.classification import FRACTIONS, classify, read_labels
    from graphagg.embedding.sparse import normalize_rows

    if split is not None:
        both = {"AUC dot": vectors, "AUC cosine": normalize_rows(vectors)}
        return {name: link_auc(rows, split) for name, rows in both.items()}
    labels = read_labels(LABELS, whole.rows)
    figures = {}
    for fraction in FRACTIONS:
        scores = [classify(vectors, labels, fraction, seed) for seed in range(SHUFFLES)]
        figures[f"micro {fraction}"] = float(np.mean([s.micro for s in scores]))
        figures[f"macro {fraction}"] = float(np.mean([s.macro for s in scores]))
    return figures


def link_auc(vectors: np.ndarray, split: Any) -> float:
    """Compute the AUC of dot products: held-out edges against uniform pairs."""
    from benchmarks.graphs.vectors.measure import auc

    first = 0 if split.train.kind == "undirected" else len(split.train.rows)
    scores = [
        np.einsum("ij,ij->i", vectors[pairs[0]], vectors[first + pairs[1]])
        for pairs in (split.positive, split.uniform)
    ]
    return auc(*scores)


def pycleora_vectors(graph, dim: int) -> np.ndarray:
    """Run pycleora's `embed` with its defaults, except for the dimension."""
    import pycleora

    rows, columns = graph.pairs()
    lines = (f"{u} {v}" for u, v in zip(rows.tolist(), columns.tolist(), strict=True))
    matrix = pycleora.SparseMatrix.from_iterator(lines, "complex::reflexive::node")
    embedded = pycleora.embed(matrix, feature_dim=dim)
    vectors = np.zeros((len(graph.rows), embedded.shape[1]), dtype=np.float32)
    vectors[np.array(matrix.entity_ids, dtype=np.int64)] = embedded
    return vectors


def deepwalk_vectors(graph) -> np.ndarray:
    """Run gensim with one worker: 10 walks of length 80 per vertex, window 10, one epoch."""
    from gensim.models import Word2Vec

    matrix, generator = graph.adjacency, np.random.default_rng(0)
    degrees = matrix.degrees()
    walks = []
    for _ in range(10):
        walk = np.empty((len(graph.rows), 80), dtype=np.int64)
        walk[:, 0] = generator.permutation(len(graph.rows))
        walk = walk[degrees[walk[:, 0]] > 0]
        for step in range(1, 80):
            at = walk[:, step - 1]
            draws = (generator.random(len(at)) * degrees[at]).astype(np.int64)
            walk[:, step] = matrix.indices[matrix.indptr[at] + draws]
        walks += walk.astype(str).tolist()
    model = Word2Vec(
        walks, vector_size=128, window=10, min_count=0, sg=1, workers=1, epochs=1, seed=0
    )
    vectors = np.zeros((len(graph.rows), 128), dtype=np.float32)
    vectors[np.array(model.wv.index_to_key, dtype=np.int64)] = model.wv.vectors
    return vectors


# --- partitioners --------------------------------------------------------------------------------

CUT_GRAPHS = {
    "ca-astroph": ("ca-astroph/astro-ph-cc1.jlg", "undirected"),
    "email-enron": ("email-enron/email-enron.jlg", "undirected"),
    "blogcatalog": ("blogcatalog/blogcatalog.mat", "undirected"),
    "soc-Epinions1": ("soc-Epinions1/soc-Epinions1.txt.gz", "directed"),
    "web-NotreDame": ("web-NotreDame/web-NotreDame.txt.gz", "directed"),
}
CUT_PIECES = (8, 46)


def bench_partitioners(report: Report) -> None:
    """Measure cut, balance, CPU seconds and AUC of each partitioner, with 30 % of edges held out.

    The training graph of split 0 is cut and embedded; AUC compares dot products.
    """
    from benchmarks.graphs.vectors.classification import read_benchmark_graph
    from benchmarks.graphs.vectors.splits import split_edges
    from graphagg.embedding import EmbeddingConfig
    from graphagg.embedding.build import embed
    from graphagg.embedding.partition.cut import partition
    from graphagg.embedding.prone.network import NetworkMatrix

    figures, rows = ("cut", "edge_balance", "vertex_balance"), []
    for name, (path, kind) in CUT_GRAPHS.items():
        split = split_edges(read_benchmark_graph(DATA / path, kind), None, 0.3, 0)
        network = NetworkMatrix.from_graph(split.train)
        for pieces in CUT_PIECES:
            for partitioner in ("metis", "streaming"):
                config = EmbeddingConfig(pieces=pieces, partitioner=partitioner, kind=kind)
                partition(network.matrix, config)  # warms up
                spent = cost(lambda c=config, m=network.matrix: partition(m, c))
                vectors, level = embed(network, config).vectors, spent.result[1].levels[-1]
                row = [name, partitioner, pieces, *(f"{getattr(level, f):.4f}" for f in figures)]
                rows.append([*row, f"{link_auc(vectors, split):.4f}", spent.cpu])
    report.heading("Embeddings: partitioners")
    report.table(["graph", "partitioner", "pieces", *figures, "AUC", "CPU s"], rows)


if __name__ == "__main__":
    main()
