"""The stages of a community index after its graph: one text, in memory, over files and on Spark.

The files of an index of kind `communities`, for n vertices and (two-mode) m elements:

    vertices | vertices.utf8, .offsets     ids ascending; a vertex's number is its position
    elements | elements.utf8, .offsets     two-mode only
    sets.indptr, sets.indices              the set of each vertex, ascending, without itself
    holders.indptr, holders.indices        directed and two-mode: the transpose of `sets`
    sets.data, holders.data                with weights: float64, of each entry
    masses                                 with weights: [n, 3] float64, see `Neighborhoods`
    signatures                             [n, K] uint16, low bits of the minima
    lsh.starts, lsh.directory, lsh.ids     band tables, see `minhash.bands`

Ids and rows are there before: `graph.reading` makes them in memory, `graph.large` over files,
`build.spark` on a cluster, `build.changes` from an index and a change. Each step reads the same
numbers in the same order on every engine, so that all write the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array, Mask, offsets
from graphagg.communities.config import CommunityConfig
from graphagg.communities.indexing.loops import Loops
from graphagg.communities.query.planner import BUCKET_CAP
from graphagg.communities.snapshot import IndexGraph, Snapshot
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph
from graphagg.kernels import kernel
from graphagg.minhash.bands import BucketCounts, build_tables, directory_bits
from graphagg.minhash.signatures import Hashes, signatures
from graphagg.minhash.weighted import Draws, weighted_minima
from graphagg.spark.state import State
from graphagg.spark.tasks import Stats
from graphagg.store import Publication
from graphagg.store.artifact import is_current
from graphagg.store.manifest import Manifest
from graphagg.store.ranges import forget

KIND = "communities"
ARRAYS = (
    "vertices", "vertices.utf8", "vertices.offsets", "elements", "elements.utf8",
    "elements.offsets", "sets.indptr", "sets.indices", "sets.data", "holders.indptr",
    "holders.indices", "holders.data", "masses", "signatures", "lsh.starts", "lsh.directory",
    "lsh.ids",
)  # fmt: skip
ROWS_PER_STEP = 1 << 15
"""Sets that one step signs."""


@dataclass(frozen=True)
class Known:
    """Signatures of another index, for the sets that are the same there.

    Attributes:
        snapshot: the other index.
        vertices: `[n]` the number of each vertex there; -1: it has none.
        elements: the number here of each element there; -1 likewise.
    """

    snapshot: Snapshot
    vertices: Array
    elements: Array

    @classmethod
    def of(cls, snapshot: Snapshot, graph: IndexGraph) -> Known:
        """Compare the ids of another index with a graph's."""
        vertices = snapshot.vertices.positions(graph.vertices)
        return cls(snapshot, vertices, graph.elements.positions(snapshot.elements))

    def copy(self, sets: Csr, low: int, sig: Array, missing: Mask) -> None:
        """Copy the signatures of rows `low` to `low + len(sig) - 1`, and mark them in `missing`."""
        old, same = self.snapshot.hoods.sets, np.zeros(len(sig), dtype=np.bool_)
        before = self.vertices[low : low + len(sig)]
        _same_rows(
            sets.indptr[low:], sets.indices, old.indptr, old.indices, before, self.elements, same
        )
        if sets.data is not None and old.data is not None:
            _same_values(sets.indptr[low:], sets.data, old.indptr, old.data, before, same)
        rows = np.flatnonzero(same & missing)
        sig[rows] = self.snapshot.sketches.of(before[rows])
        missing[rows] = False
        forget(old.indices)


