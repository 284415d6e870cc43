"""One edge in a hundred more in an index of communities: `python -m benchmarks.large.adding INDEX`.

The index is not changed: its files are linked to a folder beside it, to which the edges are added.
Both ends of an edge are drawn by degree among the vertices that are there. CPU is of the process
after its kernels were compiled.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.peak import resident
from benchmarks.report import Report
from graphagg.communities import CommunityIndex

_SHARE = 100


def main() -> None:
    index = Path(sys.argv[1])
    with linked(index, "warm") as folder:
        shutil.rmtree(folder)
        CommunityIndex.build([(1, 2), (2, 3)], folder).add_edges([(1, 3), (0, 7)])
    with linked(index, "added") as folder, CommunityIndex.open(folder) as opened:
        measure(opened, Report(folder.with_suffix(".report")))


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


def measure(index: CommunityIndex, report: Report) -> None:
    """CPU of the change."""
    generator, ends = np.random.default_rng(0), index.opened.hoods.sets.indices
    drawn = ends[generator.integers(0, len(ends), (len(ends) // 2 // _SHARE, 2))]
    pairs = np.asarray(index.vertices.table)[drawn]
    start = os.times()
    change = index.add_edges(pairs)
    used, peak = os.times(), resident("VmHWM") / 2**30
    report.line(
        f"add: {used.user - start.user:.2f} CPU s, and {used.system - start.system:.2f} of the "
        f"kernel, peak {peak:.2f} GiB: {change}"
    )


if __name__ == "__main__":
    main()
