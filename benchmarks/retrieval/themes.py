"""The map of a corpus: its cost, and the steadiness of its themes.

    python -m benchmarks.retrieval.themes INDEX [--questions QUESTIONS]

Prints the CPU time of a map; the adjusted mutual information (AMI) of themes before and after 1 %
and 10 % of the passages come, over the passages that are in both; and whether a second map is the
same. With QUESTIONS (`questions.jsonl.gz` of the set) also the percentage of pairs of gold passages
of one question that lie in one theme, and of all pairs, beside k-means of the same vectors with as
many clusters.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from benchmarks.measure import cost
from benchmarks.report import print_table
from graphagg.arrays import Ints
from graphagg.rag import PassageIndex
from graphagg.rag.config.corpus import MapConfig
from graphagg.rag.corpus.network import whole_vectors
from graphagg.rag.corpus.themes import theme_map
from graphagg.rag.evaluation.questions import read_questions
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.view import View

SHARES = (0.01, 0.1)
SEEDS = range(3)


def stability(snapshot: PassageSnapshot, view: View) -> None:
    """Print the AMI by share, mean over draws."""
    after, rows = theme_map(snapshot, view, MapConfig()), []
    for share in SHARES:
        scores = []
        for seed in SEEDS:
            visible = np.array(view.visible)
            count, generator = round(share * view.passages), np.random.default_rng(seed)
            visible[generator.choice(view.rows, count, replace=False)] = False
            part = snapshot.view(visible)
            before = theme_map(snapshot, part, MapConfig()).theme_of
            both = np.searchsorted(view.rows, part.rows)
            scores.append(adjusted_mutual_info_score(after.theme_of[both], before))
        rows.append([f"{share:.0%}", f"{np.mean(scores):.3f}"])
    sizes = [theme.passages for theme in after]
    print(f"{len(sizes)} themes, {sum(size >= 5 for size in sizes)} with 5 passages and more\n")
    print_table(["passages that came", "AMI"], rows)


def gold_pairs(snapshot: PassageSnapshot, view: View, questions: Path) -> Ints:
    """`[n, 2]` positions in the view of each two gold passages of a question."""
    pairs: set[tuple[int, int]] = set()
    for question in read_questions(questions):
        rows = [snapshot.known_row(identifier) for identifier in question.gold]
        pairs.update(combinations(sorted(np.searchsorted(view.rows, rows).tolist()), 2))
    return np.array(sorted(pairs), np.int64)


def together(labels: Ints, pairs: Ints) -> list[str]:
    """Percent of some pairs, and of all pairs, that lie in one cluster."""
    sizes = np.bincount(labels).astype(np.float64)
    of_all = (sizes * (sizes - 1)).sum() / (len(labels) * (len(labels) - 1))
    inside = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    return [f"{100 * inside.mean():.1f}", f"{100 * of_all:.2f}"]


def beside_clusters(snapshot: PassageSnapshot, view: View, questions: Path) -> None:
    """Print how many pairs of gold passages themes and clusters of vectors hold together."""
    pairs = gold_pairs(snapshot, view, questions)
    vectors, rows = whole_vectors(snapshot.corpus, view.rows), []
    labels = theme_map(snapshot, view, MapConfig()).theme_of
    count = len(np.unique(labels))
    clusters = KMeans(count, n_init=1, random_state=0).fit_predict(vectors)
    rows.append([f"themes, {count}", *together(labels, pairs)])
    rows.append([f"k-means, {count}", *together(clusters, pairs)])
    print_table(["clusters", "gold pairs, %", "all pairs, %"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--questions", type=Path)
    chosen = parser.parse_args()
    with PassageIndex.open(chosen.index) as index:
        snapshot = index.snapshot
        view = snapshot.view(None)
        first = theme_map(snapshot, view, MapConfig())  # compiles
        spent = cost(lambda: theme_map(snapshot, view, MapConfig()))
        same = first.to_json() == spent.result.to_json()
        print(f"map: {spent.cpu:.2f} CPU s; the same again: {same}\n", flush=True)
        stability(snapshot, view)
        if chosen.questions:
            beside_clusters(snapshot, view, chosen.questions)


if __name__ == "__main__":
    main()
