"""Batches of an epoch: of graphs, of one whole graph, or of samples from it.

The order of the batches, the sampled neighbors and the negative pairs depend on the random state
and the epoch's number alone, so that a resumed run has the batches of an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.training.data.dataset import GraphData, Split
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.sampling import NeighborSampler, cut

_PRIME = 1_000_003  # so that epochs of different random states hardly share a seed


def graph_batches(graphs: Graphs, ids: Tensor, size: int) -> Iterator[Data]:
    """Batches of `size` of the graphs `ids` `[n]` int64, in order."""
    return (graphs.batch(chunk) for chunk in torch.split(ids, size))


def epoch_generator(random_state: int, epoch: int) -> torch.Generator:
    """The random generator of an epoch."""
    return torch.Generator().manual_seed(random_state * _PRIME + epoch)


class Feed:
    """The batches of one split of the encoded data.

    `graphs` is `Graphs.from_list(data.graphs)`, shared by the splits, or None for a single graph.
    """

    def __init__(
        self, data: GraphData, graphs: Graphs | None, split: Split, training: TrainingConfig
    ) -> None:
        self._data, self._graphs, self._split = data, graphs, split
        self._size, self._state = training.batch_size, training.random_state
        self._sampler: NeighborSampler | None = None
        if graphs is None and training.fanouts:
            graph = data.graphs[0]
            edge_index, vertices = graph["edge_index"], int(graph.num_nodes or 0)
            self._sampler = NeighborSampler(edge_index, vertices, training.fanouts)
        # If all pairs are true edges, negative ones are drawn in each epoch.
        self._links = data.level == "edge" and all(
            bool((data.graphs[at].edge_label == 1).all()) for at in split.train.tolist()
        )

    @property
    def single(self) -> bool:
        """Whether the data are one graph whose vertices are split."""
        return self._graphs is None

    def part(self, subset: str) -> Data:
        """A part as one batch; of a single graph the whole, with the part's vertices as `rows`."""
        if self._graphs is not None:
            return self._graphs.batch(getattr(self._split, subset))
        graph = copy(self._data.graphs[0])
        graph.rows = getattr(self._split, subset)
        return graph

    def training(self, epoch: int) -> Iterator[Data]:
        """Shuffled batches of an epoch, sampled if there are fan-outs."""
        if self.single and self._sampler is None:
            yield self.part("train")
            return
        ids, generator = self._split.train, epoch_generator(self._state, epoch)
        ids = ids[torch.randperm(len(ids), generator=generator)]
        if self._graphs is not None:
            yield from self._graph_batches(ids, generator if self._links else None)
        elif self._sampler is not None:
            for seeds in torch.split(ids, self._size):
                sample = self._sampler.sample(seeds, generator)
                batch = cut(self._data.graphs[0], sample, len(seeds))
                batch.rows = torch.arange(len(seeds))
                yield batch

    def evaluation(self, subset: str) -> Iterator[Data]:
        """Batches in order and exact: a single graph is not sampled."""
        if self._graphs is None:
            return iter([self.part(subset)])
        links = self._links and subset == "train"
        generator = epoch_generator(self._state, 0) if links else None
        return self._graph_batches(getattr(self._split, subset), generator)

    def _graph_batches(self, ids: Tensor, negatives: torch.Generator | None) -> Iterator[Data]:
        assert self._graphs is not None
        for batch in graph_batches(self._graphs, ids, self._size):
            yield batch if negatives is None else with_negatives(batch, negatives)


def with_negatives(batch: Data, generator: torch.Generator) -> Data:
    """Add a pair labeled 0 per pair of a batch: its source, and any vertex of the same graph.

    Some are edges: few, if the graph is sparse.
    """
    pairs, labels = batch.edge_label_index, batch.edge_label
    graph = batch.batch[pairs[0]]
    sizes = batch.ptr.diff()[graph]
    drawn = (torch.rand(len(sizes), generator=generator) * sizes).long()
    other = torch.stack([pairs[0], batch.ptr[graph] + drawn.clamp(max=sizes - 1)])
    batch.edge_label_index = torch.cat([pairs, other], dim=1)
    batch.edge_label = torch.cat([labels, torch.zeros_like(labels)])
    return batch


def prepare(
    data: GraphData, training: TrainingConfig, device: torch.device
) -> tuple[GraphData, Graphs | None]:
    """Prepare data for `Feed`: move a single graph to the device."""
    if data.single and not training.fanouts:
        data = data.transformed(lambda graph: graph.to(str(device)))
    return data, None if data.single else Graphs.from_list(data.graphs)
