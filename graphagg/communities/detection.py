"""The communities of a whole graph: a partition of its vertices, without seeds or an index.

The method is Leiden: `graphagg.graph.leiden`. docs/results/communities.md compares it with peers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Unpack, get_args

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.checks import integer, number, one_of
from graphagg.communities.config import QualityFunction
from graphagg.communities.warm_start import PartitionChanges, keep_numbers, start_labels
from graphagg.errors import InvalidParameter
from graphagg.graph.adjacency import expand_rows, scipy_sparse
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, GraphKind
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.graph.leiden import by_size, leiden
from graphagg.graph.reading.settings import WeightedReadingOptions
from graphagg.graph.weights import load_weighted
from graphagg.tables import Exportable, ids_column, networkx_module

if TYPE_CHECKING:
    import networkx
    import pyarrow


@dataclass(frozen=True, repr=False)
class Partition(Exportable):
    """The communities of a graph; each vertex is in one.

    Attributes:
        graph: the graph.
        weights: `[nnz]` of its adjacency; None: all 1.
        labels: `[n]` int64 community of each vertex, in the order of `vertices`; 0 is the largest,
            or the numbers of a start are kept and later ones added.
        modularity: share of the edges inside communities, minus the share expected by chance.
        changes: how the communities of a start changed, if there was one.

    Examples:
        >>> partition = detect([("a", "b"), ("c", "d")])
        >>> partition.communities(), len(partition), partition.modularity
        ([['a', 'b'], ['c', 'd']], 2, 0.5)
        >>> partition.to_arrow().column_names, partition.to_pandas().shape[0]
        (['vertex', 'community'], 4)
        >>> partition.to_networkx().number_of_edges(), "communities" in partition.to_json()
        (2, True)
        >>> from tempfile import mkdtemp
        >>> partition.save(mkdtemp() + "/partition.csv")
    """

    graph: Graph
    weights: Array | None
    labels: Ints
    modularity: float
    changes: PartitionChanges | None = None

    def __repr__(self) -> str:
        return (
            f"Partition({len(self)} communities of {len(self.vertices):,} vertices, "
            f"modularity {self.modularity:.3f})"
        )

    @property
    def vertices(self) -> Sequence[VertexId]:
        """Ids of the vertices, ascending; two-mode: of the sets, then of the elements."""
        sides = list(_sides(self.graph).values())
        return sides[0] if len(sides) == 1 else [*sides[0], *sides[1]]

    @property
    def numbers(self) -> Ints:
        """The number of each community, ascending."""
        return np.unique(self.labels)

    @property
    def sizes(self) -> Ints:
        """Number of vertices of each community, in the order of `numbers`."""
        return np.bincount(self.labels)[self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    def communities(self) -> list[list[VertexId]]:
        """The members of each community, in the order of `numbers`."""
        order, ids = np.argsort(self.labels, kind="stable"), self.vertices
        groups = np.split(order, np.cumsum(self.sizes)[:-1])
        return [[ids[i] for i in group.tolist()] for group in groups]

    def to_arrow(self) -> pyarrow.Table:
        """Make a table of one row per vertex: `vertex`, `community`, and `side` if two-mode."""
        import pyarrow as pa

        sides = _sides(self.graph)
        columns = [ids_column(list(ids)) for ids in sides.values()]
        if len({column.type for column in columns}) > 1:
            columns = [column.cast(pa.string()) for column in columns]
        table = pa.table({"vertex": pa.concat_arrays(columns), "community": self.labels})
        if len(sides) == 1:
            return table
        return table.append_column("side", [np.repeat(list(sides), [*map(len, sides.values())])])

    def to_networkx(self) -> networkx.Graph:
        """Make a networkx graph; nodes carry `community`, edges their `weight` if there are any."""
        directed, two_mode = self.graph.kind == "directed", self.graph.kind == "two-mode"
        graph: networkx.Graph = (
            networkx_module().DiGraph() if directed else networkx_module().Graph()
        )
        ids, (first, second) = list(self.vertices), self.graph.pairs()
        if len(set(ids)) < len(ids):
            raise InvalidParameter(
                "a set and an element have the same id, wanted ids that differ; write .csv, or "
                "rename the elements"
            )
        for vertex, label in zip(ids, self.labels.tolist(), strict=True):
            graph.add_node(vertex, community=label)
        shift = len(self.graph.rows) if two_mode else 0
        ends = [
            (ids[a], ids[shift + b]) for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ]
        graph.add_edges_from(ends)
        if self.weights is not None:
            once: Any = slice(None)
            if self.graph.kind == "undirected":
                once = expand_rows(self.graph.adjacency) < self.graph.adjacency.indices
            weights = dict(zip(ends, self.weights[once].tolist(), strict=True))
            networkx_module().set_edge_attributes(graph, weights, "weight")
        return graph

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`."""
        return {
            "vertices": len(self.vertices),
            "modularity": self.modularity,
            "sizes": self.sizes.tolist(),
            "numbers": self.numbers.tolist(),
            "communities": self.communities(),
            "changes": None if self.changes is None else asdict(self.changes),
        }


