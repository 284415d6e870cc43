"""The unpartitioned control: the whole graph factorized at once, and random vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphagg.arrays import Array
from graphagg.embedding.build import one_thread, spread
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.metis import ISOLATED
from graphagg.embedding.partition.pieces import Layout, cut
from graphagg.embedding.prone.engine import LocalEngine
from graphagg.embedding.prone.leaf import truncated_svd
from graphagg.embedding.prone.merge import check_width
from graphagg.embedding.prone.network import Network

_ITERATIONS = 5


def embed_whole(network: Network, config: EmbeddingConfig) -> Array:
    """ProNE of the whole matrix by one randomized SVD with 5 power iterations, `[N, d]`.

    Same matrix and propagation as `build.embed`; neither pieces nor a merge.
    """
    engine = _undivided(network, config)
    with one_thread():
        strength = engine.strengths()
        matrix = engine.log_matrices(strength)[0]
        left, singular, _ = truncated_svd(matrix, config.dim, _ITERATIONS, [config.random_state])
        check_width(len(singular), config.dim, network.nodes)
        return _propagated(engine, left * np.sqrt(singular), strength, network, config)


def embed_random(network: Network, config: EmbeddingConfig) -> Array:
    """Normal random vectors with the same propagation, `[N, d]`."""
    engine = _undivided(network, config)
    generator = np.random.default_rng(config.random_state)
    rows = generator.standard_normal((len(engine.layout.order), config.dim), dtype=np.float32)
    with one_thread():
        return _propagated(engine, rows, engine.strengths(), network, config)


def _undivided(network: Network, config: EmbeddingConfig) -> LocalEngine:
    parts = np.where(network.matrix.degrees() > 0, 0, ISOLATED)
    layout = Layout.of(parts, 1)
    return LocalEngine(layout, cut(network.matrix, layout), replace(config, pieces=1))


def _propagated(
    engine: LocalEngine, rows: Array, strength: Array, network: Network, config: EmbeddingConfig
) -> Array:
    for _ in range(config.propagate):
        rows = engine.propagate(rows, strength).rows
    return spread(rows, engine.layout, network.nodes)
