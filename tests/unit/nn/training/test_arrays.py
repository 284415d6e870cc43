"""Arrays of `.npz` files that cannot be what their names say."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset, InvalidParameter, UnreadableFile
from graphagg.nn import FeatureConfig, GPSConfig, train
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
        ({"y": np.ones((6, 0))}, r"y is \(6, 0\) of float64; wanted numbers"),
        (PAIRS | {"pair_ptr": np.array([0, 20, 24])}, "24 by x, .* 2 by edge_label.*equal numbers"),
        (PAIRS | {"pair_ptr": np.arange(25) // 2}, "pair_ptr is .*, from 0 to 24, the rows of"),
        (PAIRS | {"edge_label": np.ones(23)}, "from 0 to 23, the rows of edge_label"),
        (PAIRS | {"edge_label_index": np.zeros((24, 2), int)}, r"edge_label_index is \(24, 2\) of"),
        ({"edge_attr": np.ones(5)}, "edge_ptr is .*, from 0 to 5, the rows of edge_attr"),
        ({"x": None}, r"no array x; found .*node_ptr"),
        ({"y": None}, "the graphs have no 'y'"),
        ({"train": None}, r"wanted integers \[n\], .* or none of them"),
        ({"y": np.zeros(7)}, r"y has 7 labels; wanted 24, one per graph"),
        ({"val": np.zeros(0, np.int64)}, "val of split 0 is empty"),
        ({"val": np.array([99])}, "holds 99 to 99; wanted 0 to 23"),
        ({"val": np.array([0])}, "names 0 more than once"),
        ({"node_ptr": np.arange(25)}, "node_ptr is .*, from 0 to 108"),
        ({"node_ptr": np.arange(25) * 4.5}, r"node_ptr is \(25,\) of float64; wanted integers"),
        ({"y": np.full(24, math.nan)}, "12 without a label"),
        ({"train": np.array([0.5, 1.5])}, r"\[1, 2\] of float64, .*; wanted integers"),
        ({"train": np.array([0, -7])}, "train of split 0 holds -7 to 0; wanted 0 to 23"),
        ({"train": np.zeros((3, 2), int)}, r"\[3, 2\] of int64, .*; wanted integers"),
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


def test_one_graph_needs_no_pointers(tmp_path: Path) -> None:
    x, edges = np.random.default_rng(0).normal(size=(5, 2)), ring(5).numpy()
    np.savez(tmp_path / "one.npz", x=x, edge_index=edges, y=np.arange(5) % 2)
    data = load_data(tmp_path / "one.npz")
    assert data.single and torch.equal(data.graphs[0].edge_index, ring(5))


class Hostile:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def member(header: dict[str, Any], data: bytes = b"") -> bytes:
    """A `.npy` file with any header."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"fortran_order": False, **header})
    return file.getvalue() + data


def test_hostile_files_are_named_errors(tmp_path: Path) -> None:
    """Nothing is unpickled, and no memory is reserved for what a header claims."""
    mark, path = tmp_path / "it ran", tmp_path / "set.npz"
    whole = write_npz(tmp_path / "whole.npz", many()).read_bytes()
    objects = np.array([Hostile(mark)], dtype=object)
    contents: dict[str, bytes] = {
        "text": b"1,2,3", "empty": b"", "zip head": b"PK\3\4 no archive",
        "pickle": pickle.dumps(Hostile(mark)), "cut": whole[: len(whole) // 2],
    }  # fmt: skip
    for name, descr, shape, data in (
        ("terabytes", "<f8", (2**40, 2), b"x" * 16),
        ("overflow", "<f8", (2**62, 2**62), b""),
        ("negative", "<f8", (-1, 2), b""),
        ("pickled", "|O", (1,), pickle.dumps(objects)),
        ("bomb", "<f8", (2**18,), bytes(2**21)),
    ):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", member({"descr": descr, "shape": shape}, data))
            archive.writestr("edge_index.npy", member({"descr": "<i8", "shape": (2, 0)}))
        contents[name] = path.read_bytes()
    # The central directory claims a larger member than the file can hold.
    size = (2**21 + len(member({"descr": "<f8", "shape": (2**18,)}))).to_bytes(4, "little")
    assert contents["bomb"].count(size) == 2
    contents["bomb"] = contents["bomb"].replace(size, b"\xf0\xff\xff\x7f")
    for name, content in contents.items():
        path.write_bytes(content)
        with pytest.raises(
            UnreadableFile, match=r"set\.npz.* cannot be read .*numpy\.savez"
        ) as got:
            load_data(path)
        assert "allow_pickle" not in str(got.value), name
    assert not mark.exists()
    for wrong, error in ((tmp_path, InvalidDataset), (tmp_path / "no.npz", UnreadableFile)):
        with pytest.raises(error):
            load_data(wrong)


def test_categories_and_classes_without_bound_are_refused(tmp_path: Path) -> None:
    config, out = GPSConfig(FeatureConfig(width=4)), tmp_path / "run"
    for name in ("x", "y"):
        data = many()
        data.graphs[0][name] = torch.full_like(data.graphs[0][name], 2**40).long()
        if name == "x":
            for graph in data.graphs[1:]:
                graph.x = graph.x.long().abs()
        with pytest.raises(InvalidParameter, match=r"wanted (an integer|at most)"):
            train(config, data, out)
    assert not out.exists()


def test_a_path_that_no_file_can_have_is_no_traceback() -> None:
    for path in ("a" * 5000, "a\0b"):
        with pytest.raises(UnreadableFile, match="a"):
            load_data(path)