def detect(
    edges: Any,
    *,
    kind: GraphKind = "undirected",
    objective: QualityFunction = "modularity",
    resolution: float = 1.0,
    start: Any = None,
    random_state: int = 0,
    vertices: Iterable[VertexId] = (),
    **reading: Unpack[WeightedReadingOptions],
) -> Partition:
    """Partition a whole graph into connected communities; equal input gives equal communities.

    Args:
        edges: anything that `graphagg.graph.load_weighted` takes.
        kind: `undirected`: a pair in both directions is one edge with the summed weight;
            `directed`: chance follows the directions; `two-mode`: sets and elements are in
            communities together.
        objective: `modularity`, or `cpm`: a community gains by edges that are denser than the
            resolution, whatever the size of the graph (constant Potts model).
        resolution: larger gives more and smaller communities; of `cpm` a density.
        start: a partition to begin from: what `detect` returned or wrote (.csv, .parquet), a table
            of `vertex` and `community`, or `{vertex: community}`. Communities that continue keep
            their numbers, and `changes` of the result lists the others.
        random_state: seed of the order in which vertices are visited.
        vertices: vertices without edges; each is a community of its own.
        reading: fields of `graphagg.graph.WeightedReading`.

    Examples:
        >>> before = detect([(1, 2), (2, 3), (1, 3), (4, 5)])
        >>> before.sizes.tolist()
        [3, 2]
        >>> after = detect([(1, 2), (2, 3), (1, 3), (4, 5), (4, 6), (5, 6), (6, 7)], start=before)
        >>> after.sizes.tolist(), after.changes.describe()
        ([3, 4], ['vertices with another number: 0'])
    """
    partitions = sweep(
        edges, [resolution], kind=kind, objective=objective, start=start,
        random_state=random_state, vertices=vertices, **reading,
    )  # fmt: skip
    return partitions[resolution]


def sweep(
    edges: Any,
    resolutions: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    *,
    kind: GraphKind = "undirected",
    objective: QualityFunction = "modularity",
    start: Any = None,
    random_state: int = 0,
    vertices: Iterable[VertexId] = (),
    **reading: Unpack[WeightedReadingOptions],
) -> dict[float, Partition]:
    """Partition a graph at several resolutions; see `detect`.

    Examples:
        >>> parts = sweep([(1, 2), (2, 3), (1, 3), (3, 4), (4, 5), (4, 6), (5, 6)], [0.1, 1.0])
        >>> {resolution: len(partition) for resolution, partition in parts.items()}
        {0.1: 1, 1.0: 2}
    """
    graph, weights = read_edges(
        edges, resolutions, kind, objective, random_state, vertices, reading
    )
    return {
        each: partition(
            graph, weights, objective=objective, resolution=each, start=start,
            random_state=random_state,
        )
        for each in resolutions
    }  # fmt: skip


