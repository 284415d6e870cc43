"""From a matrix to its pieces: hubs set apart, a partitioner, oversized parts cut again."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.metis import (
    HUB,
    ISOLATED,
    WORKER_ENTRIES,
    PartitionReport,
    Parts,
    check_pieces,
    hub_bound,
    induced,
    measure,
    metis,
    node_weights,
    piece_count,
    used,
)
from graphagg.graph.csr import Csr


def partition(matrix: Csr, config: EmbeddingConfig) -> tuple[Parts, PartitionReport]:
    """Cut a symmetric matrix.

    Args:
        matrix: `[N, N]`.
        config: how many pieces, or how large; which partitioner; the seed.

    Returns:
        The piece of each node (-1: a hub, -2: without an edge), and how good the cut is.

    Raises:
        InvalidParameter: more pieces than nodes with an edge.
        PieceTooLarge: a piece is over `max_piece_edges` and cannot be cut further.
    """
    degrees = matrix.degrees()
    filled = degrees > 0
    entries = len(matrix.indices)
    count = piece_count(config, entries, int(np.count_nonzero(filled)))
    hubs = degrees > hub_bound(config, entries, count)
    if np.count_nonzero(filled & ~hubs) < count:
        hubs[:] = False
    weights = node_weights(matrix, hubs)
    nodes = np.flatnonzero(filled & ~hubs)
    inner = Csr(*_pattern(matrix, nodes))
    name = chosen_partitioner(config, entries)
    found = _cut(name, inner, weights[nodes], count, config)
    parts = np.full(matrix.rows, ISOLATED, dtype=np.int32)
    parts[hubs & filled] = HUB
    parts[nodes] = found
    levels = [measure(matrix, parts, count)]
    while (over := _oversized(matrix, parts, weights, config.max_piece_edges)) is not None:
        count = _split(matrix, parts, weights, count, over, config)
        levels.append(measure(matrix, parts, count))
    check_pieces(np.bincount(parts[nodes], weights[nodes], count), config.max_piece_edges)
    return parts, PartitionReport(name, int(np.count_nonzero(hubs)), tuple(levels))


def chosen_partitioner(config: EmbeddingConfig, entries: int) -> str:
    """The partitioner that `auto` stands for."""
    if config.partitioner != "auto":
        return config.partitioner
    return "metis" if entries <= WORKER_ENTRIES else "propagation"


def _pattern(matrix: Csr, nodes: Array) -> tuple[Any, ...]:
    pattern = Csr(matrix.indptr, matrix.indices, None, matrix.columns)
    if len(nodes) < matrix.rows:
        pattern = induced(pattern, nodes)
    return pattern.indptr, pattern.indices, None, pattern.columns


def _cut(name: str, inner: Csr, weights: Array, count: int, config: EmbeddingConfig) -> Parts:
    if name == "metis" or count == 1:
        return used(metis(inner, weights, count, config.random_state), weights, count)
    from graphagg.embedding.partition.label_propagation import propagate_labels

    return used(propagate_labels(inner, weights, count, config), weights, count)


def _oversized(matrix: Csr, parts: Parts, weights: Array, limit: int | None) -> int | None:
    """The heaviest part over the limit that has two nodes at least."""
    if limit is None:
        return None
    own = parts >= 0
    entries = np.bincount(parts[own], weights[own])
    sizes = np.bincount(parts[own])
    entries[sizes < 2] = 0
    return int(np.argmax(entries)) if entries.max() > limit else None


def _split(
    matrix: Csr, parts: Parts, weights: Array, count: int, over: int, config: EmbeddingConfig
) -> int:
    """Cut one part in two, in place; the new count."""
    nodes = np.flatnonzero(parts == over)
    inner = Csr(*_pattern(matrix, nodes))
    halves = used(metis(inner, weights[nodes], 2, config.random_state), weights[nodes], 2)
    parts[nodes[halves == 1]] = count
    return count + 1
