"""The graph of an index, and one mapped version of an index with all data that a query reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.communities.config import GRAPH_KIND, CommunityConfig
from graphagg.communities.query.expansion import Expander
from graphagg.communities.query.planner import SignatureTables
from graphagg.communities.similarity.neighborhoods import Neighborhoods
from graphagg.errors import ArtifactError, InvalidSeeds
from graphagg.graph.adjacency import transpose
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexId, VertexIds, id_list, id_rules
from graphagg.minhash.bands import BandTables, directory_bits
from graphagg.minhash.signatures import Hashes, HashFamily, mix
from graphagg.store import Artifact
from graphagg.store.layout import array, bounds, csr
from graphagg.store.ranges import at_random, is_large
from graphagg.store.writing import ArrayWriter


@dataclass(frozen=True)
class IndexGraph:
    """The graph of an index."""

    config: CommunityConfig  # the kind of graph, and the parameters
    vertices: VertexIds  # ids; the dense number of a vertex is its position
    # ids of the set members: elements (two-mode), otherwise the vertices themselves
    elements: VertexIds
    neighborhoods: Neighborhoods  # the sets, their inverse, and the raw graph

    @classmethod
    def of(cls, graph: Graph, config: CommunityConfig) -> IndexGraph:
        """Derive the sets that an index compares, and their inverse, from a graph in memory."""
        sets = holders = graph.adjacency
        if config.kind == "directed-in":
            sets = transpose(graph.adjacency)
        elif config.kind != "undirected":
            holders = transpose(graph.adjacency)
        return cls(config, graph.rows, graph.columns, Neighborhoods.of(sets, holders, config))

    @classmethod
    def read(
        cls, config: CommunityConfig, array: Callable[[str], Array], exists: Callable[[str], bool]
    ) -> IndexGraph:
        """Map the arrays that `save` wrote; `array` and `exists` take the name of an array."""
        elements = vertices = VertexIds.read("vertices", array, exists)
        if config.kind == "two-mode":
            elements = VertexIds.read("elements", array, exists)
        holders = sets = Csr.read("sets", array, len(elements))
        if config.kind != "undirected":
            holders = Csr.read("holders", array, len(vertices))
        return cls(config, vertices, elements, Neighborhoods.of(sets, holders, config))

    def save(self, writer: ArrayWriter) -> None:
        """Write ids and rows."""
        self.vertices.save(writer, "vertices")
        if self.config.kind == "two-mode":
            self.elements.save(writer, "elements")
        self.neighborhoods.sets.save(writer, "sets")
        if self.config.kind != "undirected":
            self.neighborhoods.holders.save(writer, "holders")

    @property
    def adjacency(self) -> Csr:
        """The rows of the graph, with out-neighbors; the holders if sets hold in-neighbors."""
        return (
            self.neighborhoods.holders
            if self.config.kind == "directed-in"
            else self.neighborhoods.sets
        )

    def graph(self, report: ReadReport | None = None) -> Graph:
        """Return the graph in the form of `load_graph`."""
        kind = GRAPH_KIND[self.config.kind]
        return Graph(kind, self.vertices, self.elements, self.adjacency, report or ReadReport())

    def hashes(self) -> Hashes:
        """Hash the elements, and the vertices if sets are closed."""
        family = HashFamily(self.config.permutations, self.config.hash_seed)
        return Hashes.of(mix(self.elements.tokens()), self.config.closed, family)


@dataclass(frozen=True)
class CommunitySnapshot(IndexGraph):
    """The mapped arrays of one version. An answer keeps them when the index is reopened."""

    artifact: Artifact  # the version on disk
    signature_tables: SignatureTables  # signatures and band tables

    @classmethod
    def open(cls, artifact: Artifact) -> CommunitySnapshot:
        """Map the arrays of a version."""
        try:
            config = CommunityConfig(**artifact.manifest.parameters)
        except TypeError as error:
            raise ArtifactError(
                f"{artifact.directory}: another version of graphagg wrote this index ({error}); "
                "build it again"
            ) from None
        _declare(artifact, config)
        graph = IndexGraph.read(config, artifact.array, lambda name: f"{name}.npy" in artifact)
        signature_tables = SignatureTables(
            artifact.array("signatures"), BandTables.open(artifact, "lsh", config.rows)
        )
        neighborhoods = graph.neighborhoods
        if is_large(sum(file.bytes for file in artifact.manifest.files.values())):
            # A query reads only a few rows and buckets.
            tables = [signature_tables.sig, signature_tables.tables]
            at_random([neighborhoods.sets, neighborhoods.holders, *tables])
        return cls(
            config, graph.vertices, graph.elements, neighborhoods, artifact, signature_tables
        )

    @cached_property
    def expander(self) -> Expander:
        """The expander, which ranks vertices by their closeness to seeds."""
        return Expander(self.neighborhoods, self.signature_tables)

    def find(self, vertex: VertexId) -> int:
        """Find the dense number of a vertex; the error `UnknownVertex` lists the closest ids."""
        return self.vertices.known(vertex)

    def find_seeds(self, seeds: VertexId | Iterable[VertexId]) -> Ints:
        """Find the distinct dense numbers of seeds; raises like `CommunityIndex.query`."""
        ids = id_list("seeds", seeds)
        vertices = np.array(list(dict.fromkeys(map(self.find, ids))), dtype=np.int64)
        if not len(vertices):
            raise InvalidSeeds("`seeds` is empty, expected at least one vertex")
        if not self.neighborhoods.degrees(vertices).any():
            names = ", ".join(repr(self.vertices[int(i)]) for i in vertices[:3])
            raise InvalidSeeds(f"none of the seeds has a neighbor ({names}); add another seed")
        return vertices


def _declare(artifact: Artifact, config: CommunityConfig) -> None:
    """Declare the arrays of a version: n vertices, m elements."""
    rules, elements = id_rules(artifact, "vertices", "n"), "n"
    if config.kind == "two-mode":
        elements = "m"
        rules += id_rules(artifact, "elements", elements)
    rules += csr("sets", "n", elements)
    if config.kind != "undirected":
        rules += csr("holders", elements, "n")
    rules.append(array("signatures", "<u2", "n", config.permutations))
    vertices = artifact.declare(rules)["n"]
    directory = (config.bands, (1 << directory_bits(vertices)) + 1)
    artifact.declare([
        bounds("lsh.starts", config.bands, "entries"),
        array("lsh.directory", "<u4", *directory),
        array("lsh.ids", "<i4", "entries", least=0, below="n"),
    ])  # fmt: skip
