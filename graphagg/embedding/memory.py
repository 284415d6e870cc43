"""Memory and disk that an embedding takes, and the size of pieces that fits a memory.

A build holds the graph, and then either the partitioner or one piece with the work arrays of its
decomposition; arrays with a row per node are in files. A piece is counted with the largest possible
halo, one node per entry; most pieces take less. METIS takes 93 bytes per entry
(docs/results/scaling.md).

Halos are known only after the partition; before, each node counts once. So the disk is checked
twice: before the work, and before anything is written.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.partition.cut import chosen_partitioner
from graphagg.embedding.prone.matrix import OVERSAMPLES
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.errors import InvalidParameter
from graphagg.store.ranges import check_space

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
_FILES = 4  # and in files, beside the index
_SMALL = 1 << 20  # what merges write
_BLOCK = 4096  # bytes that a file takes more than its rows


class Needs(NamedTuple):
    """The size of a matrix.

    Attributes:
        nodes: rows.
        entries: of the matrix, two per edge.
        filled: rows that have an entry.
        ids: bytes of the ids.
    """

    nodes: int
    entries: int
    filled: int
    ids: int

    @classmethod
    def from_network(cls, network: NetworkMatrix) -> Needs:
        """The size of a network's matrix."""
        graph, matrix = network.graph, network.matrix
        ids = graph.rows.nbytes + (graph.columns.nbytes if graph.kind == "two-mode" else 0)
        filled = int(np.count_nonzero(matrix.degrees()))
        return cls(network.nodes, len(matrix.indices), filled, ids)

    def pieces(self, config: EmbeddingConfig) -> int:
        """Estimate the count of pieces."""
        most = config.max_piece_edges or MAX_PIECE_EDGES
        return config.pieces or max(1, -(-self.entries // most))

    def arrays(self, config: EmbeddingConfig) -> int:
        """Bytes of the arrays with a row per node."""
        return _ARRAYS * 4 * self.nodes * config.width

    def memory(self, config: EmbeddingConfig) -> int:
        """Peak bytes of a build whose arrays with a row per node are in files."""
        pieces = self.pieces(config)
        entries = self.entries // pieces
        columns = min(self.nodes, entries)
        working = _WORKING * 4 * columns * (config.rank(pieces) + OVERSAMPLES)
        piece = _PIECE * entries + max(working, 4 * 4 * columns * 32)
        metis = chosen_partitioner(config, self.entries) == "metis" and pieces > 1
        cut = _METIS * self.entries if metis else _STREAMING * self.nodes
        return _PROCESS + _ENTRY * self.entries + _NODE * self.nodes + max(piece, cut)

    def check(self, folder: Path, config: EmbeddingConfig, columns: int | None = None) -> None:
        """Raise `WriteFailed` if the disk of `folder` has less room than a build takes.

        `columns` counts those of all pieces, if arrays with a row per node are in files; None: only
        the index is written.
        """
        needed, beside = self.stored(config), ""
        if columns is not None:
            rows = _FILES * 4 * self.filled * config.width
            leaves = 4 * columns * config.rank(self.pieces(config))
            needed += 2 * _ENTRY * self.entries + rows + leaves + 8 * columns + _SMALL
            beside = f", {_FILES} files of such rows and the decompositions of {columns:,} columns"
        check_space(
            folder,
            needed,
            f"the embedding: vectors and sources of {self.nodes:,} nodes{beside}",
        )

    def stored(self, config: EmbeddingConfig) -> int:
        """Bytes of the index: ids, pieces, vectors and their sources."""
        width = np.dtype(config.dtype).itemsize
        return (2 * width * config.dim + 12) * self.nodes + self.ids + 16 * _BLOCK


def fitting(config: EmbeddingConfig, needs: Needs, memory: int | None) -> EmbeddingConfig:
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
    if config.partitioner == "auto" and chosen_partitioner(config, needs.entries) == "metis":
        cuts.append("streaming")
    tried = [
        replace(config, max_piece_edges=size, partitioner=name) for name in cuts for size in sizes
    ]
    for each in tried:
        if needs.memory(each) <= memory:
            return each
    least = min(map(needs.memory, tried))
    raise InvalidParameter(
        f"memory is {memory / 2**20:,.0f} MiB, wanted {least / 2**20:,.0f} MiB at least for "
        f"{needs.nodes:,} nodes and {needs.entries:,} entries"
        + ("; raise `memory`, or reduce dim" if free else "; raise it, or let pieces be chosen")
    )
