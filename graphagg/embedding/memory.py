"""Memory that an embedding takes, and the size of pieces that fits a memory.

A build holds the graph, and then either the partitioner or one piece with the work arrays of its
decomposition; arrays with a row per node are in files. A piece is counted with the largest possible
halo, one node per entry; most pieces take less. METIS takes 93 bytes per entry
(docs/results/scaling.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.partition.cut import chosen_partitioner
from graphagg.embedding.prone.matrix import OVERSAMPLES
from graphagg.errors import InvalidParameter

IN_MEMORY = 4 << 30
"""Bytes; arrays with a row per node stay in memory while they take a quarter of it."""
LEAST_PIECE = 100_000
"""Minimal entries of a piece that `fitting` chooses."""
_PROCESS = 200 << 20  # libraries and their code
_ENTRY, _NODE = 12, 48  # of the graph: its rows and, for covers, the rows they were made from
_METIS, _STREAMING = 96, 60  # bytes per entry, bytes per node
_PIECE = 110  # bytes per entry, while a piece is made and read
_WORKING = 6  # arrays, with a row per column of the piece, that a decomposition holds
_ARRAYS = 5  # arrays with a row per node that exist at a time, in memory


class MatrixSize(NamedTuple):
    """The size of a matrix."""

    nodes: int  # rows
    entries: int  # two per edge

    def arrays(self, config: EmbeddingConfig) -> int:
        """Bytes of the arrays with a row per node."""
        return _ARRAYS * 4 * self.nodes * config.width

    def memory(self, config: EmbeddingConfig) -> int:
        """Peak bytes of a build whose arrays with a row per node are in files."""
        most = config.max_piece_edges or MAX_PIECE_EDGES
        pieces = config.pieces or max(1, -(-self.entries // most))
        entries = self.entries // pieces
        columns = min(self.nodes, entries)
        working = _WORKING * 4 * columns * (config.rank(pieces) + OVERSAMPLES)
        piece = _PIECE * entries + max(working, 4 * 4 * columns * 32)
        metis = chosen_partitioner(config, self.entries) == "metis" and pieces > 1
        cut = _METIS * self.entries if metis else _STREAMING * self.nodes
        return _PROCESS + _ENTRY * self.entries + _NODE * self.nodes + max(piece, cut)


def fitting(config: EmbeddingConfig, size: MatrixSize, memory: int | None) -> EmbeddingConfig:
    """Choose pieces and the partitioner for a memory, where the configuration leaves them open.

    Pieces have the default size if they fit, else a half of it, and so on; METIS is preferred to
    streaming. Raises `InvalidParameter`, with the least memory that suffices, if nothing fits.
    """
    if memory is None:
        return config
    free = config.pieces is None and config.max_piece_edges is None
    sizes = [config.max_piece_edges]
    while free and (sizes[-1] or MAX_PIECE_EDGES) // 2 >= LEAST_PIECE:
        sizes.append((sizes[-1] or MAX_PIECE_EDGES) // 2)
    cuts = [config.partitioner]
    if config.partitioner == "auto" and chosen_partitioner(config, size.entries) == "metis":
        cuts.append("streaming")
    tried = [
        replace(config, max_piece_edges=most, partitioner=name) for name in cuts for most in sizes
    ]
    for each in tried:
        if size.memory(each) <= memory:
            return each
    least = min(map(size.memory, tried))
    raise InvalidParameter(
        f"memory is {memory / 2**20:,.0f} MiB, wanted {least / 2**20:,.0f} MiB at least for "
        f"{size.nodes:,} nodes and {size.entries:,} entries"
        + ("; raise `memory`, or reduce dim" if free else "; raise it, or let pieces be chosen")
    )
