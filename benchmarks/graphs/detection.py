"""Compares `detect` with Louvain and Leiden of six other packages.

    python -m benchmarks.graphs.detection                   all graphs, and changes of some
    python -m benchmarks.graphs.detection --graph pages --graph "LFR .3"
    python -m benchmarks.graphs.detection --graph enron --only converged
    python -m benchmarks.graphs.detection --graph com-DBLP --only changes --batches 20

Each side computes a label per vertex from one array of pairs, with five seeds; the table has the
medians. CPU seconds are those of the process: for the partition only, and including the
construction of the graph. Normalized mutual information (NMI) is computed if there are true labels.
`apart` counts communities that are not connected; `equal` says whether a second run with the first
seed gave the same labels. Some packages are not in graphagg's extras and are skipped if missing:
`pip install igraph leidenalg networkit graspologic-native`. The first two are GPL.

Changes: half of each batch are removed edges, half are random new edges. CPU seconds are those of
the thread; `detect` also reads the array, `update` gets only the changed pairs. `kept` is the share
of vertices with the same number after a batch. A new partition is computed five times (`anew`).
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import Report, parser_of
from tests.conftest import DATA

Ints = npt.NDArray[np.int64]
Sample = tuple[Ints, Ints | None]
Side = tuple[str, Callable[[Ints, int], tuple[Any, float]]]
SEEDS = range(5)
LFR = {
    "n": 3_000, "tau1": 2.5, "tau2": 1.5, "average_degree": 12, "max_degree": 100,
    "min_community": 20, "max_community": 200,
}  # fmt: skip
LARGE, SLOW = 120_000, ("networkx Louvain", "leidenalg, 2 iterations")
"""Above this number of pairs these slow sides are skipped: they take minutes."""
SHARES = (0.0001, 0.001, 0.01)
"""Shares of edges that change in a batch."""
CHANGED = ("enron", "com-DBLP", "planted, 10^7 edges")
CONVERGED = ("ca-condmat", "ca-astroph", "enron", "pages", "lastfm", "email-Eu")
"""Graphs on which all sides iterate until the partition no longer improves."""
TABLES = ("sides", "converged", "changes")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--graph", choices=GRAPHS, action="append")
    parser.add_argument("--only", choices=TABLES, action="append")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    report = Report(options.folder)
    report.heading("Communities of whole graphs")
    tiny = np.array([(0, 1), (1, 2), (0, 2), (2, 3)])
    for package, side in [*SIDES.values(), *LONG.values()]:  # kernels compile, libraries load
        if installed(package):
            side(tiny, 0)
    absent = {package for package, _ in SIDES.values() if not installed(package)}
    report.line("Not installed here: " + (", ".join(sorted(absent)) or "none"))
    header = [
        "graph", "side", "modularity", "NMI", "communities", "apart", "equal", "CPU s",
        "with reading", "license",
    ]  # fmt: skip
    tables, chosen = options.only or TABLES, options.graph or list(GRAPHS)
    if "sides" in tables:
        report.table(header, [row for name in chosen for row in compared(name, SIDES)])
    if "converged" in tables:
        report.heading("Iterated until convergence")
        names = [name for name in CONVERGED if name in chosen]
        report.table(header, [row for name in names for row in compared(name, LONG)])
    if "changes" in tables:
        report.heading(f"{options.batches} changes, one after the other")
        header = ["graph", "changed", "by", "CPU s", "anew", "modularity", "anew", "kept", "least"]
        names = [name for name in CHANGED if name in chosen]
        rows = [row for name in names for row in changed(name, options.batches)]
        report.table(header, rows)
    print(report.save())


def installed(package: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def compared(name: str, sides: dict[str, Side]) -> list[list[str]]:
    """Return the rows of a graph, one for each side."""
    from sklearn.metrics import normalized_mutual_info_score

    pairs, truth = sample(name)
    rows = []
    for side, (package, partition) in sides.items():
        if not installed(package) or (side in SLOW and len(pairs) > LARGE):
            continue
        runs, first = [], None
        for seed in SEEDS:
            begin = time.process_time()
            labels, cpu = partition(pairs, seed)
            whole, labels = time.process_time() - begin, np.asarray(labels)
            first = labels if first is None else first
            nmi = np.nan if truth is None else normalized_mutual_info_score(truth, labels)
            count, pieces = len(np.unique(labels)), components(pairs, labels)
            runs.append((modularity(pairs, labels), nmi, count, pieces - count, cpu, whole))
        equal = np.array_equal(first, partition(pairs, SEEDS[0])[0])  # type: ignore[arg-type]
        quality, nmi, count, apart, cpu, whole = np.median(runs, axis=0)
        figures = [f"{quality:.4f}", "" if np.isnan(nmi) else f"{nmi:.3f}", f"{count:,.0f}"]
        figures += [f"{apart:.0f}", "yes" if equal else "no", f"{cpu:.3f}", f"{whole:.3f}"]
        rows.append([name, side, *figures, license_of(package)])
        print(*rows[-1], sep="\t", file=sys.stderr, flush=True)
    return rows


def license_of(package: str) -> str:
    """Return the license that an installed package declares."""
    about = metadata(DISTRIBUTIONS.get(package, package))
    named = [
        each.split(" :: ")[-1] for each in about.get_all("Classifier", []) if "License" in each
    ]
    return str(about["License-Expression"] or [*named, about["License"]][0])


def modularity(pairs: Ints, labels: Ints) -> float:
    """Compute the modularity of a partition of distinct undirected pairs."""
    degrees = np.bincount(pairs.ravel(), minlength=len(labels))
    masses = np.bincount(labels, degrees) / (2 * len(pairs))
    return float((labels[pairs[:, 0]] == labels[pairs[:, 1]]).mean() - (masses**2).sum())


def components(pairs: Ints, labels: Ints) -> int:
    """Count the connected components inside all communities."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]].T
    n = len(labels)
    return int(connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)))[0])


