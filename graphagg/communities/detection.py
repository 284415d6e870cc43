"""Partitions a whole graph, without seeds or an index, and updates the partition after changes.

The method is Leiden: `graphagg.graph.leiden`. docs/results/communities.md compares it with peers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Unpack, get_args

import numpy as np

from graphagg.arrays import Array, Doubles, Mask, offsets
from graphagg.checks import integer, number, one_of
from graphagg.communities.config import QualityFunction
from graphagg.communities.partitions import Partition, sides_of
from graphagg.communities.warm_start import keep_numbers, start_labels
from graphagg.errors import InvalidParameter
from graphagg.graph.adjacency import expand_rows, transpose
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, GraphKind
from graphagg.graph.ids import VertexId, id_list
from graphagg.graph.leiden import CONVERGE, ITERATIONS, by_size, leiden, settle
from graphagg.graph.leiden_kernels import added, quality
from graphagg.graph.merging import change_rows
from graphagg.graph.reading.settings import WeightedReadingOptions
from graphagg.graph.weights import load_weighted

REVIEW = 0.02
"""`update` visits all levels again when the changes exceed this share of the edge weight."""


def detect(
    edges: Any,
    *,
    kind: GraphKind = "undirected",
    objective: QualityFunction = "modularity",
    resolution: float = 1.0,
    iterations: int = ITERATIONS,
    restarts: int = 1,
    start: Any = None,
    fixed: Iterable[VertexId] = (),
    random_state: int = 0,
    vertices: Iterable[VertexId] = (),
    key_added: str | None = None,
    **reading: Unpack[WeightedReadingOptions],
) -> Partition:
    """Partition a whole graph into connected communities; the result is deterministic.

    Args:
        edges: anything that `graphagg.graph.load_weighted` accepts.
        kind: `undirected`: a pair in both directions is one edge with the summed weight;
            `directed`: the expected weight depends on the directions; `two-mode`: sets and
            elements are in communities together.
        objective: `modularity`, or `cpm` (constant Potts model), which finds communities that are
            denser than the resolution, regardless of the size of the graph.
        resolution: a larger value gives more and smaller communities; for `cpm` it is a density.
        iterations: iterations of Leiden; -1: until the partition no longer improves, which takes
            about ten times as long.
        restarts: partitions to compute, with the seeds `random_state`, `random_state + 1`, ...; the
            best one is returned, and its `restarts` has the quality of each.
        start: an earlier partition: a result of `detect`, its file (.csv, .parquet), a table with
            the columns `vertex` and `community`, or `{vertex: community}`. Communities that
            continue keep their numbers, and `changes` of the result lists the other ones.
        fixed: vertices of the start that keep their community, even if it becomes disconnected.
        random_state: seed of the order in which vertices are visited.
        vertices: vertices without edges; each becomes its own community.
        key_added: with an AnnData object: the column of `obs` for the communities, as in scanpy.
            Its edges are `obsp["connectivities"]`, and its vertices are row numbers.
        reading: fields of `graphagg.graph.WeightedReading`.

    Examples:
        >>> before = detect([(1, 2), (2, 3), (1, 3), (4, 5)])
        >>> before.sizes.tolist()
        [3, 2]
        >>> after = detect([(1, 2), (2, 3), (1, 3), (4, 5), (4, 6), (5, 6), (6, 7)], start=before)
        >>> after.sizes.tolist(), after.changes.describe()
        ([3, 4], ['vertices with another number: 0'])
    """
    integer("iterations", iterations, CONVERGE)
    integer("restarts", restarts, 1)
    integer("random_state", random_state, 0, 2**32 - restarts)
    graph, weights = load_weighted(edges, kind, vertices=vertices, **reading)
    found = partition(
        graph, weights, objective=objective, resolution=resolution, iterations=iterations,
        restarts=restarts, start=start, fixed=fixed, random_state=random_state,
    )  # fmt: skip
    if key_added is not None:
        if not hasattr(edges, "obs"):
            raise InvalidParameter(
                f"`key_added` is {key_added!r}, but edges are a {type(edges).__name__}, expected "
                "an AnnData object; leave it out"
            )
        import pandas as pd  # type: ignore[import-untyped, unused-ignore]

        names = map(str, found.numbers.tolist())
        edges.obs[key_added] = pd.Categorical(found.labels.astype(str), list(names))
    return found


def partition(
    graph: Graph,
    weights: Array | None = None,
    *,
    objective: QualityFunction = "modularity",
    resolution: float = 1.0,
    iterations: int = ITERATIONS,
    restarts: int = 1,
    start: Any = None,
    fixed: Iterable[VertexId] = (),
    random_state: int = 0,
) -> Partition:
    """Partition a loaded graph with a weight for each entry of its adjacency; see `detect`.

    Examples:
        >>> from graphagg.graph import load_graph
        >>> len(partition(load_graph([(1, 2), (3, 4)])))
        2
    """
    number("resolution", resolution, above=0)
    one_of("objective", objective, get_args(QualityFunction))
    problem = Problem.of(graph, weights, objective, resolution)
    begin = earlier = mask = None
    if start is not None:  # a vertex that is not in `start` begins alone
        earlier, numbers = start_labels(start, sides_of(graph))
        alone = 1 + earlier.max(initial=-1) + np.arange(len(earlier))
        begin = np.where(earlier < 0, alone, earlier)
    if stay := id_list("fixed", fixed):
        mask = _fixed(graph, stay, earlier)
    tries = []
    for seed in range(random_state, random_state + restarts):
        labels = leiden(
            problem.rows, problem.masses, problem.gamma, iterations=iterations, start=begin,
            fixed=mask, random_state=seed,
        )  # fmt: skip
        tries.append((problem.quality(labels), labels))
    best, labels = max(tries, key=lambda each: each[0])
    modularity = best if objective == "modularity" else problem.modularity(labels)
    result = Partition(
        graph, weights, by_size(labels), modularity, None, objective, resolution,
        tuple(each for each, _ in tries) if restarts > 1 else (),
    )  # fmt: skip
    if earlier is None:
        return result
    labels, changes = keep_numbers(earlier, numbers, result.labels, mask)
    return replace(result, labels=labels, changes=changes)


def _fixed(graph: Graph, vertices: Sequence[VertexId], earlier: Array | None) -> Mask:
    """Return a mask `[n]` of the vertices that keep their community."""
    masks = []
    for side in sides_of(graph).values():
        places = [place for place in map(side.find, vertices) if place is not None]
        masks.append(np.isin(np.arange(len(side)), places))
    mask: Mask = np.concatenate(masks)
    if earlier is None or (mask & (earlier < 0)).any() or mask.sum() < len(set(vertices)):
        raise InvalidParameter(
            "`fixed` has vertices without a community, expected vertices in `start` and the graph"
        )
    return mask


class Problem(NamedTuple):
    """The graph that Leiden partitions, and the parameters of its objective."""

    rows: Csr  # symmetric: every edge appears in the rows of both its ends
    masses: Doubles  # `[n, 2]`
    gamma: float
    degrees: Doubles  # `[n, 2]` out- and in-degrees
    gamma_of_degrees: float  # gamma of modularity
    scale: float  # converts a quality to a share of the edges

    @classmethod
    def of(
        cls, graph: Graph, weights: Array | None, objective: QualityFunction, resolution: float
    ) -> Problem:
        """Build the problem of a graph."""
        undirected = graph.kind == "undirected"
        rows, degrees = _symmetric(graph, weights)
        total, factor = float(degrees[:, 0].sum()), 0.5 if undirected else 1.0
        masses, gamma = degrees, factor * resolution / max(total, 1e-300)
        of_degrees, scale = gamma, 1.0 / (factor * max(total, 1e-300))
        if objective == "cpm":
            masses, gamma, of_degrees = (
                np.ones_like(degrees),
                factor * resolution,
                gamma / resolution,
            )
            if graph.kind == "two-mode":
                masses[len(graph.rows) :, 0] = masses[: len(graph.rows), 1] = 0.0
        return cls(rows, masses, gamma, degrees, of_degrees, scale)

    def quality(self, labels: Array) -> float:
        """Return the objective of a partition, as a share of the edges."""
        return self._scaled(labels, self.masses, self.gamma)

    def modularity(self, labels: Array) -> float:
        """Return the modularity of a partition."""
        return self._scaled(labels, self.degrees, self.gamma_of_degrees)

    def _scaled(self, labels: Array, masses: Doubles, gamma: float) -> float:
        rows = self.rows.indptr, self.rows.indices, self.rows.entries
        return self.scale * float(quality(rows, masses, labels.astype(np.int32), gamma))


def _symmetric(graph: Graph, weights: Array | None) -> tuple[Csr, Doubles]:
    """Return symmetric rows of all vertices, without edges of weight 0, and the degrees."""
    adjacency = graph.adjacency
    values = np.ones(len(adjacency.indices)) if weights is None else weights.astype(np.float64)
    if graph.kind == "undirected" and (weights is None or values.all()):
        rows = replace(adjacency, data=values)
        sums = np.diff(rows.indptr).astype(np.float64)
        if weights is not None:
            running = np.append(0.0, np.cumsum(values))
            sums = running[rows.indptr[1:]] - running[rows.indptr[:-1]]
        return rows, np.stack([sums, sums], axis=1)
    owners, columns, used = expand_rows(adjacency), adjacency.indices, values != 0
    sets = adjacency.rows if graph.kind == "two-mode" else 0
    owners, columns, values = owners[used], columns[used] + np.int32(sets), values[used]
    size = adjacency.columns + sets
    matrix = Csr(offsets(np.bincount(owners, minlength=size)), columns, values, size)
    sides = [np.bincount(each, values, size).astype(np.float64) for each in (owners, columns)]
    degrees = np.stack(sides, axis=1)
    if graph.kind == "undirected":
        return matrix, degrees
    back = transpose(matrix)
    both = added(
        (matrix.indptr, matrix.indices, matrix.entries), (back.indptr, back.indices, back.entries)
    )
    return Csr(*both, size), degrees


def update(
    before: Partition, added: Any = (), removed: Any = (), **reading: Unpack[WeightedReadingOptions]
) -> Partition:
    """Update a partition after some edges changed; the cost grows with the number of changes.

    It visits the vertices of changed edges, and then the neighbors of vertices that move. When
    changes exceed the share `REVIEW` of the edge weight, Leiden visits all levels once, as `detect`
    with a start does. The idea to visit only changed parts is from HIT-Leiden (arXiv 2601.08554),
    which keeps the parts of all levels. The rest of the time is spent on copies of the rows.

    Args:
        before: the result of `detect` or `update`.
        added: edges to add; weights add up. New vertices are added to the graph.
        removed: edges to remove, regardless of their weight; vertices stay.
        reading: fields of `graphagg.graph.WeightedReading`.

    Examples:
        >>> before = detect([(1, 2), (2, 3), (1, 3), (4, 5)])
        >>> after = update(before, added=[(4, 6), (5, 6)], removed=[(1, 2)])
        >>> after.communities(), after.changes.describe()
        ([[1, 2, 3], [4, 5, 6]], ['vertices with another number: 0'])
    """
    weighted = before.weights is not None
    options: Any = {"ids": "auto" if before.graph.rows.is_integer else "string"} | reading
    options |= {"weighted": weighted}
    more, less = (
        load_weighted(edges, before.graph.kind, allow_empty=True, **options)
        for edges in (added, removed)
    )
    changed = change_rows(before.graph, before.weights, more, less[0])
    graph, weights = changed.graph, changed.weights
    problem = Problem.of(graph, weights, before.objective, before.resolution)
    earlier = np.full(len(problem.degrees), -1, np.int64)
    earlier[changed.numbers] = before.labels
    begin = np.where(earlier < 0, np.cumsum(earlier < 0) + before.labels.max(initial=-1), earlier)
    begin = (
        np.unique(begin, return_inverse=True)[1] if begin.max(initial=0) >= len(begin) else begin
    )
    total = max(float(problem.degrees[:, 0].sum()), 1e-300)
    pending = before.pending + changed.weight / total
    if pending > REVIEW:
        pending = 0.0
        labels = leiden(problem.rows, problem.masses, problem.gamma, start=begin, review=True)
    else:
        labels, _ = settle(
            problem.rows, problem.masses, problem.gamma, begin.astype(np.int32), changed.touched
        )
    modularity = problem.modularity(labels)
    labels, changes = keep_numbers(earlier, before.numbers, labels)
    return Partition(
        graph, weights, labels, modularity, changes,
        before.objective, before.resolution, (), pending,
    )  # fmt: skip
