"""One version of a community index, opened: everything that a query and its answer read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Ints
from graphagg.communities.config import GRAPH_KIND, IndexConfig
from graphagg.communities.query.containment import SizePartitions
from graphagg.communities.query.expansion import Expander
from graphagg.communities.query.planner import Sketches
from graphagg.communities.similarity.neighborhood import Neighborhoods
from graphagg.errors import ArtifactError, InvalidSeeds
from graphagg.graph.csr import Csr
from graphagg.graph.graph import Graph, ReadReport
from graphagg.graph.ids import VertexId, VertexIds
from graphagg.minhash.bands import BandTables
from graphagg.minhash.signatures import Hashes, HashFamily
from graphagg.store import Artifact
from graphagg.store.paging import at_random, is_large


def index_hashes(vertices: VertexIds, elements: VertexIds, config: IndexConfig) -> Hashes:
    """The hashes of elements, and of vertices where sets are closed."""
    family = HashFamily(config.permutations, config.hash_seed)
    tokens = elements.tokens()
    own = tokens if vertices is elements else vertices.tokens()
    return Hashes.of(tokens, own if config.closed else None, family)


@dataclass(frozen=True)
class Opened:
    """The mapped arrays of one version. An answer keeps them while the index moves on.

    Attributes:
        artifact: the version on disk.
        config: the kind of graph, and the parameters.
        vertices: ids; the dense number of a vertex is its position.
        elements: ids of what the sets hold: elements (two-mode), else the vertices themselves.
        expander: ranks vertices by their closeness to seeds.
    """

    artifact: Artifact
    config: IndexConfig
    vertices: VertexIds
    elements: VertexIds
    expander: Expander

    @classmethod
    def read(cls, artifact: Artifact) -> Opened:
        """Map the arrays that `BuiltIndex.save` wrote."""
        config = IndexConfig(**artifact.manifest.parameters)
        if "pending.touched.npy" in artifact:
            raise ArtifactError(
                f"{artifact.directory}: the index holds edges that an older version of graphagg "
                "added without signing them, wanted signatures of all vertices; build it again"
            )
        elements = vertices = VertexIds.open(artifact, "vertices")
        if config.kind == "two-mode":
            elements = VertexIds.open(artifact, "elements")
        holders = sets = Csr.open(artifact, "sets", len(elements))
        if config.kind != "undirected":
            holders = Csr.open(artifact, "holders", len(vertices))
        hoods = Neighborhoods.of(sets, holders, config)
        sketches = (artifact.array("signatures"), BandTables.open(artifact, "lsh", config.rows))
        if is_large(sum(file.bytes for file in artifact.manifest.files.values())):
            at_random([sets, holders, sketches])  # a query reads a few rows and buckets
        expander = Expander(hoods, Sketches(*sketches), SizePartitions.open(artifact, "sizes"))
        return cls(artifact, config, vertices, elements, expander)

    @property
    def hoods(self) -> Neighborhoods:
        """The sets, their inverse, and the raw graph."""
        return self.expander.hoods

    @property
    def sketches(self) -> Sketches:
        """Signatures and band tables."""
        return self.expander.sketches

    @property
    def adjacency(self) -> Csr:
        """The rows of the graph."""
        # A graph lists out-neighbors; the sets of `directed-in` are the in-neighbors.
        inward = self.config.kind == "directed-in"
        return self.hoods.holders if inward else self.hoods.sets

    def graph(self) -> Graph:
        """The graph that the index was built from."""
        kind = GRAPH_KIND[self.config.kind]
        return Graph(kind, self.vertices, self.elements, self.adjacency, ReadReport())

    def find(self, vertex: VertexId) -> int:
        """The dense number of a vertex; `UnknownVertex` names the closest ids."""
        return self.vertices.known(vertex)

    def find_seeds(self, seeds: Sequence[VertexId]) -> Ints:
        """The dense numbers of seeds, without repeats; raises as `CommunityIndex.query` does."""
        if isinstance(seeds, str | bytes) or not hasattr(seeds, "__iter__"):
            raise InvalidSeeds(f"seeds are {seeds!r}, wanted a list of vertices")
        numbers = np.array(list(dict.fromkeys(map(self.find, seeds))), dtype=np.int64)
        if not len(numbers):
            raise InvalidSeeds("no seeds, wanted at least one vertex; name one (--seed VERTEX)")
        if not self.hoods.degrees(numbers).any():
            names = ", ".join(repr(self.vertices[int(i)]) for i in numbers[:3])
            raise InvalidSeeds(
                f"no seed has a neighbor ({names}), wanted one at least; add another seed"
            )
        return numbers
