"""Data of one's own: written and read again, split at random."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv

from graphagg.errors import InvalidDataset, InvalidParameter, UnreadableFile
from graphagg.nn import FeatureConfig, GPSConfig
from graphagg.nn.aggr import LCMAggregation
from graphagg.nn.files import write_tensors
from graphagg.nn.training import (
    TrainingConfig,
    load_data,
    random_splits,
    save_graphs,
    train,
)
from graphagg.nn.training.data.dataset import SUBSETS, check_data
from tests.unit.nn.training.toys import many, single, tiny


@st.composite
def graph_lists(draw: st.DrawFn) -> tuple[str, list[Data]]:
    """A few graphs of one level, with real or categorical features, with edges as they come."""
    level = draw(st.sampled_from(["graph", "node", "edge"]))
    real, attributes = draw(st.booleans()), draw(st.booleans())
    count = draw(st.integers(3, 5))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    graphs = []
    for _ in range(count):
        size = draw(st.integers(2, 4))
        edges = draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))))
        values = {"edge_index": torch.tensor(edges, dtype=torch.int64).view(-1, 2).T}
        values["x"] = (
            torch.randn(size, 2, generator=seed)
            if real
            else torch.randint(0, 5, (size, 2), generator=seed)
        )
        if attributes:
            values["edge_attr"] = torch.randn(len(edges), 3, generator=seed)
        if level == "graph":
            values["y"] = torch.randint(0, 3, (1,), generator=seed)
        elif level == "node":
            values["y"] = torch.randint(0, 3, (size,), generator=seed)
        else:
            values["edge_label_index"] = torch.randint(0, size, (2, 3), generator=seed)
            values["edge_label"] = torch.randint(0, 2, (3,), generator=seed)
        graphs.append(Data(**values))
    return level, graphs


def assert_same(found: list[Data], wanted: list[Data]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert sorted(one.keys()) == sorted(other.keys())
        for key in other.keys():  # a Data is no dict
            torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)


@settings(max_examples=30, deadline=None)
@given(graph_lists())
def test_what_is_written_is_read_again(tmp_path_factory, drawn):
    level, graphs = drawn
    path = tmp_path_factory.mktemp("graphs") / "set.safetensors"
    save_graphs(path, graphs)
    found = load_data(path)
    assert (found.level, found.name, found.splits) == (level, "set", ())
    assert_same(list(found.graphs), graphs)
    bare = [
        Data(**{k: v for k, v in one.to_dict().items() if k not in ("y", "edge_label")})
        for one in graphs
    ]
    save_graphs(path, bare)
    assert_same(list(load_data(path).graphs), bare)


def test_one_graph_with_masks_and_a_list_with_parts(tmp_path: Path):
    rows = torch.arange(6)
    one = Data(x=torch.randn(6, 2), edge_index=torch.tensor([[0], [1]]), y=rows % 2, smiles="CO")
    masks = {f"{part}_mask": rows // 2 == i for i, part in enumerate(SUBSETS)}
    save_graphs(tmp_path / "one.safetensors", Data(**one.to_dict(), **masks))
    found = load_data(tmp_path / "one.safetensors")
    assert found.single and found.splits[0].val.tolist() == [2, 3]
    del one.smiles  # no attribute of training
    assert_same(list(found.graphs), [one])  # the edge has no other direction, and gets none
    graphs = [Data(**one.to_dict(), split=i % 3) for i in range(12)]
    save_graphs(tmp_path / "many.safetensors", graphs)
    assert load_data(tmp_path / "many.safetensors").splits[0].test.tolist() == [2, 5, 8, 11]


def test_what_cannot_be_written_or_read(tmp_path: Path):
    graph, path = Data(x=torch.ones(1, 1)), tmp_path / "set.safetensors"
    with pytest.raises(InvalidDataset, match=r"ends in \.safetensors"):
        save_graphs(tmp_path / "set.csv", [graph])
    for wrong in ([], random_splits([many().graphs[0]] * 3), [graph, 1]):
        with pytest.raises(InvalidDataset):
            save_graphs(path, wrong)
    assert not list(tmp_path.iterdir())
    write_tensors(path, {"x": torch.ones(1)}, {})
    with pytest.raises(InvalidDataset, match="unknown tensor 'x'"):
        load_data(path)
    path.write_bytes(b"1,2,3")
    for place in (path, tmp_path / "no", "a" * 5000, "a\0b"):
        with pytest.raises(UnreadableFile):
            load_data(place)


def test_categories_and_classes_without_bound_are_refused(tmp_path: Path) -> None:
    config, out = GPSConfig(FeatureConfig(width=4)), tmp_path / "run"
    for name in ("x", "y"):
        data = many()
        data.graphs[0][name] = torch.full_like(data.graphs[0][name], 2**40).long()
        if name == "x":
            for graph in data.graphs[1:]:
                graph.x = graph.x.long().abs()
        with pytest.raises(InvalidParameter, match=r"expected (an integer|at most)"):
            train(config, data, out)
    assert not out.exists()


@settings(max_examples=50, deadline=None)
@given(
    st.integers(3, 40),
    st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (0.98, 0.01, 0.01), (0.1, 0.1, 0.8)]),
    st.integers(0, 9),
    st.booleans(),
)
def test_random_splits_are_a_partition(count, ratio, state, single):
    labels = torch.arange(count) % 2
    if single:
        labels = torch.cat([labels, torch.tensor([-1, -1])])  # unknown: in no part
        size = len(labels)
        source = Data(x=torch.ones(size, 1), edge_index=torch.zeros(2, 0).long(), y=labels)
    else:
        source = [
            Data(x=torch.ones(2, 1), edge_index=torch.zeros(2, 0).long(), y=label.view(1))
            for label in labels
        ]
    data = random_splits(source, ratio, count=2, random_state=state)
    for split in check_data(data).splits:
        parts = [getattr(split, part) for part in SUBSETS]
        assert sorted(torch.cat(parts).tolist()) == list(range(count))
        for part, share in zip(parts, ratio, strict=True):
            assert len(part) >= 1 and abs(len(part) - share * count) <= 2
    again = random_splits(source, ratio, random_state=state + 1).splits[0]
    assert torch.equal(again.test, data.splits[1].test)  # split s is drawn by its own state


def test_ratios_and_data_that_cannot_be_split():
    with pytest.raises(InvalidParameter, match=r"ratio is 0\.8, 0\.1, 0\.2"):
        random_splits([], (0.8, 0.1, 0.2))
    two = [Data(x=torch.ones(1, 1), edge_index=torch.zeros(2, 0).long(), y=torch.tensor([0]))] * 2
    with pytest.raises(InvalidDataset, match="only 2 items have a label"):
        random_splits(two)
    with pytest.raises(InvalidDataset, match="no labels 'y'"):
        random_splits([Data(x=torch.ones(1, 1), edge_index=torch.zeros(2, 0).long())] * 3)


@pytest.mark.parametrize("one", [True, False])
def test_data_without_splits_are_split_at_random(tmp_path: Path, one: bool) -> None:
    data = single() if one else many()
    source = data.graphs[0] if one else list(data.graphs)
    short = TrainingConfig(epochs=1, random_state=3)
    train(tiny, source, tmp_path / "a", training=short, splits=2)
    drawn = random_splits(source, count=2, random_state=3)
    train(tiny, drawn, tmp_path / "b", training=short, splits=2)
    assert (
        json.loads((tmp_path / "a" / "results.json").read_text())["splits"][0]["split"]
        == "random 0"
    )
    a, b = (json.loads((tmp_path / n / "run.json").read_text())["data"]["digest"] for n in "ab")
    assert a == b


@pytest.mark.parametrize("listed", [True, False])
def test_graphs_of_several_kinds_are_refused_with_an_example_that_works(listed: bool) -> None:
    graph = HeteroData()
    graph["paper"].x = torch.randn(3, 4)
    graph["author"].x = torch.randn(2, 4)
    graph["paper", "by", "author"].edge_index = torch.tensor([[0, 1, 2], [0, 1, 1]])
    with pytest.raises(InvalidDataset, match=r"HeteroData.*HeteroConv.*aggr=LCMAggregation"):
        load_data([graph] if listed else graph)
    conv = HeteroConv({("paper", "by", "author"): SAGEConv((-1, -1), 8, aggr=LCMAggregation(4, 4))})
    assert conv(graph.x_dict, graph.edge_index_dict)["author"].shape == (2, 8)
