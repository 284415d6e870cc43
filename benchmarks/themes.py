"""The map of a corpus: what it costs, how steady its themes are, and how well they fit a truth.

    python -m benchmarks.themes INDEX [--truth [QUESTIONS]] [--only-truth]

Prints the CPU time of a map by part; the adjusted mutual information (AMI) of themes before and
after 1 % and 10 % of the passages come, over the passages that are in both; and whether a second
map is the same. With `--truth` also the AMI with what the first sentence of each passage says that
its subject is (`a 1951 film`, `a German politician`), of which nation, and both, beside k-means of
the same vectors with as many clusters, and HDBSCAN; passages whose first sentence says neither are
left out. With QUESTIONS (`questions.jsonl.gz` of the set) also how many pairs of gold passages of
one question lie in one theme, and how many of all pairs do.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_mutual_info_score

from graphagg.arrays import Ints
from graphagg.rag import PassageIndex
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.assignment import assign
from graphagg.rag.corpus.themes.build import theme_map
from graphagg.rag.corpus.themes.network import network, whole_vectors
from graphagg.rag.evaluation.questions import read_questions
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.view import View

SHARES = (0.01, 0.1)
SEEDS = range(3)
KINDS = {
    "film": "film movie documentary", "song": "song single album",
    "place": "village town city river",
    "politician": "politician", "actor": "actor actress", "director": "director filmmaker",
    "music": "singer composer musician songwriter band", "sport": "footballer player cricketer",

    "noble": "king queen prince princess duke duchess count countess emperor nobleman earl",
    "writer": "writer author novelist poet journalist", "church": "bishop priest archbishop saint",
    "soldier": "officer general admiral soldier",
    "scholar": "professor scientist mathematician historian",
    "firm": "company newspaper magazine", "school": "school university college",
}  # fmt: skip

NATIONS = frozenset(
    "american british english french german indian italian spanish australian canadian russian "
    "japanese chinese polish swedish irish scottish danish hungarian austrian argentine mexican "
    "brazilian turkish tamil hindi telugu malayalam bengali iranian egyptian korean dutch belgian "
    "norwegian finnish greek roman byzantine portuguese swiss".split()
)


def cost(snapshot: Snapshot, view: View) -> None:
    """Print CPU seconds by part; kernels are compiled before."""
    config = MapConfig()
    theme_map(snapshot, view, config)
    clock = [time.process_time()]

    def lap() -> float:
        clock.append(time.process_time())
        return clock[-1] - clock[-2]

    network(snapshot.corpus, view, config.graph, config.near, config.text_weight)
    net = lap()
    assign(snapshot, view, config)
    themes = lap() - net
    first = theme_map(snapshot, view, config)
    whole = lap()
    same = first.to_json() == theme_map(snapshot, view, config).to_json()
    print(
        f"map: {whole:.2f} CPU s (network {net:.2f}, themes {themes:.2f}); the same again: {same}",
        flush=True,
    )


def stability(snapshot: Snapshot, view: View) -> None:
    """Print the AMI by level and share, mean over draws."""
    config = MapConfig()
    after = assign(snapshot, view, config)
    table: dict[float, list[list[float]]] = {share: [] for share in SHARES}
    for share in SHARES:
        for seed in SEEDS:
            visible = np.array(view.visible)
            gone = np.random.default_rng(seed).choice(
                view.rows, round(share * view.passages), replace=False
            )
            visible[gone] = False
            before = assign(snapshot, snapshot.view(visible), config)
            both = np.searchsorted(after.net.rows, before.net.rows)
            table[share].append(
                [
                    adjusted_mutual_info_score(a[both], b)
                    for a, b in zip(after.passage, before.passage, strict=True)
                ]
            )
    print(
        "| level | themes | of 5 passages and more | AMI +1 % | AMI +10 % |\n" + "| --- " * 5 + "|"
    )
    for level, labels in enumerate(after.passage):
        sizes = np.bincount(labels)
        means = [np.mean([row[level] for row in table[share]]) for share in SHARES]
        shown = " | ".join(f"{mean:.3f}" for mean in means)
        print(f"| {level} | {len(sizes)} | {np.count_nonzero(sizes >= 5)} | {shown} |", flush=True)


def gold_pairs(snapshot: Snapshot, view: View, questions: Path) -> Ints:
    """`[n, 2]` places in the view of each two gold passages of a question."""
    found: set[tuple[int, int]] = set()
    for question in read_questions(questions):
        rows = [snapshot.known_row(identifier) for identifier in question.gold]
        places = sorted(np.searchsorted(view.rows, rows).tolist())
        found.update((a, b) for a, b in combinations(places, 2))
    return np.array(sorted(found), np.int64)


def together(labels: Ints, pairs: Ints) -> str:
    """Percent of some pairs, and of all pairs, that lie in one cluster."""
    sizes = np.bincount(labels[labels >= 0]).astype(np.float64)
    of_all = (sizes * (sizes - 1)).sum() / (len(labels) * (len(labels) - 1))
    inside = (labels[pairs[:, 0]] == labels[pairs[:, 1]]) & (labels[pairs[:, 0]] >= 0)
    return f"{100 * inside.mean():.1f} ({100 * of_all:.2f})"


def truth(snapshot: Snapshot, view: View, questions: Path | None) -> None:
    """Print the AMI of themes, and of clusters of vectors, with what first sentences say."""
    texts = [snapshot.corpus[row].text for row in view.rows.tolist()]
    said = [(kind_of(text), nation_of(text)) for text in texts]
    truths = {
        "kind": [kind for kind, _ in said],
        "nation": [nation for _, nation in said],
        "both": [f"{nation} {kind}" if kind and nation else None for kind, nation in said],
    }
    for name, values in truths.items():
        counts = Counter(value for value in values if value).most_common(8)
        print(f"{name}: {sum(value is not None for value in values)} of {len(values)}, {counts}")
    parts = assign(snapshot, view, MapConfig())
    vectors = whole_vectors(snapshot.corpus, view.rows)
    clusters: dict[str, Ints] = {}
    for level, labels in enumerate(parts.passage):
        count = len(np.unique(labels))
        clusters[f"themes, level {level} ({count})"] = labels
        clusters[f"k-means ({count})"] = KMeans(count, n_init=1, random_state=0).fit_predict(
            vectors
        )
    clusters["HDBSCAN"] = HDBSCAN(min_cluster_size=5, copy=True).fit_predict(vectors)
    pairs = None if questions is None else gold_pairs(snapshot, view, questions)
    columns = [*truths, *(["gold pairs, % (all pairs)"] if pairs is not None else [])]
    print(f"| clusters | {' | '.join(columns)} |\n" + "| --- " * (1 + len(columns)) + "|")
    for name, labels in clusters.items():
        scores = []
        for values in truths.values():
            known = np.array([value is not None for value in values])
            true = np.unique([value for value in values if value], return_inverse=True)[1]
            scores.append(adjusted_mutual_info_score(true, labels[known]))
        cells = [f"{score:.3f}" for score in scores]
        cells += [together(labels, pairs)] if pairs is not None else []
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def said_of(text: str) -> list[str]:
    """The words after the verb of the first sentence."""
    found = re.search(r"\b(?:is|was|are|were)\b(.{0,160})", text.split(". ")[0], re.DOTALL)
    return [] if found is None else re.findall(r"[a-z]+", found[1].casefold())


def kind_of(text: str) -> str | None:
    """What the first sentence says that its subject is: the first noun of `KINDS`."""
    kinds = {word: kind for kind, words in KINDS.items() for word in words.split()}
    return next((kinds[word] for word in said_of(text) if word in kinds), None)


def nation_of(text: str) -> str | None:
    """Of which nation or language it is: the first word of `NATIONS`."""
    return next((word for word in said_of(text) if word in NATIONS), None)


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--truth", nargs="?", type=Path, const=False, metavar="QUESTIONS")
    parser.add_argument("--only-truth", action="store_true", help="neither cost nor stability")
    given = parser.parse_args()
    with PassageIndex.open(given.index) as index:
        snapshot = index.snapshot
        view = snapshot.view(None)
        if not given.only_truth:
            cost(snapshot, view)
            stability(snapshot, view)
        if given.truth is not None:
            truth(snapshot, view, given.truth or None)


if __name__ == "__main__":
    main()