@dataclass(frozen=True)
class Engine:
    """The stages of an index.

    Attributes:
        config: the kind of graph, and the parameters.
        state: the arrays; ids and rows are there already.
        loops: how steps are run.
        hashes: gives the hashes of all elements.
    """

    config: CommunityConfig
    state: State
    loops: Loops
    hashes: Callable[[], Hashes]

    def publish(
        self, publication: Publication, graph: Graph, *, force: bool, others: Sequence[Known] = ()
    ) -> int:
        """Run all stages and publish the index, unless the directory holds it already.

        Args:
            publication: of the directory.
            graph: the graph whose ids and rows are there.
            force: build also where nothing changed.
            others: signatures of other indices of the same parameters, for equal sets.

        Returns:
            The number of sets that were signed, as no other index has them.
        """
        digest = self.loops.note("digest", graph.digest)
        inputs, parameters = {"graph": digest}, self.config.to_json()
        if not force and is_current(publication.location, KIND, inputs, parameters):
            return 0
        if self.config.weights:
            self.weigh()
        signed = self.sign(others)
        buckets = self.sort_bands()
        self.state.gather(publication.writer, ARRAYS)
        counts = {
            "vertices": len(graph.rows),
            "elements": len(graph.columns),
            "edges": graph.edges,
            "isolated": int(np.count_nonzero(np.diff(self.state.map("sets.indptr")) == 0)),
            "lsh_entries": buckets.entries,
            "lsh_largest_bucket": buckets.largest,
            "lsh_buckets_over_cap": buckets.over_cap,
        }
        publication.publish(
            Manifest(kind=KIND, parameters=parameters, inputs=inputs, counts=counts)
        )
        return signed

    def weigh(self) -> None:
        """Stage `weights`: the weight of each vertex in its own set, of its set, of its edges."""
        starts = range(0, self._count, ROWS_PER_STEP)
        self._create("masses", np.float64, (self._count, 3))
        directed = self.config.kind.startswith("directed")

        def step(i: int) -> Stats:
            low = starts[i]
            masses = np.zeros((min(starts.step, self._count - low), 3))
            sets = self._sets()
            _weigh(sets.indptr, sets.entries, low, bool(self.config.closed), masses)
            if directed:
                backward, holders = np.zeros_like(masses), self._rows("holders")
                _weigh(holders.indptr, holders.entries, low, False, backward)
                masses[:, 2] += backward[:, 1]
            self.state.write("masses", low, masses)
            return {}

        self.loops.each("weights", len(starts), step)

    def sign(self, others: Sequence[Known] = ()) -> int:
        """Stage `signatures`. Returns: the number of sets that no other index has."""
        count, permutations = self._count, self.config.permutations
        starts = range(0, count, ROWS_PER_STEP)
        self._create("signatures", np.uint16, (count, permutations))

        def step(i: int) -> Stats:
            sets, low = self._sets(), starts[i]
            high = min(low + starts.step, count)
            sig = np.empty((high - low, permutations), dtype=np.uint16)
            missing = np.ones(high - low, dtype=np.bool_)
            for other in others:
                other.copy(sets, low, sig, missing)
            rows = np.flatnonzero(missing)
            sig[rows] = self._signatures(sets, low + rows)
            self.state.write("signatures", low, sig)
            forget(sets.indices[sets.indptr[low] : sets.indptr[high]])
            return {"signed": len(rows)}

        return sum(stats["signed"] for stats in self.loops.each("signatures", len(starts), step))

    def _signatures(self, sets: Csr, rows: Array) -> Array:
        """Sign some sets by their weights, or as they are."""
        config, hashes = self.config, self.hashes()
        if not config.weights:
            return signatures(sets, hashes, rows)
        draws = Draws.of(config.permutations, config.hash_seed)
        masses = self.state.map("masses")
        return weighted_minima(sets, masses, hashes, draws, rows, np.uint16)

    def sort_bands(self) -> BucketCounts:
        """Stage `bands`: the LSH tables. Returns: the counts of their buckets."""
        bands, rows, width = self.config.bands, self.config.rows, self.loops.bands_per_step
        self._create("lsh.directory", np.uint32, (bands, (1 << directory_bits(self._count)) + 1))

        def step(i: int) -> tuple[Stats, Array]:
            some = range(i * width, min((i + 1) * width, bands))
            degrees = np.diff(self.state.map("sets.indptr"))
            filled, sig = degrees + bool(self.config.closed) > 0, self.state.map("signatures")
            tables, counts = build_tables(sig, filled, some, rows, BUCKET_CAP)
            self.state.write("lsh.directory", some.start, tables.directory)
            lengths = zip(map(str, some), np.diff(tables.starts).tolist(), strict=True)
            return {**dict(lengths), "largest": counts.largest, "over": counts.over_cap}, tables.ids

        stats = self.loops.join("bands", "lsh.ids", np.int32, -(-bands // width), step)
        starts = offsets([stats[band // width][str(band)] for band in range(bands)])
        self.state.create("lsh.starts", np.int64, starts.shape)
        self.state.write("lsh.starts", 0, starts)
        largest = max(each["largest"] for each in stats)
        return BucketCounts(int(starts[-1]), largest, sum(each["over"] for each in stats))

    @property
    def _count(self) -> int:
        return len(self.state.map("sets.indptr")) - 1

    def _sets(self) -> Csr:
        return self._rows("sets")

    def _rows(self, name: str) -> Csr:
        values = self.state.map(f"{name}.data") if self.config.weights else None
        return Csr(self.state.map(f"{name}.indptr"), self.state.map(f"{name}.indices"), values, 0)

    def _create(self, name: str, dtype: type, shape: tuple[int, ...]) -> None:
        """Make an array, unless an earlier run of this build made it and wrote into it."""
        self.loops.note(f"{name}.made", lambda: self.state.create(name, dtype, shape))


@kernel
def _weigh(offsets: Array, weights: Array, low: int, closed: bool, masses: Array) -> None:
    """Write the weights of the rows from `low` on; see `Neighborhoods.masses`."""
    for i in range(len(masses)):
        largest = total = 0.0
        for j in range(offsets[low + i], offsets[low + i + 1]):
            largest = max(largest, weights[j])
            total += weights[j]
        if closed:
            masses[i, 0] = largest if largest > 0.0 else 1.0
        masses[i, 1] = masses[i, 2] = total


@kernel
def _same_values(
    offsets: Array, values: Array, old_offsets: Array, old_values: Array, before: Array, same: Array
) -> None:
    """Clear `same[i]` where row i has other values than row `before[i]` of the old matrix."""
    for i in range(len(before)):
        if same[i]:
            shift = old_offsets[before[i]] - offsets[i]
            for j in range(offsets[i], offsets[i + 1]):
                if values[j] != old_values[j + shift]:
                    same[i] = False


@kernel
def _same_rows(
    offsets: Array, columns: Array, old_offsets: Array, old_columns: Array, before: Array,
    renumbered: Array, out: Array,
) -> None:  # fmt: skip
    """`out[i]`: whether row i is row `before[i]` of the old matrix; -1: there is none.

    `renumbered` is the new number of each old column. Ids ascend in both graphs, so that columns
    of equal rows are in the same order.
    """
    for i in range(len(before)):
        row = before[i]
        if row < 0:
            continue
        low, old_low = offsets[i], old_offsets[row]
        length = offsets[i + 1] - low
        same = length == old_offsets[row + 1] - old_low
        j = 0
        while same and j < length:
            same = renumbered[old_columns[old_low + j]] == columns[low + j]
            j += 1
        out[i] = same
