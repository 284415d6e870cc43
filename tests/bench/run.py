"""`make bench`: run every benchmark and write build/bench/report.md.

Times are CPU of the calling thread, one BLAS thread, after a warm-up, with the wall time beside
them; the index is built with all cores and timed in CPU seconds of the process.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import platform
from pathlib import Path

from tests.bench import (
    aggregation,
    attention,
    communities,
    embedding,
    encodings,
    retrieval,
    service,
    sets_tasks,
    shards,
)
from tests.bench.report import Report

BENCHES = {
    "aggregation": aggregation.run,
    "attention": attention.run,
    "communities": communities.run,
    "embedding": embedding.run,
    "encodings": encodings.run,
    "retrieval": retrieval.run,
    "service": service.run,
    "sets": sets_tasks.run,
    "shards": shards.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help=f"some of {', '.join(BENCHES)}; default: all")
    chosen = parser.parse_args().only or list(BENCHES)
    report = Report(Path("build/bench"))
    report.line(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    for name in chosen:
        BENCHES[name](report)
    print(f"written: {report.save()}")


if __name__ == "__main__":
    main()
