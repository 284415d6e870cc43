"""Counts at a vertex: its degree, and the cycles through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data

from graphagg.arrays import Array, Ints
from graphagg.errors import InvalidParameter
from graphagg.kernels import kernel
from graphagg.nn.encodings.base import Encoding
from graphagg.nn.encodings.structure import laplace_structure, walk_structure
from graphagg.nn.settings import check_sizes

_LENGTHS = range(3, 9)


@dataclass(frozen=True)
class Degree(Encoding):
    """`degree` `[N, 1]`: the weights of the edges into a vertex, or their number, summed.

    Edges that point at the vertex count, those whose messages it gets; on an undirected graph, that
    is every edge. Self-loops count once, repeated edges each. O(E).

    Attributes:
        weighted: sum `edge_weight`; by default an edge counts 1.
        log: write log(1 + degree).
        dtype: of the attributes written.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import Degree
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> Degree(log=False)(path).degree.flatten().tolist()
        [1.0, 2.0, 1.0]
    """

    names: ClassVar[tuple[str, ...]] = ("degree",)
    weighted: bool = False
    log: bool = False
    dtype: torch.dtype = torch.float32

    def encode(self, data: Data) -> dict[str, npt.NDArray[Any]]:
        """`degree` of `data`."""
        structure = walk_structure(data)  # checks the edges and the weights
        if self.weighted:
            sums = np.bincount(structure.indices, structure.weights, structure.vertices)
        else:
            sums = np.bincount(data.edge_index[1].cpu().numpy(), None, structure.vertices)
        degree = sums.astype(np.float64)[:, None]
        return {"degree": np.log1p(degree) if self.log else degree}


@dataclass(frozen=True)
class CycleCounts(Encoding):
    """`cycles` `[N, c]`: number of simple cycles of each length through a vertex, exact.

    Of the undirected graph without self-loops, repeated edges and weights. With A its adjacency and
    d its degrees, and (A^2)_ij the paths of length 2 between i and j:

        3  (A^3)_ii / 2
        4  sum over j != i of (A^2)_ij ((A^2)_ij - 1) / 2, j the vertex opposite
        5  ((A^5)_ii - sum_j A_ij (A^3)_jj - 2 sum_j A_ij d_j (A^2)_ij + (5 - 2 d_i) (A^3)_ii) / 2

    (closed walks less those that repeat a vertex; Harary and Manvel 1971, per vertex). They cost
    the entries within two hops of each vertex. Lengths 6 to 8 are enumerated, each cycle once, from
    its smallest vertex: O(N d^(length - 1)) for degree d, for molecules and the like.

    Attributes:
        lengths: of the cycles, each in 3..8, ascending.
        log: write log(1 + count).
        dtype: of the attributes written.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.encodings import CycleCounts
        >>> around = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
        >>> triangle = CycleCounts(log=False)(Data(edge_index=around, num_nodes=3))
        >>> triangle.cycles[0].tolist()  # of length 3, 4, 5 and 6
        [1.0, 0.0, 0.0, 0.0]
    """

    names: ClassVar[tuple[str, ...]] = ("cycles",)
    lengths: tuple[int, ...] = (3, 4, 5, 6)
    log: bool = False
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, lengths=(3, 8))
        if not self.lengths or list(self.lengths) != sorted(set(self.lengths)):
            raise InvalidParameter(f"lengths is {self.lengths}, wanted some of 3 to 8, ascending")

    def encode(self, data: Data) -> dict[str, npt.NDArray[Any]]:
        """`cycles` of `data`."""
        graph = laplace_structure(data)
        counts = np.zeros((graph.vertices, _LENGTHS.stop), dtype=np.int64)
        counts[:, 3:6] = _short_cycles(graph.indptr, graph.indices)
        if self.lengths[-1] > 5:
            counts[:, 6:] = _long_cycles(graph.indptr, graph.indices, self.lengths[-1])[:, 6:]
        cycles = counts[:, list(self.lengths)].astype(np.float64)
        return {"cycles": np.log1p(cycles) if self.log else cycles}


@kernel
def _short_cycles(indptr: Ints, indices: Array) -> Any:
    """Cycles of length 3, 4 and 5 through each vertex, `[N, 3]`; see `CycleCounts`."""
    size = len(indptr) - 1
    cycles = np.zeros((size, 3), dtype=np.int64)
    closed = np.zeros(size, dtype=np.int64)  # (A^3)_ii
    paths = np.zeros(size, dtype=np.int64)  # row i of A^2, 0 again at the end of each i
    ball = np.empty(size, dtype=np.int64)
    for i in range(size):
        count = _two_steps(indptr, indices, i, paths, ball)
        for e in range(indptr[i], indptr[i + 1]):
            u = indices[e]
            closed[i] += paths[u]
            cycles[i, 2] -= 2 * (indptr[u + 1] - indptr[u]) * paths[u]
        for t in range(count):
            u = ball[t]
            cycles[i, 1] += paths[u] * (paths[u] - 1) // 2
            # (A^5)_ii = sum over u, f of (A^2)_iu A_uf (A^2)_fi.
            for f in range(indptr[u], indptr[u + 1]):
                cycles[i, 2] += paths[u] * paths[indices[f]]
        # The ball holds i itself, which is opposite to no vertex of a cycle through i.
        cycles[i, 1] -= paths[i] * (paths[i] - 1) // 2
        for t in range(count):
            paths[ball[t]] = 0
    # The formula for length 5 reads (A^3)_jj of the neighbors, so it waits for all of them.
    for i in range(size):
        cycles[i, 0] = closed[i] // 2
        cycles[i, 2] += (5 - 2 * (indptr[i + 1] - indptr[i])) * closed[i]
        for e in range(indptr[i], indptr[i + 1]):
            cycles[i, 2] -= closed[indices[e]]
        cycles[i, 2] //= 2
    return cycles


@kernel
def _two_steps(indptr: Ints, indices: Array, source: int, paths: Ints, ball: Ints) -> int:
    """Write row `source` of A^2 into paths, its nonzero columns into ball; return their number."""
    count = 0
    for e in range(indptr[source], indptr[source + 1]):
        u = indices[e]
        for f in range(indptr[u], indptr[u + 1]):
            v = indices[f]
            if paths[v] == 0:
                ball[count] = v
                count += 1
            paths[v] += 1
    return count


@kernel
def _long_cycles(indptr: Ints, indices: Array, longest: int) -> Any:
    """Cycles of lengths up to `longest` through each vertex, `[N, 9]`, by depth-first search."""
    size = len(indptr) - 1
    cycles = np.zeros((size, 9), dtype=np.int64)
    path = np.zeros(longest, dtype=np.int64)
    next_edge = np.zeros(longest, dtype=np.int64)  # the next edge to try at each depth
    on_path = np.zeros(size, dtype=np.bool_)
    for root in range(size):
        path[0] = root
        next_edge[0] = indptr[root]
        on_path[root] = True
        depth = 0
        while depth >= 0:
            u = path[depth]
            if next_edge[depth] == indptr[u + 1]:  # all edges tried: step back
                on_path[u] = False
                depth -= 1
                continue
            v = indices[next_edge[depth]]
            next_edge[depth] += 1
            if v == root and depth >= 2 and path[1] < u:
                # Both directions close; the one whose second vertex is the smaller counts.
                for t in range(depth + 1):
                    cycles[path[t], depth + 1] += 1
            # Vertices below the root were roots before: each cycle is found from its smallest.
            elif v > root and not on_path[v] and depth + 1 < longest:
                depth += 1
                path[depth] = v
                next_edge[depth] = indptr[v]
                on_path[v] = True
    return cycles
