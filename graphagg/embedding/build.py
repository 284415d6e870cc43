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
from graphagg.embedding.prone.threads import one_thread
from graphagg.progress import Progress, silent

_NODES_A_RANGE = 50_000


@dataclass(frozen=True)
class Embedded:
    """What is known of a network's nodes.

    Attributes:
        engine: where vectors are kept, in files perhaps.
        kept: which of its arrays they are.
        numbers: `[N]` int64, where each node stands in those arrays; -1: without an edge.
        parts: `[N]` int32 piece of each node; -1 split, -2 without an edge.
        report: the partition.
    """

    engine: Engine
    kept: Vectors
    numbers: Ints
    parts: Parts
    report: PartitionReport

    @property
    def isolated(self) -> int:
        """Nodes without an edge."""
        return int(np.count_nonzero(self.parts == ISOLATED))

    @property
    def width(self) -> int:
        """How long the vectors are."""
        return self.engine.width(self.kept)

    def blocks(self) -> Iterator[tuple[int, int, Array, Array]]:
        """Ranges of nodes, with the vectors and sources of each (`vectors` and `sources`)."""
        for low, high in ranges(len(self.numbers)):
            with one_thread():
                rows, sources = self.engine.rotated(self.kept, self.numbers[low:high])
            yield low, high, rows, sources

    @cached_property
    def vectors(self) -> Array:
        """`[N, d]` float32, not normalized; zeros for nodes without an edge."""
        return np.concatenate([rows for _, _, rows, _ in self.blocks()])

    @cached_property
    def sources(self) -> Array:
        """`[N, d]` float32, what the vectors are sums of; see `prone.engine.Vectors`."""
        return np.concatenate([sources for _, _, _, sources in self.blocks()])

    def log_q_of(self, low: int, high: int) -> Array:
        """`[high - low]` float64, ln q of the log matrix; 0 for nodes without an edge."""
        return self.engine.log_q_of(self.numbers[low:high])


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
        folder: an empty folder for what has a row a node, which then takes no memory; it must last
            as long as the result. None: in memory.

    Raises:
        InvalidParameter: more pieces than nodes.
        PieceTooLarge: a piece is over `max_piece_edges`.
        WriteFailed: the disk has less room than the cut asks for.
    """
    with one_thread():
        parts, report = partition(network.matrix, config)
        pieces = report.levels[-1].pieces
        progress("partition", pieces, pieces)
        if folder is not None:
            Needs.of(network).check(folder, config, True, report)
        layout = Layout.of(parts, pieces)
        engine = in_process(network.matrix, layout, config, _of_leaves(progress), folder)
        engine.prepare()
        vectors = engine.factorize()
        progress("merge", 1, 1)
        for number in range(1, config.propagate + 1):
            vectors = engine.propagate(vectors, number)
            progress("propagation", number, config.propagate)
    return Embedded(engine, vectors, layout.numbers(network.nodes), parts, report)


def ranges(nodes: int) -> list[tuple[int, int]]:
    """Ranges of nodes whose vectors are made at once."""
    starts = range(0, nodes, _NODES_A_RANGE)
    return [(start, min(start + _NODES_A_RANGE, nodes)) for start in starts]


def _of_leaves(progress: Progress) -> Progress:
    """Of the engine's stages, report the one that takes longest."""

    def report(stage: str, done: int, total: int) -> None:
        if stage == "leaves":
            progress("pieces", done, total)

    return report
