"""`make bench`: run every benchmark and write build/bench/report.md.

With `--keep`, it also writes docs/results/NAME.json, which `make docs` shows.

Times are CPU of the calling thread with one BLAS thread, after a warm-up, together with the wall
time. The index is built with all cores and timed in CPU seconds of the process.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
from pathlib import Path

from benchmarks.report import Report

# Each benchmark is imported just before it runs: processes that it starts import this module too,
# and their memory is measured.
BENCHES = {
    name: f"benchmarks.{folder}.{name}"
    for folder, names in {
        "graphs": ("communities", "embedding"),
        "learning": ("aggregation", "attention", "layer", "sets_tasks"),
        "retrieval": ("profiles",),
        "serving": ("answers",),
    }.items()
    for name in names
}


def main() -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before a benchmark loads numpy
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help=f"some of {', '.join(BENCHES)}; default: all")
    parser.add_argument("--keep", action="store_true", help="save the figures in docs/results")
    arguments = parser.parse_args()
    chosen = arguments.only or list(BENCHES)
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHES)}")
    report = Report(Path("build/bench"))
    report.line(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    for name in chosen:
        first = len(report.blocks)
        importlib.import_module(BENCHES[name]).run(report)
        if arguments.keep:
            print(f"kept: {report.keep(name, first, Path('docs/results'))}")
    print(f"written: {report.save()}")


if __name__ == "__main__":
    main()
