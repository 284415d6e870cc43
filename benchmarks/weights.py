"""Weights in communities: recall beside an index without, and cost beside datasketch.

    python -m benchmarks.weights                  both parts
    python -m benchmarks.weights --part recall    one part: recall or cost

Recall at community size, from five members, three draws, the same questions for all. The LFR
graphs have half of the edges of each vertex between communities; of the weight of its edges a
share, the mixing, lies there (Lancichinetti and Fortunato, 2009; strengths are degrees^1.5). The
real graphs and their weights:

    passages   passages of FeedbackQA and the words in them, by number; communities: pages
    digits     images of scikit-learn's digits and their pixels, by brightness; communities: digits
    circles    friends in ten ego networks, by 1 + features that both profiles have; circles
    citations  Cora, by 1 + words that both papers have; communities: topics

Cost is thread CPU time of signatures alone, and of signatures and tables, per vertex of com-DBLP,
whose edges weigh 1 + the neighbors that both ends share.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.communities import DBLP, sketch
from benchmarks.measure import in_turn, median_cost
from benchmarks.report import Report
from tests.conftest import DATA

PARTS = ("recall", "cost")
MIXINGS = (0.1, 0.2, 0.3, 0.4, 0.5)
METHODS = ("fused", "pagerank", "jaccard", "agglomerative", "minhash")
SLOTS = 128
_SETS = 20_000
Weighted = tuple[list[tuple[Any, Any, float]], list[list[Any]], str]
"""Edges, true communities, and the kind of graph."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, action="append")
    report = Report(Path("build/bench/weights"))
    for chosen in parser.parse_args().part or PARTS:
        {"recall": bench_recall, "cost": bench_cost}[chosen](report)
    print(report.save())


# --- recall --------------------------------------------------------------------------------------


def bench_recall(report: Report) -> None:
    report.heading("Recall with weights and without")
    graphs: dict[str, Callable[[], Weighted]] = {
        f"LFR, mixing {mixing}": lambda mixing=mixing: lfr(mixing, seed=1) for mixing in MIXINGS
    }
    graphs |= {"passages": passages, "digits": digits, "circles": circles, "citations": citations}
    rows = [[name, *recalls(*make())] for name, make in graphs.items()]
    header = [f"{method}{side}" for method in METHODS for side in ("", ", weights")]
    report.table(["graph", "edges", "communities", *header], rows)


def recalls(edges: list[Any], groups: list[list[Any]], kind: str) -> list[Any]:
    """The sizes, and the recall of each method without weights and with."""
    from graphagg.communities import CommunityIndex, IndexConfig
    from graphagg.communities.evaluation import draw_seeds, evaluate, number_communities

    figures: dict[tuple[str, bool], float] = {}
    for weights in (False, True):
        config = IndexConfig(kind=kind, weights=weights)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory() as folder:
            index = CommunityIndex.build(edges, folder, config=config)
            chosen = number_communities(groups, index.vertices).select(12, None, 100, 0)
            questions = draw_seeds(chosen, 5, 3, 0)
            for method in METHODS:
                result = evaluate(index, questions, method=method)  # type: ignore[arg-type]
                figures[method, weights] = result.recall
    shown = [f"{figures[method, side]:.3f}" for method in METHODS for side in (False, True)]
    return [len(edges), len(chosen), *shown]


def lfr(mixing: float, seed: int, vertices: int = 2_000) -> Weighted:
    """A weighted LFR graph: half of the edges, and `mixing` of the weight, leave communities."""
    import networkx as nx

    graph = nx.LFR_benchmark_graph(
        vertices, 2.5, 1.5, 0.5, average_degree=20, max_degree=60, min_community=20,
        max_community=100, max_iters=2_000, seed=seed,
    )  # fmt: skip
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    groups = {frozenset(graph.nodes[v]["community"]) for v in graph}
    label = {v: i for i, group in enumerate(sorted(map(sorted, groups))) for v in group}
    ends = np.array(graph.edges)
    inside = np.array([label[a] == label[b] for a, b in ends.tolist()])
    strength = np.array([graph.degree(v) for v in range(vertices)], dtype=float) ** 1.5
    weights = np.ones(len(ends))
    for _ in range(200):  # each edge moves toward what both of its ends ask for
        for side, share in ((inside, 1 - mixing), (~inside, mixing)):
            sums = np.bincount(ends[side].ravel(), np.repeat(weights[side], 2), vertices)
            factor = strength * share / np.maximum(sums, 1e-300)
            weights[side] *= np.sqrt(factor[ends[side, 0]] * factor[ends[side, 1]])
    edges = [(a, b, w) for (a, b), w in zip(ends.tolist(), weights.tolist(), strict=True)]
    return edges, [sorted(group) for group in groups], "undirected"


