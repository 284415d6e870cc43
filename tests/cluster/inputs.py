"""Small inputs, what a process alone makes of them, and how a job's output is compared with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.rag import read_passages
from graphagg.store import manifest_at, open_artifact
from tests.spark.test_passages import in_process, lines

SKETCH = CommunityConfig(permutations=32, bands=16, rows=2)
SKETCH_OPTIONS = ("--permutations", 32, "--bands", 16, "--rows", 2)
VECTORS = EmbeddingConfig(dim=8, pieces=3, max_piece_edges=4000)
Pairs = Iterable[tuple[object, object]]


def skewed_pairs(seed: int, n: int = 300, edges: int = 1000) -> list[tuple[int, int]]:
    """Pairs of groups of 30, of which every second one is of vertex 7; repeats and loops too."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, n, edges)
    second = np.where(
        rng.random(edges) < 0.8, first // 30 * 30 + rng.integers(0, 30, edges),
        rng.integers(0, n, edges),
    )  # fmt: skip
    first[::2], second[::2] = 7, rng.integers(0, n, (edges + 1) // 2)
    second[:10] = first[:10]
    return [*zip(first.tolist(), second.tolist(), strict=True)][:edges] + [(7, 8)] * 5


def write_pairs(path: Path, pairs: Pairs) -> Path:
    path.write_text("# a comment\n" + "".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    return path


def write_passages(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text(lines(records), encoding="utf-8")
    return path


def assert_same_communities(edges: Path, out: Any, config: CommunityConfig = SKETCH) -> None:
    """The index at a path or an address is the one of a process alone, byte for byte."""
    alone = edges.with_name("communities")
    CommunityIndex.build(edges, alone, config=config).close()
    assert manifest_at(out).to_json() == manifest_at(alone).to_json()
    CommunityIndex.open(out, verify=True).close()


def assert_same_embedding(edges: Path, out: Any) -> None:
    """The index has the parts, ids and report of a process alone, floats to 1e-5."""
    alone = edges.with_name("embedding")
    NodeEmbedding.build(edges, alone, config=VECTORS).close()
    with NodeEmbedding.open(out, verify=True) as found, NodeEmbedding.open(alone) as wanted:
        np.testing.assert_array_equal(found.piece_of_node, wanted.piece_of_node)
        np.testing.assert_allclose(found.vectors, wanted.vectors, atol=1e-5)
        assert list(found.vertices) == list(wanted.vertices)
        assert found.partition_report == wanted.partition_report
        for part in ("counts", "inputs", "parameters"):
            assert getattr(found.manifest, part) == getattr(wanted.manifest, part)


def assert_same_passages(source: Path, out: Any) -> None:
    """The index, made with `Fakes`, is the one of a process alone, byte for byte."""
    in_process(list(read_passages(source)), source.with_name("passages")).close()
    assert manifest_at(out).to_json() == manifest_at(source.with_name("passages")).to_json()
    open_artifact(out, verify=True).close()