def changed(name: str, batches: int) -> list[list[str]]:
    """Measure the cost and quality of a partition while edges change batch by batch."""
    from graphagg.communities import detect, update

    pairs, _ = sample(name)
    vertices, rows = range(int(pairs.max()) + 1), []
    update(detect([(0, 1), (1, 2)]), [(2, 3)], [(0, 1)])  # kernels compile
    for share in SHARES:
        draws, half = np.random.default_rng(0), max(1, int(len(pairs) * share / 2))
        before, now = detect(pairs, vertices=vertices), pairs
        last = {"update": before, "detect with a start": before}
        runs: dict[str, list[tuple[float, ...]]] = {side: [] for side in [*last, "anew"]}
        for batch in range(batches):
            mask = np.zeros(len(now), np.bool_)
            mask[draws.permutation(len(now))[:half]] = True
            gone, more = now[mask], draws.integers(0, len(vertices), (half, 2))
            now = distinct(np.concatenate([now[~mask], more]))
            steps = {
                "update": partial(update, last["update"], more, gone),
                "detect with a start": partial(
                    detect, now, vertices=vertices, start=last["detect with a start"]
                ),
            }
            if (batch + 1) % max(1, batches // 5) == 0:
                steps["anew"] = partial(detect, now, vertices=vertices)
            for side, step in steps.items():
                begin = time.thread_time()
                after = step()
                cpu = time.thread_time() - begin
                kept = (after.labels == last[side].labels).mean() if side in last else 0.0
                runs[side].append((cpu, after.modularity, float(kept)))
                last |= {side: after} if side in last else {}
        cold, fresh = np.mean(runs["anew"], axis=0)[0], runs["anew"][-1][1]
        for side in last:
            cpu, _, kept = np.mean(runs[side], axis=0)
            figures = [f"{cpu:.3f}", f"{cold:.2f}", f"{runs[side][-1][1]:.4f}", f"{fresh:.4f}"]
            least = min(each[2] for each in runs[side])
            rows.append([name, f"{share:.2%}", side, *figures, f"{kept:.4f}", f"{least:.4f}"])
            print(*rows[-1], sep="\t", file=sys.stderr, flush=True)
    return rows


def by_detect(pairs: Ints, seed: int, iterations: int = 2) -> tuple[Any, float]:
    """Partition with graphagg; ids are the vertex numbers."""
    from graphagg.communities.detection import partition
    from graphagg.graph import load_weighted

    graph, weights = load_weighted(pairs, vertices=range(int(pairs.max()) + 1))
    begin = time.process_time()
    found = partition(graph, weights, random_state=seed, iterations=iterations)
    return found.labels, time.process_time() - begin


def by_igraph(pairs: Ints, seed: int, **options: Any) -> tuple[Any, float]:
    """Partition with igraph's Leiden."""
    import random

    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    graph = igraph.Graph(int(pairs.max()) + 1, pairs)
    begin = time.process_time()
    found = graph.community_leiden(**options).membership
    return found, time.process_time() - begin


def by_leidenalg(pairs: Ints, seed: int) -> tuple[Any, float]:
    """Partition with leidenalg."""
    import igraph
    import leidenalg

    graph = igraph.Graph(int(pairs.max()) + 1, pairs)
    begin = time.process_time()
    kind = leidenalg.ModularityVertexPartition
    found = leidenalg.find_partition(graph, kind, n_iterations=2, seed=seed).membership
    return found, time.process_time() - begin


def by_networkx(pairs: Ints, seed: int) -> tuple[Any, float]:
    """Partition with networkx's Louvain."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(int(pairs.max()) + 1))
    graph.add_edges_from(pairs.tolist())
    begin = time.process_time()
    labels = np.empty(len(graph), np.int64)
    for label, group in enumerate(nx.community.louvain_communities(graph, seed=seed)):
        labels[list(group)] = label
    return labels, time.process_time() - begin


def by_sknetwork(pairs: Ints, seed: int, method: str) -> tuple[Any, float]:
    """Partition with scikit-network's Louvain or Leiden."""
    from sknetwork import clustering

    matrix = symmetric(pairs)
    begin = time.process_time()
    algorithm = getattr(clustering, method)(shuffle_nodes=True, random_state=seed)
    labels = algorithm.fit_predict(matrix)
    return labels, time.process_time() - begin


def by_networkit(pairs: Ints, seed: int) -> tuple[Any, float]:
    """Partition with NetworKit's Leiden, in one thread."""
    import networkit

    networkit.setNumberOfThreads(1)
    networkit.setSeed(seed, False)
    graph = networkit.GraphFromCoo((pairs[:, 0], pairs[:, 1]), n=int(pairs.max()) + 1)
    begin = time.process_time()
    found = networkit.community.ParallelLeiden(graph, iterations=2).run().getPartition()
    return found.getVector(), time.process_time() - begin


def by_graspologic(pairs: Ints, seed: int) -> tuple[Any, float]:
    """Partition with graspologic-native."""
    import graspologic_native

    matrix = symmetric(pairs)
    rows, n = (matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)), len(matrix.indptr)
    begin = time.process_time()
    _, of = graspologic_native.leiden_csr(*rows, matrix.data, n - 1, iterations=2, seed=seed)
    return [of[vertex] for vertex in range(n - 1)], time.process_time() - begin


