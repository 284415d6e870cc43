"""Build and query figures of the communities, beside datasketch and rensa in the same run.

    python -m benchmarks.communities                 all three parts
    python -m benchmarks.communities --part dblp     one part: dblp, large or twomode
    python -m benchmarks.communities --pairs 1       fewer repetitions

CPU is process CPU time (user and system, all threads), so that no engine hides threads; queries are
thread CPU. Ratios are medians of pairs: ours and the peer's, one after the other, again and again.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from benchmarks.peak import resident
from benchmarks.report import Report
from graphagg.progress import silent
from tests.conftest import DATA as ROOT

if TYPE_CHECKING:
    from graphagg.communities import IndexConfig
    from graphagg.graph import Graph

DATA = ROOT / "communities"
K, BANDS, ROWS = 128, 64, 2
METHODS = ("minhash", "jaccard", "agglomerative", "pagerank", "fused", "containment")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("dblp", "large", "twomode"), action="append")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--vertices", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    chosen = parser.parse_args()
    parts = chosen.part or ["dblp", "large", "twomode"]
    result = {}
    if "dblp" in parts:
        result["com_dblp"] = bench_dblp(chosen.pairs, chosen.queries)
    if "large" in parts:
        result["large"] = bench_large(chosen.vertices, chosen.edges, chosen.queries)
    if "twomode" in parts:
        result["two_mode"] = bench_two_mode()
    json.dump(result, sys.stdout, indent=1)
    print()


def run(report: Report) -> None:
    """All three parts, for the common report."""
    report.heading("Communities: com-DBLP beside datasketch and rensa")
    if DATA.is_dir():
        report.table(["figure", "value"], flattened(bench_dblp(3, 1000)))
    else:
        report.line(f"skipped: {DATA} is absent; set GRAPHAGG_DATA")
    report.heading("Communities: 1 million vertices, 10 million edges (generated power law)")
    report.table(["figure", "value"], flattened(bench_large(1_000_000, 10_000_000, 1000)))
    report.heading("Communities: two-mode, sets of up to 100,000 (generated)")
    report.table(["figure", "value"], flattened(bench_two_mode()))


def flattened(value: object, name: str = "") -> list[tuple[str, object]]:
    """The numbers in nested dictionaries, with their keys joined by blanks; lists are left out."""
    if isinstance(value, list):
        return []
    if not isinstance(value, dict):
        return [(name, value)]
    return [row for key, part in value.items() for row in flattened(part, f"{name} {key}".strip())]


def timed(work: Callable[[], object]) -> dict[str, float]:
    """CPU and wall seconds of a call, its result thrown away."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    kept = work()
    seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    del kept
    return {name: round(value, 3) for name, value in seconds.items()}


# --- com_dblp, beside the peers ------------------------------------------------------------------


def sketch(graph: Graph, config: IndexConfig) -> None:
    """Sign a graph and sort its bands in memory: a build without reading and writing."""
    from graphagg.communities.build.state import InProcess, Memory

    from graphagg.communities.build.engine import Engine
    from graphagg.communities.graph import IndexGraph

    state, stored = Memory(), IndexGraph.of(graph, config)
    stored.save(state)
    engine = Engine(config, state, InProcess(state, silent), cache(stored.hashes))
    engine.sign()
    engine.sort_bands()
    engine.group_by_size()


