"""Encodings beside PyG's transforms: RWSE and LapPE, one thread.

    python -m benchmarks.encodings                 all cases
    python -m benchmarks.encodings --case road     one of them

`zinc` is 1,000 graphs of 23 vertices and 25 edges, the size of ZINC's; the others are one graph of
about 100,000 vertices: `road`, a grid with a tenth of its edges removed, and `social`, by
preferential attachment with 3 edges a vertex. Times are CPU of the thread, medians of three rounds
of ours and PyG's one after the other after a warm-up, with the wall time beside; memory is the peak
of the resident set above its size with the graphs made. Each number of a large graph comes from a
fresh process that is ended after `--limit` seconds of CPU or at 8 GiB; ours and PyG's take turns,
`--rounds` times, and the figures are medians. The residual is the largest |L v - l v| of the
vectors as they are written, in float32, with l = v L v.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE
from torch_geometric.utils import get_laplacian, to_scipy_sparse_matrix

from benchmarks.peak import Peak
from benchmarks.report import Report
from graphagg.nn.encodings import RWSE, LapPE

CASES = ("zinc", "road", "social")
LIMIT = 300  # CPU seconds
MEMORY = 8 * 2**30  # bytes of address space
TRANSFORMS: dict[str, Callable[[], Callable[[Data], Data]]] = {
    "RWSE, 16 steps": lambda: RWSE(16),
    "RWSE, 16 steps, PyG": lambda: AddRandomWalkPE(16, attr_name="pe"),
    "RWSE, 6 steps": lambda: RWSE(6),
    "RWSE, 6 steps, PyG": lambda: AddRandomWalkPE(6, attr_name="pe"),
    "LapPE, 8 vectors": lambda: LapPE(8),
    "LapPE, 8 vectors, PyG": lambda: AddLaplacianEigenvectorPE(
        8, attr_name="pe", is_undirected=True
    ),
}
# Beyond an expander's diameter every ball is the whole graph, and exact walks cost its square.
LEFT_OUT = {"social": {name for name in TRANSFORMS if name.startswith("RWSE")}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--limit", type=int, default=LIMIT)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        json.dump(measure(chosen.case[0], chosen.child), sys.stdout)
        return
    report = Report(Path("build/bench"))
    fill(report, chosen.case or CASES, chosen.limit, chosen.rounds)
    report.save()


def run(report: Report) -> None:
    """All cases, for the common report."""
    fill(report, CASES, LIMIT, 1)


def fill(report: Report, cases: list[str] | tuple[str, ...], limit: int, turns: int) -> None:
    for case in cases:
        report.heading(f"Encodings: {case}")
        rows = rounds() if case == "zinc" else large(case, limit, turns)
        report.table(["", "CPU s", "wall s", "peak MiB", "largest residual"], rows)


def large(case: str, limit: int, turns: int) -> list[list[object]]:
    """The transforms of a large graph, one after the other in each turn; medians."""
    names = [name for name in TRANSFORMS if name not in LEFT_OUT.get(case, ())]
    found: dict[str, list[list[object]]] = {name: [] for name in names}
    for _ in range(turns):
        for name in names:
            found[name].append(in_process(case, name, limit))
    rows = []
    for name, runs in found.items():
        # A run that was ended is not a number; then the first one stands for all.
        numbers = [run for run in runs if all(isinstance(v, float | int) for v in run[:3])]
        columns = zip(*numbers, strict=True) if len(numbers) == len(runs) else None
        row = [statistics.median(c) for c in columns] if columns else runs[0]
        rows.append([name, *row[:3], f"{row[3]:.1e}" if row[3] else "-"])
    return rows


def graphs(case: str) -> list[Data]:
    rng = np.random.default_rng(0)
    if case == "zinc":
        return [undirected(23, rng.integers(0, 23, (2, 27))) for _ in range(1000)]
    if case == "road":
        side = 316
        place = np.arange(side * side).reshape(side, side)
        rows = np.stack([place[:, :-1].ravel(), place[:, 1:].ravel()])
        columns = np.stack([place[:-1].ravel(), place[1:].ravel()])
        pairs = np.hstack([rows, columns])
        return [undirected(side * side, pairs[:, rng.random(pairs.shape[1]) > 0.1])]
    size, each = 100_000, 3
    ends = list(range(each))
    pairs = np.empty((2, (size - each) * each), dtype=np.int64)
    for v in range(each, size):
        at = (v - each) * each
        chosen = [ends[i] for i in rng.integers(0, len(ends), each)]
        pairs[:, at : at + each] = [[v] * each, chosen]
        ends += [*chosen, *[v] * each]
    return [undirected(size, pairs)]


def undirected(vertices: int, pairs: np.ndarray) -> Data:
    pairs = np.unique(np.sort(pairs[:, pairs[0] != pairs[1]], axis=0), axis=1)
    edges = torch.from_numpy(np.hstack([pairs, pairs[::-1]]))
    return Data(edge_index=edges, num_nodes=vertices)


def rounds(count: int = 3) -> list[list[object]]:
    """The small graphs: medians over rounds, all transforms one after the other in each."""
    many = graphs("zinc")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in TRANSFORMS}
    for at in range(count + 1):
        for name, make in TRANSFORMS.items():
            transform = make()
            cpu, wall = time.thread_time(), time.perf_counter()
            for data in many if at else many[:50]:
                transform(data)
            if at:
                found[name].append((time.thread_time() - cpu, time.perf_counter() - wall))
    return [
        [name, *(round(statistics.median(c), 3) for c in zip(*times, strict=True)), "-", "-"]
        for name, times in found.items()
    ]


def in_process(case: str, name: str, limit: int) -> list[object]:
    command = [sys.executable, "-m", "benchmarks.encodings", "--case", case, "--child", name]

    def cap() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=cap)
    if done.returncode:
        why = done.stderr.strip().splitlines() or ["no output"]
        return [f"> {limit}" if done.returncode < 0 else why[-1][:80], "-", "-", 0.0]
    found = json.loads(done.stdout)
    return [found["cpu"], found["wall"], found["mib"], found["residual"]]


def measure(case: str, name: str) -> dict[str, float]:
    """One transform on a large graph, after a warm-up on a small one."""
    torch.set_num_threads(1)
    (data,) = graphs(case)
    transform = TRANSFORMS[name]()
    transform(undirected(400, np.random.default_rng(1).integers(0, 400, (2, 900))))
    peak = Peak()
    cpu, wall = time.thread_time(), time.perf_counter()
    out = transform(data)
    cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    mib = round(peak.growth() / 2**20)
    vectors = out.get("pe") if "PyG" in name else out.get("lap_vectors")
    worst = residual(data, vectors) if name.startswith("LapPE") else 0.0
    return {"cpu": round(cpu, 2), "wall": round(wall, 2), "mib": mib, "residual": worst}


def residual(data: Data, vectors: torch.Tensor) -> float:
    """Largest |L v - l v| over the vectors, of the symmetric normalized Laplacian, in float64."""
    index, weight = get_laplacian(data.edge_index, None, "sym", torch.float64, data.num_nodes)
    matrix = to_scipy_sparse_matrix(index, weight, data.num_nodes).tocsr()
    columns = vectors.double().numpy()
    columns = columns / np.linalg.norm(columns, axis=0)
    product = matrix @ columns
    values = (columns * product).sum(axis=0)
    return float(np.linalg.norm(product - columns * values, axis=0).max())


if __name__ == "__main__":
    main()
