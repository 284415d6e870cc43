"""Add 1 % more edges to a community index: `python -m benchmarks.graphs.large.adding INDEX`.

The index is not changed: its files are linked to a folder beside it, to which the edges are added.
Both ends of an edge are drawn by degree among the vertices that are there. CPU is of the process
after its kernels were compiled on a small graph, with that of the kernel.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.graphs.large.asking import print_queries
from benchmarks.measure import cost, resident
from graphagg.communities import CommunityIndex

_SHARE = 100
_WARM_UP = 500  # vertices


def main() -> None:
    index = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=index.parent) as root:
        pairs = np.random.default_rng(0).integers(0, _WARM_UP, (4 * _WARM_UP, 2))
        with CommunityIndex.build(pairs, Path(root, "warm")) as small:
            small.add([(1, 2), (3, _WARM_UP - 1), (0, 7)])
        folder = Path(root, "added")
        shutil.copytree(index, folder, copy_function=os.link)
        with CommunityIndex.open(folder) as opened:
            add(opened)
            print_queries(opened)


def add(index: CommunityIndex) -> None:
    """Add the edges, and print what it costs."""
    generator, ends = np.random.default_rng(0), index.opened.neighborhoods.sets.indices
    drawn = ends[generator.integers(0, len(ends), (len(ends) // 2 // _SHARE, 2))]
    pairs = np.asarray(index.vertices.table)[drawn]
    spent = cost(lambda: index.add(pairs))
    peak = resident("VmHWM") / 2**30
    print(f"add: {spent.cpu:.2f} CPU s, peak {peak:.2f} GiB: {spent.result}", flush=True)


if __name__ == "__main__":
    main()
