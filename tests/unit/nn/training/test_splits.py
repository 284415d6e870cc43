"""Splits from arrays of files and from masks: each fits the data, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphagg.errors import InvalidDataset
from graphagg.nn.training import Split, load_data
from graphagg.nn.training.data.dataset import check_data
from tests.unit.nn.training.toys import many, single, write_npz


def test_split_arrays_that_fit(tmp_path: Path) -> None:
    arrays = {"train": np.array([[0, 1, -1], [2, 3, 4]]), "val": [[5], [6]], "test": [[7], [8]]}
    data = check_data(load_data(write_npz(tmp_path / "rings.npz", many(), **arrays)))
    assert [split.train.tolist() for split in data.splits] == [[0, 1], [2, 3, 4]]


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
def test_a_split_from_masks_takes_masks_of_one_length(bad: torch.Tensor) -> None:
    good = torch.tensor([True, False, True, False])
    with pytest.raises(InvalidDataset, match=r"split a: the masks are .* wanted three booleans"):
        Split.from_masks("a", good, good, bad)
