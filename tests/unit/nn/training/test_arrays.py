"""Arrays of `.npz` files that cannot be what their names say."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset, UnreadableFile
from graphagg.nn.training import load_data, save_npz
from graphagg.nn.training.data.dataset import check_data
from tests.unit.nn.training.toys import many, ring, write_npz


@pytest.mark.parametrize("name", ["x", "edge_attr"])
@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.array(1.0), r"\(\) of float64"),
        (np.array(["a", "b"]), r"\(2,\) of <U1"),
        (np.ones(2, dtype=complex), r"\(2,\) of complex128"),
        (np.ones(2, dtype="datetime64[s]"), r"\(2,\) of datetime64\[s\]"),
        (np.ones((108, 0)), r"\(108, 0\) of float64"),
    ],
)
def test_features_are_numbers_with_a_column(
    tmp_path: Path, name: str, array: np.ndarray, found: str
) -> None:
    path = write_npz(tmp_path / "many.npz", many(), **{name: array})
    with pytest.raises(InvalidDataset, match=rf"many.npz: {name} is {found}; wanted numbers"):
        load_data(path)


def test_edges_without_attributes_keep_their_width(tmp_path: Path) -> None:
    """So that a graph without edges fits beside others."""
    graphs = []
    for part, edges in enumerate((0, 3, 3)):
        graph = Data(x=torch.ones(3, 2), y=torch.tensor([1.0]), split=part)
        graph.edge_index, graph.edge_attr = ring(3)[:, :edges], torch.ones(edges, 4)
        graphs.append(graph)
    save_npz(tmp_path / "some.npz", graphs)
    data = check_data(load_data(tmp_path / "some.npz"))
    assert data.graphs[0].edge_attr.shape == (0, 4) and data.graphs[1].edge_attr.shape[1] == 4


PAIRS = {
    "y": None,
    "pair_ptr": np.arange(25),
    "edge_label_index": np.tile([[0], [1]], 24),
    "edge_label": np.arange(24) % 2,
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"edge_index": ring(6).T.numpy()}, r"edge_index is \(12, 2\) .* \[2, E\]"),
        ({"edge_index": np.zeros((2, 2))}, r"edge_index is \(2, 2\) of float64; wanted integers"),
        ({"y": np.array(["a"] * 6)}, r"y is \(6,\) of <U1; wanted numbers"),
        ({"y": np.array(1)}, r"y is \(\) of int64; wanted numbers"),
        ({"y": np.ones((6, 0))}, r"y is \(6, 0\) of float64; wanted numbers"),
        (
            PAIRS | {"pair_ptr": np.array([0, 20, 24])},
            "pair_ptr must not decrease, .* in 25 integers",
        ),
        (PAIRS | {"pair_ptr": np.arange(25) // 2}, "pair_ptr must not decrease, from 0 to 24"),
        (
            PAIRS | {"edge_label": np.ones(23)},
            "pair_ptr must not decrease, from 0 to 23, the rows of edge_label,",
        ),
        (
            PAIRS | {"edge_label_index": np.zeros((2, 9), int)},
            "pair_ptr must not decrease, from 0 to 9",
        ),
        (PAIRS | {"edge_label_index": np.zeros((24, 2), int)}, r"edge_label_index is \(24, 2\) of"),
        (PAIRS | {"edge_ptr": np.array([0, 216])}, "edge_ptr must not decrease, .* in 25 integers"),
        (
            {"edge_attr": np.ones(5)},
            "edge_ptr must not decrease, from 0 to 5, the rows of edge_attr",
        ),
        ({"x": None}, r"no array x; found .*node_ptr"),
        ({"y": None}, "no array y"),
        ({"train": None}, "train is not there; wanted train, val and test, .* or none of them"),
        ({"y": np.zeros(7)}, r"7 labels in y; wanted 24, one per graph"),
        ({"val": np.zeros(0, np.int64)}, "val of split 0 is empty"),
        ({"val": np.array([99])}, "holds 99 to 99; wanted 0 to 23"),
        ({"val": np.array([0])}, "names 0 more than once"),
        ({"node_ptr": np.arange(25)}, "node_ptr must not decrease, from 0 to 108"),
        ({"edge_ptr": np.zeros(3)}, "edge_ptr must not decrease"),
        ({"y": np.full(24, math.nan)}, "12 without a label"),
        ({"train": np.array([0.5, 1.5])}, r"train is \(2,\) of float64; wanted .*integers"),
        ({"train": np.arange(24) % 3 == 0}, r"train is \(24,\) of bool; wanted .*integers"),
        ({"train": np.array([0, -7])}, "train holds -7; wanted numbers from 0, or -1 as padding"),
        ({"train": np.zeros((3, 2), int)}, "train, val and test hold 3, 1 and 1 splits"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    path = write_npz(tmp_path / "rings.npz", many(), **changed)
    with pytest.raises(InvalidDataset, match=rf"rings(\.npz)?: .*{message}"):
        check_data(load_data(path))


def test_members_that_are_no_arrays_are_left_out(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "rings.npz", many())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "made by hand")
        archive.writestr("folds.txt", "0 1 2")
    assert len(check_data(load_data(path)).splits) == 1


@pytest.mark.parametrize("text", ["", "x", "PK", "PK\3\4 not a zip archive", "1,2,3\n4,5,6\n"])
def test_a_file_of_text_gets_no_advice_about_pickles(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.npz").write_text(text)
    with pytest.raises(UnreadableFile, match=r"data.npz cannot be read .*numpy.savez") as caught:
        load_data(tmp_path / "data.npz")
    assert "allow_pickle" not in str(caught.value) and "pickled" not in str(caught.value)


def test_an_array_of_objects_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", y=np.arange(3), x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UnreadableFile, match=r"data.npz: array x .*holds Python objects") as got:
        load_data(tmp_path / "data.npz")
    assert "allow_pickle" not in str(got.value)


def test_a_path_that_no_file_can_have_is_no_traceback() -> None:
    for path in ("a" * 5000, "a\0b"):
        with pytest.raises(UnreadableFile, match="a"):
            load_data(path)
