"""A graph as an index holds it: ids, the set of each vertex, and the holders of each element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphagg.arrays import Array
from graphagg.communities.config import GRAPH_KIND, IndexConfig
from graphagg.communities.similarity.neighborhood import Neighborhoods
from graphagg.graph.adjacency import transpose
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexIds
from graphagg.minhash.signatures import Hashes, HashFamily, mix
from graphagg.store import ArtifactWriter
from graphagg.store.strings import StringTable


@dataclass(frozen=True)
class IndexGraph:
    """The graph of an index.

    Attributes:
        config: the kind of graph, and the parameters.
        vertices: ids; the dense number of a vertex is its position.
        elements: ids of what the sets hold: elements (two-mode), else the vertices themselves.
        hoods: the sets, their inverse, and the raw graph.
    """

    config: IndexConfig
    vertices: VertexIds
    elements: VertexIds
    hoods: Neighborhoods

    @classmethod
    def of(cls, graph: Graph, config: IndexConfig) -> IndexGraph:
        """Take the sets that an index compares, and their inverse, from a graph in memory."""
        sets = holders = graph.adjacency
        if config.kind == "directed-in":
            sets = transpose(graph.adjacency)
        elif config.kind != "undirected":
            holders = transpose(graph.adjacency)
        return cls(config, graph.rows, graph.columns, Neighborhoods.of(sets, holders, config))

    @classmethod
    def read(
        cls, config: IndexConfig, array: Callable[[str], Array], exists: Callable[[str], bool]
    ) -> IndexGraph:
        """Map the arrays that `save` wrote.

        Args:
            config: the parameters.
            array: gives an array by its name.
            exists: whether there is an array of a name.
        """

        def ids(name: str) -> VertexIds:
            if exists(name):
                return VertexIds(array(name))
            return VertexIds(StringTable(array(f"{name}.utf8"), array(f"{name}.offsets")))

        def rows(name: str, columns: int) -> Csr:
            return Csr(array(f"{name}.indptr"), array(f"{name}.indices"), None, columns)

        elements = vertices = ids("vertices")
        if config.kind == "two-mode":
            elements = ids("elements")
        holders = sets = rows("sets", len(elements))
        if config.kind != "undirected":
            holders = rows("holders", len(vertices))
        return cls(config, vertices, elements, Neighborhoods.of(sets, holders, config))

    def save(self, writer: ArtifactWriter) -> None:
        """Write ids and rows."""
        self.vertices.save(writer, "vertices")
        if self.config.kind == "two-mode":
            self.elements.save(writer, "elements")
        self.hoods.sets.save(writer, "sets")
        if self.config.kind != "undirected":
            self.hoods.holders.save(writer, "holders")

    @property
    def adjacency(self) -> Csr:
        """The rows of the graph, which lists out-neighbors: the holders of sets of in-neighbors."""
        return self.hoods.holders if self.config.kind == "directed-in" else self.hoods.sets

    def graph(self, report: ReadReport | None = None) -> Graph:
        """The graph as readers give it."""
        kind = GRAPH_KIND[self.config.kind]
        return Graph(kind, self.vertices, self.elements, self.adjacency, report or ReadReport())

    def hashes(self) -> Hashes:
        """Hash the elements, and the vertices where sets are closed."""
        family = HashFamily(self.config.permutations, self.config.hash_seed)
        return Hashes.of(mix(self.elements.tokens()), self.config.closed, family)
