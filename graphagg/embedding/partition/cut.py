"""Partition a matrix: split hubs, run a partitioner, cut large parts again.

The weight of a node is the number of entries that its piece holds for it: its degree, plus one for
each adjacent hub. Partitioners balance the sum of weights: if only vertices are balanced, pieces
of social graphs have up to 3 to 8 times the mean number of entries.
"""

from __future__ import annotations

import math

import numpy as np

from graphagg.arrays import Array, Ints, Mask
from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.partition.report import (
    HUB,
    ISOLATED,
    SLACK,
    PartitionReport,
    Parts,
    measure,
)
from graphagg.embedding.partition.streaming import stream
from graphagg.embedding.sparse import sparse_array
from graphagg.errors import InvalidParameter, PieceTooLarge, needs
from graphagg.graph.csr import Csr


def metis(indptr: Array, indices: Array, weights: Ints, count: int, seed: int) -> Parts:
    """Cut a symmetric pattern in compressed rows with METIS; return each node's part, `[N]`."""
    with needs("pymetis", "embedding"):
        import pymetis
    if count == 1:
        return np.zeros(len(indptr) - 1, dtype=np.int32)
    options = pymetis.Options(ufactor=round(1000 * (SLACK - 1)), seed=seed % 2**31)
    _, piece_of = pymetis.part_graph(
        count,
        pymetis.CSRAdjacency(indptr.astype(np.int64), indices.astype(np.int64)),
        vweights=np.maximum(weights, 1),
        options=options,
        recursive=False,
    )
    return np.asarray(piece_of, dtype=np.int32)


WORKER_ENTRIES = 100_000_000
"""Maximum entries for which `auto` uses METIS, which holds the graph in memory."""


def partition(matrix: Csr, config: EmbeddingConfig) -> tuple[Parts, PartitionReport]:
    """Cut a symmetric matrix `[N, N]`, in memory or mapped; its values are ignored.

    Returns the piece of each node (-1: a hub, -2: without an edge), and the quality of the cut.

    Raises:
        InvalidParameter: there are more pieces than nodes with an edge.
        PieceTooLarge: a piece exceeds `max_piece_edges` and cannot be cut further.
    """
    degrees = matrix.degrees()
    filled = degrees > 0
    entries = len(matrix.indices)
    count = piece_count(config, entries, int(np.count_nonzero(filled)))
    limit = max(2, entries // (2 * count)) if count > 1 else entries
    hubs = degrees > min(limit, (config.max_piece_edges or 2 * limit) // 2)
    if np.count_nonzero(filled & ~hubs) < count:  # fewer other nodes than pieces
        hubs[:] = False
    weights = node_weights(matrix, hubs)
    active = filled & ~hubs
    name = config.partitioner
    if name == "auto":
        name = "metis" if entries <= WORKER_ENTRIES else "streaming"
    piece_of = np.full(matrix.rows, ISOLATED, dtype=np.int32)
    piece_of[hubs] = HUB
    if name == "metis" or count == 1:
        _divide(matrix, piece_of, weights, active, np.arange(count), config)
    else:
        streamed = stream(matrix, weights, active, count)[active]
        piece_of[active] = used(streamed, weights[active], count)
    levels = [measure(matrix, piece_of, count)]
    while (over := _oversized(piece_of, weights, config.max_piece_edges)) is not None:
        _divide(matrix, piece_of, weights, piece_of == over, np.array([over, count]), config)
        count += 1
        levels.append(measure(matrix, piece_of, count))
    check_pieces(np.bincount(piece_of[active], weights[active], count), config.max_piece_edges)
    return piece_of, PartitionReport(name, int(np.count_nonzero(hubs)), tuple(levels))


def piece_count(config: EmbeddingConfig, entries: int, nodes: int) -> int:
    """Return the number of pieces; `InvalidParameter` if fewer nodes than that have an edge."""
    limit = config.max_piece_edges or MAX_PIECE_EDGES
    count = config.pieces or max(1, math.ceil(entries * SLACK / limit))
    if count > nodes:
        raise InvalidParameter(
            f"pieces is {count:,}, but only {nodes:,} vertices have an edge; use `pieces={nodes}` "
            "or fewer, or a larger `max_piece_edges`"
        )
    return count


def node_weights(matrix: Csr, hubs: Mask) -> Ints:
    """Count the entries that a piece holds for each node, `[N]`: its row, and one per hub in it."""
    degrees = matrix.degrees()
    if not hubs.any():
        return degrees
    _, neighbors = matrix.gather(np.flatnonzero(hubs))
    return np.where(hubs, 0, degrees + np.bincount(neighbors, minlength=matrix.rows))


def used(piece_of: Parts, weights: Array, count: int) -> Parts:
    """Move the lightest node of the largest part to each empty part."""
    piece_of = piece_of.copy()
    sizes = np.bincount(piece_of, minlength=count)
    for empty in np.flatnonzero(sizes == 0):
        members = np.flatnonzero(piece_of == np.argmax(sizes))
        piece_of[members[np.argmin(weights[members])]] = empty
        sizes = np.bincount(piece_of, minlength=count)
    return piece_of


def check_pieces(entries: Array, limit: int | None) -> None:
    """Raise `PieceTooLarge` if the largest piece exceeds the limit."""
    if limit is not None and len(entries) and entries.max() > limit:
        worst = int(np.argmax(entries))
        raise PieceTooLarge(
            f"piece {worst} of {len(entries):,} has {int(entries[worst]):,} entries, expected at "
            f"most {limit:,}; raise `max_piece_edges` to {int(entries[worst]):,}, or give more "
            "`pieces`"
        )


def _divide(
    matrix: Csr,
    piece_of: Parts,
    weights: Ints,
    members: Mask,
    names: Array,
    config: EmbeddingConfig,
) -> None:
    """Cut the nodes in mask `members` with METIS into one part per name, in place."""
    nodes = np.flatnonzero(members)
    indptr, indices = matrix.indptr, matrix.indices
    if len(nodes) < matrix.rows:
        pattern = Csr(indptr, indices, np.ones(len(indices), np.int8), matrix.columns)
        induced = sparse_array(pattern)[nodes][:, nodes]
        indptr, indices = induced.indptr, induced.indices
    labels = metis(indptr, indices, weights[nodes], len(names), config.random_state)
    piece_of[nodes] = names[used(labels, weights[nodes], len(names))]


def _oversized(piece_of: Parts, weights: Ints, limit: int | None) -> int | None:
    """Return the heaviest part that exceeds the limit and has two nodes or more, or None."""
    if limit is None:
        return None
    active = piece_of >= 0
    entries = np.bincount(piece_of[active], weights[active])
    sizes = np.bincount(piece_of[active])
    entries[sizes < 2] = 0
    return int(np.argmax(entries)) if entries.max() > limit else None
