"""The stages of a community build that follow the graph: in memory, over files and on Spark.

The files of an index of kind `communities`, for n vertices and (two-mode) m elements:

    vertices | vertices.utf8, .offsets     ids ascending; a vertex's number is its position
    elements | elements.utf8, .offsets     two-mode only
    sets.indptr, sets.indices              the set of each vertex, ascending, without itself
    holders.indptr, holders.indices        directed and two-mode: the transpose of `sets`
    signatures                             [n, K] uint16, low bits of the minima
    lsh.starts, lsh.directory, lsh.ids     band tables, see `minhash.bands`

Ids and rows are written first: by `graph.reading` in memory, by `graph.large` over files, by
`indexing.spark` on a cluster, by `indexing.changes` after a change. Each task reads the same
numbers in the same order everywhere, so all builds write the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.communities.config import CommunityConfig
from graphagg.communities.query.planner import BUCKET_CAP
from graphagg.communities.snapshot import CommunitySnapshot, IndexGraph
from graphagg.execution.arrays import ArrayStore, TaskArrays
from graphagg.execution.runner import Stats, TaskRunner
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph
from graphagg.minhash.bands import BANDS_AT_ONCE, BucketCounts, build_tables, directory_bits
from graphagg.minhash.signatures import Hashes, signatures
from graphagg.store import Publication
from graphagg.store.artifact import is_current
from graphagg.store.manifest import Manifest
from graphagg.store.ranges import forget

KIND = "communities"
ARRAYS = (
    "vertices", "vertices.utf8", "vertices.offsets", "elements", "elements.utf8",
    "elements.offsets", "sets.indptr", "sets.indices", "holders.indptr", "holders.indices",
    "signatures", "lsh.starts", "lsh.directory", "lsh.ids",
)  # fmt: skip
BANDS, IDS, STARTS = "bands", "lsh.ids", "lsh.starts"
ROWS_PER_TASK = 1 << 15
"""Number of sets whose signatures one task computes."""


@dataclass(frozen=True)
class KnownSignatures:
    """Signatures of another index. They are copied for sets that are equal in both."""

    snapshot: CommunitySnapshot  # the other index
    vertices: Array  # `[n]` number of each vertex in the other index; -1: missing there
    elements: Array  # number in this graph of each element of the other index; -1: missing here

    @classmethod
    def from_index(cls, snapshot: CommunitySnapshot, graph: IndexGraph) -> KnownSignatures:
        """Match the ids of another index to those of a graph."""
        vertices = snapshot.vertices.positions(graph.vertices)
        return cls(snapshot, vertices, graph.elements.positions(snapshot.elements))

    def copy(self, sets: Csr, low: int, sig: Array, missing: Mask) -> None:
        """Copy known signatures of rows from `low` on to `sig`; clear them in `missing`."""
        old, before = self.snapshot.neighborhoods.sets, self.vertices[low : low + len(sig)]
        rows = np.flatnonzero(missing & (before >= 0))
        lengths, old_lengths = np.diff(sets.indptr[low:]), old.degrees()
        rows = rows[lengths[rows] == old_lengths[before[rows]]]
        # Ids ascend in both graphs, so equal rows list their columns in the same order.
        owners, columns = sets.gather(low + rows)
        other = self.elements[old.indices[old.places(before[rows])]] != columns
        rows = np.delete(rows, owners[other])
        sig[rows] = self.snapshot.signature_tables.of(before[rows])
        missing[rows] = False
        forget(old.indices)


@dataclass(frozen=True)
class IndexBuild:
    """The stages of a community index."""

    config: CommunityConfig  # the kind of graph, and the parameters
    arrays: ArrayStore  # contains ids and rows; the stages add the other arrays
    runner: TaskRunner  # runs the tasks
    hashes: Callable[[], Hashes]  # returns the hashes of all elements
    bands_per_task: int = BANDS_AT_ONCE  # LSH bands that one task sorts

    def publish(
        self,
        publication: Publication,
        graph: Graph,
        *,
        force: bool,
        known: KnownSignatures | None = None,
    ) -> int:
        """Run all stages and publish the index of `graph`, whose ids and rows are in `arrays`.

        A directory with the same index is not changed unless `force`. Signatures of equal sets are
        copied from `known`. Returns the number of sets whose signature was computed.
        """
        digest = self.runner.note("digest", graph.digest)
        inputs, parameters = {"graph": digest}, self.config.to_json()
        if not force and is_current(publication.location, KIND, inputs, parameters):
            return 0
        signed = self.sign(known)
        buckets = self.sort_bands()
        self.arrays.gather(publication.writer, ARRAYS)
        counts = {
            "vertices": len(graph.rows),
            "elements": len(graph.columns),
            "edges": graph.edges,
            "isolated": int(np.count_nonzero(np.diff(self.arrays.map("sets.indptr")) == 0)),
            "lsh_entries": buckets.entries,
            "lsh_largest_bucket": buckets.largest,
            "lsh_buckets_over_cap": buckets.over_cap,
        }
        publication.publish(Manifest(KIND, parameters, inputs, counts=counts))
        return signed

    def sign(self, known: KnownSignatures | None = None) -> int:
        """Run stage `signatures`; return the number of sets that were not copied from `known`."""
        count, permutations = self._count, self.config.permutations
        starts = range(0, count, ROWS_PER_TASK)
        self._create("signatures", np.uint16, (count, permutations))

        def sign(i: int) -> Stats:
            sets, low = Csr.read("sets", self.arrays.map, 0), starts[i]
            high = min(low + starts.step, count)
            sig = np.empty((high - low, permutations), dtype=np.uint16)
            missing = np.ones(high - low, dtype=np.bool_)
            if known is not None:
                known.copy(sets, low, sig, missing)
            rows = np.flatnonzero(missing)
            sig[rows] = signatures(sets, self.hashes(), low + rows)
            self.arrays.write("signatures", low, sig)
            forget(sets.indices[sets.indptr[low] : sets.indptr[high]])
            return {"signed": len(rows)}

        return sum(stats["signed"] for stats in self.runner.run(len(starts), sign, "signatures"))

    def sort_bands(self) -> BucketCounts:
        """Run stage `bands`, which builds the LSH tables; return the counts of their buckets."""
        bands, rows, width = self.config.bands, self.config.rows, self.bands_per_task
        self._create("lsh.directory", np.uint32, (bands, (1 << directory_bits(self._count)) + 1))
        of_tasks = TaskArrays(self.arrays.blocks, BANDS)

        def sort(i: int) -> Stats:
            finished = of_tasks.known(i)
            if finished is not None:
                return finished
            some = range(i * width, min((i + 1) * width, bands))
            degrees = np.diff(self.arrays.map("sets.indptr"))
            filled, sig = degrees + bool(self.config.closed) > 0, self.arrays.map("signatures")
            tables, counts = build_tables(sig, filled, some, rows, BUCKET_CAP)
            self.arrays.write("lsh.directory", some.start, tables.directory)
            arrays = {IDS: tables.ids, STARTS: tables.starts}
            return of_tasks.save(i, arrays, largest=counts.largest, over=counts.over_cap)

        def join() -> None:
            of_tasks.join(self.runner, stats, self.arrays, [IDS, STARTS], {STARTS: IDS})

        stats = self.runner.run(-(-bands // width), sort, BANDS)
        self.runner.note(f"{IDS}.made", join)
        self.arrays.blocks.remove(BANDS)
        largest = max(each["largest"] for each in stats)
        entries = len(self.arrays.map(IDS))
        return BucketCounts(entries, largest, sum(each["over"] for each in stats))

    @property
    def _count(self) -> int:
        return len(self.arrays.map("sets.indptr")) - 1

    def _create(self, name: str, dtype: type, shape: tuple[int, ...]) -> None:
        """Create an array, unless an earlier run of this build created it."""
        self.runner.note(f"{name}.made", lambda: self.arrays.create(name, dtype, shape))
