"""Exphormer: attention along the edges, along an expander graph, and through virtual nodes.

Paper: Exphormer: Sparse Transformers for Graphs (arXiv 2303.06147), section 3. A vertex attends to
its in-neighbors in the graph, in a random regular graph over the same vertices (an expander with
high probability, so any two vertices are O(log n) hops apart), and to virtual nodes that are joined
to every vertex. Each kind of edge has a learned vector that scales the product of query and key:

    a_ij = softmax_j( sum_c q_ic k_jc e_(kind of ij),c / sqrt(d) )

Departures:
- The expander is the union of random Hamiltonian cycles, each walked both ways; no draw is tested
  for its spectral gap, since the union is an expander with high probability and always connected.
- It is drawn from each graph's own content (`graph_seeds`), hence not from the batch. It depends
  on the numbering of the vertices, so the module is not permutation equivariant.
- The paper carries the state of virtual nodes from layer to layer. Here a layer keeps no state: its
  virtual nodes first read the graph by attention, starting from a learned vector, and hand out what
  they read in the same pass, by the same projections; so one layer moves what two do there.
- A vertex attends to itself as well, so that a vertex without edges has something to attend to.
- The scale of given edges is learned per channel, not computed from edge features: the protocol of
  attention has none.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from graphagg.checks import integer
from graphagg.nn.attention.base import ProjectedAttention
from graphagg.nn.attention.bias import PairBias
from graphagg.nn.attention.linear.kernel import widened
from graphagg.nn.attention.sparse.edges import edge_attention, edge_dot, segment_softmax
from graphagg.nn.attention.tiles import Tiles
from graphagg.nn.segments import Segments, graph_seeds, mix

_HASH_BITS = 40  # of a sort key, below the graph's number


class ExphormerAttention(ProjectedAttention):
    """Sparse attention, O((E + (2 cycles + virtual) N) C) time, O(N C + E H) memory.

    Args:
        channels: C.
        heads: H; must divide C.
        cycles: Hamiltonian cycles in the expander, which is regular of degree 2 * cycles; 0: none.
        virtual: virtual nodes per graph; 0: none.
        seed: mixed into the seed of each graph's expander.
        dropout: probability with which an attention weight is dropped in training.
        energy_gate: see `GraphAttention`.

    Raises:
        InvalidParameter: a negative count, or what `GraphAttention` raises.

    Examples:
        >>> import torch
        >>> from graphagg.nn.attention import ExphormerAttention
        >>> edges = torch.tensor([[0, 1, 3], [1, 2, 4]])
        >>> attend = ExphormerAttention(8, 2)
        >>> tuple(attend(torch.randn(5, 8), ptr=torch.tensor([0, 3, 5]), edge_index=edges).shape)
        (5, 8)
    """

    needs_edges: ClassVar[bool] = True
    equivariant: ClassVar[bool] = False

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        cycles: int = 3,
        virtual: int = 1,
        seed: int = 0,
        dropout: float = 0.0,
        energy_gate: bool = False,
    ) -> None:
        super().__init__(channels, heads, dropout=dropout, energy_gate=energy_gate)
        self.cycles, self.seed = integer("cycles", cycles, 0), seed
        self.nodes = torch.nn.Parameter(torch.empty(integer("virtual", virtual, 0), channels))
        # One scale for each kind: given edge, expander, the vertex itself, virtual node, reading.
        self.kinds = torch.nn.Parameter(torch.ones(5, heads, self.head_channels))
        torch.nn.init.normal_(self.nodes)

    def reset_parameters(self) -> None:
        """Draw the weights again."""
        super().reset_parameters()
        if hasattr(self, "nodes"):  # the base constructor calls this before there are any
            torch.nn.init.normal_(self.nodes)
            torch.nn.init.ones_(self.kinds)

    def attend(
        self, x: Tensor, graphs: Segments, edges: Tensor | None, bias: Tensor | PairBias | None
    ) -> Tensor:
        """Virtual nodes read, then every vertex attends to its in-neighbors of all kinds."""
        assert edges is not None
        queries, keys, values = (widened(tensor) for tensor in self.project(x))
        loops = torch.arange(x.shape[0], device=x.device).expand(2, -1)
        joins = [edges, expander(graphs, edges, self.cycles, self.seed), loops]
        if self.nodes.shape[0]:
            state = self._read(keys, values, graphs).to(x.dtype)
            _, node_keys, node_values = self.project(state.flatten(0, 1))
            keys = torch.cat([keys, node_keys.to(keys.dtype)])
            values = torch.cat([values, node_values.to(values.dtype)])
            joins.append(_node_edges(graphs, self.nodes.shape[0]))
        scales = self.kinds.to(queries.dtype) / math.sqrt(self.head_channels)
        scores = torch.cat(
            [
                edge_dot(queries * scale, keys, target, source)
                for scale, (source, target) in zip(scales, joins, strict=False)
            ]
        )
        source, target = torch.cat(joins, 1)
        dropout = self.dropout if self.training else 0.0
        mixed = edge_attention(scores, values, target, source, x.shape[0], dropout)
        out: Tensor = self.out_proj(mixed.to(x.dtype).flatten(1))
        return out

    def _read(self, keys: Tensor, values: Tensor, graphs: Segments) -> Tensor:
        """State of each graph's virtual nodes after they attended to its vertices: `[G, V, C]`."""
        count = self.nodes.shape[0]
        queries = widened(self.project(self.nodes)[0])
        scale = self.kinds[4].to(keys.dtype) / math.sqrt(self.head_channels)
        scores = torch.einsum("nhd,vhd->nhv", keys * scale, queries)
        weights = segment_softmax(scores.flatten(1), graphs.index, graphs.count)
        weights = weights.view(-1, self.heads, count)
        read = Tiles.of(graphs).outer(weights, values).transpose(1, 2).flatten(2)
        state: Tensor = self.nodes + self.out_proj(read.to(self.nodes.dtype))
        return state


def expander(graphs: Segments, edges: Tensor, cycles: int, seed: int) -> Tensor:
    """Random Hamiltonian cycles through each graph, walked both ways.

    Args:
        graphs: the batch, N vertices.
        edges: `[2, E]`, checked; with the size they are what a graph's seed is made of.
        cycles: number of cycles.
        seed: mixed into every graph's seed.

    Returns:
        `[2, 2 cycles N]` int64, less 2 cycles for each graph of one vertex: there are no loops.
    """
    seeds = graph_seeds(graphs, edges, seed)[graphs.index]
    rows = torch.arange(graphs.rows, device=graphs.index.device)
    local, last = rows - graphs.ptr[graphs.index], graphs.ptr[graphs.index + 1] - 1
    following = torch.where(rows == last, graphs.ptr[graphs.index], rows + 1)
    walks = [edges.new_zeros(2, 0)]
    for cycle in range(cycles):
        digest = mix(seeds + mix(local + (cycle << _HASH_BITS))) & ((1 << _HASH_BITS) - 1)
        order = ((graphs.index << _HASH_BITS) + digest).argsort(stable=True)
        walks.append(torch.stack([order, order[following]]))
    walk = torch.cat(walks, 1)
    walk = walk[:, walk[0] != walk[1]]
    return torch.cat([walk, walk.flip(0)], 1)


def _node_edges(graphs: Segments, count: int) -> Tensor:
    """Edges from the virtual nodes, numbered from N on, graph by graph, to the vertices."""
    nodes = torch.arange(count, device=graphs.index.device)
    source = graphs.rows + graphs.index[:, None] * count + nodes
    rows = torch.arange(graphs.rows, device=source.device)
    return torch.stack([source.flatten(), rows.repeat_interleave(count)])
