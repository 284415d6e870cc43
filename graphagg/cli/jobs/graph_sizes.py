"""What a job over a graph is expected to take, from its numbers of edges and vertices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from graphagg.cli.jobs.plan import Expected
from graphagg.cli.jobs.sizes import Input
from graphagg.communities.config import IndexConfig
from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig

_DEGREE = 6
"""Mean degree where nothing tells the vertices: between road networks (3) and social ones (30)."""
_WORKER = 250_000_000
"""Bytes of a Python worker with its libraries."""
_COPIES = 2
"""Pieces that hold a node as row or halo column, on average; 1.1 to 2.4 on graphs of the README."""


@dataclass(frozen=True)
class GraphSize:
    """The size of a graph.

    Attributes:
        edges: as the input has them.
        vertices: given, told by the input, or a guess.
        how: which of these.
    """

    edges: int
    vertices: int
    how: str

    @classmethod
    def of(cls, source: Input, vertices: int | None) -> GraphSize:
        """The size of an input."""
        if vertices is not None:
            return cls(source.records, vertices, f"{vertices:,} vertices as given")
        most = 2 * source.records
        if source.vertices is not None and source.vertices <= most:
            told = "as its comment or footers say"
            return cls(source.records, source.vertices, f"{source.vertices:,} vertices, {told}")
        guess = max(most // _DEGREE, 1)
        how = f"{guess:,} vertices, a guess at a mean degree of {_DEGREE}; --vertices tells"
        return cls(source.records, guess, how)


def community_sizes(
    size: GraphSize, config: IndexConfig, a_block: int
) -> tuple[dict[str, int], list[Expected]]:
    """Tasks a stage, and sizes, of the job `communities`."""
    n, e, k, b = size.vertices, size.edges, config.permutations, config.bands
    two = config.kind != "undirected"
    rows = 8 * n * (1 + two) + 8 * e
    signatures, bands = 2 * k * n, 4 * b * (n + n // 16)
    tables = 2 if config.kind == "two-mode" else 1
    output = rows + signatures + bands + 4 * n + 8 * n * tables
    tasks = {"edges": 1, "vertices": math.ceil(e / a_block), "pairs": math.ceil(e / a_block)}
    tasks |= {"sets": math.ceil(e / a_block)} | ({"holders": math.ceil(e / a_block)} if two else {})
    tasks["bands"] = math.ceil(b / 8)
    pairs = 24 * e * (1 if two else 2)
    expected = [
        Expected(
            "index", output,
            f"{size.how}; rows of 8 bytes an edge, {2 * k} bytes of signature, {4 * b} of bands "
            "and 24 of numbers a vertex",
        ),
        Expected(
            "work folder", output + 12 * e + pairs,
            "the index's blocks, 12 bytes an edge as read, 24 a pair",
        ),
        Expected(
            "shuffle", 60 * e + 2 * pairs,
            "uncompressed: 60 bytes an edge for ids and joins, 24 a pair for each of two sorts",
        ),
        Expected(
            "memory a task", _WORKER + 100 * min(a_block, max(2 * e, 1)),
            "a Python worker of 250 MB, 100 bytes for each entry of its block",
        ),
    ]  # fmt: skip
    return tasks, expected


def embedding_sizes(
    size: GraphSize, config: EmbeddingConfig, stages: tuple[str, ...]
) -> tuple[dict[str, int], list[Expected]]:
    """Tasks a stage, and sizes, of the jobs of an embedding."""
    two = config.kind != "undirected"
    nodes, entries = size.vertices * (1 + two), 2 * (size.edges + size.vertices * two)
    limit = config.max_piece_edges or MAX_PIECE_EDGES
    pieces = config.pieces or max(1, math.ceil(1.05 * entries / limit))
    sorts = math.ceil(entries / limit)
    whole = {"edges": 1, "entries": sorts, "matrix": sorts, "partition": 1}
    tasks = {stage: whole.get(stage, pieces) for stage in stages}
    stored = np.dtype(config.dtype).itemsize * config.dim
    output = nodes * (2 * stored + 4) + 8 * size.vertices
    matrix = 8 * size.edges + 36 * entries
    steps = sum(stage.startswith(("pass", "leaves", "start", "refined")) for stage in stages)
    vectors = 4 * config.width * nodes * steps
    expected = [
        Expected(
            "index", output if "vectors" in stages else 0,
            f"{size.how}; two vectors of {stored} bytes, a part and an id a node",
        ),
        Expected(
            "work folder", matrix + vectors,
            f"36 bytes an entry of the matrix, and in {steps} stages vectors of {4 * config.width} "
            "bytes of each node",
        ),
        Expected(
            "shuffle", 3 * 24 * entries,
            "uncompressed: 24 bytes an entry for each of three sorts",
        ),
        Expected(
            "memory a task", _WORKER + 200 * min(entries, limit) // max(1, entries // limit),
            "a Python worker of 250 MB, and 200 bytes for each entry of its piece",
        ),
    ]  # fmt: skip
    return tasks, expected
