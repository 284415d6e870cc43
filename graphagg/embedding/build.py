"""From a network to its vectors, in process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.cut import partition
from graphagg.embedding.partition.metis import PartitionReport, Parts
from graphagg.embedding.partition.pieces import Layout, cut
from graphagg.embedding.prone.engine import LocalEngine, Vectors
from graphagg.embedding.prone.network import Network
from graphagg.errors import MissingExtra
from graphagg.progress import Progress, renamed, silent


@dataclass(frozen=True)
class Embedded:
    """What is known of a network's nodes.

    Attributes:
        vectors: `[N, d]` float32, not normalized; zeros for nodes without an edge.
        sources: `[N, d]` float32, what the vectors are sums of; see `local.Vectors`.
        log_q: `[N]` float64, ln q of the log matrix; 0 for nodes without an edge.
        parts: `[N]` int32 piece of each node; -1 split, -2 without an edge.
        report: the partition.
    """

    vectors: Array
    sources: Array
    log_q: Array
    parts: Parts
    report: PartitionReport

    @property
    def isolated(self) -> int:
        """Nodes without an edge."""
        return int(np.count_nonzero(self.parts == -2))


def embed(network: Network, config: EmbeddingConfig, progress: Progress = silent) -> Embedded:
    """Partition a network, embed the pieces, make them one, propagate.

    O(E d + N d^2) time for a given number of pieces.

    Raises:
        InvalidParameter: more pieces than nodes, or `dim` above what the graph can give.
        PieceTooLarge: a piece is over `max_piece_edges`.
    """
    with one_thread():
        parts, report = partition(network.matrix, config)
        progress("partition", report.levels[-1].pieces, report.levels[-1].pieces)
        layout = Layout.of(parts, report.levels[-1].pieces)
        engine = LocalEngine(layout, cut(network.matrix, layout), config, progress)
        strength = engine.strengths()
        found = _start(network, engine, strength, parts, config)
        for done in range(config.propagate):
            found = engine.propagate(found.rows, strength)
            renamed(progress, "propagation")("", done + 1, config.propagate)
        log_q = engine.log_q(strength)
    return Embedded(
        spread(found.rows, layout, network.nodes),
        spread(found.sources, layout, network.nodes),
        spread(log_q, layout, network.nodes),
        parts,
        report,
    )


def _start(
    network: Network, engine: LocalEngine, strength: Array, parts: Parts, config: EmbeddingConfig
) -> Vectors:
    if config.fusion == "merge":
        return engine.factorize(strength)
    from graphagg.embedding.baselines.fusion import fuse

    fused = fuse(network.matrix, parts, config)[engine.layout.order]
    return Vectors(fused, fused)


def spread(rows: Array, layout: Layout, nodes: int) -> Array:
    """Rows in the nodes' own order, zeros for nodes without an edge."""
    whole = np.zeros((nodes, *rows.shape[1:]), dtype=rows.dtype)
    whole[layout.order] = rows
    return whole


def one_thread() -> Any:
    """Let linear algebra take one thread meanwhile: sums then have one order on any machine."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise MissingExtra("threadpoolctl", "embedding") from None
    return threadpool_limits(limits=1)
