"""One edge in a hundred more in an index of communities: `python -m benchmarks.large.adding INDEX`.

The index is not changed: its files are linked to a folder beside it, to which the edges are added.
Both ends of an edge are drawn by degree among the vertices that are there. CPU is of the process
after its kernels were compiled; `compact` follows, which writes the bytes of a build.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.large.asking import QUERIES, SEEDS, TOP
from benchmarks.peak import resident
from benchmarks.report import Report
from graphagg.communities import CommunityIndex
from graphagg.communities.config import Method
from graphagg.communities.segment import adding

METHODS: tuple[Method, ...] = ("minhash", "jaccard", "fused", "pagerank")
_SHARE = 100
_WARM_UP = 500  # vertices


def main() -> None:
    index = Path(sys.argv[1])
    with linked(index, "warm") as folder:
        pairs = np.random.default_rng(0).integers(0, _WARM_UP, (4 * _WARM_UP, 2))
        shutil.rmtree(folder)
        with CommunityIndex.build(pairs, folder) as small:
            adding.SEGMENT, large = 0, adding.SEGMENT
            small.add_edges([(1, 2), (3, _WARM_UP - 1), (0, 7)])
            adding.SEGMENT = large
            small.rank(np.array([1, 2]), 5, method="minhash", plan="lsh")
    with linked(index, "added") as folder, CommunityIndex.open(folder) as opened:
        with CommunityIndex.open(index) as plain:
            measure(opened, plain, Report(folder.with_suffix(".report")))


@contextmanager
def linked(index: Path, name: str) -> Iterator[Path]:
    """The index in another folder, which is removed at the end."""
    folder = index.with_name(f"{index.name}.{name}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(index, folder, copy_function=os.link)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(index: CommunityIndex, plain: CommunityIndex, report: Report) -> None:
    """CPU of the change, of queries after it and on the `plain` index, and of `compact`."""
    generator, ends = np.random.default_rng(0), index.opened.hoods.sets.merged().indices
    drawn = ends[generator.integers(0, len(ends), (len(ends) // 2 // _SHARE, 2))]
    pairs = np.asarray(index.vertices.table)[drawn]
    start = os.times()
    change = index.add_edges(pairs)
    used, peak = os.times(), resident("VmHWM") / 2**30
    report.line(
        f"add: {used.user - start.user:.2f} CPU s, and {used.system - start.system:.2f} of the "
        f"kernel, peak {peak:.2f} GiB: {change}"
    )
    start = os.times()
    index.rank(np.arange(SEEDS), TOP, method="minhash", plan="lsh")
    report.line(f"first look-up in the tables: {sum(os.times()[:2]) - sum(start[:2]):.2f} CPU s")
    for method in METHODS:
        times = f"{asked(index, method)}; without the edges {asked(plain, method)}"
        report.line(f"{method} from random seeds, ms p50 / p99: {times}")
    start = os.times()
    index.compact()
    report.line(f"compact: {sum(os.times()[:2]) - sum(start[:2]):.1f} CPU s")


def asked(index: CommunityIndex, method: Method) -> str:
    """Thread CPU of queries from random seeds, files in the cache."""
    generator, times = np.random.default_rng(1), []
    for _ in range(QUERIES):
        seeds = generator.choice(len(index), SEEDS, replace=False)
        index.rank(seeds, TOP, method=method)
        start = time.thread_time()
        index.rank(seeds, TOP, method=method)
        times.append(1000 * (time.thread_time() - start))
    return f"{np.percentile(times, 50):.2f} / {np.percentile(times, 99):.2f}"


if __name__ == "__main__":
    main()