def symmetric(pairs: Ints) -> Any:
    """Build the adjacency matrix of distinct undirected pairs."""
    from scipy.sparse import csr_matrix

    n, (a, b) = int(pairs.max()) + 1, pairs.T
    matrix = csr_matrix((np.ones(len(a)), (a, b)), shape=(n, n))
    return (matrix + matrix.T).tocsr()


def lfr(mixing: float) -> Sample:
    """Generate an LFR graph with networkx."""
    import networkx as nx

    graph = nx.LFR_benchmark_graph(**LFR, mu=mixing, seed=0)
    graph.remove_edges_from(nx.selfloop_edges(graph))
    truth = np.array([min(graph.nodes[vertex]["community"]) for vertex in range(len(graph))])
    return np.array(graph.edges, np.int64), truth


def published(mixing: float) -> Sample:
    """Load a graph of the folder `lfr`, with 100,000 vertices."""
    name = DATA / "communities" / "lfr" / f"LFR_N100000_ad5_mc50_mu{mixing}"
    pairs = np.loadtxt(f"{name}.csv.gz", dtype=np.int64, usecols=(0, 1))
    groups = json.loads(gzip.decompress(Path(f"{name}.json.gz").read_bytes()))["communities"]
    truth = np.zeros(1 + pairs.max(), np.int64)
    for label, group in enumerate(groups):
        truth[group] = label
    return distinct(pairs), truth


def text(path: str, *, labels: str | None = None, **options: Any) -> Sample:
    """Load pairs from a file, with vertices renumbered from 0, and labels from another file."""
    packed = gzip.open if path.endswith((".gz", ".jlg")) else open
    with packed(DATA / path, "rt", encoding="utf-8") as file:
        pairs = distinct(np.loadtxt(file, dtype=np.int64, usecols=(0, 1), **options))
    ids = np.unique(pairs)
    truth = None
    if labels is not None:
        mark, skip = (",", 1) if labels.endswith(".csv") else (None, 0)
        rows = np.loadtxt(
            DATA / labels, dtype=str, delimiter=mark, skiprows=skip, comments=None,
            usecols=(0, -1), encoding="utf-8",
        )  # fmt: skip
        of = dict(zip(rows[:, 0].astype(int).tolist(), rows[:, 1].tolist(), strict=True))
        truth = np.unique([of[i] for i in ids.tolist()], return_inverse=True)[1]
    return np.searchsorted(ids, pairs), truth


