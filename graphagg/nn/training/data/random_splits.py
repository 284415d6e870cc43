"""Random splits for data without splits."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from graphagg.checks import integer
from graphagg.errors import InvalidDataset, InvalidParameter
from graphagg.nn.training.data.checks import unknown_rows
from graphagg.nn.training.data.dataset import SUBSETS, GraphData, Split
from graphagg.nn.training.data.sources import GraphSource, load_data

Ratio = tuple[float, float, float]
EIGHT_ONE_ONE: Ratio = (0.8, 0.1, 0.1)


def random_splits(
    source: GraphSource, ratio: Ratio = EIGHT_ONE_ONE, *, count: int = 1, random_state: int = 0
) -> GraphData:
    """Return the data with random splits, named `random 0`, ...; they replace existing splits.

    Graphs are split, or the vertices of a single graph; unlabeled ones are skipped. Each part has
    at least one graph or vertex; rounding favors training.

    Args:
        source: as for `load_data`; needs labels, but no splits.
        ratio: shares of training, validation and test; they sum to 1.
        count: number of splits; split s is drawn with the seed `random_state + s`.
        random_state: random seed.

    Raises:
        InvalidParameter: shares are not positive or do not sum to 1.
        InvalidDataset: fewer than three graphs or vertices have labels.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import random_splits
        >>> edge = torch.tensor([[0, 1], [1, 0]])
        >>> x, classes = torch.ones(2, 1), (0, 1) * 5
        >>> graphs = [Data(x=x, edge_index=edge, y=torch.tensor([c])) for c in classes]
        >>> (split,) = random_splits(graphs).splits
        >>> len(split.train), len(split.val), len(split.test)
        (8, 1, 1)
    """
    integer("count", count, 1)
    if len(ratio) != len(SUBSETS) or min(ratio) <= 0 or abs(sum(ratio) - 1) > 1e-6:
        shown = ", ".join(f"{share:g}" for share in ratio)
        raise InvalidParameter(
            f"the split ratio is {shown}; expected three positive shares that sum to 1, such as "
            "0.8 0.1 0.1"
        )
    data = load_data(source)
    ids = _labeled(data)
    if len(ids) < len(SUBSETS):
        raise InvalidDataset(
            f"{data.name}: only {len(ids)} items have a label; expected three or more, one per part"
        )
    splits = tuple(_draw_split(ids, ratio, s, random_state + s) for s in range(count))
    return replace(data, splits=splits)


def with_splits(source: GraphSource, count: int, random_state: int) -> GraphData:
    """Load data; if they have no splits, draw random splits 8 : 1 : 1, named `random 0`, ..."""
    data = load_data(source)
    return data if data.splits else random_splits(data, count=count, random_state=random_state)


def _labeled(data: GraphData) -> Tensor:
    """Return the numbers of labeled graphs, or of a single graph's labeled vertices: int64."""
    missing = [g for g, graph in enumerate(data.graphs) if graph.get(data.labels) is None]
    if missing:
        raise InvalidDataset(f"{data.name}: graph {missing[0]} has no labels {data.labels!r}")
    if data.single:
        return (~unknown_rows(data.graphs[0].y)).nonzero().flatten()
    labeled = [
        not bool(unknown_rows(graph[data.labels].reshape(-1)).all()) for graph in data.graphs
    ]
    return torch.tensor(labeled).nonzero().flatten()


def _draw_split(ids: Tensor, ratio: Ratio, index: int, state: int) -> Split:
    order = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(state))]
    val, test = (max(1, round(share * len(ids))) for share in ratio[1:])
    val = min(val, len(ids) - 2)
    test = min(test, len(ids) - 1 - val)
    subsets = torch.split(order, [len(ids) - val - test, val, test])
    return Split(f"random {index}", *(subset.sort().values for subset in subsets))
