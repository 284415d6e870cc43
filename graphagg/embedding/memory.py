"""What an embedding takes of memory and disk, and how large pieces may be for it.

A build holds the graph, and then either the partitioner or one piece with what its decomposition
works in; what has a row a node is in files. A piece is counted with the largest halo that it can
have, where each entry names another node: most pieces take less. METIS was measured at 93 bytes an
entry (docs/results/scaling.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graphagg.embedding.config import MAX_PIECE_EDGES, EmbeddingConfig
from graphagg.embedding.partition.cut import chosen_partitioner
from graphagg.embedding.prone.network import Network
from graphagg.errors import InvalidParameter

IN_MEMORY = 4 << 30
"""Bytes; arrays with a row a node stay in memory while they take a quarter of it."""
LEAST_PIECE = 100_000
"""Entries of a piece that `fitting` chooses at least."""
_PROCESS = 200 << 20  # libraries and their code
_ENTRY, _NODE = 12, 48  # of the graph: its rows and, for covers, those it was made from
_METIS, _STREAMING = 96, 60  # bytes an entry, bytes a node
_PIECE = 110  # bytes an entry, while a piece is made and read
_WORKING = 6  # arrays of a row a column of the piece that a decomposition holds
_ARRAYS = 5  # of a row a node that exist at a time
_OVERSAMPLES = 10
_FILES = 24  # bytes an entry: a piece's pattern, its values, and those of the matrices made of it


class Needs(NamedTuple):
    """The size of a matrix.

    Attributes:
        nodes: rows.
        entries: of the matrix, two an edge.
    """

    nodes: int
    entries: int

    @classmethod
    def of(cls, network: Network) -> Needs:
        """The size of a network's matrix."""
        return cls(network.nodes, len(network.matrix.indices))

    def pieces(self, config: EmbeddingConfig) -> int:
        """About how many pieces there will be."""
        return config.pieces or max(
            1, -(-self.entries // (config.max_piece_edges or MAX_PIECE_EDGES))
        )

    def arrays(self, config: EmbeddingConfig) -> int:
        """Bytes of what has a row a node."""
        return _ARRAYS * 4 * self.nodes * config.width

    def memory(self, config: EmbeddingConfig) -> int:
        """Bytes that a build takes at most where what has a row a node is in files."""
        pieces = self.pieces(config)
        entries = self.entries // pieces
        columns = min(self.nodes, entries)
        working = _WORKING * 4 * columns * (config.rank(pieces) + _OVERSAMPLES)
        piece = _PIECE * entries + max(working, 4 * 4 * columns * 32)
        metis = chosen_partitioner(config, self.entries) == "metis" and pieces > 1
        cut = _METIS * self.entries if metis else _STREAMING * self.nodes
        return _PROCESS + _ENTRY * self.entries + _NODE * self.nodes + max(piece, cut)

    def files(self, config: EmbeddingConfig) -> int:
        """Bytes of the files that a build needs for a while."""
        pieces = self.pieces(config)
        columns = min(self.nodes, self.entries // pieces)
        leaves = 4 * pieces * columns * config.rank(pieces)
        return self.arrays(config) + leaves + _FILES * self.entries

    def stored(self, config: EmbeddingConfig) -> int:
        """Bytes of the index: vectors and their sources."""
        return 2 * np.dtype(config.dtype).itemsize * self.nodes * config.dim

    @property
    def formula(self) -> str:
        """How `files` and `stored` count."""
        return (
            f"vectors and sources of {self.nodes:,} nodes, and where these take much memory "
            f"{_ARRAYS} files of {self.nodes:,} rows of dim + 32 numbers, the decompositions of "
            f"the pieces, and {_FILES} bytes for each of {self.entries:,} entries"
        )


def fitting(config: EmbeddingConfig, needs: Needs, memory: int | None) -> EmbeddingConfig:
    """The configuration, with pieces and the partitioner chosen for a memory where it leaves them.

    Pieces are as large as the default while they fit, else halves of it; METIS is taken while it
    fits. How vectors are stored is not touched: they are written range by range, so that
    their type changes no peak.

    Raises:
        InvalidParameter: nothing that may be chosen fits; the least that does is named.
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
        + ("; give that, or a smaller dim" if free else "; give that, or let pieces be chosen")
    )