def read_edges(
    edges: Any,
    resolutions: Sequence[float],
    kind: GraphKind,
    objective: QualityFunction,
    random_state: int,
    vertices: Iterable[VertexId],
    reading: WeightedReadingOptions,
) -> tuple[Graph, Array | None]:
    """Check the parameters of `detect`, and load its graph with its weights."""
    for resolution in resolutions:
        number("resolution", resolution, above=0)
    one_of("objective", objective, get_args(QualityFunction))
    integer("random_state", random_state, 0, 2**32 - 1)
    return load_weighted(edges, kind, vertices=vertices, **reading)


def _sides(graph: Graph) -> dict[str, VertexIds]:
    """The ids of the vertices; in a two-mode graph of each side."""
    if graph.kind == "two-mode":
        return {"set": graph.rows, "element": graph.columns}
    return {"vertex": graph.rows}


def partition(
    graph: Graph,
    weights: Array | None = None,
    *,
    objective: QualityFunction = "modularity",
    resolution: float = 1.0,
    start: Any = None,
    random_state: int = 0,
) -> Partition:
    """Partition a loaded graph with a weight for each entry of its adjacency; see `detect`.

    Examples:
        >>> from graphagg.graph import load_graph
        >>> len(partition(load_graph([(1, 2), (3, 4)])))
        2
    """
    matrix = _square(graph, weights)
    degrees = np.stack([np.asarray(matrix.sum(axis=axis)).ravel() for axis in (1, 0)], axis=1)
    total = float(matrix.sum())
    # An undirected edge stands in `both` once per end, a directed one once in each direction.
    factor = resolution / 2 if graph.kind == "undirected" else resolution
    masses, gamma = degrees, factor / max(total, 1e-300)
    if objective == "cpm":
        begins, ends = np.ones((2, len(degrees)))
        if graph.kind == "two-mode":
            begins[len(graph.rows) :] = ends[: len(graph.rows)] = 0.0
        masses, gamma, resolution = np.stack([begins, ends], axis=1), factor, 1.0
    both = matrix if graph.kind == "undirected" else (matrix + matrix.T).tocsr()
    rows = _rows(both)
    begin = earlier = None
    if start is not None:  # a vertex that the start does not have begins alone
        earlier, numbers = start_labels(start, _sides(graph))
        alone = 1 + earlier.max(initial=-1) + np.arange(len(earlier))
        begin = np.unique(np.where(earlier < 0, alone, earlier), return_inverse=True)[1]
    labels = by_size(leiden(rows, masses, gamma, random_state=random_state, start=begin))
    inside = float(both.data[labels[expand_rows(rows)] == labels[rows.indices]].sum())
    inside *= 1.0 if graph.kind == "undirected" else 0.5
    begun, ended = (np.bincount(labels, degrees[:, side]) for side in (0, 1))
    quality = (inside - resolution * float(begun @ ended) / total) / total if total else 0.0
    if earlier is None:
        return Partition(graph, weights, labels, quality)
    labels, changes = keep_numbers(earlier, numbers, labels)
    return Partition(graph, weights, labels, quality, changes)


def _rows(matrix: Any) -> Csr:
    """The rows of a square SciPy matrix, as Leiden takes them."""
    return Csr(matrix.indptr.astype(np.int64), matrix.indices, matrix.data, matrix.shape[0])


def _square(graph: Graph, weights: Array | None) -> Any:
    """One SciPy matrix of all vertices, from row to column, without edges of weight 0."""
    adjacency = graph.adjacency
    values = np.ones(len(adjacency.indices)) if weights is None else weights.astype(np.float64)
    shape = (adjacency.rows, adjacency.columns)
    rows = (values, adjacency.indices, adjacency.indptr)
    matrix = scipy_sparse().csr_matrix(rows, shape=shape).copy()
    matrix.eliminate_zeros()
    if graph.kind == "two-mode":
        sets, size = adjacency.rows, adjacency.rows + adjacency.columns
        matrix.resize((size, size))
        matrix.indices += sets
    return matrix
