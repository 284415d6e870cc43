"""What the encodings refuse, and the smallest graphs that they take."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from graphagg.errors import InvalidBatch, InvalidFeatures
from graphagg.nn.encodings import RWSE, LapPE
from tests.unit.nn.encodings.graphs import random_graph

EVERY = [LapPE(3), RWSE(3)]
every = pytest.mark.parametrize("transform", EVERY, ids=lambda t: type(t).__name__)


def graph(pairs: list, vertices: int = 3, **more) -> Data:
    return Data(edge_index=torch.tensor(pairs), num_nodes=vertices, **more)


@every
@pytest.mark.parametrize("vertices", [0, 1, 4])
def test_no_edges(transform, vertices: int) -> None:
    out = transform(graph([[], []], vertices).update({"edge_index": torch.zeros(2, 0).long()}))
    for name in transform.names:
        assert torch.isfinite(out[name].double()).all()
        assert out[name].size(0) == vertices
        if name in ("rwse", "lap_values"):
            assert not out[name].any()  # no neighbors, no walk


@every
@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 1], [1, 3]], "the vertex 3; wanted ids from 0 to 2"),
        ([[0, -1], [1, 0]], "the vertex -1"),
        ([[0.0], [1.0]], "torch.float32"),
        ([0, 1], r"\(2,\)"),
    ],
)
def test_a_bad_edge_index(transform, pairs: list, message: str) -> None:
    with pytest.raises(InvalidBatch, match=message):
        transform(graph(pairs))


@every
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, float("nan")], "edge 1 is nan"),
        ([float("inf"), 1.0], "edge 0 is inf"),
        ([-0.5, 1.0], "edge 0 is -0.5"),
        ([1.0], r"edge_weight is \(1,\); wanted \(2,\)"),
    ],
)
def test_bad_weights(transform, weights: list, message: str) -> None:
    data = graph([[0, 1], [1, 0]], edge_weight=torch.tensor(weights))
    with pytest.raises(InvalidFeatures, match=message):
        transform(data)


@every
def test_a_batch_that_is_none(transform) -> None:
    batch = Batch.from_data_list([random_graph(4, 6, 1), random_graph(3, 3, 2)])
    crossing = batch.clone()
    crossing.edge_index = torch.tensor([[0, 1], [1, 5]])
    with pytest.raises(InvalidBatch, match="edge 1 runs from vertex 1 to 5 of another graph"):
        transform(crossing)
    unsorted = batch.clone()
    del unsorted.ptr
    unsorted.batch = torch.tensor([0, 1, 0, 0, 1, 1, 1])
    with pytest.raises(InvalidBatch, match="not sorted"):
        transform(unsorted)
    short = batch.clone()
    short.ptr = torch.tensor([0, 4, 6])
    with pytest.raises(InvalidBatch, match="wanted 0 to 7"):
        transform(short)
    with pytest.raises(InvalidBatch, match="HeteroData"):
        transform(HeteroData())
    with pytest.raises(InvalidBatch, match="no edge_index"):
        transform(Data(num_nodes=3))


def test_weights_of_zero_are_no_edges_and_repeats_add_up() -> None:
    data = graph([[0, 1, 0, 1, 1, 2], [1, 0, 1, 0, 2, 1]])
    data.edge_weight = torch.tensor([0.5, 0.5, 1.5, 1.5, 0.0, 0.0])
    plain = graph([[0, 1], [1, 0]], edge_weight=torch.tensor([2.0, 2.0]))
    for transform in EVERY:
        for name in transform.names:
            assert torch.equal(transform(data)[name], transform(plain)[name])


def test_a_directed_graph_counts_both_ways_in_a_laplacian() -> None:
    directed = random_graph(8, 14, 4, directed=True)
    both = torch.cat([directed.edge_index, directed.edge_index.flip(0)], dim=1).unique(dim=1)
    undirected = Data(edge_index=both, num_nodes=8)
    for name in LapPE.names:
        assert torch.equal(LapPE(3)(directed)[name], LapPE(3)(undirected)[name])
