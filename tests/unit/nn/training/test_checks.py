"""What is refused of data in memory before anything is trained, and what is made to fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from graphagg.errors import InvalidDataset
from graphagg.nn.training import GraphData, Split, load_data
from graphagg.nn.training.data.dataset import check_data
from tests.unit.nn.training.toys import many, pairs, single, vertices


def changed(data: GraphData, number: int, **values: Any) -> GraphData:
    """The same data with attributes of one graph replaced."""
    for name, value in values.items():
        data.graphs[number][name] = value
    return data


def test_data_of_every_kind_are_accepted_as_they_are() -> None:
    for data in (many(8), many(8, regression=True), single(), pairs(), vertices()):
        assert check_data(data) is data


@pytest.mark.parametrize("number", [0, 7])  # in the part trained on, in the one tested on
@pytest.mark.parametrize("kind", [many, vertices])
def test_a_class_below_minus_one_is_no_unknown_label(
    kind: Callable[[int], GraphData], number: int
) -> None:
    data = kind(8)
    data.graphs[number].y[0] = -2
    with pytest.raises(InvalidDataset, match=r"y holds the class -2 in row \d+; .* or -1 where"):
        check_data(data)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        # Graph 2 has 5 vertices, so that 5 would be the first of graph 3, -1 the last of graph 1.
        (
            {"edge_label_index": torch.tensor([[0, 0, 0, 0], [1, 2, 5, 1]])},
            r"a pair of graph 2 joins \[0, 5\], but its vertices are 0 to 4",
        ),
        (
            {"edge_label_index": torch.tensor([[0, -1, 0, 0], [1, 2, 3, 1]])},
            r"a pair of graph 2 joins \[-1, 2\]",
        ),
        (
            {"edge_label_index": torch.zeros(4, 2, dtype=torch.int64)},
            r"edge_label_index of graph 2 is \[4, 2\] of torch.int64; expected \[2, P\]",
        ),
        (
            {"edge_label": torch.ones(3)},
            "graph 2 has 3 rows of edge_label, expected 4, one per pair of edge_label_index",
        ),
    ],
)
def test_pairs_to_predict_are_checked_as_edges_are(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataset, match=message):
        check_data(changed(pairs(), 2, **values))


def test_labels_of_one_graph_are_not_read_as_anothers() -> None:
    """In all there are as many rows as wanted."""
    data = pairs()
    changed(data, 2, edge_label=torch.ones(3))
    changed(data, 3, edge_label=torch.ones(5))
    with pytest.raises(InvalidDataset, match="graph 2 has 3 rows of edge_label, expected 4"):
        check_data(data)
    data = many(4)
    for number, graph in enumerate(data.graphs):
        graph.edge_attr = torch.ones(graph.num_edges + (number == 1) - (number == 2))
    with pytest.raises(
        InvalidDataset, match="graph 1 has 9 rows of edge_attr, expected 8, one per edge"
    ):
        check_data(data)


@pytest.mark.parametrize("part", ["train", "val", "test"])
@pytest.mark.parametrize(
    ("kind", "label", "unknown"),
    [(vertices, "y", -1), (vertices, "y", math.nan), (pairs, "edge_label", math.nan)],
)
def test_a_part_without_any_known_label_is_refused(
    kind: Callable[[int], GraphData], label: str, unknown: float, part: str
) -> None:
    data = replace(kind(8), splits=many(8).splits[1:])
    for graph in data.graphs:
        graph[label] = graph[label].to(torch.float32 if math.isnan(unknown) else torch.int64)
    ids = getattr(data.splits[0], part).tolist()
    data.graphs[ids[0]][label][:] = unknown
    if len(ids) > 1:
        check_data(data)  # the others of this part are known
    for at in ids:
        data.graphs[at][label][:] = unknown
    with pytest.raises(InvalidDataset, match=rf"{part} of split 1 has no known label"):
        check_data(data)
    data.graphs[ids[-1]][label][1] = 1
    check_data(data)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"y": 1}, r"y of graph 1 is of type int; expected a tensor"),
        ({"y": np.ones(1)}, r"y of graph 1 is of type ndarray; expected a tensor"),
        ({"y": torch.ones(1, 0)}, r"y of graph 1 is \[1, 0\] of torch.float32; expected"),
        ({"y": torch.ones(1, dtype=torch.complex64)}, "complex64; expected"),
        ({"x": torch.tensor(1.0)}, r"x of graph 1 is \[\] of torch.float32; expected"),
        ({"x": torch.ones(4, 0)}, r"x of graph 1 is \[4, 0\] of torch.float32; expected .*column"),
        ({"edge_index": torch.empty(2, 0)}, r"torch.float32; expected \[2, E\] integers"),
        ({"edge_attr": torch.tensor(1)}, r"edge_attr of graph 1 is \[\]"),
    ],
)
def test_attributes_that_are_none(values: dict[str, Any], message: str) -> None:
    data = changed(many(4), 1, **values)
    with pytest.raises(InvalidDataset, match=message):
        check_data(data)
    for graph in data.graphs:
        graph.split = 0
    with pytest.raises(InvalidDataset, match=message):
        load_data(data.graphs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": ()}, "the data have no split"),
        ({"splits": "train"}, "splits hold a str; expected Split objects"),
        ({"splits": (Split("a", "train", "val", "test"),)}, "train of split a is a str"),
        ({"splits": (Split("a", *[torch.ones(8).bool()] * 3),)}, r"\[8\] of .*from_masks"),
        (
            {"splits": (Split("a", *[torch.tensor([0.5])] * 3),)},
            r"of torch.float32; expected \[n\]",
        ),
        (
            {"splits": (Split("a", *[torch.tensor(1)] * 3),)},
            r"is \[\] of torch.int64; expected \[n",
        ),
        ({"level": "vertex"}, "level is 'vertex'; expected one of graph, node, edge"),
    ],
)
def test_splits_and_levels_that_are_none(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataset, match=message):
        check_data(replace(many(8), **changes))


@pytest.mark.parametrize(
    "part", ["train", 1.5, True, torch.tensor([0, 1]), torch.tensor(0.5), torch.tensor([]), 3, -1]
)
def test_a_part_of_a_graph_is_one_of_three_numbers(part: Any) -> None:
    data = many(8)
    for graph in data.graphs:
        graph.split = 0
    data.graphs[5].split = part
    with pytest.raises(InvalidDataset, match=r"graph 5 has split .*; expected 0 for training"):
        load_data(data.graphs)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32, torch.bool])
def test_small_integers_become_what_an_embedding_takes(kind: torch.dtype) -> None:
    data = many(8)
    for graph in data.graphs:
        graph.x = (graph.x > 0).to(kind)
        if kind is not torch.bool:
            graph.edge_index = graph.edge_index.to(kind)
        graph.y = graph.y.to(kind)
    found = check_data(data)
    for one, other in zip(found.graphs, many(8).graphs, strict=True):
        assert all(one[key].dtype is torch.int64 for key in ("x", "edge_index", "y"))
        assert torch.equal(one.x, (other.x > 0).long()) and torch.equal(one.y, other.y)
        assert torch.equal(one.edge_index, other.edge_index)
