"""Encodings beside PyG's transforms: RWSE and LapPE, one thread.

    python -m benchmarks.encodings                 all cases
    python -m benchmarks.encodings --case road     one of them

`zinc` is 1,000 graphs of 23 vertices and 25 edges, the size of ZINC's; the others are one graph of
about 100,000 vertices: `road`, a grid with a tenth of its edges removed, and `social`, by
preferential attachment with 3 edges per vertex. Times are CPU of the thread, medians of three
rounds of ours and PyG's one after the other after a warm-up, with the wall time beside; memory is
the peak of the resident set above its size with the graphs made. Each figure of a large graph comes
from a fresh process that is ended after `--limit` seconds of CPU or at 8 GiB; ours and PyG's take
turns, `--rounds` times, and the figures are medians. The residual is the largest |L v - l v| of the
vectors as they are written, in float32, with l = v L v.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE
from torch_geometric.utils import get_laplacian, to_scipy_sparse_matrix

from benchmarks.measure import Peak, cost, in_process, in_turn, median_cost
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
    chosen = parser.parse_args()
    report = Report(Path("build/bench"))
    fill(report, chosen.case or CASES, chosen.limit, chosen.rounds)
    report.save()


def run(report: Report) -> None:
    """All cases, for the common report."""
    fill(report, CASES, LIMIT, 1)


def fill(report: Report, cases: Sequence[str], limit: int, rounds: int) -> None:
    torch.set_num_threads(1)
    for case in cases:
        report.heading(f"Encodings: {case}")
        rows = small_graphs() if case == "zinc" else large_graph(case, limit, rounds)
        report.table(["", "CPU s", "wall s", "peak MiB", "largest residual"], rows)


def small_graphs() -> list[list[object]]:
    """Medians over rounds; all transforms one after the other in each."""
    many = graphs("zinc")

    def over_all(make: Callable[[], Callable[[Data], Data]]) -> Callable[[], None]:
        def work() -> None:
            transform = make()
            for data in many:
                transform(data)

        return work

    costs = in_turn({name: over_all(make) for name, make in TRANSFORMS.items()}, 3)
    medians = {name: median_cost(spent) for name, spent in costs.items()}
    return [[name, f"{m.cpu:.3f}", f"{m.wall:.3f}", "-", "-"] for name, m in medians.items()]


def large_graph(case: str, limit: int, rounds: int) -> list[list[object]]:
    """The transforms one after the other in each round; medians of the runs that ended in time."""
    names = [name for name in TRANSFORMS if name not in LEFT_OUT.get(case, ())]
    runs: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            figures = in_process(measure, limit, MEMORY, case=case, name=name)
            runs[name] += [figures] if figures else []
    rows: list[list[object]] = []
    for name, each in runs.items():
        if len(each) < rounds:
            rows.append([name, f"> {limit}, or too large", "-", "-", "-"])
            continue
        cpu, wall, mib, worst = (statistics.median(column) for column in zip(*each, strict=True))
        rows.append([name, cpu, wall, round(mib), f"{worst:.1e}" if worst else "-"])
    return rows


def graphs(case: str) -> list[Data]:
    rng = np.random.default_rng(0)
    if case == "zinc":
        return [undirected(23, rng.integers(0, 23, (2, 27))) for _ in range(1000)]
    if case == "road":
        side = 316
        vertex = np.arange(side * side).reshape(side, side)
        rows = np.stack([vertex[:, :-1].ravel(), vertex[:, 1:].ravel()])
        columns = np.stack([vertex[:-1].ravel(), vertex[1:].ravel()])
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


def measure(case: str, name: str) -> list[float]:
    """CPU, wall seconds, MiB and residual of a transform of a large graph, after a warm-up."""
    torch.set_num_threads(1)
    (data,) = graphs(case)
    transform = TRANSFORMS[name]()
    transform(undirected(400, np.random.default_rng(1).integers(0, 400, (2, 900))))
    peak = Peak()
    spent = cost(lambda: transform(data), time.thread_time)
    mib = peak.growth() / 2**20
    vectors = spent.result.get("pe" if "PyG" in name else "lap_vectors")
    worst = residual(data, vectors) if name.startswith("LapPE") else 0.0
    return [spent.cpu, spent.wall, mib, worst]


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
