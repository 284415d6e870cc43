"""Link prediction: the edges of one graph, split at random, as pairs to predict."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import RandomLinkSplit

from graphagg.checks import integer, number
from graphagg.errors import InvalidDataset
from graphagg.nn.training.data.dataset import GraphData, Split
from graphagg.nn.training.data.random_splits import EIGHT_ONE_ONE, Ratio, check_ratio
from graphagg.nn.training.data.sources import Source, data_name, load_graphs

_FEWEST = 10


def link_splits(
    source: Source,
    ratio: Ratio = EIGHT_ONE_ONE,
    *,
    negatives: float = 1.0,
    count: int = 1,
    random_state: int = 0,
) -> GraphData:
    """Data for link prediction: tell edges of a graph from pairs without an edge.

    A split is three graphs. Those for training and validation have the training edges, that for
    test also the validation edges, so no model reads an edge that it must predict. An undirected
    edge is one pair. PyG's `RandomLinkSplit` draws the negative pairs for validation and test once.
    For training each epoch draws new ones, one per edge.

    The metric is `mrr`: each edge is ranked among all pairs of its source, including other edges.
    `roc-auc` and `ap` compare edges with the negative pairs.

    Args:
        source: one graph, as for `load_graphs`; its labels are ignored.
        ratio: shares of training, validation and test; they sum to 1.
        negatives: negative pairs per edge, for validation and test.
        count: number of splits; split s is drawn by `random_state + s`.
        random_state: of the draws.

    Raises:
        InvalidParameter: shares that do not sum to 1, or no negatives.
        InvalidDataset: several graphs, or too few edges to split.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn.training import link_splits
        >>> edges = torch.randint(30, (2, 90), generator=torch.Generator().manual_seed(0))
        >>> data = link_splits(Data(x=torch.ones(30, 2), edge_index=edges))
        >>> data.level, data.graphs[2].edge_label.sum().item()
        ('edge', 9)
    """
    check_ratio(ratio)
    integer("count", count, 1)
    negatives = number("negatives", negatives, above=0.0)
    graphs = load_graphs(source)
    if len(graphs) != 1:
        raise InvalidDataset(f"{len(graphs)} graphs; wanted one, whose edges are split")
    keys = [key for key in ("x", "edge_index", "edge_attr") if graphs[0].get(key) is not None]
    graph = Data(**{key: graphs[0][key] for key in keys}, num_nodes=graphs[0].num_nodes)
    if graph.num_edges < _FEWEST:
        raise InvalidDataset(
            f"the graph has {graph.num_edges} edges; wanted at least {_FEWEST}, to train, validate "
            "and test on some"
        )
    cuts: list[Data] = []
    for index in range(count):
        with _seeded(random_state + index):
            cut = RandomLinkSplit(
                ratio[1], ratio[2], graph.is_undirected(), neg_sampling_ratio=negatives,
                add_negative_train_samples=False,
            )  # fmt: skip
            cuts += [_labeled(one) for one in cut(graph)]
    splits = tuple(
        Split(str(s), *(torch.tensor([3 * s + at]) for at in range(3))) for s in range(count)
    )
    return GraphData(data_name(source), "edge", cuts, splits)


@contextmanager
def _seeded(state: int) -> Iterator[None]:
    """Seed PyTorch, NumPy and Python inside the `with` block: PyG draws from all three."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(state)
        random.seed(state)
        np.random.seed(state % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002


def _labeled(graph: Data) -> Data:
    label: Tensor = graph.edge_label
    graph.edge_label = label.long()
    graph.num_nodes = None if graph.get("x") is not None else graph.num_nodes
    return graph
