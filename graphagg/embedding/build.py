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
from graphagg.embedding.partition.pieces import Layout
from graphagg.embedding.partition.report import ISOLATED, PartitionReport, Parts
from graphagg.embedding.prone.engine import Engine, Vectors, in_process
from graphagg.embedding.prone.network import Network
from graphagg.embedding.prone.sparse import one_thread
from graphagg.progress import Progress, silent

_NODES_PER_RANGE = 50_000


@dataclass(frozen=True)
class Embedded:
    """The embedded nodes of a network.

    Attributes:
        engine: holds the vectors, in files perhaps.
        kept: names the arrays that they are in.
        positions: `[N]` int64 row of each node in those arrays; -1: without an edge.
        piece_of: `[N]` int32 piece of each node; -1 split, -2 without an edge.
        report: the partition.
    """

    engine: Engine
    kept: Vectors
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
        return self.engine.width(self.kept)

    def blocks(self) -> Iterator[tuple[int, int, Array, Array]]:
        """Ranges of nodes, with the vectors and sources of each (`vectors` and `sources`)."""
        for low, high in ranges(len(self.positions)):
            with one_thread():
                rows, sources = self.engine.rotated(self.kept, self.positions[low:high])
            yield low, high, rows, sources

    @cached_property
    def vectors(self) -> Array:
        """`[N, d]` float32, not normalized; zeros for nodes without an edge."""
        return np.concatenate([rows for _, _, rows, _ in self.blocks()])

    @cached_property
    def sources(self) -> Array:
        """`[N, d]` float32, the terms of the vectors; see `prone.engine.Vectors`."""
        return np.concatenate([sources for _, _, _, sources in self.blocks()])

    def log_q_of(self, low: int, high: int) -> Array:
        """`[high - low]` float64, ln q of the log matrix; 0 for nodes without an edge."""
        return self.engine.log_q_of(self.positions[low:high])


def embed(
    network: Network,
    config: EmbeddingConfig,
    progress: Progress = silent,
    folder: Path | None = None,
) -> Embedded:
    """Partition a network, embed the pieces, make them one, propagate.

    O(E d + N d^2) time for a given number of pieces.

    Args:
        network: the matrix.
        config: parameters.
        progress: called with stage, done, total.
        folder: an empty folder for arrays with a row per node, which then take no memory; it must
            last as long as the result. None: in memory.

    Raises:
        InvalidParameter: more pieces than nodes.
        PieceTooLarge: a piece is over `max_piece_edges`.
        WriteFailed: the disk has less room than the cut asks for.
    """
    with one_thread():
        piece_of, report = partition(network.matrix, config)
        pieces = report.levels[-1].pieces
        progress("partition", pieces, pieces)
        if folder is not None:
            needs = Needs.of(network)
            columns = round(report.levels[-1].copies * needs.filled)
            needs.check(folder, config, columns)
        layout = Layout.of(piece_of, pieces)
        engine = in_process(network.matrix, layout, config, _of_leaves(progress), folder)
        engine.prepare()
        vectors = engine.factorize()
        progress("merge", 1, 1)
        for turn in range(1, config.propagate + 1):
            vectors = engine.propagate(vectors, turn)
            progress("propagation", turn, config.propagate)
    return Embedded(engine, vectors, layout.numbers(network.nodes), piece_of, report)


def ranges(nodes: int) -> list[tuple[int, int]]:
    """Ranges of nodes whose vectors are made at once."""
    starts = range(0, nodes, _NODES_PER_RANGE)
    return [(start, min(start + _NODES_PER_RANGE, nodes)) for start in starts]


def _of_leaves(progress: Progress) -> Progress:
    """Report the longest of the engine's stages alone."""

    def report(stage: str, done: int, total: int) -> None:
        if stage == "leaves":
            progress("pieces", done, total)

    return report
