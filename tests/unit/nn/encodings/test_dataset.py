"""The cache of a data set's encodings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import AddRandomWalkPE

from graphagg.errors import CorruptArtifact, InvalidParameter, WriteFailed
from graphagg.nn.encodings import RRWP, RWSE, CycleCounts, LapPE, encode_dataset
from tests.unit.nn.encodings.graphs import random_graph

TRANSFORMS = [LapPE(3), RWSE(4), RRWP(3), CycleCounts()]


def data_set() -> list[Data]:
    return [random_graph(n, 2 * n, n) for n in (4, 0, 7, 1)]


def assert_same(one: list[Data], other: list[Data]) -> None:
    for a, b in zip(one, other, strict=True):
        assert set(a.keys()) == set(b.keys())
        for name in a.keys():
            assert torch.equal(torch.as_tensor(a[name]), torch.as_tensor(b[name]))


def test_what_is_kept_is_what_was_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = encode_dataset(data_set(), TRANSFORMS)
    assert all(name in graph for graph in plain for t in TRANSFORMS for name in t.names)
    assert_same(encode_dataset(data_set(), TRANSFORMS, tmp_path / "cache"), plain)
    (file,) = (tmp_path / "cache").iterdir()
    assert file.suffix == ".safetensors"
    monkeypatch.setattr(RWSE, "encode", lambda self, data: pytest.fail("computed again"))
    restored = encode_dataset(data_set(), TRANSFORMS, tmp_path / "cache")
    assert_same(restored, plain)
    assert not any("rwse" in graph for graph in data_set())


@pytest.mark.parametrize("change", ["graph", "weights", "order", "parameters", "transforms"])
def test_any_change_computes_anew(tmp_path: Path, change: str) -> None:
    encode_dataset(data_set(), RWSE(4), tmp_path)
    graphs, transforms = data_set(), [RWSE(4)]
    if change == "graph":
        graphs[0].edge_index = graphs[0].edge_index[:, 1:]
    elif change == "weights":
        graphs[0].edge_weight = torch.rand(graphs[0].edge_index.size(1))
    elif change == "order":
        graphs.reverse()
    elif change == "parameters":
        transforms = [RWSE(5)]
    else:
        transforms = [RWSE(4), CycleCounts()]
    assert_same(encode_dataset(graphs, transforms, tmp_path), encode_dataset(graphs, transforms))
    assert len(list(tmp_path.iterdir())) == 2


def test_features_and_labels_do_not_matter(tmp_path: Path) -> None:
    encode_dataset(data_set(), RWSE(4), tmp_path)
    graphs = data_set()
    graphs[0].x, graphs[0].y = torch.zeros(4, 1), torch.ones(1)
    out = encode_dataset(graphs, RWSE(4), tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert torch.equal(out[0].y, torch.ones(1))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    encode_dataset(data_set(), RWSE(4), tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(CorruptArtifact, match="remove it, and run again"):
        encode_dataset(data_set(), RWSE(4), tmp_path)


def test_a_run_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*paths: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("graphagg.nn.files.os.replace", fail)
    with pytest.raises(WriteFailed, match="no space"):
        encode_dataset(data_set(), RWSE(4), tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_graphs_and_transforms_of_others(tmp_path: Path) -> None:
    assert encode_dataset([], TRANSFORMS, tmp_path) == []
    assert encode_dataset([], TRANSFORMS, tmp_path) == []
    with pytest.raises(InvalidParameter, match="is no encoding"):
        encode_dataset(data_set(), [AddRandomWalkPE(3)])


def test_a_batch_is_not_the_graph_of_its_edges(tmp_path: Path) -> None:
    pairs = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    whole = Data(edge_index=pairs, num_nodes=4)
    two = Data(edge_index=pairs, num_nodes=4, batch=torch.tensor([0, 0, 1, 1]))
    offsets = Data(edge_index=pairs, num_nodes=4, ptr=torch.tensor([0, 2, 4]))
    for graph in (two, whole, offsets):
        assert_same(encode_dataset([graph], LapPE(2), tmp_path), encode_dataset([graph], LapPE(2)))
    assert torch.equal(LapPE(2)(two).lap_values, LapPE(2)(offsets).lap_values)
    assert not torch.equal(LapPE(2)(two).lap_values, LapPE(2)(whole).lap_values)


def test_weights_in_16_bits_are_kept_too(tmp_path: Path) -> None:
    graph = random_graph(5, 8, 1)
    graph.edge_weight = torch.rand(graph.edge_index.size(1)).bfloat16()
    plain = encode_dataset([graph], LapPE(3))
    for _ in range(2):
        assert_same(encode_dataset([graph], LapPE(3), tmp_path), plain)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine")
    with pytest.raises(InvalidParameter, match="cache is a file; wanted a folder"):
        encode_dataset(data_set(), RWSE(4), tmp_path / "cache")
