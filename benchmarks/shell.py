"""How long a line of `graphagg communities shell` takes on com-DBLP.

    python -m benchmarks.shell                 builds the index first
    python -m benchmarks.shell --index DIR     takes one that is there

Thread CPU of one thread after a warm-up, wall time beside it; each line is new to the shell, so
that no answer was kept.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from graphagg.cli.shell.interpreter import complete

from benchmarks.report import Report
from graphagg.cli.shell.communities import CommunityShell
from graphagg.communities import CommunityIndex
from tests.conftest import DATA

EDGES = DATA / "communities" / "com_dblp" / "com-dblp.ungraph.txt.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--index", type=Path, help="an index of com-DBLP; default: one is built")
    chosen = parser.parse_args()
    report = Report(Path("build/bench/shell"))
    with tempfile.TemporaryDirectory() as folder:
        directory = chosen.index or Path(folder) / "comm"
        if chosen.index is None:
            CommunityIndex.build(EDGES, directory).close()
        with CommunityIndex.open(directory) as index:
            run(report, index, chosen.lines)
    print(f"written: {report.save()}")


def run(report: Report, index: CommunityIndex, lines: int) -> None:
    shell = CommunityShell(index)
    shell.prepare()
    generator = np.random.default_rng(0)
    names = [str(index.vertices[i]) for i in generator.integers(0, len(index), 4 * (lines + 1))]
    asked = [
        shell.run(shell.start, "seed " + " ".join(names[4 * i : 4 * i + 3])).history
        for i in range(lines + 1)
    ]
    prefixes = [name[: 1 + i % 4] for i, name in enumerate(names)]
    typed: dict[str, Callable[[int], object]] = {
        "completion": lambda i: complete(shell.commands, shell.start, f"seed {prefixes[i]}"),
        "seed": lambda i: shell.run(shell.start, f"seed {names[4 * i + 3]}"),
        "method pagerank": lambda i: shell.run(asked[i], "method pagerank"),
        "more": lambda i: shell.run(asked[i], "more"),
        "why, of a member": lambda i: shell.run(asked[i], "why #1"),
        "why, of any vertex": lambda i: shell.run(asked[i], f"why {names[4 * i + 3]}"),
        "draw, as a list": lambda i: shell.run(asked[i], "draw"),
    }
    report.heading(f"The shell's lines over {len(index):,} vertices, {lines} of each")
    rows = [(name, *_times(line, lines)) for name, line in typed.items()]
    report.table(("line", "CPU ms p50", "p99", "wall ms p50", "p99"), rows)


def _times(line: Callable[[int], object], count: int) -> tuple[float, ...]:
    line(0)
    cpu, wall = [], []
    for i in range(1, count + 1):
        before, started = time.thread_time(), time.perf_counter()
        line(i)
        cpu.append(1e3 * (time.thread_time() - before))
        wall.append(1e3 * (time.perf_counter() - started))
    return tuple(float(np.percentile(taken, q)) for taken in (cpu, wall) for q in (50, 99))


if __name__ == "__main__":
    main()
