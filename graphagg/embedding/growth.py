"""Vectors for new vertices from their neighbors', without training again.

After a propagation a vector is the sum of its row of A1 over the `sources` of all nodes, see
`prone.factorization.Vectors`; without one, the sum of its row of the log matrix. So the row of a
new vertex times its neighbors' sources gives its vector, exactly if a new embedding had the same
sources. Terms that are not linear stay fixed: the neighbors' strengths and q, the rotation, and the
lengths that rows were divided by. The source of the new vertex, used by its loop and by other new
vertices, is the mean of its neighbors' (a second round reaches new neighbors).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from graphagg.arrays import Array, offsets
from graphagg.embedding.config import EmbeddingConfig
from graphagg.embedding.partition.report import ADDED, ISOLATED
from graphagg.embedding.prone.network import NetworkMatrix
from graphagg.embedding.prone.sparse import entries_where, multiply, row_sums
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, graph_from_pairs
from graphagg.graph.ids import VertexIds
from graphagg.graph.weights import align
from graphagg.store import Artifact, ArtifactWriter, Publication
from graphagg.store.changes import ChangeReport
from graphagg.store.manifest import Manifest

_ROUNDS = 2


def new_vectors(rows: Csr, sources: Array, log_q: Array | None, fresh: Array) -> tuple[Array, ...]:
    """Vectors and sources of the new nodes `fresh`, `[a, d]` each.

    `rows` `[a, N]` holds the weights of their edges, `sources` `[N, d]` zeros where a node is new;
    `log_q` `[N]` is None if vectors are propagated.
    """
    sources = sources.astype(np.float32)
    has_source = np.ones(len(sources), dtype=bool)
    has_source[fresh] = False
    for _ in range(_ROUNDS):
        usable = entries_where(rows, has_source[rows.indices])  # those whose column has a source
        counts = np.maximum(usable.degrees(), 1)[:, None]
        weights = usable if log_q is None else _log_rows(usable, log_q)
        vectors = multiply(weights, sources)
        means = multiply(_means(usable), sources)
        if log_q is None:  # the loop weighs as much as the mean edge
            loops = row_sums(usable.indptr, usable.entries)[:, None] / counts
            vectors = vectors + (loops * means).astype(np.float32)
        sources[fresh] = means
        has_source[fresh] = usable.degrees() > 0
    return vectors, sources[fresh]


def _means(rows: Csr) -> Csr:
    strength = np.maximum(row_sums(rows.indptr, rows.entries), 1e-30)
    values = rows.entries / np.repeat(strength, rows.degrees())
    return Csr(rows.indptr, rows.indices, values.astype(np.float32), rows.columns)


def _log_rows(rows: Csr, log_q: Array) -> Csr:
    strength = np.log(np.maximum(row_sums(rows.indptr, rows.entries), 1e-30))
    values = np.log(rows.entries.astype(np.float64)) - np.repeat(strength, rows.degrees())
    values -= log_q[rows.indices]
    return Csr(rows.indptr, rows.indices, values.astype(np.float32), rows.columns)


@dataclass(frozen=True)
class _Grown:
    """Ids with the new ones among them, and the rows of the old nodes.

    Attributes:
        columns: the same object as `rows`, or the elements of a two-mode graph.
        positions: `[N]` number of each old node among the new ones.
        fresh: `[N']` nodes that are new, or had no edge before.
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
        """The edges to add, in the new numbers."""
        source, target = expand_rows(graph.adjacency), np.asarray(graph.adjacency.indices)
        source = self.rows.positions(graph.rows)[source].astype(np.int32)
        target = self.columns.positions(graph.columns)[target].astype(np.int32)
        renamed = graph_from_pairs(graph.kind, self.rows, self.columns, (source, target))
        if weights is None:
            return NetworkMatrix.from_graph(renamed)
        if graph.kind == "undirected":
            once = source < target
            source, target, weights = source[once], target[once], weights[once]
        return NetworkMatrix.from_graph(renamed, align(renamed, source, target, weights))

    def spread(self, values: Array, fill: float = 0.0) -> Array:
        """Values of the old nodes at their new positions."""
        whole = np.empty((len(self.fresh), *values.shape[1:]), dtype=values.dtype)
        added = np.ones(len(whole), dtype=np.bool_)
        added[self.positions] = False
        whole[added] = fill
        whole[self.positions] = values
        return whole

    def take(self, values: Array, nodes: Array) -> Array:
        """Values of some nodes, from the values of the old ones; zeros where a node is new."""
        at = np.minimum(np.searchsorted(self.positions, nodes), len(self.positions) - 1)
        taken = np.zeros((len(nodes), *values.shape[1:]), dtype=values.dtype)
        old = np.flatnonzero(self.positions[at] == nodes)
        taken[old] = values[at[old]]
        return taken


