"""Change an index: merge the rows, then run the stages of a build.

Unchanged sets keep their signatures; changed sets get new ones, and the bands are sorted again. The
result is byte-identical to a build of the changed graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from graphagg.arrays import Ints, offsets
from graphagg.communities.indexing.engine import IndexBuild, KnownSignatures
from graphagg.communities.similarity.neighborhoods import Neighborhoods
from graphagg.communities.snapshot import CommunitySnapshot, IndexGraph
from graphagg.execution.arrays import ArrayStore, FileArrays, MemoryArrays
from graphagg.execution.blocks import Blocks
from graphagg.execution.runner import InProcessRunner
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph
from graphagg.graph.merging import Renumbering, merge_rows
from graphagg.progress import Progress
from graphagg.store import Publication
from graphagg.store.changes import ChangeReport
from graphagg.store.work import FolderStorage

LARGE = 1 << 22
"""From this number of entries in the rows on, a change uses files instead of memory."""


@dataclass(frozen=True)
class GraphChange:
    """A change to the graph of an index."""

    rows: Renumbering  # vertices after the change; new numbers of the old ones and of `other`
    columns: Renumbering  # the same for elements; the same object unless two-mode
    other: Neighborhoods  # the sets and holders to add, or to remove if `subtract`
    subtract: bool  # whether entries of `other` are removed
    edges: int = 0  # edges of `other`

    @classmethod
    def adding(cls, before: IndexGraph, other: IndexGraph) -> GraphChange:
        """Return a change that adds the vertices and edges of another graph."""
        rows = columns = Renumbering.union(before.vertices, other.vertices)
        if before.config.kind == "two-mode":
            columns = Renumbering.union(before.elements, other.elements)
        return cls(rows, columns, other.neighborhoods, subtract=False)

    @classmethod
    def removing_edges(cls, before: IndexGraph, removed: Graph) -> GraphChange:
        """Return a change that removes the edges of another graph; their vertices stay."""
        other = IndexGraph.of(removed, before.config)
        rows = columns = Renumbering.of_first(before.vertices, other.vertices)
        if before.config.kind == "two-mode":
            columns = Renumbering.of_first(before.elements, other.elements)
        return cls(rows, columns, other.neighborhoods, subtract=True, edges=removed.edges)

    @classmethod
    def removing_vertices(cls, before: IndexGraph, vertices: Sequence[int]) -> GraphChange:
        """Return a change that removes vertices with their edges."""
        none = before.vertices.select(np.zeros(len(before.vertices), dtype=np.bool_))
        stay = np.ones(len(before.vertices), dtype=np.bool_)
        stay[np.array(vertices, dtype=np.int64)] = False
        rows = columns = Renumbering.of_first(before.vertices, none).selected(stay)
        if before.config.kind == "two-mode":
            columns = Renumbering.of_first(before.elements, none)
        empty = Csr(np.zeros(1, np.int64), np.zeros(0, np.int32), None, 0)
        other = Neighborhoods.of(empty, empty, before.config)
        return cls(rows, columns, other, subtract=True)

    def write(self, before: IndexGraph, arrays: ArrayStore) -> IndexGraph:
        """Write the changed ids and rows; return the graph with mapped arrays."""
        config, columns = before.config, self.columns
        if config.kind != "undirected":
            holders = self._write_rows(before, arrays, "holders", columns, self.rows)
        if config.kind == "two-mode":
            columns = columns.selected(holders > 0)  # drop elements that are in no set
            arrays.writer.array("holders.indptr", offsets(holders[holders > 0]))
            columns.ids.save(arrays.writer, "elements")
        self._write_rows(before, arrays, "sets", self.rows, columns)
        self.rows.ids.save(arrays.writer, "vertices")
        return IndexGraph.read(config, arrays.map, arrays.exists)

    def _write_rows(
        self,
        before: IndexGraph,
        arrays: ArrayStore,
        name: str,
        rows: Renumbering,
        columns: Renumbering,
    ) -> Ints:
        """Write the merged rows range by range; return the length of each row."""
        first, second = (getattr(each, name) for each in (before.neighborhoods, self.other))
        size, lengths = arrays.append(f"{name}.indices", np.int32, 0, np.zeros(0, np.int32)), []
        for some, merged in merge_rows(first, second, rows, columns, subtract=self.subtract):
            size = arrays.append(f"{name}.indices", np.int32, size, merged)
            lengths.append(some)
        joined = np.concatenate([np.zeros(0, np.int64), *lengths])
        arrays.writer.array(f"{name}.indptr", offsets(joined))
        return joined


def apply(
    publication: Publication, before: CommunitySnapshot, change: GraphChange, progress: Progress
) -> ChangeReport:
    """Publish the index of the changed graph; `before` is the newest version."""
    over_files = int(before.neighborhoods.sets.indptr[-1]) >= LARGE
    with publication.scratch() as scratch:
        arrays: ArrayStore = MemoryArrays()
        if over_files:
            arrays = FileArrays(publication.writer.folder, Blocks(FolderStorage(scratch)))
        after = change.write(before, arrays)
        graph, old_vertices = after.graph(), len(before.vertices)
        build = IndexBuild(before.config, arrays, InProcessRunner(progress), cache(after.hashes))
        known = KnownSignatures.from_index(before, after)
        signed = build.publish(publication, graph, force=True, known=known)
    old_edges = before.graph().edges
    grown = graph.edges - old_edges
    details = {
        "vertices_added": max(len(after.vertices) - old_vertices, 0),
        "vertices_removed": max(old_vertices - len(after.vertices), 0),
        "not_found": change.edges + grown if change.edges else 0,
        "signatures_recomputed": signed,
    }
    return ChangeReport(added=max(grown, 0), removed=max(-grown, 0), details=details)