def distinct(pairs: Ints) -> Ints:
    """Return undirected pairs without loops and duplicates."""
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    size = int(pairs.max()) + 1
    keys = np.unique((low * size + high)[low < high])
    return np.stack([keys // size, keys % size], axis=1)


def neighbors(count: int) -> Sample:
    """Generate the graph of the 15 nearest neighbors of points around 50 centers."""
    from sklearn.neighbors import NearestNeighbors

    draws = np.random.default_rng(0)
    truth = draws.integers(0, 50, count)
    points = 2.5 * draws.normal(size=(50, 8))[truth] + draws.normal(size=(count, 8))
    found = NearestNeighbors(n_neighbors=16).fit(points).kneighbors(return_distance=False)[:, 1:]
    return distinct(np.stack([np.repeat(np.arange(count), 15), found.ravel()], axis=1)), truth


def planted(edges: int) -> Sample:
    """Generate communities of 500 vertices of degree 20, with 70 % of the edges inside."""
    draws, count = np.random.default_rng(0), edges // 10
    first, inside = draws.integers(0, count, edges), draws.random(edges) < 0.7
    other = first // 500 * 500 + draws.integers(0, 500, edges)
    second = np.where(inside, np.minimum(other, count - 1), draws.integers(0, count, edges))
    return distinct(np.stack([first, second], axis=1)), np.arange(count) // 500


GRAPHS: dict[str, Callable[[], Sample]] = {
    **{f"LFR .{tenth}": lambda tenth=tenth: lfr(tenth / 10) for tenth in range(1, 7)},  # type: ignore[misc]
    "email-Eu": lambda: text(
        "communities/email_eu_core/email-Eu-core.txt.gz",
        labels="communities/email_eu_core/labels.txt",
    ),
    "lastfm": lambda: text(
        "communities/lastfm_asia/edges.csv", delimiter=",", skiprows=1,
        labels="communities/lastfm_asia/target.csv",
    ),
    "pages": lambda: text(
        "graphs/facebook-pages/facebook_edges.csv", delimiter=",", skiprows=1,
        labels="graphs/facebook-pages/facebook_target.csv",
    ),
    "ca-condmat": lambda: text(
        "graphs/ca-condmat/ca-condmat-cc1.jlg", delimiter=",", skiprows=1
    ),
    "ca-astroph": lambda: text("graphs/ca-astroph/astro-ph-cc1.jlg", delimiter=",", skiprows=1),
    "enron": lambda: text("graphs/email-enron/email-enron.jlg", delimiter=",", skiprows=1),
    "epinions": lambda: text("graphs/soc-Epinions1/soc-Epinions1.txt.gz"),
    "LFR 100,000 .3": lambda: published(0.3),
    "com-DBLP": lambda: text("communities/com_dblp/com-dblp.ungraph.txt.gz"),
    "15-NN, 10^5 points": lambda: neighbors(10**5),
    "15-NN, 10^6 points": lambda: neighbors(10**6),
    "planted, 10^7 edges": lambda: planted(10**7),
}  # fmt: skip
sample = cache(lambda name: GRAPHS[name]())

LEIDEN = {"objective_function": "modularity", "n_iterations": 2}
SIDES: dict[str, Side] = {
    "graphagg detect": ("graphagg", by_detect),
    "igraph Leiden, 2 iterations": ("igraph", partial(by_igraph, **LEIDEN)),
    "leidenalg, 2 iterations": ("leidenalg", by_leidenalg),
    "networkx Louvain": ("networkx", by_networkx),
    "NetworKit Leiden, 2 iterations": ("networkit", by_networkit),
    "graspologic Leiden, 2 iterations": ("graspologic_native", by_graspologic),
    **{
        f"scikit-network {method}": ("sknetwork", partial(by_sknetwork, method=method))
        for method in ("Louvain", "Leiden")
    },
}  # fmt: skip
UNTIL = LEIDEN | {"n_iterations": -1}
LONG: dict[str, Side] = {
    "graphagg detect": ("graphagg", partial(by_detect, iterations=-1)),
    "igraph Leiden": ("igraph", partial(by_igraph, **UNTIL)),
}
DISTRIBUTIONS = {"sknetwork": "scikit-network"}

if __name__ == "__main__":
    main()
