"""Batches of an epoch: of graphs, of one whole graph, or of samples from it.

The order of the batches and the sampled neighbors depend on the random state and the epoch's number
alone, so that a resumed run has the batches of an uninterrupted one.
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
            yield from graph_batches(self._graphs, ids, self._size)
        elif self._sampler is not None:
            for seeds in torch.split(ids, self._size):
                sample = self._sampler.sample(seeds, generator)
                batch = cut(self._data.graphs[0], sample, len(seeds))
                batch.rows = torch.arange(len(seeds))
                yield batch

    def evaluation(self, subset: str) -> Iterator[Data]:
        """Batches in order; a single graph is one batch, not sampled."""
        if self._graphs is None:
            return iter([self.part(subset)])
        return graph_batches(self._graphs, getattr(self._split, subset), self._size)


def prepare(
    data: GraphData, training: TrainingConfig, device: torch.device
) -> tuple[GraphData, Graphs | None]:
    """Prepare data for `Feed`: move a single graph to the device."""
    if data.single and not training.fanouts:
        data = data.transformed(lambda graph: graph.to(str(device)))
    return data, None if data.single else Graphs.from_list(data.graphs)
