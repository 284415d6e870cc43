"""Cold and warm community queries: `python -m benchmarks.graphs.large.asking INDEX`.

Each set of random seeds is asked twice. Before the first of all, the files of the index leave the
kernel's cache; so the first time is that of a cold cache, as wall time, as long as the seeds share
little. The second is warm, as CPU of the thread.
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
    """Milliseconds of queries from random seeds.

    `hubs`: of `fused`, with one of the vertices of most edges among the seeds.

    Returns:
        For each method p50 and p99 of CPU warm, then of wall time when seeds are first asked for.
    """
    generator, n = np.random.default_rng(1), len(index)
    degrees = np.diff(index.snapshot.neighborhoods.sets.indptr)
    filled = np.flatnonzero(degrees)
    # Drawn by position, since a choice without replacement permutes all; equal seeds count once.
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
