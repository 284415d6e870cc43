"""One version of a community index, mapped: everything that a query and its answer read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Ints
from graphagg.communities.config import IndexConfig
from graphagg.communities.graph import IndexGraph
from graphagg.communities.query.containment import SizePartitions
from graphagg.communities.query.expansion import Expander
from graphagg.communities.query.planner import Sketches
from graphagg.errors import ArtifactError, InvalidSeeds
from graphagg.graph.ids import VertexId
from graphagg.minhash.bands import BandTables
from graphagg.store import Artifact
from graphagg.store.ranges import at_random, is_large


@dataclass(frozen=True)
class Snapshot(IndexGraph):
    """The mapped arrays of one version. An answer keeps them while the index moves on.

    Attributes:
        artifact: the version on disk.
        expander: ranks vertices by their closeness to seeds.
    """

    artifact: Artifact
    expander: Expander

    @classmethod
    def open(cls, artifact: Artifact) -> Snapshot:
        """Map the arrays of a version.

        Raises:
            ArtifactError: an older version of graphagg wrote it in a form that is read no more.
        """
        if "pending.touched.npy" in artifact:
            raise ArtifactError(
                f"{artifact.directory}: the index holds edges that an older version of graphagg "
                "added without signing them, wanted signatures of all vertices; build it again"
            )
        config = IndexConfig(**artifact.manifest.parameters)
        graph = IndexGraph.read(config, artifact.array, lambda name: f"{name}.npy" in artifact)
        sketches = Sketches(
            artifact.array("signatures"), BandTables.open(artifact, "lsh", config.rows)
        )
        hoods = graph.hoods
        if is_large(sum(file.bytes for file in artifact.manifest.files.values())):
            # A query reads a few rows and buckets.
            at_random([hoods.sets, hoods.holders, sketches.sig, sketches.tables])
        expander = Expander(hoods, sketches, SizePartitions.open(artifact, "sizes"))
        return cls(config, graph.vertices, graph.elements, hoods, artifact, expander)

    @property
    def sketches(self) -> Sketches:
        """Signatures and band tables."""
        return self.expander.sketches

    def find(self, vertex: VertexId) -> int:
        """Find the dense number of a vertex; `UnknownVertex` names the closest ids."""
        return self.vertices.known(vertex)

    def find_seeds(self, seeds: Sequence[VertexId]) -> Ints:
        """Find the dense numbers of seeds, without repeats; raises as `CommunityIndex.query`."""
        if isinstance(seeds, str | bytes) or not hasattr(seeds, "__iter__"):
            raise InvalidSeeds(f"seeds are {seeds!r}, wanted a list of vertices")
        vertices = np.array(list(dict.fromkeys(map(self.find, seeds))), dtype=np.int64)
        if not len(vertices):
            raise InvalidSeeds("no seeds, wanted at least one vertex; name one (--seed VERTEX)")
        if not self.hoods.degrees(vertices).any():
            names = ", ".join(repr(self.vertices[int(i)]) for i in vertices[:3])
            raise InvalidSeeds(
                f"no seed has a neighbor ({names}), wanted one at least; add another seed"
            )
        return vertices
