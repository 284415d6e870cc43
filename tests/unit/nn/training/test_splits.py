"""Splits from arrays of files and from masks: each fits the data, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphagg.errors import InvalidDataset
from graphagg.nn.training import Split, load_data
from graphagg.nn.training.data.dataset import checked
from tests.unit.nn.training.toys import many, ring, single, write_npz

NONE = {"train": None, "val": None, "test": None}
FOLDS = np.arange(24) % 4
MASKS = np.stack([np.arange(24) % 3 == part for part in range(3)])


def masks(*parts: np.ndarray) -> dict[str, Any]:
    names = ("train_masks", "val_masks", "test_masks")
    return NONE | dict(zip(names, parts, strict=True))


def packed(bits: np.ndarray) -> dict[str, Any]:
    return NONE | {"geom_splits": np.packbits(bits, axis=-1)}


@pytest.mark.parametrize(
    ("arrays", "splits"),
    [
        (NONE | {"fold4": FOLDS}, 4),
        (NONE | {"fold4": FOLDS.astype(np.uint8)}, 4),
        (masks(*MASKS), 1),
        (masks(*(np.stack([mask, mask]) for mask in MASKS)), 2),
        (packed(MASKS[None]), 1),
        ({"train": np.array([[0, 1, -1], [2, 3, 4]]), "val": [[5], [6]], "test": [[7], [8]]}, 2),
    ],
)
def test_split_arrays_that_fit(tmp_path: Path, arrays: dict[str, Any], splits: int) -> None:
    data = checked(load_data(write_npz(tmp_path / "rings.npz", many(), **arrays)))
    assert len(data.splits) == splits
    if "fold4" in arrays:
        assert data.splits[1].test.tolist() == [1, 5, 9, 13, 17, 21]
    elif "train" in arrays and arrays["train"] is not None:
        assert [s.train.tolist() for s in data.splits] == [[0, 1], [2, 3, 4]]
    else:
        for split in data.splits:
            found = (split.train.tolist(), split.val.tolist(), split.test.tolist())
            assert found == tuple(np.flatnonzero(mask).tolist() for mask in MASKS)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        # folds
        (NONE | {"fold4": FOLDS[:20]}, r"fold4 is \(20,\) of int64; wanted \[24\] integers"),
        (NONE | {"fold4": np.tile(FOLDS, 2)}, r"fold4 is \(48,\) of int64; wanted \[24\]"),
        (NONE | {"fold4": FOLDS + 0.5}, r"fold4 is \(24,\) of float64; wanted \[24\] integers"),
        (NONE | {"fold4": FOLDS.astype(str)}, r"fold4 is \(24,\) of <U.*; wanted \[24\] integers"),
        (NONE | {"fold4": FOLDS[:0]}, r"fold4 is \(0,\) of int64; wanted \[24\] integers"),
        (NONE | {"fold4": FOLDS - 1}, "fold4 holds the folds -1, 0, 1, 2; wanted 0, 1, 2, ..."),
        (NONE | {"fold4": FOLDS * 2}, "fold4 holds the folds 0, 2, 4, 6; wanted 0, 1, 2, ..."),
        (NONE | {"fold4": FOLDS * 10**9}, "fold4 holds the folds 0, 1000000000, "),
        (NONE | {"fold4": FOLDS % 2}, "fold4 holds the folds 0, 1; .* at least three"),
        # numbers
        ({"train": np.array([0.5, 1.5])}, r"train is \(2,\) of float64; wanted integers"),
        ({"train": np.array(["0", "1"])}, r"train is \(2,\) of <U1; wanted integers"),
        ({"train": MASKS[0]}, r"train is \(24,\) of bool; wanted integers .*train_masks"),
        ({"train": np.array(3)}, r"train is \(\) of int64; wanted integers"),
        ({"train": np.zeros((1, 2, 3), int)}, r"train is \(1, 2, 3\) of int64; wanted integers"),
        ({"train": np.array([0, -7])}, "train holds -7; wanted numbers from 0, or -1 as padding"),
        ({"train": np.zeros((3, 2), int)}, "train, val and test hold 3, 1 and 1 splits"),
        # masks
        (masks(MASKS[0], MASKS[1], MASKS[2][:20]), r"test_masks is \(20,\) of bool; wanted .*24"),
        (masks(*(mask[:, None] for mask in MASKS)), r"train_masks is \(24, 1\) of bool; wanted"),
        (masks(*(mask.astype(int) for mask in MASKS)), r"train_masks is \(24,\) of int64; wanted"),
        (
            masks(np.stack([MASKS[0]] * 2), MASKS[1], MASKS[2]),
            "train_masks, val_masks and test_masks hold 2, 1 and 1 splits",
        ),
        # packed bits
        (packed(MASKS), r"geom_splits is \(3, 3\) of uint8; wanted \[S, 3, 3\] uint8"),
        (packed(MASKS[None, :2]), r"geom_splits is \(1, 2, 3\) of uint8; wanted \[S, 3, 3\]"),
        (packed(MASKS[None, :, :16]), r"geom_splits is \(1, 3, 2\) of uint8; wanted \[S, 3, 3\]"),
        (
            NONE | {"geom_splits": MASKS[None].astype(int)},
            r"geom_splits is .* of int64; wanted \[S, 3, 3\]",
        ),
    ],
)
def test_split_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = write_npz(tmp_path / "rings.npz", many(), **arrays)
    with pytest.raises(InvalidDataset, match=f"rings.npz: {message}"):
        checked(load_data(path))


def test_vertices_of_one_graph_are_counted_not_graphs(tmp_path: Path) -> None:
    graph = single().graphs[0]
    arrays = {"x": graph.x.numpy(), "y": graph.y.numpy(), "edges": graph.edge_index.T.numpy()}
    np.savez(tmp_path / "fits.npz", **arrays, fold=np.arange(40) % 5)
    assert len(checked(load_data(tmp_path / "fits.npz")).splits) == 5
    np.savez(tmp_path / "short.npz", **arrays, fold=np.arange(39) % 5)
    with pytest.raises(InvalidDataset, match=r"fold is \(39,\) of int64; wanted \[40\]"):
        load_data(tmp_path / "short.npz")


@pytest.mark.parametrize("unknown", [-1, np.nan])
def test_packed_masks_leave_out_vertices_without_a_label(tmp_path: Path, unknown: float) -> None:
    y = np.arange(24) % 2 * (1 if unknown == -1 else 1.0)
    y[[1, 5]] = unknown
    for name, labels in (("flat", y), ("column", y[:, None])):
        np.savez(
            tmp_path / f"{name}.npz",
            x=np.ones((24, 2)),
            y=labels,
            edges=ring(24).T.numpy(),
            geom_splits=np.packbits(MASKS[None], axis=-1),
        )
        split = checked(load_data(tmp_path / f"{name}.npz")).splits[0]
        assert set(split.val.tolist()) == set(range(1, 24, 3)) - {1}
        assert set(split.test.tolist()) == set(range(2, 24, 3)) - {5}


@pytest.mark.parametrize("shape", [(), (3,)])
def test_masks_of_one_graph(shape: tuple[int, ...]) -> None:
    graph = single().graphs[0]
    for at, part in enumerate(("train", "val", "test")):
        mask = torch.arange(40) % 3 == at
        graph[f"{part}_mask"] = mask if not shape else mask[:, None].expand(-1, *shape)
    found = checked(load_data(graph))
    assert len(found.splits) == (shape[0] if shape else 1)
    assert all(split.val.tolist() == list(range(1, 40, 3)) for split in found.splits)


def test_one_test_mask_beside_many_others_is_that_of_all_splits() -> None:
    """As in WikiCS."""
    graph, place = single().graphs[0], torch.arange(40)
    graph.test_mask = place < 10
    graph.train_mask = torch.stack([place % 3 == s for s in range(2)], 1) & (place >= 10)[:, None]
    graph.val_mask = ((place % 3 == 2) & (place >= 10))[:, None]
    found = checked(load_data(graph)).splits
    assert [split.test.tolist() for split in found] == [list(range(10))] * 2
    assert found[0].val.tolist() == found[1].val.tolist() == list(range(11, 40, 3))
    assert found[0].train.tolist() == list(range(12, 40, 3)) != found[1].train.tolist()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.arange(20), r"val_mask is \[20\] of torch.int64; wanted booleans \[40\] or \[40, S"),
        (torch.arange(40), r"val_mask is \[40\] of torch.int64; wanted booleans"),
        (torch.ones(20).bool(), r"val_mask is \[20\] of torch.bool; wanted booleans \[40\]"),
        (torch.ones(3, 40).bool(), r"val_mask is \[3, 40\] of torch.bool; wanted booleans \[40\]"),
        (torch.ones(40, 1, 1).bool(), r"val_mask is \[40, 1, 1\] of torch.bool; wanted"),
        (torch.tensor(True), r"val_mask is \[\] of torch.bool; wanted"),
        (np.ones(40, dtype=bool), r"val_mask is of type ndarray; wanted booleans"),
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


@pytest.mark.parametrize("bad", [torch.arange(4), torch.ones(3).bool(), torch.ones(4, 1).bool()])
def test_a_split_of_masks_takes_masks_of_one_length(bad: torch.Tensor) -> None:
    good = torch.tensor([True, False, True, False])
    with pytest.raises(InvalidDataset, match=r"split a: the masks are .* wanted three booleans"):
        Split.of_masks("a", good, good, bad)
