"""Cold and warm community queries: `python -m benchmarks.graphs.large.asking INDEX`.

Each set of random seeds is queried twice. Before the first query, the files of the index are
dropped from the page cache. So the first query of each set has a cold cache, as far as the sets
share no data; it is measured in wall time. The second is warm, and measured in CPU of the thread.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import cost, evict
from graphagg.communities import CommunityIndex

METHODS = ("minhash", "jaccard", "fused")
SEEDS, QUERIES, TOP = 5, 200, 50


def main() -> None:
    folder = Path(sys.argv[1])
    evict(folder)
    with CommunityIndex.open(folder) as index:
        print_queries(index)


def print_queries(index: CommunityIndex) -> None:
    for name, times in queries(index).items():
        warm, cold = "{:.2f} / {:.2f}".format(*times[:2]), "{:.0f} / {:.0f}".format(*times[2:])
        print(f"{name}, ms p50 / p99: warm {warm} of CPU, first {cold} of wall time", flush=True)


def queries(index: Any) -> dict[str, list[float]]:
    """Measure queries from random seeds, in milliseconds.

    `hubs`: method `fused`, with one of the vertices of highest degree among the seeds.

    Returns:
        For each method p50 and p99 of warm CPU time, then of the wall time of the first query.
    """
    generator, n = np.random.default_rng(1), len(index)
    degrees = np.diff(index.snapshot.neighborhoods.sets.indptr)
    filled = np.flatnonzero(degrees)
    # `choice` without replacement would permute all vertices, so we draw and remove duplicates.
    drawn = [np.unique(filled[generator.integers(0, len(filled), SEEDS)]) for _ in range(QUERIES)]
    largest = filled[np.argsort(degrees[filled])[-QUERIES:]]
    hubs = [np.unique([*seeds[1:], hub]) for seeds, hub in zip(drawn, largest, strict=False)]
    kinds = {method: (method, drawn) for method in METHODS} | {"hubs": ("fused", hubs)}
    figures = {}
    for name, (method, sets) in kinds.items():
        warm, cold = [], []
        for seeds in sets:

            def ask(seeds: Any = seeds, method: Any = method) -> object:
                return index.rank(seeds.astype(np.int64), min(TOP, n), method=method)

            cold.append(1000 * cost(ask).wall)
            warm.append(1000 * cost(ask, time.thread_time).cpu)
        figures[name] = [float(np.percentile(t, p)) for t in (warm, cold) for p in (50, 99)]
    return figures


if __name__ == "__main__":
    main()
