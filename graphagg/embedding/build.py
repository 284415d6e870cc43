"""From a network to its vectors, in process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.memory import Needs
from graphagg.embedding.partition.cut import partition
from graphagg.embedding.partition.pieces import PieceLayout, cut, save_piece
from graphagg.embedding.partition.report import ISOLATED, PartitionReport, Parts
from graphagg.embedding.prone.factorization import Factorization, Vectors, factorized
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.embedding.prone.sparse import one_thread
from graphagg.embedding.prone.tasks import PieceTasks
from graphagg.execution.arrays import ArrayStore, FileArrays, MemoryArrays
from graphagg.execution.runner import InProcessRunner
from graphagg.graph.csr import Csr
from graphagg.progress import Progress, silent

_NODES_PER_RANGE = 50_000


@dataclass(frozen=True)
class Embedded:
    """The embedded nodes of a network, in memory or in files.

    Attributes:
        positions: `[N]` int64 row of each node in the arrays `names` of `stages`; -1: no edge.
        piece_of: `[N]` int32 piece of each node; -1 split, -2 without an edge.
    """

    stages: Factorization
    names: Vectors
    positions: Ints
    piece_of: Parts
    report: PartitionReport

    @property
    def isolated(self) -> int:
        """Nodes without an edge."""
        return int(np.count_nonzero(self.piece_of == ISOLATED))

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return self.stages.width(self.names)

    def blocks(self) -> Iterator[tuple[int, int, Array, Array]]:
        """Yield ranges of nodes, with `vectors` and `sources` of each."""
        for low, high in ranges(len(self.positions)):
            with one_thread():
                rows, sources = self.stages.rotated(self.names, self.positions[low:high])
            yield low, high, rows, sources

    @cached_property
    def vectors(self) -> Array:
        """`[N, d]` float32, not normalized; zeros for nodes without an edge."""
        return np.concatenate([rows for _, _, rows, _ in self.blocks()])

    @cached_property
    def sources(self) -> Array:
        """`[N, d]` float32, the terms of the vectors; see `prone.factorization.Vectors`."""
        return np.concatenate([sources for _, _, _, sources in self.blocks()])

    def log_q_of(self, low: int, high: int) -> Array:
        """`[high - low]` float64, ln q of the log matrix; 0 for nodes without an edge."""
        return self.stages.log_q_of(self.positions[low:high])


def embed(
    network: NetworkMatrix,
    config: EmbeddingConfig,
    progress: Progress = silent,
    folder: Path | None = None,
) -> Embedded:
    """Partition a network, embed the pieces, merge them and propagate.

    O(E d + N d^2) time for a given number of pieces. Arrays with a row per node are files in the
    empty `folder`, which must last as long as the result; None: they are in memory.
    """
    with one_thread():
        piece_of, report = partition(network.matrix, config)
        pieces = report.levels[-1].pieces
        progress("partition", pieces, pieces)
        if folder is not None:
            needs = Needs.from_network(network)
            columns = round(report.levels[-1].copies * needs.filled)
            needs.check(folder, config, columns)
        layout = PieceLayout.from_parts(piece_of, pieces)

        def leaves(stage: str, done: int, total: int) -> None:
            if stage == "leaves":  # the longest stage
                progress("pieces", done, total)

        def passed(turn: int) -> None:
            progress("propagation" if turn else "merge", turn or 1, config.propagate if turn else 1)

        stages = factorization(network.matrix, layout, config, leaves, folder)
        vectors = factorized(stages, passed)
    return Embedded(stages, vectors, layout.numbers(network.nodes), piece_of, report)


def factorization(
    matrix: Csr,
    layout: PieceLayout,
    config: EmbeddingConfig,
    progress: Progress = silent,
    folder: Path | None = None,
) -> Factorization:
    """The stages over a symmetric matrix with values; arrays are in `folder`, None: in memory."""
    arrays: ArrayStore = MemoryArrays() if folder is None else FileArrays(folder)
    for piece in cut(matrix, layout):
        save_piece(arrays, piece)
    return Factorization(PieceTasks(layout, arrays, InProcessRunner(progress)), config)


def ranges(nodes: int) -> list[tuple[int, int]]:
    """Ranges of nodes whose vectors are computed together."""
    starts = range(0, nodes, _NODES_PER_RANGE)
    return [(start, min(start + _NODES_PER_RANGE, nodes)) for start in starts]