def passages() -> Weighted:
    edges, pages = [], {}
    path = DATA / "retrieval" / "feedbackqa" / "passages.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            pages.setdefault(record["title"], []).append(record["id"])
            words = Counter(re.findall(r"\w+", record["text"].lower()))
            edges += [(word, record["id"], float(count)) for word, count in words.items()]
    return edges, list(pages.values()), "two-mode"


def digits() -> Weighted:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    rows, pixels = np.nonzero(images)
    ends = zip(pixels.tolist(), rows.tolist(), images[rows, pixels].tolist(), strict=True)
    return list(ends), [np.flatnonzero(labels == d).tolist() for d in range(10)], "two-mode"


def circles() -> Weighted:
    shared: Counter[tuple[int, int]] = Counter()
    groups = []
    with tarfile.open(DATA / "communities" / "facebook_egos" / "facebook.tar.gz") as archive:
        for member in archive.getmembers():
            if not member.name.endswith(".edges"):
                continue
            lines = {
                kind: _lines(archive, member.name.replace(".edges", f".{kind}"))
                for kind in ("edges", "feat", "circles")
            }
            features = {int(v): np.array(f, dtype=np.int8) for v, *f in lines["feat"]}
            for a, b in {tuple(sorted(map(int, pair))) for pair in lines["edges"]}:
                # A pair of friends in two networks: profiles show different features in each.
                shared[a, b] = max(shared[a, b], 1 + int(features[a] @ features[b]))
            groups += [list(map(int, ids)) for _, *ids in lines["circles"]]
    return [(a, b, float(w)) for (a, b), w in sorted(shared.items())], groups, "undirected"


def _lines(archive: tarfile.TarFile, name: str) -> list[list[str]]:
    file = archive.extractfile(name)
    assert file is not None, name
    return [line.decode().split() for line in file]


def citations() -> Weighted:
    with np.load(DATA / "graph_learning" / "planetoid" / "cora.npz") as cora:
        words = np.split(cora["x_indices"], cora["x_indptr"][1:-1])
        ends, labels = cora["edges"].tolist(), cora["y"]
    weights = [1.0 + len(np.intersect1d(words[a], words[b])) for a, b in ends]
    edges = [(a, b, w) for (a, b), w in zip(ends, weights, strict=True)]
    return edges, [np.flatnonzero(labels == topic).tolist() for topic in range(7)], "undirected"


# --- cost ----------------------------------------------------------------------------------------


