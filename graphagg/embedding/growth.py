"""Computes vectors of new vertices from those of their neighbors, without retraining.

A vector is the node's row of D1^(-1/2) A1 times the `sources` of all nodes, see
`prone.factorization.VectorArrays`. So we get the vector of a new vertex by multiplying its row by
its neighbors' sources. This is exact if a new embedding would have the same sources. Nonlinear
terms stay fixed: the neighbors' strengths, the rotation, and the lengths that rows were divided by.
The source of a new vertex, used by its loop and by other new vertices, is the mean of its
neighbors' sources (a second round reaches new neighbors).

Deleting vertices removes their vectors and sources; all others do not change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, offsets
from graphagg.embedding.config import FILTER, EmbeddingConfig
from graphagg.embedding.partition.report import ADDED, ISOLATED
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.embedding.sparse import entries_where, row_sums, sparse_array, stored_rows
from graphagg.errors import ArtifactError, InvalidParameter
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, weighted_graph
from graphagg.graph.ids import VertexIds
from graphagg.store import Artifact, Publication
from graphagg.store.changes import ChangeReport
from graphagg.store.manifest import MANIFEST_NAME
from graphagg.store.reading import content_of

_ROUNDS = 2


def new_vectors(rows: Csr, sources: Array, fresh: Array) -> tuple[Array, Array]:
    """Compute vectors and sources of the new nodes `fresh`, `[a, d]` each.

    `rows` `[a, N]` has the weights of their edges; `sources` `[N, d]` is zero for new nodes.
    """
    sources = sources.astype(np.float32)
    has_source = np.ones(len(sources), dtype=bool)
    has_source[fresh] = False
    for _ in range(_ROUNDS):
        usable = entries_where(rows, has_source[rows.indices])  # entries whose column has a source
        strength = row_sums(usable, usable.entries)
        shares = np.repeat(np.maximum(strength, 1e-30), usable.degrees())
        means = _product(usable, usable.entries / shares, sources)
        loops = strength / np.maximum(usable.degrees(), 1)  # mean weight of the node's edges
        totals = _product(usable, usable.entries, sources) + loops[:, None] * means
        lengths = np.sqrt(np.maximum(strength + loops, 1e-30))
        vectors = (totals / lengths[:, None]).astype(np.float32)
        sources[fresh] = means
        has_source[fresh] = usable.degrees() > 0
    return vectors, sources[fresh]


def _product(rows: Csr, values: Doubles, dense: Array) -> Array:
    """Multiply `rows`, with their entries replaced by `values`, by `dense`; float32."""
    product: Array = sparse_array(replace(rows, data=values.astype(np.float32))) @ dense
    return product


@dataclass(frozen=True)
class _Grown:
    """The union of old and new ids, and the new numbers of the old nodes.

    Attributes:
        columns: the same object as `rows`, or the elements of a two-mode graph.
        positions: `[N]` new number of each old node.
        fresh: `[N']` mask of nodes that are new, or had no edge before.
    """

    rows: VertexIds
    columns: VertexIds
    positions: Array
    fresh: Array

    @classmethod
    def from_artifact(cls, artifact: Artifact, config: EmbeddingConfig, graph: Graph) -> _Grown:
        old_rows = VertexIds.open(artifact, "vertices")
        rows = old_rows.union(graph.rows)
        columns, positions = rows, rows.positions(old_rows)
        if config.kind == "directed":
            positions = np.concatenate((positions, positions + len(rows)))
        elif config.kind == "two-mode":
            old = VertexIds.open(artifact, "elements")
            columns = old.union(graph.columns)
            positions = np.concatenate((positions, columns.positions(old) + len(rows)))
        count = len(rows) + (len(columns) if config.kind != "undirected" else 0)
        fresh = np.ones(count, dtype=bool)
        fresh[positions] = np.asarray(artifact.array("parts")) == ISOLATED
        return cls(rows, columns, positions, fresh)

    def network(self, graph: Graph, weights: Array | None) -> NetworkMatrix:
        """Return the edges to add, with the new node numbers."""
        source = self.rows.positions(graph.rows)[expand_rows(graph.adjacency)]
        target = self.columns.positions(graph.columns)[graph.adjacency.indices]
        once = source < target if graph.kind == "undirected" else slice(None)
        pairs = source[once].astype(np.int32), target[once].astype(np.int32)
        weights = None if weights is None else weights[once].astype(np.float64)
        return NetworkMatrix.from_graph(
            *weighted_graph(graph.kind, self.rows, self.columns, pairs, weights)
        )

    def spread(self, values: Array, fill: float = 0.0) -> Array:
        """Move values of the old nodes to their new positions; fill the rest with `fill`."""
        result = np.full((len(self.fresh), *values.shape[1:]), fill, dtype=values.dtype)
        result[self.positions] = values
        return result


def grow(
    artifact: Artifact, published: Publication, graph: Graph, weights: Array | None
) -> ChangeReport:
    """Add vertices of `graph` to an index if they are missing there or have no edge.

    `weights` has one value per entry of the graph's adjacency; None: all 1.
    """
    parameters = artifact.manifest.parameters
    config = EmbeddingConfig.from_json(parameters)
    if parameters.get("filter") != FILTER:
        raise ArtifactError(
            f"{artifact.directory}: another version of graphagg built this index, so vertices "
            "cannot be added; build it again"
        )
    grown = _Grown.from_artifact(artifact, config, graph)
    network, stored = grown.network(graph, weights), artifact.array
    matrix, two_sided = network.matrix, config.kind != "undirected"
    fresh = np.flatnonzero(grown.fresh & (matrix.degrees() > 0))
    at, indptr = matrix.places(fresh), offsets(matrix.degrees()[fresh])
    rows = Csr(indptr, matrix.indices[at], matrix.entries[at], matrix.columns)
    vectors, sources = (
        grown.spread(
            np.concatenate([stored(f"{name}{side}") for side in ("", ".to")[: 1 + two_sided]])
        )
        for name in ("vectors", "sources")
    )
    vectors[fresh], sources[fresh] = new, _ = [
        stored_rows(each, vectors.dtype) for each in new_vectors(rows, sources, fresh)
    ]
    piece_of = grown.spread(stored("parts"), ISOLATED)
    piece_of[fresh[new.any(axis=1)]] = ADDED
    n = len(grown.rows)
    arrays = {"vectors": vectors[:n], "sources": sources[:n], "parts": piece_of}
    if two_sided:
        arrays |= {"vectors.to": vectors[n:], "sources.to": sources[n:]}
    with content_of(artifact.directory / MANIFEST_NAME):
        report = _report(artifact, grown, network, int((~new.any(axis=1)).sum()))
        old = artifact.manifest.counts
        counts = {
            "edges": old["edges"] + report.details["edges_used"],
            "added": old["added"] + report.added,
        }
    _publish(artifact, published, (grown.rows, grown.columns), arrays, counts, graph.digest())
    return report


def shrink(artifact: Artifact, published: Publication, rows: Ints) -> ChangeReport:
    """Write the index without the vertices numbered `rows`; other vectors do not change."""
    config, stored = EmbeddingConfig.from_json(artifact.manifest.parameters), artifact.array
    ids = columns = VertexIds.open(artifact, "vertices")
    stay = np.ones(len(ids), dtype=np.bool_)
    stay[rows] = False
    if not stay.any():
        raise InvalidParameter(f"all {len(ids):,} vertices would be deleted; keep at least one")
    masks = {"": stay}
    if config.kind == "directed":
        masks[".to"] = stay
    elif config.kind == "two-mode":
        columns = VertexIds.open(artifact, "elements")
        masks[".to"] = np.ones(len(columns), dtype=np.bool_)
    nodes = np.concatenate(list(masks.values()))
    arrays = {
        f"{name}{side}": stored(f"{name}{side}")[mask]
        for name in ("vectors", "sources") for side, mask in masks.items()
    }  # fmt: skip
    arrays["parts"] = stored("parts")[nodes]
    left = ids.select(stay)
    digest = hashlib.sha256(repr([ids[i] for i in rows.tolist()]).encode()).hexdigest()
    _publish(
        artifact, published, (left, columns if columns is not ids else left), arrays, {}, digest
    )
    return ChangeReport(removed=len(ids) - len(left))


def _publish(
    artifact: Artifact,
    published: Publication,
    ids: tuple[VertexIds, VertexIds],
    arrays: Mapping[str, Array],
    counts: Mapping[str, int],
    digest: str,
) -> None:
    """Publish a changed index with the ids of rows and columns; `digest` identifies the change."""
    writer, (rows, columns) = published.writer, ids
    rows.save(writer, "vertices")
    if columns is not rows:
        columns.save(writer, "elements")
    for name, array in arrays.items():
        writer.array(name, array)
    writer.adopt(artifact, "partition.json")
    old, isolated = artifact.manifest, int((arrays["parts"] == ISOLATED).sum())
    if EmbeddingConfig.from_json(old.parameters).kind == "directed":  # a vertex is two nodes
        isolated //= 2
    sizes = {"vertices": len(rows), "elements": len(columns), "isolated": isolated}
    counts = {**old.counts, **sizes, **counts}
    change = f"change{1 + sum(name.startswith(('added', 'change')) for name in old.inputs)}"
    published.publish(replace(old, inputs={**old.inputs, change: digest}, counts=counts))


def _report(
    artifact: Artifact, grown: _Grown, network: NetworkMatrix, without_vector: int
) -> ChangeReport:
    """Count the added vertices, and the edges that were used."""
    old_counts, graph = artifact.manifest.counts, network.graph
    added = len(grown.rows) - old_counts["vertices"]
    if graph.kind == "two-mode":
        added += len(grown.columns) - old_counts["elements"]
    ends, others = graph.pairs()
    if graph.kind != "undirected":
        others = others + len(grown.rows)
    used = int(np.count_nonzero(grown.fresh[ends] | grown.fresh[others]))
    details = {
        "vertices_without_vector": without_vector,
        "edges_used": used,
        "edges_ignored": graph.edges - used,
    }
    return ChangeReport(added=added, details=details)
