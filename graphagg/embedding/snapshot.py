"""The data of one opened version of an embedding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from graphagg.arrays import Array
from graphagg.checks import one_of
from graphagg.embedding.config import EmbeddingConfig, Side
from graphagg.embedding.sparse import normalize_rows
from graphagg.graph.ids import VertexIds, id_rules
from graphagg.nearest.search import FlatSearch
from graphagg.store import Artifact
from graphagg.store.layout import ArrayRule, array
from graphagg.store.manifest import damaged


class EmbeddingSnapshot:
    """One version of an embedding, memory-mapped, with its searchers; see `NodeEmbedding`."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.config = EmbeddingConfig.from_json(artifact.manifest.parameters)
        sizes = artifact.declare(_arrays(artifact, self.config))
        nodes = sizes["n"] + (0 if self.config.kind == "undirected" else sizes.get("m", sizes["n"]))
        artifact.declare([array("parts", "<i4", nodes, least=-3)])
        self.vertices = VertexIds.open(artifact, "vertices")
        two_mode = self.config.kind == "two-mode"
        self.targets = VertexIds.open(artifact, "elements") if two_mode else self.vertices
        self.vectors = artifact.array("vectors")
        self.target_vectors = self.vectors
        if self.config.kind != "undirected":
            self.target_vectors = artifact.array("vectors.to")
        self.piece_of_node = artifact.array("parts")
        self._searchers: dict[tuple[Side, bool], FlatSearch] = {}

    def vectors_of(self, side: Side) -> tuple[VertexIds, Array]:
        """Return ids and vectors of a side."""
        one_of("side", side, ("from", "to"))
        return (
            (self.targets, self.target_vectors) if side == "to" else (self.vertices, self.vectors)
        )

    def finite(self, vectors: Array) -> Array:
        """Return the vectors unchanged; raise `CorruptArtifact` if a value is NaN or infinite."""
        if not np.isfinite(vectors).all():
            raise damaged(self.artifact.directory, "its vectors are not finite")
        return vectors

    def searcher(self, side: Side, normalized: bool) -> FlatSearch:
        """Return the searcher for the vectors of a side; it is created once and cached."""
        if (side, normalized) not in self._searchers:
            rows = self.finite(self.vectors_of(side)[1])
            self._searchers[side, normalized] = FlatSearch(
                unit_rows(rows) if normalized else rows, "embedding"
            )
        return self._searchers[side, normalized]


def _arrays(artifact: Artifact, config: EmbeddingConfig) -> Iterator[ArrayRule]:
    """Yield rules for the arrays of a version: n vertices, m targets, d dimensions."""
    yield from id_rules(artifact, "vertices", "n")
    targets = "n" if config.kind in ("undirected", "directed") else "m"
    if config.kind == "two-mode":
        yield from id_rules(artifact, "elements", targets)
    sides = {"": "n"} if config.kind == "undirected" else {"": "n", ".to": targets}
    for side, count in sides.items():
        for name in ("vectors", "sources"):
            yield array(f"{name}{side}", "<f4 <f2", count, "d")


def unit_rows(vectors: Array) -> Array:
    """Scale vectors to length 1, float32; zero vectors stay zero."""
    return normalize_rows(np.asarray(vectors, dtype=np.float32))