def bench_dblp(pairs: int, queries: int) -> dict[str, object]:
    from graphagg.communities import CommunityIndex, IndexConfig
    from graphagg.graph import load_graph

    source = DATA / "com_dblp" / "com-dblp.ungraph.txt.gz"
    if not source.exists():
        return {"skipped": f"{source} is absent; set GRAPHAGG_DATA"}
    config = IndexConfig(permutations=K, bands=BANDS, rows=ROWS)
    graph = load_graph(source)
    sketch(graph, config)  # compiles, and settles the allocator

    rows = rows_of(graph)
    rounds = []
    for number in range(pairs):
        ours = timed(lambda: sketch(graph, config))
        rounds.append({"ours": ours, "datasketch": timed(lambda: datasketch_build(*rows))})
        rounds[-1]["ours_again"] = timed(lambda: sketch(graph, config))
        rounds[-1]["rensa"] = timed(lambda: rensa_build(*rows))
        print(f"pair {number + 1}: {rounds[-1]}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        whole = timed(lambda: CommunityIndex.build(source, folder, config=config))
        index = CommunityIndex.open(folder)
        sizes = {name: entry.bytes for name, entry in index.manifest.files.items()}
        both = sum(n for name, n in sizes.items() if name.startswith(("signatures", "lsh.")))
        opening = []
        for _ in range(50):
            start = time.perf_counter()
            CommunityIndex.open(folder).close()
            opening.append((time.perf_counter() - start) * 1e3)
        return {
            "vertices": len(index),
            "edges": graph.edges,
            "rounds": rounds,
            "build_cpu_seconds": {
                name: statistics.median(r[name]["cpu"] for r in rounds)
                for name in ("ours", "datasketch", "rensa")
            },
            "ratio_datasketch": statistics.median(
                r["datasketch"]["cpu"] / r["ours"]["cpu"] for r in rounds
            ),
            "ratio_rensa": statistics.median(
                r["rensa"]["cpu"] / r["ours_again"]["cpu"] for r in rounds
            ),
            "from_file_to_disk": whole,
            "bytes_per_vertex": {
                "signatures_and_tables": round(both / len(index), 1),
                "all_files": round(sum(sizes.values()) / len(index), 1),
                "datasketch_in_memory": memory_per_vertex(datasketch_build),
                "rensa_in_memory": memory_per_vertex(rensa_build),
            },
            "open_ms": percentiles(opening),
            "query_cpu_ms": query_times(index, dblp_seeds(index, queries)),
        }


def rows_of(graph) -> tuple[list[int], list[int]]:
    """Closed neighborhoods as the user's ids, flat, and their offsets: the peers' input."""
    ids = np.asarray(graph.rows.table)
    degrees = graph.adjacency.degrees()
    offsets = np.concatenate([[0], np.cumsum(degrees + 1)])
    flat = np.empty(offsets[-1], dtype=np.int64)
    own = offsets[:-1]
    flat[own] = ids
    rest = np.ones(len(flat), dtype=bool)
    rest[own] = False
    flat[rest] = ids[graph.adjacency.indices]
    return flat.tolist(), offsets.tolist()


def datasketch_build(values: list[int], offsets: list[int]) -> object:
    """As fast as datasketch goes: batch updates, shared permutations, an insertion session."""
    from datasketch import MinHash, MinHashLSH

    first = MinHash(num_perm=K, hashfunc=int)
    lsh = MinHashLSH(num_perm=K, params=(BANDS, ROWS))
    signatures = []
    with lsh.insertion_session() as session:
        for row in range(len(offsets) - 1):
            signature = MinHash(
                num_perm=K, hashfunc=int, permutations=first.permutations, scheme="affine32"
            )
            signature.update_batch(values[offsets[row] : offsets[row + 1]])
            session.insert(row, signature, check_duplication=False)
            signatures.append(signature)
    return lsh, signatures


def rensa_build(values: list[int], offsets: list[int]) -> object:
    """rensa's own path from flat rows to a filled index."""
    from rensa import RMinHash, RMinHashLSH

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(values, offsets, num_perm=K, seed=1)
    lsh = RMinHashLSH(threshold=0.5, num_perm=K, num_bands=BANDS)
    lsh.insert_matrix(matrix)
    return lsh, matrix


def memory_per_vertex(build: Callable[[list[int], list[int]], object]) -> float:
    """Growth of a fresh process's resident memory, in bytes a vertex."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure_memory, args=(build, sender))
    process.start()
    sender.close()
    answer = receiver.recv()
    process.join()
    return round(answer, 0)


def _measure_memory(build: Callable[[list[int], list[int]], object], sender) -> None:
    from graphagg.graph import load_graph

    graph = load_graph(DATA / "com_dblp" / "com-dblp.ungraph.txt.gz")
    rows = rows_of(graph)
    gc.collect()
    before = psutil.Process().memory_info().rss
    kept = build(*rows)
    gc.collect()
    sender.send((psutil.Process().memory_info().rss - before) / len(graph.rows))
    del kept
    sender.close()


def dblp_seeds(index, count: int) -> list[np.ndarray]:
    """Five seeds a query: half from true communities, half from all vertices."""
    from graphagg.communities.evaluation.ground_truth import read_communities

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


def power_law_edges(vertices: int, edges: int, random_state: int = 0) -> np.ndarray:
    """Endpoints drawn in proportion to rank^-0.6: degrees with a power-law tail, `[edges, 2]`."""
    generator = np.random.default_rng(random_state)
    weights = (np.arange(vertices) + 10.0) ** -0.6
    cumulative = np.cumsum(weights) / weights.sum()
    names = generator.permutation(vertices)
    pairs = np.empty((edges, 2), dtype=np.int64)
    for column in range(2):
        for at in range(0, edges, 1 << 20):
            draws = generator.random(min(1 << 20, edges - at))
            pairs[at : at + len(draws), column] = names[
                np.minimum(np.searchsorted(cumulative, draws), vertices - 1)
            ]
    return pairs


def bench_large(vertices: int, edges: int, queries: int) -> dict[str, object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from graphagg.communities import CommunityIndex

    with tempfile.TemporaryDirectory() as folder:
        pairs = power_law_edges(vertices, edges)
        source = Path(folder) / "edges.parquet"
        pq.write_table(pa.table({"src": pairs[:, 0], "dst": pairs[:, 1]}), source)
        del pairs
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        target = str(Path(folder) / "index")
        process = context.Process(target=_build_large, args=(str(source), target, sender))
        process.start()
        sender.close()
        built = receiver.recv()
        process.join()
        index = CommunityIndex.open(target)
        size = sum(entry.bytes for entry in index.manifest.files.values())
        degrees = index.opened.hoods.sets.degrees()
        hubs = np.argsort(-degrees, kind="stable")[:100]
        generator = np.random.default_rng(1)
        plain = [generator.choice(len(index), 5, replace=False) for _ in range(queries // 2)]
        one_hub = [
            np.unique(np.append(generator.choice(len(index), 4, replace=False), hub))
            for hub in generator.choice(hubs, queries // 4)
        ]
        only_hubs = [generator.choice(hubs, 5, replace=False) for _ in range(queries // 4)]
        return {
            "counts": dict(index.manifest.counts),
            "largest_degree": int(degrees.max()),
            "build": built,
            "bytes_per_vertex": round(size / len(index), 1),
            "query_cpu_ms": {
                "random seeds": query_times(index, plain),
                "one hub among 5": query_times(index, one_hub),
                "5 hubs": query_times(index, only_hubs),
            },
        }


def _build_large(source: str, target: str, sender) -> None:
    from graphagg.communities import CommunityIndex

    figures = timed(lambda: CommunityIndex.build(source, target))
    figures["whole_process_cpu"] = round(time.process_time(), 3)
    sender.send({**figures, "peak_gib": round(resident("VmHWM") / 2**30, 3)})
    sender.close()


# --- two-mode sets -------------------------------------------------------------------------------


def bench_two_mode() -> dict[str, object]:
    """The estimate's error on follower sets up to 100,000, and what containment finds."""
    from graphagg.communities import CommunityIndex, IndexConfig

    sets, hub_of = follower_sets()
    with tempfile.TemporaryDirectory() as folder:
        index = CommunityIndex.build(sets, folder, config=IndexConfig(kind="two-mode"))
        return {
            "error": estimate_error(index),
            "hubs": {
                method: hubs_found(index, hub_of, method) for method in ("jaccard", "containment")
            },
        }


def follower_sets(random_state: int = 0) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Hubs of 1,000 to 100,000 followers, similar hubs, and small accounts inside a hub."""
    generator = np.random.default_rng(random_state)
    fans = 400_000
    sets: dict[str, np.ndarray] = {}
    hub_of = {}
    for number, size in enumerate((1_000, 3_000, 10_000, 30_000, 100_000) * 4):
        hub = generator.choice(fans, size, replace=False)
        sets[f"hub{number}"] = hub
        kept = generator.choice(hub, int(size * generator.uniform(0.1, 0.9)), replace=False)
        extra = generator.choice(fans, size - len(kept), replace=False)
        sets[f"alike{number}"] = np.union1d(kept, extra)
        friends = generator.choice(fans, 3, replace=False)  # fans of all 20: Jaccard ranks these
        for small in range(20):
            name = f"small{number}-{small}"
            inside = generator.choice(hub, 16, replace=False)
            sets[name] = np.union1d(inside, friends)
            hub_of[name] = f"hub{number}"
    return {name: part.tolist() for name, part in sets.items()}, hub_of


def estimate_error(index) -> dict[str, float]:
    """Root mean square of (estimate - J) over the standard error sqrt(J (1 - J) / K)."""
    hoods, sig = index.opened.hoods, index.opened.sketches.sig
    names = [i for i, name in enumerate(index.vertices) if str(name).startswith(("hub", "alike"))]
    scaled, errors = [], []
    for a in names:
        for b in names:
            shared = len(np.intersect1d(hoods.sets.row(a), hoods.sets.row(b)))
            total = len(hoods.sets.row(a)) + len(hoods.sets.row(b)) - shared
            exact = shared / total
            if a < b and 0.02 <= exact < 1:
                error = float((sig[a] == sig[b]).mean()) - exact
                errors.append(error)
                scaled.append(error / np.sqrt(exact * (1 - exact) / sig.shape[1]))
    return {
        "pairs": len(errors),
        "rmse": round(float(np.sqrt(np.mean(np.square(errors)))), 4),
        "mean_error": round(float(np.mean(errors)), 4),
        "rms_in_standard_errors": round(float(np.sqrt(np.mean(np.square(scaled)))), 3),
    }


def hubs_found(index, hub_of: dict[str, str], method: str) -> float:
    """Share of small accounts whose hub is among the first 10."""
    found = 0
    for name, hub in hub_of.items():
        members = index.query([name], 10, method=method).members
        found += any(member.id == hub for member in members)
    return round(found / len(hub_of), 3)


# --- shared --------------------------------------------------------------------------------------


def query_times(index, seeds: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """Thread CPU and wall milliseconds of whole queries (k = 50, reasons included), by method."""
    result = {}
    for method in METHODS:
        cpu, wall = [], []
        for number, drawn in enumerate([*seeds[:20], *seeds]):
            names = [index.vertices[int(i)] for i in drawn]
            start_cpu, start_wall = time.thread_time(), time.perf_counter()
            index.query(names, 50, method=method)
            if number >= 20:  # the first calls load code and map pages
                cpu.append((time.thread_time() - start_cpu) * 1e3)
                wall.append((time.perf_counter() - start_wall) * 1e3)
        result[method] = {**percentiles(cpu), "wall_p99": percentiles(wall)["p99"]}
    return result


def percentiles(values: list[float]) -> dict[str, float]:
    p50, p99, most = np.percentile(values, [50, 99, 100])
    return {"p50": round(p50, 3), "p99": round(p99, 3), "max": round(most, 3)}


if __name__ == "__main__":
    main()
