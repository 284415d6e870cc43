"""Encodings beside PyG's transforms: equal where those are right, and where they are not."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from graphagg.nn.encodings import RWSE, LapPE
from tests.unit.nn.encodings.graphs import graphs, of, random_graph

F64 = torch.float64


def pyg_vectors(data: Data, k: int, **more) -> np.ndarray:
    """PyG's, without the random signs that it draws for each graph."""
    out = AddLaplacianEigenvectorPE(k, attr_name="pe", is_undirected=True, **more)(data)
    return out.pe.double().numpy()


@settings(max_examples=20, deadline=None)
@given(graphs(weighted=False))
def test_walks_of_undirected_graphs_are_those_of_pyg(data: Data) -> None:
    wanted = AddRandomWalkPE(12, attr_name="pe")(data).pe
    assert torch.allclose(RWSE(12)(data).rwse, wanted, rtol=0, atol=1e-5)


def test_walks_of_directed_graphs_are_those_of_pyg() -> None:
    data = random_graph(9, 25, 0, directed=True)
    wanted = AddRandomWalkPE(12, attr_name="pe")(data).pe
    assert torch.allclose(RWSE(12)(data).rwse, wanted, rtol=0, atol=1e-5)


# --- where they differ --------------------------------------------------------------------------


def test_pyg_leaves_weights_out_of_its_walks() -> None:
    """It divides by the weighted degree, yet every edge of a vertex gets the same probability."""
    data = random_graph(6, 12, 1, weighted=True)
    data.edge_weight = data.edge_weight.float()
    dense = torch.zeros(6, 6).index_put(tuple(data.edge_index), data.edge_weight)
    transition = dense / dense.sum(1, keepdim=True).clamp(min=1e-30)
    wanted = torch.linalg.matrix_power(transition, 2).diagonal()
    assert torch.allclose(RWSE(2)(data).rwse[:, 1], wanted, atol=1e-6)
    assert not torch.allclose(AddRandomWalkPE(2, attr_name="pe")(data).pe[:, 1], wanted, atol=1e-2)


def test_pyg_counts_repeated_edges_once_and_in_the_degree_twice() -> None:
    data = Data(edge_index=torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0]]), num_nodes=2)
    assert RWSE(2)(data).rwse[:, 1].tolist() == [1, 1]
    assert AddRandomWalkPE(2, attr_name="pe")(data).pe[:, 1].tolist() == [0.25, 0.25]


def test_pyg_encodes_a_batch_as_one_graph() -> None:
    """Its lowest vectors are those of the whole batch: of other graphs' components."""
    many = [of(nx.path_graph(6)), of(nx.cycle_graph(5))]
    together = LapPE(2, dtype=F64)(Batch.from_data_list(many)).lap_vectors
    alone = torch.cat([LapPE(2, dtype=F64)(data).lap_vectors for data in many])
    assert torch.allclose(together, alone, rtol=0, atol=1e-9)
    theirs = pyg_vectors(Batch.from_data_list(many), 2)
    apart = np.concatenate([pyg_vectors(data, 2) for data in many])
    assert np.abs(np.abs(theirs) - np.abs(apart)).max() > 0.05


def test_pyg_fails_on_small_graphs() -> None:
    triangle = of(nx.cycle_graph(3))
    with pytest.raises(RuntimeError, match="must match"):
        AddLaplacianEigenvectorPE(5, attr_name="pe", is_undirected=True)(triangle)
    assert LapPE(5)(triangle).lap_mask[0].sum() == 3
