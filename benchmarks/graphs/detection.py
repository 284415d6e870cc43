"""`detect` beside Louvain and Leiden of igraph, leidenalg, networkx and scikit-network.

    python -m benchmarks.graphs.detection                   every graph, then warm starts
    python -m benchmarks.graphs.detection --graph pages --graph "LFR .3"

Each side goes from one array of pairs to a label per vertex, with five seeds; the table has their
medians. CPU seconds are those of the process: of the partition alone, and with the graph made
of the array. Normalized mutual information (NMI) is taken against labels where there are any.
`apart` counts communities that are not connected. igraph and leidenalg are under the GPL and only
compared with (`pip install igraph leidenalg`); where they are absent the report says so.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import Report, parser_of
from tests.conftest import DATA

Ints = npt.NDArray[np.int64]
Sample = tuple[Ints, Ints | None]
SEEDS = range(5)
LFR = {
    "n": 3_000, "tau1": 2.5, "tau2": 1.5, "average_degree": 12, "max_degree": 100,
    "min_community": 20, "max_community": 200,
}  # fmt: skip
LARGE, SLOW = 120_000, ("networkx Louvain", "leidenalg, 2 iterations", "igraph Louvain")
"""Pairs above which these sides are left out: they take minutes."""
SHARES = (0.0001, 0.001, 0.01, 0.1)
"""Shares of edges that change before a warm start: half are taken out, half are new."""
WARM = ("LFR .3", "lastfm", "pages", "ca-condmat")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--graph", choices=GRAPHS, action="append")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    report = Report(options.folder)
    report.heading("Communities of whole graphs")
    sides = {name: side for name, (needs, side) in SIDES.items() if installed(needs)}
    report.line("Not installed here: " + (", ".join(sorted(set(SIDES) - set(sides))) or "none"))
    tiny = np.array([(0, 1), (1, 2), (0, 2), (2, 3)])
    for side in sides.values():  # kernels compile, libraries load
        side(tiny, 0)
    header = ["graph", "side", "modularity", "NMI", "communities", "apart", "CPU s", "with reading"]
    chosen = options.graph or list(GRAPHS)
    report.table(header, [row for name in chosen for row in compared(name, sides)])
    report.heading("Warm starts")
    header = ["graph", "edges changed", "same number", "ARI", "modularity", "cold", "CPU s", "cold"]
    report.table(header, [row for name in WARM if name in chosen for row in warm_rows(name)])
    print(report.save())


def installed(package: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def compared(name: str, sides: dict[str, Callable[[Ints, int], Any]]) -> list[list[str]]:
    """A row for each side on a graph."""
    from sklearn.metrics import normalized_mutual_info_score

    pairs, truth = sample(name)
    rows = []
    for side, partition in sides.items():
        if side in SLOW and len(pairs) > LARGE:
            continue
        runs = []
        for seed in SEEDS:
            begin = time.process_time()
            labels, cpu = partition(pairs, seed)
            whole, labels = time.process_time() - begin, np.asarray(labels)
            nmi = np.nan if truth is None else normalized_mutual_info_score(truth, labels)
            count, pieces = len(np.unique(labels)), components(pairs, labels)
            runs.append((modularity(pairs, labels), nmi, count, pieces - count, cpu, whole))
        quality, nmi, count, apart, cpu, whole = np.median(runs, axis=0)
        known = "" if np.isnan(nmi) else f"{nmi:.3f}"
        figures = [f"{quality:.4f}", known, f"{count:,.0f}", f"{apart:.0f}"]
        rows.append([name, side, *figures, f"{cpu:.3f}", f"{whole:.3f}"])
        print(*rows[-1], sep="\t", file=sys.stderr, flush=True)
    return rows


def modularity(pairs: Ints, labels: Ints) -> float:
    """Modularity of a partition of distinct undirected pairs."""
    degrees = np.bincount(pairs.ravel(), minlength=len(labels))
    masses = np.bincount(labels, degrees) / (2 * len(pairs))
    return float((labels[pairs[:, 0]] == labels[pairs[:, 1]]).mean() - (masses**2).sum())


def components(pairs: Ints, labels: Ints) -> int:
    """Number of connected pieces of all communities."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]].T
    n = len(labels)
    return int(connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)))[0])


