"""Batches of an epoch: of graphs, of one whole graph, or of samples from it.

The order of an epoch's batches, the sampled neighbors and the negative pairs depend on the random
state and the epoch's number alone, so that a resumed run sees the batches of an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.nn.config.training import TrainingConfig
from graphagg.nn.training.data.dataset import GraphData, Split
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.sampling import NeighborSampler, cut

_PRIME = 1_000_003  # seeds of two epochs of two random states are hardly ever the same


class GraphBatches:
    """Batches of many graphs.

    Args:
        graphs: all graphs.
        ids: `[n]` int64, the graphs of this part.
        size: graphs in a batch.
        epoch: returns the current epoch, by which they are shuffled; None keeps their order.
        random_state: of the shuffles.
        negatives: add negative pairs, see `with_negatives`.
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

    def __len__(self) -> int:
        return -(-len(self._ids) // self._size)

    def __iter__(self) -> Iterator[Data]:
        ids, generator = (
            self._ids,
            epoch_generator(self._state, self._epoch() if self._epoch else 0),
        )
        if self._epoch is not None:
            ids = ids[torch.randperm(len(ids), generator=generator)]
        for chunk in torch.split(ids, self._size):
            batch = self._graphs.batch(chunk)
            yield with_negatives(batch, generator) if self._negatives else batch


class WholeGraph:
    """One graph, once per epoch; `rows` `[n]` are the vertices of the part."""

    def __init__(self, graph: Data, rows: Tensor) -> None:
        self._graph = graph.clone()
        self._graph.rows = rows

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Data]:
        yield self._graph


class SampledBatches:
    """Samples around the vertices of one part of a large graph.

    Args:
        graph: the graph.
        rows: `[n]` int64, the seeds.
        size: seeds in a batch.
        fanouts: neighbors that a vertex keeps, hop by hop.
        epoch: returns the current epoch.
        random_state: of the shuffles and the draws.
    """

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

    def __len__(self) -> int:
        return -(-len(self._rows) // self._size)

    def __iter__(self) -> Iterator[Data]:
        generator = epoch_generator(self._state, self._epoch())
        rows = self._rows[torch.randperm(len(self._rows), generator=generator)]
        for seeds in torch.split(rows, self._size):
            sample = self._sampler.sample(seeds, generator)
            batch = cut(self._graph, sample, len(seeds))
            batch.rows = torch.arange(len(seeds))
            yield batch


Batches = GraphBatches | WholeGraph | SampledBatches


def epoch_generator(random_state: int, epoch: int) -> torch.Generator:
    """The generator of an epoch."""
    return torch.Generator().manual_seed(random_state * _PRIME + epoch)


class Feed:
    """The batches of one split.

    Args:
        data: the data, encoded.
        graphs: `Graphs.from_list(data.graphs)`, shared by the splits; None for a single graph.
        split: the split.
        training: the size of a batch, how one graph is sampled, and the random state.
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
        """All of a part as one batch, or the one graph with the part's vertices as `rows`."""
        if self._graphs is None:
            return next(iter(self.evaluation(subset)))
        return self._graphs.batch(getattr(self._split, subset))

    def training(self, epoch: Callable[[], int]) -> Batches:
        """Shuffled, and sampled where there are fan-outs."""
        if self._graphs is not None:
            return self._batches("train", epoch)
        graph = self._data.graphs[0]
        if not self._fanouts:
            return WholeGraph(graph, self._split.train)
        return SampledBatches(
            graph, self._split.train, self._size, self._fanouts, epoch, self._state
        )

    def evaluation(self, subset: str) -> Batches:
        """In order and exact: a single graph is never sampled here."""
        if self._graphs is not None:
            return self._batches(subset)
        return WholeGraph(self._data.graphs[0], getattr(self._split, subset))

    def _batches(self, subset: str, epoch: Callable[[], int] | None = None) -> GraphBatches:
        assert self._graphs is not None
        ids, links = getattr(self._split, subset), self._links and subset == "train"
        return GraphBatches(self._graphs, ids, self._size, epoch, self._state, links)


def with_negatives(batch: Data, generator: torch.Generator) -> Data:
    """Add a pair labeled 0 per pair of a batch: its source, and any vertex of the same graph.

    Some of them are edges: few, where a graph is sparse.
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
    """Convert float32 to float64, for a model in that precision."""
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
