"""Reading weighted graphs: CPU seconds and memory, of Parquet and of text with either type of id.

Each file is read by a process of its own, which has read a small file of the same kind before: no
import and no compilation is measured. CPU seconds are those of all threads (`getrusage`); memory
is the growth of resident memory at its peak. The digest is that of the graph and its weights.

`python -m benchmarks.weights` writes the files into a temporary folder and measures all three.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peak import Peak
from benchmarks.report import Report
from graphagg.graph.weights import load_weighted

INPUTS = {
    "Parquet": ("edges.parquet", 3_000_000),
    "text, integer ids": ("integers.txt", 2_000_000),
    "text, string ids": ("strings.txt", 2_000_000),
}
_SMALL = 1000  # edges of the file that loads libraries and kernels
_AT_ONCE = 100_000  # edges written at once


def run(report: Report) -> None:
    report.heading("Weighted graphs")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for title, (name, edges) in INPUTS.items():
            path, small = Path(folder, name), Path(folder, f"small.{name}")
            write(path, edges)
            write(small, _SMALL)
            command = [sys.executable, "-m", "benchmarks.weights", "--read", str(small), str(path)]
            shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found = json.loads(shown)
            rows.append((title, f"{edges:,}", found["cpu"], found["growth"] / 2**20, found["sha"]))
    report.table(("input", "edges", "CPU s", "MiB", "digest"), rows)


def write(path: Path, edges: int) -> None:
    """Write random edges among a tenth as many vertices, with weights of 0 to 1."""
    generator = np.random.default_rng(0)
    ends = generator.integers(0, edges // 10, (2, edges))
    weights = generator.random(edges)
    if path.suffix == ".parquet":
        table = pa.table({"src": ends[0], "dst": ends[1], "weight": weights.astype(np.float32)})
        pq.write_table(table, path)
        return
    prefix = "vertex" if "strings" in path.name else ""
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, edges, _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            file.writelines(_lines(prefix, ends[:, some].tolist(), weights[some].tolist()))


def _lines(prefix: str, ends: list[list[int]], weights: list[float]) -> Iterator[str]:
    for source, target, weight in zip(*ends, weights, strict=True):
        yield f"{prefix}{source}\t{prefix}{target}\t{weight!r}\n"


def read(small: str, path: str) -> dict[str, Any]:
    """Read a small file and then another one: what the second takes."""
    load_weighted(small)
    before, peak = _cpu(), Peak()
    graph, weights = load_weighted(path)
    cpu, growth = _cpu() - before, peak.growth()
    assert weights is not None
    state = hashlib.sha256(graph.digest().encode())
    state.update(np.ascontiguousarray(weights).data)
    return {"cpu": cpu, "growth": growth, "sha": state.hexdigest()[:12]}


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--read", nargs=2, metavar=("SMALL", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.read:
        print(json.dumps(read(*chosen.read)))
    else:
        run(Report(Path("build/bench")))
