from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from graphagg.errors import InvalidDataset
from graphagg.nn.training.data.graphs import Graphs, ragged_ranges


def random_graph(size: int, edges: int, generator: torch.Generator) -> Data:
    def ids(rows: int, columns: int) -> torch.Tensor:
        return torch.randint(0, max(size, 1), (rows, columns), generator=generator)

    edges = edges if size else 0
    return Data(
        x=torch.randn(size, 3, generator=generator),
        edge_index=ids(2, edges),
        edge_attr=torch.randn(edges, 2, generator=generator),
        pair_index=ids(2, 2 * edges),
        pairs=torch.randn(2 * edges, 4, generator=generator),
        y=torch.randn(1, 2, generator=generator),
        weight=torch.tensor(float(size)),
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=6), st.data())
def test_a_batch_is_what_pyg_collates(sizes: list[tuple[int, int]], data: st.DataObject) -> None:
    generator = torch.Generator().manual_seed(len(sizes))
    graphs = [random_graph(*size, generator) for size in sizes]
    ids = data.draw(st.lists(st.integers(0, len(graphs) - 1), max_size=8))
    got = Graphs.from_list(graphs).batch(torch.tensor(ids, dtype=torch.int64))
    assert got.num_graphs == len(ids)
    if not ids:
        assert got.num_nodes == 0
        return
    wanted = Batch.from_data_list([graphs[i] for i in ids])
    assert set(got.keys()) == set(wanted.keys())
    for name in wanted.keys():
        assert torch.equal(got[name], wanted[name]), name
    assert got.num_nodes == wanted.num_nodes and got.num_edges == wanted.num_edges


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=6))
def test_ragged_ranges(parts: list[tuple[int, int]]) -> None:
    starts, sizes = (torch.tensor([p[i] for p in parts], dtype=torch.int64) for i in (0, 1))
    at, owner = ragged_ranges(starts, sizes)
    assert at.tolist() == [v for start, size in parts for v in range(start, start + size)]
    assert owner.tolist() == [i for i, (_, size) in enumerate(parts) for _ in range(size)]


def test_graphs_that_differ_in_what_they_have_are_refused() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = random_graph(3, 2, generator), random_graph(3, 2, generator)
    del second.edge_attr
    with pytest.raises(InvalidDataset, match=r"graph 1 and graph 0 differ .* edge_attr"):
        Graphs.from_list([first, second])
    second.edge_attr = torch.randn(2, 5)
    with pytest.raises(InvalidDataset, match="'edge_attr' has other shapes"):
        Graphs.from_list([first, second])
    with pytest.raises(InvalidDataset, match="no graph"):
        Graphs.from_list([])
