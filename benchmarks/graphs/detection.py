"""`detect` beside Louvain of networkx, and Louvain and Leiden of igraph and leidenalg.

    python -m benchmarks.graphs.detection                   every graph
    python -m benchmarks.graphs.detection --graph generated --graph lfr

Each side goes from one array of pairs to a label per vertex: CPU seconds of the process, the graph
of the library included. All partitions are judged alike: modularity by igraph, normalized mutual
information by scikit-learn against the communities that a graph was made of. igraph and leidenalg
are under the GPL: install them for this comparison alone (`pip install igraph leidenalg`).
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measure import cost
from benchmarks.report import Report
from tests.conftest import DATA as ROOT

Ints = npt.NDArray[np.int64]
DATA = ROOT / "communities"
GRAPHS = ("generated", "lfr", "com-DBLP")
MIXING = (0.1, 0.3, 0.5)
GENERATED = {
    "n": 3_000, "tau1": 2.5, "tau2": 1.5, "average_degree": 12, "max_degree": 100,
    "min_community": 20, "max_community": 200,
}  # fmt: skip
LARGE, SLOW = 200_000, ("networkx louvain", "leidenalg, until stable")
"""Pairs above which these sides are left out: they take minutes."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", choices=GRAPHS, action="append")
    chosen = parser.parse_args().graph or GRAPHS
    report = Report(Path("build/bench"))
    report.heading("Communities of whole graphs")
    header = ["graph", "side", "NMI", "modularity", "communities", "CPU s"]
    by_graph(np.array([(0, 1), (1, 2), (0, 2)]), None)  # kernels compile, libraries load
    rows = [
        [name, *row]
        for kind in GRAPHS
        if kind in chosen
        for name, samples in graphs(kind)
        for row in mean_rows([by_graph(pairs, truth) for pairs, truth in samples])
    ]
    report.table(header, rows)
    print(report.save())


def graphs(kind: str) -> Iterator[tuple[str, list[tuple[Ints, Ints | None]]]]:
    """Samples of pairs and true labels, by name."""
    if kind == "com-DBLP":
        pairs = np.loadtxt(DATA / "com_dblp" / "com-dblp.ungraph.txt.gz", dtype=np.int64)
        yield kind, [(dense(pairs), None)]
        return
    for mixing in MIXING:
        if kind == "lfr":
            yield f"LFR, 100,000 vertices, mixing {mixing}", [published(mixing)]
        else:
            samples = [generated(mixing, seed) for seed in range(3)]
            yield f"LFR, 3,000 vertices, mixing {mixing}, mean of 3", samples


def generated(mixing: float, seed: int) -> tuple[Ints, Ints | None]:
    """An LFR graph by networkx."""
    import networkx as nx

    graph = nx.LFR_benchmark_graph(**GENERATED, mu=mixing, seed=seed)
    graph.remove_edges_from(nx.selfloop_edges(graph))
    truth = np.array([min(graph.nodes[vertex]["community"]) for vertex in range(len(graph))])
    return np.array(graph.edges, np.int64), truth


def published(mixing: float) -> tuple[Ints, Ints | None]:
    """A graph of the folder `lfr`."""
    name = DATA / "lfr" / f"LFR_N100000_ad5_mc50_mu{mixing}"
    pairs = np.loadtxt(f"{name}.csv.gz", dtype=np.int64, usecols=(0, 1))
    groups = json.loads(gzip.decompress(Path(f"{name}.json.gz").read_bytes()))["communities"]
    truth = np.zeros(1 + pairs.max(), np.int64)
    for label, group in enumerate(groups):
        truth[group] = label
    return pairs, truth


def dense(pairs: Ints) -> Ints:
    """The pairs with vertices numbered from 0."""
    return np.unique(pairs, return_inverse=True)[1].reshape(pairs.shape)


def by_graph(pairs: Ints, truth: Ints | None) -> dict[str, tuple[float, float, int, float]]:
    """By side: NMI, modularity, number of communities and CPU seconds."""
    import igraph
    from sklearn.metrics import normalized_mutual_info_score

    graph, figures = igraph.Graph(int(pairs.max()) + 1, pairs.tolist()), {}
    for name, side in SIDES.items():
        if name in SLOW and len(pairs) > LARGE:
            continue
        spent = cost(lambda side=side: side(pairs))  # type: ignore[misc]
        labels = np.asarray(spent.result)
        agreement = np.nan if truth is None else normalized_mutual_info_score(truth, labels)
        quality = graph.modularity(labels.tolist())
        figures[name] = (float(agreement), quality, len(np.unique(labels)), spent.cpu)
        print(name, *figures[name], file=sys.stderr, flush=True)
    return figures


def mean_rows(samples: list[dict[str, tuple[float, float, int, float]]]) -> list[list[str]]:
    """A row per side, of means over the samples."""
    rows = []
    for name in samples[0]:
        agreement, quality, count, cpu = np.mean([sample[name] for sample in samples], axis=0)
        shown = "" if np.isnan(agreement) else f"{agreement:.3f}"
        rows.append([name, shown, f"{quality:.4f}", f"{count:,.0f}", f"{cpu:.2f}"])
    return rows


def by_detect(pairs: Ints) -> Any:
    """Partition by graphagg; ids are the numbers."""
    from graphagg.communities import detect

    return detect(pairs, vertices=range(int(pairs.max()) + 1)).labels


def by_networkx(pairs: Ints) -> Any:
    """Partition by networkx's Louvain."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(int(pairs.max()) + 1))
    graph.add_edges_from(pairs.tolist())
    labels = np.empty(len(graph), np.int64)
    for label, group in enumerate(nx.community.louvain_communities(graph, seed=0)):
        labels[list(group)] = label
    return labels


def by_igraph(pairs: Ints, method: str, **options: Any) -> Any:
    """Partition by a method of igraph."""
    import random

    import igraph

    igraph.set_random_number_generator(random.Random(0))
    graph = igraph.Graph(int(pairs.max()) + 1, pairs.tolist())
    return getattr(graph, f"community_{method}")(**options).membership


def by_leidenalg(pairs: Ints, iterations: int) -> Any:
    """Partition by leidenalg."""
    import igraph
    import leidenalg

    graph = igraph.Graph(int(pairs.max()) + 1, pairs.tolist())
    kind = leidenalg.ModularityVertexPartition
    found = leidenalg.find_partition(graph, kind, n_iterations=iterations, seed=0)
    return found.membership


SIDES: dict[str, Callable[[Ints], Any]] = {
    "graphagg detect": by_detect,
    "networkx louvain": by_networkx,
    "igraph multilevel": lambda pairs: by_igraph(pairs, "multilevel"),
    "igraph leiden, 2 iterations": lambda pairs: by_igraph(
        pairs, "leiden", objective_function="modularity", n_iterations=2
    ),
    "leidenalg, 2 iterations": lambda pairs: by_leidenalg(pairs, 2),
    "leidenalg, until stable": lambda pairs: by_leidenalg(pairs, -1),
}

if __name__ == "__main__":
    main()
