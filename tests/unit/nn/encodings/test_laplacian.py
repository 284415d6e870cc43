"""LapPE is its definition, in any batch and numbering, on small and large graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh
from scipy.sparse import csr_array
from scipy.sparse.linalg import ArpackNoConvergence
from torch_geometric.data import Batch, Data

from graphagg.errors import InvalidBatch
from graphagg.nn.encodings import LapPE, NoConvergence, flip_signs
from graphagg.nn.encodings import laplacian as module
from tests.unit.nn.encodings.graphs import graphs, laplacian, of, random_graph

NAMES = ("lap_vectors", "lap_values", "lap_mask")
CLOSE = {"rtol": 0, "atol": 1e-6}


@settings(max_examples=25, deadline=None)
@given(graphs())
def test_the_vectors_are_eigenvectors(data: Data) -> None:
    own, found = laplacian(data), LapPE(5)(data)
    count = min(5, data.num_nodes)
    vectors, mask = found.lap_vectors.numpy(), found.lap_mask.numpy()
    assert mask[:, :count].all()
    assert not mask[:, count:].any()
    assert not vectors[:, count:].any()
    assert not found.lap_values[:, count:].any()
    if data.num_nodes == 0:
        return
    values = np.linalg.eigvalsh(own)[:count]
    np.testing.assert_allclose(found.lap_values[0, :count], values, rtol=0, atol=1e-5)
    vectors = vectors[:, :count]
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), rtol=0, atol=1e-5)
    np.testing.assert_allclose(own @ vectors, vectors * values, rtol=0, atol=1e-5)
    assert (vectors.max(0) >= np.abs(vectors).max(0) * (1 - 1e-5)).all()  # the sign is fixed


@settings(max_examples=12, deadline=None)
@given(st.lists(graphs(), min_size=1, max_size=5))
def test_a_batch_is_encoded_as_its_graphs_are(many: list[Data]) -> None:
    alone = Batch.from_data_list([LapPE(4)(data.clone()) for data in many])
    together = LapPE(4)(Batch.from_data_list(many))
    for name in NAMES:
        assert torch.equal(together[name], alone[name])


@settings(max_examples=20, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_eigenspaces_move_with_the_vertices(data: Data, draw) -> None:
    """Vectors are unique up to a rotation within an eigenspace; projectors are unique."""
    size = data.num_nodes
    order = np.array(draw.sample(range(size), size), dtype=np.int64)
    moved = Data(edge_index=torch.from_numpy(order)[data.edge_index], num_nodes=size)
    one, other = LapPE(max(size, 1))(data), LapPE(max(size, 1))(moved)
    values = one.lap_values[:1].numpy().ravel()
    np.testing.assert_allclose(values, other.lap_values[:1].numpy().ravel(), rtol=0, atol=1e-5)
    for value in values:
        space = np.abs(values - value) < 1e-4
        mine, theirs = (out.lap_vectors.numpy()[:, space] for out in (one, other))
        theirs = theirs[order]
        np.testing.assert_allclose(theirs @ theirs.T, mine @ mine.T, rtol=0, atol=1e-4)


LARGE = {
    "grid": lambda: nx.grid_2d_graph(19, 19),  # double eigenvalues, small factor
    "path": lambda: nx.path_graph(400),  # tiny eigenvalues, close together
    "star": lambda: nx.star_graph(350),  # one eigenvalue 349 times
    "hypercube": lambda: nx.hypercube_graph(8),  # eigenvalues 8, 28, ... times
    "expander": lambda: nx.random_regular_graph(6, 360, seed=0),  # close at the edge
    "hubs": lambda: nx.barabasi_albert_graph(360, 3, seed=0),
    "torus": lambda: nx.grid_graph((14, 14), periodic=True),
}


@pytest.mark.parametrize("small", [0, module._SMALL])  # products, or a factor
@pytest.mark.parametrize("name", LARGE)
def test_sparse_solutions_are_the_dense_ones(
    name: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = laplacian(of(LARGE[name]()))
    monkeypatch.setattr(module, "DENSE", 0)
    monkeypatch.setattr(module, "_SMALL", small)
    matrix = csr_array(np.diag(np.diag(own)) - own)
    values, vectors = module.lowest(matrix, 13)
    wanted = eigh(own, eigvals_only=True)
    scale = wanted[-1]
    np.testing.assert_allclose(values, wanted[:13], rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(13), rtol=0, atol=1e-9)
    assert np.abs(own @ vectors - vectors * values).max() < 1e-9 * scale


def test_no_convergence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ArpackNoConvergence("No convergence (%s)", [], [])

    monkeypatch.setattr(module, "DENSE", 0)
    monkeypatch.setattr(module, "eigsh", fails)
    with pytest.raises(NoConvergence, match="4 eigenvectors of 90 vertices"):
        LapPE(4)(of(nx.path_graph(90)))


def test_components_and_lonely_vertices() -> None:
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=4)
    out = LapPE(4)(data)
    assert out.lap_values[0].tolist() == pytest.approx([0, 0, 0, 2])
    half = 2**-0.5
    wanted = [[half, 0, 0, half], [half, 0, 0, -half], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert torch.allclose(out.lap_vectors, torch.tensor(wanted), **CLOSE)
    assert LapPE(6)(data).lap_mask.sum(1).tolist() == [4, 4, 4, 4]


def test_a_graph_is_read_as_undirected_without_loops() -> None:
    both = random_graph(8, 14, 4)
    one_way = both.edge_index[:, both.edge_index[0] < both.edge_index[1]]
    loops = torch.cat([one_way, torch.arange(8).repeat(2, 1)], dim=1)
    odd = Data(edge_index=loops, num_nodes=8)
    for name in NAMES:
        assert torch.equal(LapPE(3)(odd)[name], LapPE(3)(both)[name])


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            Data(edge_index=torch.tensor([[0, 1], [1, 3]]), num_nodes=3),
            "the vertex 3; expected ids",
        ),
        (Data(num_nodes=3), "no edge_index"),
    ],
)
def test_a_bad_edge_index(graph: Data, message: str) -> None:
    with pytest.raises(InvalidBatch, match=message):
        LapPE(3)(graph)


def signs(out: Data, data: Data) -> torch.Tensor:
    """`[N, k]`: 1, -1, or 0 where the vector is 0."""
    assert torch.equal(out.lap_vectors.abs(), data.lap_vectors.abs())
    return out.lap_vectors.sign() * data.lap_vectors.sign()


def test_signs_are_one_a_graph_and_column() -> None:
    torch.manual_seed(0)
    many = [LapPE(6)(of(nx.path_graph(9 + i))) for i in range(40)]
    batch = Batch.from_data_list(many)
    before = batch.lap_vectors.clone()
    per_graph = []
    for rows in signs(flip_signs(batch), batch).split(batch.ptr.diff().tolist()):
        columns = [set(column.tolist()) - {0.0} for column in rows.T]
        assert all(len(column) == 1 for column in columns)
        per_graph.append([column.pop() for column in columns])
    per_graph = np.array(per_graph)
    # 240 fair coins: neither by graph nor by column alone, and about as many of each.
    assert 80 < (per_graph > 0).sum() < 160
    assert len({tuple(row) for row in per_graph}) > 20
    assert len({tuple(column) for column in per_graph.T}) == 6
    assert torch.equal(batch.lap_vectors, before)
