from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from benchmarks.training import public
from graphagg.errors import InvalidDataset, InvalidFeatures
from graphagg.nn.training import load_data
from graphagg.nn.training.data.dataset import check_data, output_width
from graphagg.nn.training.data.graphs import Graphs, ragged_ranges
from tests.unit.nn.training.toys import many, single


def test_graphs_in_memory() -> None:
    data = many(8)
    for at, graph in enumerate(data.graphs):
        graph.split = min(at // 2, 2)
    found = check_data(load_data(data.graphs))
    assert found.splits[0].test.tolist() == [4, 5, 6, 7] and "split" not in found.graphs[0]
    assert load_data(many(4).graphs).splits == () == load_data(single().graphs[0]).splits
    graph = single().graphs[0]
    graph.val_mask = torch.ones(40).bool()
    with pytest.raises(InvalidDataset, match="no train_mask, test_mask"):
        load_data(graph)
    with pytest.raises(InvalidDataset, match="no graph"):
        load_data([])


def test_features_and_ids_are_checked(tmp_path: Path) -> None:
    data = many(4)
    data.graphs[1].x[2, 3] = math.nan
    with pytest.raises(InvalidFeatures, match="x holds nan in row 5, 1 such values"):
        check_data(data)
    data = many(4)
    data.graphs[2].edge_index[1, 0] = 5
    with pytest.raises(InvalidDataset, match=r"graph 2 joins \[0, 5\].* vertices are 0 to 4"):
        check_data(data)
    data.graphs[2].edge_index[1, 0] = -1
    with pytest.raises(InvalidDataset, match=r"joins \[0, -1\]"):
        check_data(data)
    data = many(4)
    for graph in data.graphs:
        graph.x = torch.full((graph.num_nodes, 1), -3)
    with pytest.raises(InvalidFeatures, match="category -3"):
        check_data(data)
    data = single()
    data.graphs[0].y[int(data.splits[0].test[0])] = -1
    with pytest.raises(InvalidDataset, match="test of split 0 holds 1 ids without a label"):
        check_data(data)
    data = many(4, regression=True)
    data.graphs[0].y[0] = math.inf
    with pytest.raises(InvalidFeatures, match="y holds inf"):
        check_data(data)


@pytest.mark.parametrize(
    ("labels", "metric", "columns"),
    [
        (torch.tensor([0, 2, 1]), "accuracy", 3),
        (torch.tensor([0, 1]), "roc-auc", 1),
        (torch.tensor([[0.0, math.nan], [1.0, 1.0]]), "ap", 2),
        (torch.randn(4, 5), "mae", 5),
        (torch.tensor([0, -1, 4]), "f1", 5),
    ],
)
def test_columns_to_predict(labels: torch.Tensor, metric: Any, columns: int) -> None:
    assert output_width(labels, metric) == columns


@pytest.mark.parametrize(
    ("labels", "metric"),
    [
        (torch.tensor([0, 2]), "mae"),
        (torch.tensor([0, 2]), "roc-auc"),
        (torch.randn(4), "accuracy"),
        (torch.zeros(4, 2, dtype=torch.int64), "accuracy"),
    ],
)
def test_a_metric_that_does_not_fit_the_labels(labels: torch.Tensor, metric: Any) -> None:
    with pytest.raises(InvalidDataset, match=rf"metric '{metric}' does not fit"):
        output_width(labels, metric)


def test_the_metric_of_the_data() -> None:
    assert many().resolve_metric("auto") == "accuracy"
    assert many(regression=True).resolve_metric("auto") == "mae"
    assert many().resolve_metric("f1") == "f1"
    data = many()
    for graph in data.graphs:
        graph.y = torch.tensor([[0.0, 1.0, math.nan]])
    assert data.resolve_metric("auto") == "ap"


@pytest.mark.parametrize(
    ("file", "graphs", "splits", "sizes"),
    [
        ("zinc12k/zinc12k.npz", 12_000, 1, (10_000, 1000, 1000)),
        ("tu/MUTAG.npz", 188, 10, (150, 19, 19)),
        ("tu/ENZYMES.npz#bench", 600, 10, (480, 60, 60)),
        ("csl/csl.npz", 150, 5, (90, 30, 30)),
        ("heterophilous/minesweeper.npz", 1, 10, (5000, 2500, 2500)),
        ("planetoid/cora.npz", 1, 1, (140, 500, 1000)),
        ("planetoid/citeseer.npz#geom", 1, 10, (1586, 1061, 665)),
    ],
)
def test_real_files(file: str, graphs: int, splits: int, sizes: tuple[int, ...]) -> None:
    path = public.ROOT / file.partition("#")[0]
    if not path.exists():
        pytest.skip(f"{path} is absent; set GRAPHAGG_DATA to the folder of the data sets")
    data = public.load(file)
    assert (len(data.graphs), len(data.splits)) == (graphs, splits)
    split = data.splits[0]
    assert tuple(len(getattr(split, part)) for part in ("train", "val", "test")) == sizes
    edges = data.graphs[0].edge_index
    both = {(u, v) for u, v in edges.T.tolist()}
    assert all((v, u) in both for u, v in both)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_masks_of_one_graph(shape: tuple[int, ...]) -> None:
    graph = single().graphs[0]
    for at, part in enumerate(("train", "val", "test")):
        mask = torch.arange(40) % 3 == at
        graph[f"{part}_mask"] = mask if not shape else mask[:, None].expand(-1, *shape)
    found = check_data(load_data(graph))
    assert found.single and "train_mask" not in found.graphs[0]
    assert len(found.splits) == (shape[0] if shape else 1)
    assert all(split.val.tolist() == list(range(1, 40, 3)) for split in found.splits)


def test_one_test_mask_beside_many_others_is_that_of_all_splits() -> None:
    """As in WikiCS."""
    graph, place = single().graphs[0], torch.arange(40)
    graph.test_mask = place < 10
    graph.train_mask = torch.stack([place % 3 == s for s in range(2)], 1) & (place >= 10)[:, None]
    graph.val_mask = ((place % 3 == 2) & (place >= 10))[:, None]
    found = check_data(load_data(graph)).splits
    assert [split.test.tolist() for split in found] == [list(range(10))] * 2
    assert found[0].val.tolist() == found[1].val.tolist() == list(range(11, 40, 3))
    assert found[0].train.tolist() == list(range(12, 40, 3)) != found[1].train.tolist()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            torch.arange(20),
            r"val_mask is \[20\] of torch.int64; expected booleans \[40\] or \[40, S",
        ),
        (torch.arange(40), r"val_mask is \[40\] of torch.int64; expected booleans"),
        (torch.ones(20).bool(), r"val_mask is \[20\] of torch.bool; expected booleans \[40\]"),
        (
            torch.ones(3, 40).bool(),
            r"val_mask is \[3, 40\] of torch.bool; expected booleans \[40\]",
        ),
        (torch.ones(40, 1, 1).bool(), r"val_mask is \[40, 1, 1\] of torch.bool; expected"),
        (torch.tensor(True), r"val_mask is \[\] of torch.bool; expected"),
        (np.ones(40, dtype=bool), r"val_mask is .*ndarray.*; expected booleans"),
        (torch.ones(40, 3).bool(), "train_mask, val_mask and test_mask hold 2, 3 and 2 splits"),
        (torch.ones(40, 0).bool(), "train_mask, val_mask and test_mask hold 2, 0 and 2 splits"),
    ],
)
def test_masks_that_do_not_fit_the_graph(mask: Any, message: str) -> None:
    graph = single().graphs[0]
    graph.train_mask = graph.test_mask = (torch.arange(40) < 10)[:, None].expand(-1, 2)
    graph.val_mask = mask
    with pytest.raises(InvalidDataset, match=message):
        load_data(graph)


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
    with pytest.raises(
        InvalidDataset, match=r"graph 1 and graph 0 have different attributes: edge_attr"
    ):
        Graphs.from_list([first, second])
    second.edge_attr = torch.randn(2, 5)
    with pytest.raises(InvalidDataset, match="'edge_attr' has other shapes"):
        Graphs.from_list([first, second])
    with pytest.raises(InvalidDataset, match="no graph"):
        Graphs.from_list([])