def bench_cost(report: Report) -> None:
    import datasketch

    from graphagg.communities import IndexConfig
    from graphagg.communities.indexing.files import with_weights
    from graphagg.communities.snapshot import IndexGraph
    from graphagg.graph import load_graph
    from graphagg.minhash.signatures import signatures
    from graphagg.minhash.weighted import Draws, weighted_minima

    report.heading("Cost with weights and without, com-DBLP")
    graph = load_graph(DBLP)
    weighted = with_weights(graph, shared_neighbors(graph.adjacency))
    plain = IndexGraph.of(graph, IndexConfig())
    hashes, draws, sets = plain.hashes(), Draws.of(SLOTS, 1), weighted.adjacency
    rows = np.arange(_SETS)  # one after another, as a build signs them
    starts, ends = sets.indptr[rows], sets.indptr[rows + 1]
    owns = np.ones((sets.rows, 1))
    dense = np.zeros(int(np.diff(sets.indptr).max()) + 1)  # WeightedMinHash takes a dense vector
    peer = datasketch.WeightedMinHashGenerator(len(dense), SLOTS)

    def ask_peer() -> None:
        for low, high in zip(starts[:1000].tolist(), ends[:1000].tolist(), strict=True):
            dense[:] = 0.0
            dense[: high - low] = sets.entries[low:high]
            dense[high - low] = 1.0
            peer.minhash(dense)

    many = IndexConfig(weights=True)
    sides = {
        "signatures without weights": (lambda: signatures(sets, hashes, rows), _SETS),
        "signatures with weights": (
            lambda: weighted_minima(sets, owns, hashes, draws, rows, np.uint16), _SETS
        ),
        "ICWS, each variate drawn": (
            lambda: _kernels()[0](sets.indptr, sets.indices, sets.entries, hashes, rows), _SETS
        ),
        "a bound of all dart methods": (lambda: _kernels()[1](_SETS, SLOTS), _SETS),
        "datasketch WeightedMinHash": (ask_peer, 1000),
        "signatures and tables without": (lambda: sketch(graph, IndexConfig()), sets.rows),
        "signatures and tables with weights": (lambda: sketch(weighted, many), sets.rows),
    }  # fmt: skip
    costs = in_turn({name: work for name, (work, _) in sides.items()}, 3, time.thread_time)
    micro = {name: 1e6 * median_cost(spent).cpu / sides[name][1] for name, spent in costs.items()}
    rows_shown = []
    for name, each in micro.items():
        base = "signatures and tables without" if "tables" in name else "signatures without weights"
        rows_shown.append([name, f"{each:.2f}", f"{each / micro[base]:.1f}"])
    report.table(["per vertex", "CPU microseconds", "times without weights"], rows_shown)


def shared_neighbors(adjacency: Any) -> Any:
    """1 + the number of neighbors that both ends of each entry share."""
    from scipy import sparse

    shape = (adjacency.rows, adjacency.rows)
    matrix = sparse.csr_matrix(
        (np.ones(len(adjacency.indices)), adjacency.indices, adjacency.indptr), shape
    )
    counted = sparse.csr_matrix((matrix @ matrix).multiply(matrix) + matrix)
    counted.sort_indices()
    return counted.data


@cache
def _kernels() -> tuple[Any, Any]:
    """ICWS with a hash per variate; and the least work of a method that draws darts.

    To fill K slots whatever the set, such methods (DartMinHash, TreeMinHash) draw K log K darts and
    some more, each at least hashed and compared.
    """
    import numba

    @numba.njit
    def uniform(seed):  # type: ignore[no-untyped-def]
        seed = np.uint32((seed ^ (seed >> np.uint32(16))) * np.uint32(0x85EBCA6B))
        seed = np.uint32((seed ^ (seed >> np.uint32(13))) * np.uint32(0xC2B2AE35))
        return np.uint32(seed ^ (seed >> np.uint32(16))), (np.float64(seed) + 0.5) / 2.0**32

    @numba.njit
    def icws(offsets, elements, weights, hashes, rows):  # type: ignore[no-untyped-def]
        out = np.empty((len(rows), len(hashes.factors)))
        for i in range(len(rows)):
            best = np.full(len(hashes.factors), np.inf)
            for j in range(offsets[rows[i]], offsets[rows[i] + 1]):
                level = np.log(weights[j])
                for k in range(len(best)):
                    seed = np.uint32(hashes.elements[elements[j]] ^ hashes.factors[k])
                    seed, u1 = uniform(seed)
                    seed, u2 = uniform(seed)
                    seed, u3 = uniform(seed)
                    seed, u4 = uniform(seed)
                    seed, shift = uniform(seed)
                    rate = -np.log(u1 * u2)
                    steps = np.ceil(level / rate + shift) - shift
                    best[k] = min(best[k], np.log(-np.log(u3 * u4)) - rate * steps)
            out[i] = best
        return out

    @numba.njit
    def darts(sets, slots):  # type: ignore[no-untyped-def]
        out = np.empty((sets, slots), np.uint32)
        for i in range(sets):
            out[i] = 0xFFFFFFFF
            for dart in range(int(slots * np.log(slots))):
                seed, _ = uniform(np.uint32(i * 1000 + dart))
                slot, rank = seed % np.uint32(slots), np.uint32(seed * np.uint32(0x9E3779B1))
                out[i, slot] = min(out[i, slot], rank)
        return out

    return icws, darts


if __name__ == "__main__":
    main()
