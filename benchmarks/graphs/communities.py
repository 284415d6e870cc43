"""Build and query costs of communities, compared with datasketch and rensa in the same run.

    python -m benchmarks.graphs.communities                 both parts
    python -m benchmarks.graphs.communities --part dblp     one part: dblp or large
    python -m benchmarks.graphs.communities --pairs 1       fewer repetitions

CPU is process CPU time (user and system, all threads), so that no engine hides threads. Queries
have k = 50 and reasons, and are timed in CPU of the thread. Ratios are medians over pairs of runs,
ours and the peer's in alternation.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import cost, in_process, in_turn, median_cost, percentiles, ratio, resident
from benchmarks.peers import PEERS
from benchmarks.report import Report, parser_of
from tests.conftest import DATA as ROOT

DATA = ROOT / "communities"
DBLP = DATA / "com_dblp" / "com-dblp.ungraph.txt.gz"
SKETCH = (128, 64, 2)  # permutations, bands, rows
METHODS = ("minhash", "jaccard", "agglomerative", "pagerank", "fused")
PARTS = ("dblp", "large")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--vertices", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    report = Report(Path("build/bench/communities"))
    fill(report, parser.parse_args())
    print(report.save())


def run(report: Report) -> None:
    """Run both parts for the common report."""
    defaults = {"part": None, "pairs": 3, "vertices": 1_000_000, "edges": 10_000_000}
    fill(report, argparse.Namespace(**defaults, queries=1000))


def fill(report: Report, chosen: argparse.Namespace) -> None:
    for part in chosen.part or PARTS:
        if part == "dblp":
            bench_dblp(report, chosen.pairs, chosen.queries)
        else:
            bench_large(report, chosen.vertices, chosen.edges, chosen.queries)


# --- com_dblp, compared with the peers -----------------------------------------------------------


def sketch(graph: Any, config: Any) -> Any:
    """Sign a graph and sort its bands in memory: a build without reading or writing files."""
    from graphagg.communities.indexing.engine import IndexBuild
    from graphagg.communities.snapshot import IndexGraph
    from graphagg.execution.arrays import MemoryArrays
    from graphagg.execution.runner import InProcessRunner

    arrays, stored = MemoryArrays(), IndexGraph.of(graph, config)
    stored.save(arrays)
    build = IndexBuild(config, arrays, InProcessRunner(), cache(stored.hashes))
    build.sign()
    build.sort_bands()
    return arrays.arrays


def bench_dblp(report: Report, pairs: int, queries: int) -> None:
    from graphagg.communities import CommunityConfig, CommunityIndex
    from graphagg.graph import load_graph

    report.heading("Communities: com-DBLP compared with datasketch and rensa")
    if not DBLP.exists():
        report.line(f"skipped: {DBLP} is absent; set GRAPHAGG_DATA")
        return
    config = CommunityConfig(**dict(zip(("permutations", "bands", "rows"), SKETCH, strict=True)))
    graph = load_graph(DBLP)
    rows = rows_of(graph)
    sides = {name: partial(_discarded, build, *rows, *SKETCH) for name, build in PEERS.items()}
    sides = {"graphagg": partial(_discarded, sketch, graph, config), **sides}
    sketch(graph, config)  # compiles, and warms up the allocator
    costs = in_turn(sides, pairs, time.process_time, warm_up=0)
    report.table(
        ["signatures and tables", "CPU s", "times graphagg", "bytes per vertex in memory"],
        [
            [name, median_cost(spent).cpu, ratio(spent, costs["graphagg"]),
             "" if name == "graphagg" else f"{in_process(memory_per_vertex, name=name):,.0f}"]
            for name, spent in costs.items()
        ],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        whole = cost(lambda: CommunityIndex.build(DBLP, folder, config=config).close())
        index = CommunityIndex.open(folder)
        sizes = {name: entry.bytes for name, entry in index.manifest.files.items()}
        both = sum(n for name, n in sizes.items() if name.startswith(("signatures", "lsh.")))
        opening = [1e3 * cost(lambda: CommunityIndex.open(folder).close()).wall for _ in range(50)]
        report.table(
            ["figure", "value"],
            [
                ("vertices", len(index)), ("edges", graph.edges),
                ("from file to disk, CPU s", whole.cpu),
                ("bytes per vertex, signatures and tables", both / len(index)),
                ("bytes per vertex, all files", sum(sizes.values()) / len(index)),
                ("open, wall ms p50 / p99", percentiles(opening)),
            ],
        )  # fmt: skip
        query_table(report, index, {"com-DBLP": dblp_seeds(index, queries)})


def _discarded(build: Any, *arguments: Any) -> None:
    """Build and drop the result, after garbage of the previous side is collected."""
    gc.collect()
    build(*arguments)


def rows_of(graph: Any) -> tuple[list[int], list[int]]:
    """Return the input of the peers: closed neighborhoods as flat user ids, and their offsets."""
    ids = np.asarray(graph.rows.table)
    degrees = graph.adjacency.degrees()
    offsets = np.concatenate([[0], np.cumsum(degrees + 1)])
    flat = np.empty(offsets[-1], dtype=np.int64)
    flat[offsets[:-1]] = ids
    is_neighbor = np.ones(len(flat), dtype=bool)
    is_neighbor[offsets[:-1]] = False
    flat[is_neighbor] = ids[graph.adjacency.indices]
    return flat.tolist(), offsets.tolist()


def memory_per_vertex(name: str) -> float:
    """Measure how much a peer's index adds to resident memory, in bytes per vertex."""
    from graphagg.graph import load_graph

    graph = load_graph(DBLP)
    rows = rows_of(graph)
    gc.collect()
    before = resident()
    kept = PEERS[name](*rows, *SKETCH)
    gc.collect()
    growth = (resident() - before) / len(graph.rows)
    del kept
    return growth


