"""One build in a process of its own: `python -m benchmarks.large.cell JOB EDGES OUT RESULT [KIND]`.

The kernels are compiled on a small graph before the clock starts. The peak is `VmHWM`, which counts
the pages of mapped files while they are mapped.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.large.asking import queries
from benchmarks.peak import resident

_WARM_UP = 2_000  # edges


def main() -> None:
    job, edges, out, result = sys.argv[1:5]
    kind = sys.argv[5] if len(sys.argv) > 5 else "undirected"
    if job in PEERS:
        save(result, peer(job, edges, kind))
        return
    source: Any = np.load(edges) if edges.endswith(".npy") else edges
    build = {"communities": communities, "embed": embedding}[job]
    pairs = np.random.default_rng(0).integers(0, 500, (_WARM_UP, 2))
    build(pairs, Path(f"{out}.warm"), kind).close()
    stages: dict[str, float] = {}

    def progress(stage: str, done: int, total: int) -> None:
        stages[stage] = round(time.process_time() - start, 2)

    wall, start = time.monotonic(), time.process_time()
    with build(source, Path(out), kind, progress) as index:
        cpu = time.process_time() - start
        figures = {
            "cpu": cpu,
            "wall": time.monotonic() - wall,
            "peak": resident("VmHWM"),
            "bytes": sum(entry.bytes for entry in index.manifest.files.values()),
            "counts": dict(index.manifest.counts),
            "cpu_at_the_end_of": stages,
        }
        save(result, figures)  # what a build took is kept where its queries are stopped
        if job == "communities":
            figures["queries"] = queries(index)
            save(result, figures)


def save(result: str, figures: dict[str, Any]) -> None:
    part = Path(f"{result}.part")
    part.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    os.replace(part, result)


def peer(job: str, edges: str, kind: str) -> dict[str, Any]:
    """A peer's index of the same neighborhoods, from lists in memory; making those is not timed."""
    from benchmarks import communities as beside
    from graphagg.graph import load_graph

    graph = load_graph(edges, kind)
    values, offsets = beside.rows_of(graph)
    wall, start = time.monotonic(), time.process_time()
    kept = PEERS[job](beside)(values, offsets)
    figures = {
        "cpu": time.process_time() - start,
        "wall": time.monotonic() - wall,
        "peak": resident("VmHWM"),
        "bytes": 0,  # nothing is written
        "counts": {"edges": graph.edges, "vertices": len(graph.rows)},
    }
    del kept
    return figures


PEERS = {
    "datasketch": lambda beside: beside.datasketch_build,
    "rensa": lambda beside: beside.rensa_build,
}


def communities(edges: Any, out: Path, kind: str, *progress: Any) -> Any:
    from graphagg.communities import CommunityIndex, IndexConfig

    named = {"progress": progress[0]} if progress else {}
    return CommunityIndex.build(edges, out, config=IndexConfig(kind=kind), **named)


def embedding(edges: Any, out: Path, kind: str, *progress: Any) -> Any:
    from graphagg.embedding import EmbeddingConfig, NodeEmbedding

    named = {"progress": progress[0]} if progress else {}
    return NodeEmbedding.build(edges, out, config=EmbeddingConfig(kind=kind), **named)


if __name__ == "__main__":
    main()
