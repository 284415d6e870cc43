"""Batches of an epoch: several graphs each, or a single graph.

The order of the batches depends only on the random state and the number of the epoch, so a
resumed run has the same batches as an uninterrupted run.
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

_PRIME = 1_000_003  # so that epochs of different random states rarely share a seed


def graph_batches(graphs: Graphs, ids: Tensor, size: int) -> Iterator[Data]:
    """Yield batches of `size` graphs from `ids` `[n]` int64, in order."""
    return (graphs.batch(chunk) for chunk in torch.split(ids, size))


def epoch_generator(random_state: int, epoch: int) -> torch.Generator:
    """Return the random generator of an epoch."""
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

    @property
    def single(self) -> bool:
        """Whether the data are one graph with splits of its vertices."""
        return self._graphs is None

    def part(self, subset: str) -> Data:
        """Return a part as one batch; a single graph gets the part's vertices as `rows`."""
        if self._graphs is not None:
            return self._graphs.batch(getattr(self._split, subset))
        graph = copy(self._data.graphs[0])
        graph.rows = getattr(self._split, subset)
        return graph

    def training(self, epoch: int) -> Iterator[Data]:
        """Yield the shuffled batches of an epoch."""
        if self._graphs is None:
            yield self.part("train")
            return
        ids, generator = self._split.train, epoch_generator(self._state, epoch)
        ids = ids[torch.randperm(len(ids), generator=generator)]
        yield from graph_batches(self._graphs, ids, self._size)

    def evaluation(self, subset: str) -> Iterator[Data]:
        """Return the batches of a part in order; a single graph is one batch."""
        if self._graphs is None:
            return iter([self.part(subset)])
        return graph_batches(self._graphs, getattr(self._split, subset), self._size)


def prepare(data: GraphData, device: torch.device) -> tuple[GraphData, Graphs | None]:
    """Prepare data for `Feed`: move a single graph to the device."""
    if data.single:
        return data.transformed(lambda graph: graph.to(str(device))), None
    return data, Graphs.from_list(data.graphs)
