"""The mean reciprocal rank of true edges, as in PCQM-Contact.

Paper: the Long Range Graph Benchmark (arXiv 2206.08164). Code: the raw MRR of GraphGPS. In each
graph, a true edge (u, v) is ranked by its score among the pairs (u, w) for all vertices w of the
graph but v, u among them. Its rank is the mean of the best and the worst that ties allow,
1 + #greater + #equal / 2. The reciprocal ranks are averaged over the true edges of a graph, then
over the graphs.

One departure: a graph without a true edge is left out; that code counts it as 1, which would hide
differences of models on the other graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from graphagg.errors import InvalidBatch, InvalidDataset
from graphagg.nn.model.network import batch_segments
from graphagg.nn.segments import Segments
from graphagg.nn.training.data.graphs import ragged_ranges
from graphagg.nn.training.metrics import not_defined

PAIRS = 2**20
"""Pairs that a model scores at once, which bounds the memory of its head.

The whole model runs again for further ones; a batch of molecules seldom has that many.
"""


def reciprocal_ranks(batch: Data, scored: Callable[[Tensor], Tensor], limit: int = PAIRS) -> Tensor:
    """The mean reciprocal rank of the true edges of each graph that has any: `[g]` float64.

    `batch` has `edge_label_index` `[2, P]` and `edge_label` `[P]`: 1 is a true edge; 0, -1 and NaN
    are not. `scored` computes the scores `[q]` of pairs `[2, q]`, about `limit` at once; the pairs
    of one source stay together. O(Q + C): Q pairs, the sources with all vertices, and C
    comparisons.

    Raises:
        InvalidDataset: more than one column of labels.
        InvalidBatch: a true edge that joins two graphs.
    """
    graphs, true = batch_segments(batch), _true_edges(batch)
    if not true.numel():
        return torch.zeros(0, dtype=torch.float64)
    _check_edges(graphs, true)
    sources, which = torch.unique(true[0], return_inverse=True)
    first, sizes = graphs.ptr[graphs.index[sources]], graphs.sizes[graphs.index[sources]]
    scores = []
    for some in _chunks(sizes, limit):
        target, owner = ragged_ranges(first[some], sizes[some])
        scores.append(scored(torch.stack([sources[some][owner], target])).detach().cpu().double())
    before = sizes.cumsum(0) - sizes
    begins, at = before[which].cpu(), (before[which] + true[1] - first[which]).cpu()
    ranked = ranks(torch.cat(scores), at, begins, sizes[which].cpu(), limit)
    owner = torch.unique(graphs.index[true[0]].cpu(), return_inverse=True)[1]
    means: Tensor = scatter(1.0 / ranked, owner, reduce="mean")
    return means


def ranks(scores: Tensor, at: Tensor, first: Tensor, sizes: Tensor, limit: int = PAIRS) -> Tensor:
    """The ranks `[P]` of the scores at `at` `[P]`, each in its group, the largest first.

    A group is `first` and `sizes`, `[P]` int64, into `scores` `[Q]` (no NaN). Equal scores share
    the mean of their best and their worst rank. About `limit` comparisons are made at once.
    """
    ranked = []
    for some in _chunks(sizes, limit):
        other, owner = ragged_ranges(first[some], sizes[some])
        rivals, score = scores[other], scores[at[some]][owner]
        points = (rivals > score).double() + (rivals >= score).double()
        ranked.append(0.5 + torch.bincount(owner, weights=points, minlength=len(some)) / 2.0)
    return torch.cat(ranked)


def _chunks(sizes: Tensor, limit: int) -> tuple[Tensor, ...]:
    """Cut the ids of `sizes` into runs that sum to about `limit` each."""
    before = sizes.cumsum(0) - sizes
    _, counts = torch.unique_consecutive(before // limit, return_counts=True)
    return torch.split(torch.arange(len(sizes), device=sizes.device), counts.tolist())


def mean_over_graphs(ranks_of_batches: Sequence[Tensor], subset: str) -> float:
    """The mean of `reciprocal_ranks` over the batches of a part; `InvalidDataset` if empty."""
    means = torch.cat(list(ranks_of_batches))
    if not means.numel():
        not_defined("mrr", subset, "no graph has a true edge", "an edge_label of 1 in at least one")
    return float(means.mean())


def _true_edges(batch: Data) -> Tensor:
    labels: Tensor = batch.edge_label
    if labels.dim() > 1 and labels.size(1) != 1:
        raise InvalidDataset(
            f"metric 'mrr' ranks pairs by one score each, but edge_label has {labels.size(1)} "
            "columns; wanted one"
        )
    true: Tensor = batch.edge_label_index[:, labels.view(-1) > 0]
    return true


def _check_edges(graphs: Segments, true: Tensor) -> None:
    torn = graphs.index[true[0]] != graphs.index[true[1]]
    if bool(torn.any()):
        u, v = true[:, int(torn.nonzero()[0])].tolist()
        raise InvalidBatch(
            f"a pair of edge_label_index joins vertices {u} and {v}, which lie in two graphs; "
            "pairs must stay in their graph"
        )