def dblp_seeds(index: Any, count: int) -> list[np.ndarray]:
    """Draw five seeds per query: half of the queries from true communities, half from all."""
    from graphagg.communities.evaluation import read_communities

    generator = np.random.default_rng(0)
    truth = read_communities(DATA / "com_dblp" / "com-dblp.top5000.cmty.txt.gz", index.vertices)
    large = [members for members in truth.communities if len(members) > 5]
    drawn = [
        generator.choice(large[generator.integers(len(large))], 5, replace=False)
        for _ in range(count // 2)
    ]
    return drawn + [
        generator.choice(len(index), 5, replace=False) for _ in range(count - count // 2)
    ]


# --- the large graph -----------------------------------------------------------------------------


def bench_large(report: Report, vertices: int, edges: int, queries: int) -> None:
    from graphagg.communities import CommunityIndex

    report.heading(f"Communities: {vertices:,} vertices, {edges:,} edges (generated power law)")
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/edges.parquet", f"{folder}/index"
        write_power_law(source, vertices, edges)
        cpu, peak = in_process(build_large, source=source, target=target)
        index = CommunityIndex.open(target)
        size = sum(entry.bytes for entry in index.manifest.files.values())
        degrees = index.snapshot.neighborhoods.sets.degrees()
        report.table(
            ["edges", "largest degree", "build, CPU s", "peak GiB", "bytes per vertex"],
            [[f"{index.manifest.counts['edges']:,}", int(degrees.max()), cpu, peak / 2**30,
              size / len(index)]],
        )  # fmt: skip
        hubs = np.argsort(-degrees, kind="stable")[:100]
        generator = np.random.default_rng(1)
        one_hub = [
            np.unique(np.append(generator.choice(len(index), 4, replace=False), hub))
            for hub in generator.choice(hubs, queries // 4)
        ]
        seeds = {
            "random seeds": [
                generator.choice(len(index), 5, replace=False) for _ in range(queries // 2)
            ],
            "one hub among 5": one_hub,
            "5 hubs": [generator.choice(hubs, 5, replace=False) for _ in range(queries // 4)],
        }
        query_table(report, index, seeds)


def write_power_law(path: str, vertices: int, edges: int) -> None:
    """Write a power-law graph as Parquet; endpoints are drawn in proportion to rank^-0.6."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator = np.random.default_rng(0)
    weights = (np.arange(vertices) + 10.0) ** -0.6
    cumulative = np.cumsum(weights) / weights.sum()
    names = generator.permutation(vertices)
    columns = []
    for _ in range(2):
        draws = generator.random(edges)
        columns.append(names[np.minimum(np.searchsorted(cumulative, draws), vertices - 1)])
    pq.write_table(pa.table(columns, names=["src", "dst"]), path)


def build_large(source: str, target: str) -> tuple[float, int]:
    """Return CPU seconds and peak bytes of a build in this process."""
    from graphagg.communities import CommunityIndex

    spent = cost(lambda: CommunityIndex.build(source, target).close())
    return spent.cpu, resident("VmHWM")


# --- shared --------------------------------------------------------------------------------------


def query_table(report: Report, index: Any, kinds: dict[str, Sequence[np.ndarray]]) -> None:
    """Add a table of thread CPU per query by method, p50 / p99."""
    rows = [
        [name, *(query_times(index, seeds, m) for m in METHODS)] for name, seeds in kinds.items()
    ]
    report.table(["thread CPU ms per query, p50 / p99", *METHODS], rows)


def query_times(index: Any, seeds: Sequence[np.ndarray], method: str) -> str:
    times = []
    for drawn in [*seeds[:20], *seeds]:  # the first calls load code and map pages
        names = [index.vertices[int(i)] for i in drawn]
        spent = cost(lambda n=names: index.query(n, 50, method=method), time.thread_time)
        times.append(1e3 * spent.cpu)
    return percentiles(times[len(seeds[:20]) :])


if __name__ == "__main__":
    main()