def grow(
    artifact: Artifact, published: Publication, graph: Graph, weights: Array | None
) -> ChangeReport:
    """Write an index with the vertices of `graph` that it lacks, or had without an edge.

    `weights` are of the entries of its adjacency; None: all 1.
    """
    config = EmbeddingConfig.from_json(artifact.manifest.parameters)
    grown = _Grown.from_artifact(artifact, config, graph)
    network = grown.network(graph, weights)
    matrix = network.matrix
    fresh = np.flatnonzero(grown.fresh & (matrix.degrees() > 0))
    at = matrix.places(fresh)
    indptr = offsets(matrix.degrees()[fresh])
    # Of all nodes, those that the new rows name are read, and the new ones themselves.
    named, columns = np.unique(np.r_[matrix.indices[at], fresh], return_inverse=True)
    rows = Csr(indptr, columns[: len(at)].astype(np.int32), matrix.entries[at], len(named))
    log_q = None
    if config.propagate == 0:
        log_q = grown.take(np.asarray(artifact.array("log_q")), named)
    sources = grown.take(_stacked(artifact, "sources", config), named)
    vectors, origins = new_vectors(rows, sources, log_q, columns[len(at) :])
    _write(
        artifact, published.writer, grown, config, {"vectors": vectors, "sources": origins}, fresh
    )
    new_ids = len(grown.rows) - artifact.manifest.counts["vertices"]
    if config.kind == "two-mode":
        new_ids += len(grown.columns) - artifact.manifest.counts["elements"]
    ends, others = network.graph.pairs()
    if config.kind != "undirected":
        others = others + len(grown.rows)
    used = int(np.count_nonzero(grown.fresh[ends] | grown.fresh[others]))
    details = {
        "vertices_without_vector": int((~vectors.any(axis=1)).sum()),
        "edges_used": used,
        "edges_ignored": network.graph.edges - used,
    }
    report = ChangeReport(added=new_ids, details=details)
    published.publish(_manifest(artifact.manifest, grown, graph, report, config))
    return report


def _stacked(artifact: Artifact, name: str, config: EmbeddingConfig) -> Array:
    """Both sides of an array, `[N, d]`."""
    first = np.asarray(artifact.array(name))
    if config.kind == "undirected":
        return first
    return np.concatenate((first, artifact.array(f"{name}.to")))


def _write(
    artifact: Artifact,
    writer: ArtifactWriter,
    grown: _Grown,
    config: EmbeddingConfig,
    arrays: dict[str, Array],
    fresh: Array,
) -> None:
    grown.rows.save(writer, "vertices")
    if config.kind == "two-mode":
        grown.columns.save(writer, "elements")
    n = len(grown.rows)
    for name, values in arrays.items():
        whole = grown.spread(_stacked(artifact, name, config))
        whole[fresh] = values
        writer.array(name, whole[:n])
        if config.kind != "undirected":
            writer.array(f"{name}.to", whole[n:])
    if config.propagate == 0:
        writer.array("log_q", grown.spread(np.asarray(artifact.array("log_q"))))
    piece_of = grown.spread(np.asarray(artifact.array("parts")), ISOLATED)
    piece_of[fresh[arrays["vectors"].any(axis=1)]] = ADDED
    writer.array("parts", piece_of)
    writer.adopt(artifact, "partition.json")


def _manifest(
    old: Manifest, grown: _Grown, graph: Graph, report: ChangeReport, config: EmbeddingConfig
) -> Manifest:
    counts = {
        **old.counts,
        "vertices": len(grown.rows),
        "elements": len(grown.columns),
        "edges": old.counts["edges"] + report.details["edges_used"],
        "added": old.counts["added"] + report.added,
    }
    additions = sum(name.startswith("added") for name in old.inputs)
    return replace(
        old, inputs={**old.inputs, f"added{additions + 1}": graph.digest()}, counts=counts
    )
