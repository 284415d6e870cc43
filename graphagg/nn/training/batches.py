"""Batches of an epoch: of graphs, of one whole graph, or of samples from it.

The order of the batches, the sampled neighbors and the negative pairs depend on the random state
and the epoch's number alone, so that a resumed run has the batches of an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.training.data.dataset import GraphData, Split
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.sampling import NeighborSampler, cut

_PRIME = 1_000_003  # so that epochs of different random states hardly share a seed


class GraphBatches:
    """Batches of `size` of the graphs `ids` `[n]` int64.

    `epoch` returns the current epoch, which determines the shuffle; None keeps the order. With
    `negatives`, negative pairs are added, see `with_negatives`.
    """

    def __init__(
        self,
        graphs: Graphs,
        ids: Tensor,
        size: int,
        epoch: Callable[[], int] | None = None,
        random_state: int = 0,
        negatives: bool = False,
    ) -> None:
        self._graphs, self._ids, self._size = graphs, ids, size
        self._epoch, self._state, self._negatives = epoch, random_state, negatives

    def __iter__(self) -> Iterator[Data]:
        ids, epoch = self._ids, self._epoch() if self._epoch else 0
        generator = epoch_generator(self._state, epoch)
        if self._epoch is not None:
            ids = ids[torch.randperm(len(ids), generator=generator)]
        for chunk in torch.split(ids, self._size):
            batch = self._graphs.batch(chunk)
            yield with_negatives(batch, generator) if self._negatives else batch


class SampledBatches:
    """Samples around the vertices `rows` `[n]` int64 of a large graph, `size` seeds per batch."""

    def __init__(
        self,
        graph: Data,
        rows: Tensor,
        size: int,
        fanouts: tuple[int, ...],
        epoch: Callable[[], int],
        random_state: int,
    ) -> None:
        assert graph.edge_index is not None
        self._graph, self._rows, self._size = graph, rows, size
        self._sampler = NeighborSampler(graph.edge_index, int(graph.num_nodes or 0), fanouts)
        self._epoch, self._state = epoch, random_state

    def __iter__(self) -> Iterator[Data]:
        generator = epoch_generator(self._state, self._epoch())
        rows = self._rows[torch.randperm(len(self._rows), generator=generator)]
        for seeds in torch.split(rows, self._size):
            sample = self._sampler.sample(seeds, generator)
            batch = cut(self._graph, sample, len(seeds))
            batch.rows = torch.arange(len(seeds))
            yield batch


Batches = Iterable[Data]
"""The batches of an epoch; iterated once per epoch."""


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
        self._size, self._fanouts = training.batch_size, training.fanouts
        self._state = training.random_state
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
        if self._graphs is None:
            return self._whole(subset)
        return self._graphs.batch(getattr(self._split, subset))

    def training(self, epoch: Callable[[], int]) -> Batches:
        """Shuffled batches, sampled if there are fan-outs."""
        if self._graphs is not None:
            return self._batches("train", epoch)
        if not self._fanouts:
            return [self._whole("train")]
        graph, rows = self._data.graphs[0], self._split.train
        return SampledBatches(graph, rows, self._size, self._fanouts, epoch, self._state)

    def evaluation(self, subset: str) -> Batches:
        """Batches in order and exact: a single graph is not sampled."""
        if self._graphs is not None:
            return self._batches(subset)
        return [self._whole(subset)]

    def _whole(self, subset: str) -> Data:
        graph = self._data.graphs[0].clone()
        graph.rows = getattr(self._split, subset)
        return graph

    def _batches(self, subset: str, epoch: Callable[[], int] | None = None) -> GraphBatches:
        assert self._graphs is not None
        ids, links = getattr(self._split, subset), self._links and subset == "train"
        return GraphBatches(self._graphs, ids, self._size, epoch, self._state, links)


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


def to_double(graph: Data) -> Data:
    """Convert float32 to float64."""
    return graph.apply(lambda t: t.double() if t.dtype is torch.float32 else t)


def prepare(
    data: GraphData, training: TrainingConfig, device: torch.device
) -> tuple[GraphData, Graphs | None]:
    """Prepare data for `Feed`: convert the precision, move a single graph to the device."""
    if training.precision == "float64":
        data = data.transformed(to_double)
    if data.single and not training.fanouts:
        data = data.transformed(lambda graph: graph.to(str(device)))
    return data, None if data.single else Graphs.from_list(data.graphs)