def warm_rows(name: str) -> list[list[str]]:
    """What a partition becomes where some edges change: begun from the last one, and anew."""
    from sklearn.metrics import adjusted_rand_score

    from graphagg.communities import detect

    pairs, _ = sample(name)
    vertices, rows = range(int(pairs.max()) + 1), []
    before = detect(pairs, vertices=vertices)
    for share in SHARES:
        draws, half = np.random.default_rng(0), max(1, int(len(pairs) * share / 2))
        kept = pairs[draws.permutation(len(pairs))[half:]]
        now = distinct(np.concatenate([kept, draws.integers(0, len(vertices), (half, 2))]))
        results = []
        for start in (before, None):
            begin = time.process_time()
            found = detect(now, vertices=vertices, start=start)
            results.append((found, time.process_time() - begin))
        (after, warm), (anew, cold) = results
        same = float((after.labels == before.labels).mean())
        agreement = adjusted_rand_score(before.labels, after.labels)
        figures = [f"{same:.4f}", f"{agreement:.3f}", f"{after.modularity:.4f}"]
        rows.append(
            [name, f"{share:.2%}", *figures, f"{anew.modularity:.4f}", f"{warm:.2f}", f"{cold:.2f}"]
        )
        print(*rows[-1], sep="\t", file=sys.stderr, flush=True)
    return rows


def by_detect(pairs: Ints, seed: int) -> tuple[Any, float]:
    """Partition by graphagg; ids are the numbers."""
    from graphagg.communities.detection import partition
    from graphagg.graph import load_weighted

    graph, weights = load_weighted(pairs, vertices=range(int(pairs.max()) + 1))
    begin = time.process_time()
    return partition(graph, weights, random_state=seed).labels, time.process_time() - begin


def by_igraph(pairs: Ints, seed: int, method: str, **options: Any) -> tuple[Any, float]:
    """Partition by a method of igraph."""
    import random

    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    graph = igraph.Graph(int(pairs.max()) + 1, pairs)
    begin = time.process_time()
    found = getattr(graph, f"community_{method}")(**options).membership
    return found, time.process_time() - begin


def by_leidenalg(pairs: Ints, seed: int) -> tuple[Any, float]:
    """Partition by leidenalg."""
    import igraph
    import leidenalg

    graph = igraph.Graph(int(pairs.max()) + 1, pairs)
    begin = time.process_time()
    kind = leidenalg.ModularityVertexPartition
    found = leidenalg.find_partition(graph, kind, n_iterations=2, seed=seed).membership
    return found, time.process_time() - begin


def by_networkx(pairs: Ints, seed: int) -> tuple[Any, float]:
    """Partition by networkx's Louvain."""
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
    """Partition by scikit-network's Louvain or Leiden."""
    from scipy.sparse import csr_matrix
    from sknetwork import clustering

    n, (a, b) = int(pairs.max()) + 1, pairs.T
    matrix = csr_matrix((np.ones(len(a)), (a, b)), shape=(n, n))
    matrix = (matrix + matrix.T).tocsr()
    begin = time.process_time()
    algorithm = getattr(clustering, method)(shuffle_nodes=True, random_state=seed)
    labels = algorithm.fit_predict(matrix)
    return labels, time.process_time() - begin


def lfr(mixing: float) -> Sample:
    """An LFR graph by networkx."""
    import networkx as nx

    graph = nx.LFR_benchmark_graph(**LFR, mu=mixing, seed=0)
    graph.remove_edges_from(nx.selfloop_edges(graph))
    truth = np.array([min(graph.nodes[vertex]["community"]) for vertex in range(len(graph))])
    return np.array(graph.edges, np.int64), truth


def published(mixing: float) -> Sample:
    """A graph of the folder `lfr`, 100,000 vertices."""
    name = DATA / "communities" / "lfr" / f"LFR_N100000_ad5_mc50_mu{mixing}"
    pairs = np.loadtxt(f"{name}.csv.gz", dtype=np.int64, usecols=(0, 1))
    groups = json.loads(gzip.decompress(Path(f"{name}.json.gz").read_bytes()))["communities"]
    truth = np.zeros(1 + pairs.max(), np.int64)
    for label, group in enumerate(groups):
        truth[group] = label
    return distinct(pairs), truth


def text(path: str, *, labels: str | None = None, **options: Any) -> Sample:
    """Pairs of a file with vertices numbered from 0, and labels of another one."""
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
    """Undirected pairs without loops and repeats."""
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    result: Ints = pairs[pairs[:, 0] < pairs[:, 1]]
    return result


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
}  # fmt: skip
sample = cache(lambda name: GRAPHS[name]())

LEIDEN = {"objective_function": "modularity", "n_iterations": 2}
SIDES: dict[str, tuple[str, Callable[[Ints, int], tuple[Any, float]]]] = {
    "graphagg detect": ("graphagg", by_detect),
    "igraph Leiden, 2 iterations": (
        "igraph", lambda pairs, seed: by_igraph(pairs, seed, "leiden", **LEIDEN)
    ),
    "igraph Louvain": ("igraph", lambda pairs, seed: by_igraph(pairs, seed, "multilevel")),
    "leidenalg, 2 iterations": ("leidenalg", by_leidenalg),
    "networkx Louvain": ("networkx", by_networkx),
    **{
        f"scikit-network {method}": ("sknetwork", partial(by_sknetwork, method=method))
        for method in ("Louvain", "Leiden")
    },
}  # fmt: skip

if __name__ == "__main__":
    main()
