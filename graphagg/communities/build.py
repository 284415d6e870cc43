"""Computes the arrays of an index from a graph, for both engines; reads and writes nothing.

The files of an index of kind `communities`, for n vertices and (two-mode) m elements:

    vertices | vertices.utf8, .offsets     ids ascending; a vertex's number is its position
    elements | elements.utf8, .offsets     two-mode only
    sets.indptr, sets.indices              the set of each vertex, ascending, without itself
    holders.indptr, holders.indices        directed and two-mode: the transpose of `sets`
    signatures                             [n, K] uint16, low bits of the minima
    lsh.starts, lsh.directory, lsh.ids     band tables, see `lsh`
    sizes.order, sizes.bounds              vertices by the size of their sets, see `containment`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.communities.config import IndexConfig, QueryConfig
from graphagg.communities.opened import Opened, index_hashes
from graphagg.communities.query.containment import SizePartitions
from graphagg.communities.similarity.neighborhood import (
    TWO_MODE,
    UNDIRECTED,
    Neighborhoods,
    Sets,
)
from graphagg.graph.adjacency import transpose_pattern
from graphagg.graph.graph import Graph
from graphagg.kernels import kernel
from graphagg.minhash.bands import BandTables, BucketCounts, build_tables
from graphagg.minhash.signatures import signatures
from graphagg.progress import Progress, silent
from graphagg.store import ArtifactWriter
from graphagg.store.manifest import Manifest

KIND = "communities"
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class BuiltIndex:
    """Everything that the index directory holds."""

    graph: Graph
    config: IndexConfig
    hoods: Neighborhoods
    sig: Array
    tables: BandTables
    buckets: BucketCounts
    partitions: SizePartitions
    recomputed: int

    def save(self, writer: ArtifactWriter) -> None:
        """Write all data files."""
        self.graph.rows.save(writer, "vertices")
        if self.hoods.walk == TWO_MODE:
            self.graph.columns.save(writer, "elements")
        self.hoods.sets.save(writer, "sets")
        if self.hoods.walk != UNDIRECTED:
            self.hoods.holders.save(writer, "holders")
        writer.array("signatures", self.sig)
        self.tables.save(writer, "lsh")
        self.partitions.save(writer, "sizes")

    def manifest(self) -> Manifest:
        """Parameters, the graph's digest and counts; they depend on the graph alone."""
        isolated = int(np.count_nonzero(self.hoods.sets.degrees() == 0))
        return index_manifest(self.graph, self.config, self.buckets, isolated)


def index_manifest(
    graph: Graph,
    config: IndexConfig,
    buckets: BucketCounts,
    isolated: int,
    digest: str | None = None,
) -> Manifest:
    """The manifest of an index of a graph, by any engine.

    Args:
        graph: the graph.
        config: the parameters.
        buckets: of the tables.
        isolated: how many sets are empty.
        digest: the graph's, where it is known.
    """
    return Manifest(
        kind=KIND,
        parameters=config.to_json(),
        inputs={"graph": digest or graph.digest()},
        counts={
            "vertices": len(graph.rows),
            "elements": len(graph.columns),
            "edges": graph.edges,
            "isolated": isolated,
            "lsh_entries": buckets.entries,
            "lsh_largest_bucket": buckets.largest,
            "lsh_buckets_over_cap": buckets.over_cap,
        },
    )


def neighborhoods(graph: Graph, config: IndexConfig) -> Neighborhoods:
    """The sets that an index of this kind compares, and their inverse."""
    sets = holders = graph.adjacency
    if config.kind == "directed-in":
        sets = transpose_pattern(graph.adjacency)
    elif config.kind != "undirected":
        holders = transpose_pattern(graph.adjacency)
    return Neighborhoods.of(sets, holders, config)


def build_index(
    graph: Graph,
    config: IndexConfig,
    known: Sequence[Opened] = (),
    progress: Progress = silent,
) -> BuiltIndex:
    """Signatures, band tables and size partitions of a graph.

    Args:
        graph: of the kind that `config.kind` needs.
        config: parameters.
        known: indices of the same parameters, for the signatures of rows whose set is the same.
        progress: called after each block of rows and each stage.
    """
    hoods = neighborhoods(graph, config)
    n = hoods.sets.rows
    sig = np.empty((n, config.permutations), dtype=np.uint16)
    missing = np.ones(n, dtype=np.bool_)
    for version in known:
        _reuse(graph, hoods, version, sig, missing)
    todo = np.flatnonzero(missing)
    hashes = index_hashes(graph.rows, graph.columns, config)
    for at in range(0, len(todo), _ROWS_AT_ONCE):
        rows = todo[at : at + _ROWS_AT_ONCE]
        sig[rows] = signatures(hoods.sets, hashes, rows)
        progress("signatures", at + len(rows), len(todo))
    sizes = hoods.sets.degrees() + hoods.closed
    tables, buckets = build_tables(
        sig, sizes > 0, range(config.bands), config.rows, QueryConfig().bucket_cap
    )
    progress("bands", config.bands, config.bands)
    partitions = SizePartitions.of(sizes, config.partitions)
    return BuiltIndex(graph, config, hoods, sig, tables, buckets, partitions, len(todo))


def _reuse(graph: Graph, hoods: Neighborhoods, known: Opened, sig: Array, missing: Array) -> None:
    """Copy the signatures of rows whose set is the same as before."""
    before = known.vertices.positions(graph.rows)
    two_mode = graph.rows is not graph.columns
    renamed = (graph.columns if two_mode else graph.rows).positions(known.elements)
    same = np.zeros(len(before), dtype=np.bool_)
    _same_rows(hoods.bundle, known.hoods.bundle, before, renamed, same)
    rows = np.flatnonzero(same & missing)
    sig[rows] = known.sketches.of(before[rows])
    missing[rows] = False


@kernel
def _same_rows(sets: Sets, old: Sets, before: Array, renamed: Array, out: Array) -> None:
    """`out[v]`: whether the set is the one of vertex `before[v]` of the old graph.

    `renamed` is the new number of each old element. Ids ascend in both graphs, so the elements of
    equal sets are in the same order.
    """
    offsets, elements = sets.offsets, sets.elements
    old_offsets, old_elements = old.offsets, old.elements
    for vertex in range(len(before)):
        if before[vertex] < 0:  # a new vertex
            continue
        now = elements[offsets[vertex] : offsets[vertex + 1]]
        old_row = before[vertex]
        then = old_elements[old_offsets[old_row] : old_offsets[old_row + 1]]
        same = len(then) == len(now)
        i = 0
        while same and i < len(now):
            same = renamed[then[i]] == now[i]
            i += 1
        out[vertex] = same
