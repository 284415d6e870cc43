"""Neighbor sampling: small graphs around seed vertices of one large graph.

GraphSAGE (arXiv 1706.02216): hop by hop, each new vertex keeps `fanout` of its in-neighbors, drawn
uniformly without replacement. All vertices of a hop are drawn at once by Floyd's algorithm, in
`fanout` steps for any degrees: O(vertices x fanout^2).

PyG's `NeighborLoader` needs further compiled packages; this needs torch alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.checks import integer
from graphagg.errors import InvalidDataset, InvalidParameter
from graphagg.nn.segments import check_index, offsets
from graphagg.nn.training.data.graphs import ragged_ranges


@dataclass(frozen=True)
class Sample:
    """A subgraph around seeds."""

    vertices: Tensor  # `[n]` int64, ids in the large graph; seeds come first
    edges: Tensor  # `[m]` int64, distinct ids of edges of the large graph
    edge_index: Tensor  # `[2, m]` int64, in the sample's own numbering


class NeighborSampler:
    """Draws samples from one graph.

    Args:
        edge_index: `[2, E]` int64; messages flow from row 0 to row 1, so the neighbors of v are
            the sources of the edges that end in v.
        vertices: N.
        fanouts: neighbors per vertex in the first hop, the second, ...

    Raises:
        InvalidBatch: an id is out of range.
        InvalidParameter: no fan-out, or one below 1.

    Examples:
        >>> import torch
        >>> from graphagg.nn.training import NeighborSampler
        >>> star = torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0]])
        >>> sample = NeighborSampler(star, 5, [2]).sample(torch.tensor([0]))
        >>> len(sample.vertices), len(sample.edges)  # the center, and two of its neighbors
        (3, 2)
    """

    def __init__(self, edge_index: Tensor, vertices: int, fanouts: Sequence[int]) -> None:
        if not fanouts:
            raise InvalidParameter("fanouts is empty, wanted at least one")
        self.fanouts = tuple(integer("fanouts", fanout, 1) for fanout in fanouts)
        targets = self._targets = check_index(edge_index[1], vertices)
        self._sources = check_index(edge_index[0], vertices)
        self._order = torch.argsort(targets, stable=True)
        degrees = torch.bincount(targets, minlength=vertices)
        self._ptr = offsets(degrees)
        self._local = torch.full((vertices,), -1, dtype=torch.int64)

    def sample(self, seeds: Tensor, generator: torch.Generator | None = None) -> Sample:
        """A sample around distinct `seeds` `[s]` int64; the same for equal generator states."""
        local = self._local
        vertices, edges, frontier = seeds, [seeds[:0]], seeds
        local[seeds] = torch.arange(len(seeds))
        for fanout in self.fanouts:
            drawn = self._draw(frontier, fanout, generator)
            edges.append(drawn)
            sources = self._sources[drawn]
            frontier = torch.unique(sources[local[sources] < 0])
            local[frontier] = len(vertices) + torch.arange(len(frontier))
            vertices = torch.cat([vertices, frontier])
        chosen = torch.cat(edges)
        index = torch.stack([local[self._sources[chosen]], local[self._targets[chosen]]])
        local[vertices] = -1
        return Sample(vertices, chosen, index)

    def _draw(self, vertices: Tensor, fanout: int, generator: torch.Generator | None) -> Tensor:
        first, degrees = self._ptr[vertices], self._ptr[vertices + 1] - self._ptr[vertices]
        small = degrees <= fanout
        at, _ = ragged_ranges(first[small], degrees[small])
        many, start = degrees[~small], first[~small]
        chosen = torch.full((len(many), fanout), -1, dtype=torch.int64)
        for step in range(fanout):
            # Floyd: if a position below j is drawn twice, take j instead.
            j = many - fanout + step
            random = torch.rand(len(many), generator=generator, dtype=torch.float64)
            pick = torch.minimum((random * (j + 1)).long(), j)
            again = (chosen[:, :step] == pick[:, None]).any(dim=1)
            chosen[:, step] = torch.where(again, j, pick)
        return self._order[torch.cat([at, (start[:, None] + chosen).view(-1)])]


def cut(graph: Data, sample: Sample, seeds: int) -> Data:
    """The sample as a graph, with its rows of vertices and of edges; `seeds` vertices come first.

    Scalars belong to the whole graph and stay. Raises `InvalidDataset` for an attribute of pairs of
    vertices, which cannot be sampled.
    """
    vertices, edges = int(graph.num_nodes or 0), graph.num_edges
    values: dict[str, Tensor] = {}
    for name, value in graph.to_dict().items():
        if name == "edge_index" or not isinstance(value, Tensor):
            continue
        if value.dim() == 0:
            values[name] = value
            continue
        if "index" in name or value.size(0) not in (vertices, edges):
            raise InvalidDataset(
                f"{name!r} belongs to pairs of vertices and cannot be sampled; "
                "train on the whole graph (fanouts = []) or take another encoding"
            )
        of_edges = value.size(0) == edges and (name.startswith("edge") or edges != vertices)
        values[name] = value[sample.edges if of_edges else sample.vertices]
    return Data(**values, edge_index=sample.edge_index, seeds=seeds)
