"""The unpartitioned control: the whole graph factorized at once, and random vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.pieces import Layout
from graphagg.embedding.partition.report import ISOLATED
from graphagg.embedding.prone.engine import Engine, in_process
from graphagg.embedding.prone.matrix import truncated_svd
from graphagg.embedding.prone.network import Network
from graphagg.embedding.prone.sparse import one_thread

_ITERATIONS = 5


def embed_whole(network: Network, config: EmbeddingConfig) -> Array:
    """ProNE of the whole matrix by one randomized SVD with 5 power iterations, `[N, d]`.

    Same matrix and propagation as `build.embed`; neither pieces nor a merge.
    """
    with one_thread():
        engine = _undivided(network, config)
        matrix = engine.log_matrix(engine.piece(0))
        left, singular, _ = truncated_svd(matrix, config.dim, _ITERATIONS, [config.random_state])
        return propagated(engine, left * np.sqrt(singular), network, config)


def embed_random(network: Network, config: EmbeddingConfig) -> Array:
    """Normal random vectors with the same propagation, `[N, d]`."""
    generator = np.random.default_rng(config.random_state)
    with one_thread():
        engine = _undivided(network, config)
        shape = (len(engine.layout.order), config.dim)
        rows = generator.standard_normal(shape, dtype=np.float32)
        return propagated(engine, rows, network, config)


def _undivided(network: Network, config: EmbeddingConfig) -> Engine:
    """The engine of the whole matrix as one piece."""
    piece_of = np.where(network.matrix.degrees() > 0, 0, ISOLATED)
    engine = in_process(network.matrix, Layout.of(piece_of, 1), replace(config, pieces=1))
    engine.prepare()
    return engine


def propagated(engine: Engine, rows: Array, network: Network, config: EmbeddingConfig) -> Array:
    """Spread vectors `[N', d]`, in the order of the layout; returns vectors of all nodes."""
    vectors = engine.take(rows)
    for turn in range(1, config.propagate + 1):
        vectors = engine.propagate(vectors, turn)
    return engine.rotated(vectors, engine.layout.numbers(network.nodes))[0]
