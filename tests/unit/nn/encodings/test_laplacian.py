"""Large graphs, repeated eigenvalues and signs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from torch_geometric.data import Batch, Data

from graphagg.nn.encodings import LapPE, NoConvergence, eigenpairs, flip_signs
from tests.unit.nn.encodings.graphs import laplacian, of, undirected

F64 = torch.float64


def whiskered() -> nx.Graph:
    """A dense core with long tails: neither its factor nor its spectrum is easy."""
    graph = nx.random_regular_graph(8, 200, seed=1)
    for tail in range(12):
        nodes = [tail * 7, *range(200 + 15 * tail, 215 + 15 * tail)]
        nx.add_path(graph, nodes)
    return graph


LARGE = {
    "grid": lambda: nx.grid_2d_graph(19, 19),  # double eigenvalues, small factor
    "path": lambda: nx.path_graph(400),  # tiny eigenvalues, close together
    "star": lambda: nx.star_graph(350),  # one eigenvalue 349 times
    "hypercube": lambda: nx.hypercube_graph(8),  # eigenvalues 8, 28, ... times
    "expander": lambda: nx.random_regular_graph(6, 360, seed=0),  # close at the edge
    "hubs": lambda: nx.barabasi_albert_graph(360, 3, seed=0),
    "whiskered": whiskered,
}


WITHOUT_FACTOR = [(name, 0) for name in ("expander", "hubs", "hypercube")]


@pytest.mark.parametrize(
    ("name", "small"), [*((name, eigenpairs._SMALL) for name in LARGE), *WITHOUT_FACTOR]
)
def test_sparse_solutions_are_the_dense_ones(
    name: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eigenpairs, "_SMALL", small)
    data = of(LARGE[name]())
    found = LapPE(13, dense_below=100, dtype=F64)(data)
    own = laplacian(undirected(data))
    # The whole spectrum, so that no copy of a repeated eigenvalue can hide.
    values, vectors = eigh(own)
    scale = values[-1]
    np.testing.assert_allclose(found.lap_values[0], values[:13], rtol=0, atol=1e-10 * scale)
    mine = found.lap_vectors.numpy()
    np.testing.assert_allclose(mine.T @ mine, np.eye(13), rtol=0, atol=1e-9)
    residual = np.abs(own @ mine - mine * values[:13]).max()
    assert residual < 1e-9 * scale
    # Where the spectrum has a gap, the vectors below it span the same space.
    gaps = np.diff(values[:14])[1:]
    cut = int(np.argmax(gaps[:12])) + 1
    if gaps[cut - 1] > 1e-6:
        space, wanted = mine[:, : cut + 1], vectors[:, : cut + 1]
        np.testing.assert_allclose(space @ space.T, wanted @ wanted.T, rtol=0, atol=1e-7)


def _torus(*sides: int) -> nx.Graph:
    return nx.grid_graph(sides, periodic=True)


SYMMETRIC = {
    "binary tree": lambda: nx.balanced_tree(2, 7),
    "ternary tree": lambda: nx.balanced_tree(3, 4),
    "torus": lambda: _torus(14, 14),
    "torus in 3-D": lambda: _torus(6, 6, 6),
    "spider": lambda: nx.compose_all([
        nx.path_graph([0, *range(12 * leg + 1, 12 * leg + 13)]) for leg in range(20)
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", SYMMETRIC)
def test_no_copy_of_an_eigenvalue_is_left_out(name: str) -> None:
    """On graphs of many symmetries, whatever number of vectors is asked for."""
    data = of(SYMMETRIC[name]())
    wanted = eigh(laplacian(undirected(data)), eigvals_only=True)
    for k in (4, 8, 10, 16, 20, 32):
        found = LapPE(k, dense_below=100, dtype=F64)(data).lap_values[0]
        np.testing.assert_allclose(found, wanted[:k], rtol=0, atol=1e-9, err_msg=f"k={k}")


def test_no_convergence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eigenpairs, "_COARSEST", 0.0)  # no residual is small enough
    monkeypatch.setattr(eigenpairs, "_PASSES", 2)
    with pytest.raises(NoConvergence, match="3 eigenvectors of a graph of 320 vertices"):
        LapPE(4)(of(nx.barabasi_albert_graph(320, 2, seed=3)))


def test_components_and_lonely_vertices() -> None:
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=4)
    out = LapPE(4, dtype=F64)(data)
    assert out.lap_values[0].tolist() == pytest.approx([0, 0, 0, 2])
    half = 2**-0.5
    wanted = [[half, 0, 0, half], [half, 0, 0, -half], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert torch.allclose(out.lap_vectors, torch.tensor(wanted, dtype=F64), rtol=0, atol=1e-12)
    assert LapPE(6)(data).lap_mask.sum(1).tolist() == [4, 4, 4, 4]


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
