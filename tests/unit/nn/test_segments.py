from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidBatch
from graphagg.nn.segments import Segments


@given(st.lists(st.integers(0, 5), max_size=8))
def test_ptr_and_index_say_the_same(sizes: list[int]) -> None:
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    by_ptr = Segments.from_ptr(ptr, sum(sizes))
    by_index = Segments.from_index(by_ptr.index, len(sizes))
    assert torch.equal(by_ptr.ptr, by_index.ptr)
    assert torch.equal(by_ptr.index, by_index.index)
    values = torch.arange(sum(sizes), dtype=torch.float64).view(-1, 1)
    wanted = [part.sum() for part in values.split(sizes)]
    assert by_ptr.sum(values).flatten().tolist() == wanted
    assert by_ptr.mean(values).flatten().tolist() == pytest.approx(
        [float(total) / max(size, 1) for total, size in zip(wanted, sizes, strict=True)]
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0.0, 1.0], "torch.float32"),
        ([0, -1], "holds -1"),
        ([0, 7], "holds 7, but there are 3"),
        ([1, 0], "not sorted"),
        ([[0, 1]], "2 dimensions"),
    ],
)
def test_a_bad_index_says_what_is_wrong(index: list, message: str) -> None:
    with pytest.raises(InvalidBatch, match=message):
        Segments.from_index(torch.tensor(index), 3)


@pytest.mark.parametrize(
    ("ptr", "message"),
    [([], "empty"), ([0, 4], "0 to 5"), ([1, 5], "from 1"), ([0, 3, 2, 5], "falls from 3 to 2")],
)
def test_a_bad_ptr_says_what_is_wrong(ptr: list, message: str) -> None:
    with pytest.raises(InvalidBatch, match=message):
        Segments.from_ptr(torch.tensor(ptr, dtype=torch.int64), 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_mean_of_a_large_segment_fits_in_16_bits(dtype: torch.dtype) -> None:
    rows = 70_000
    mean = Segments.from_ptr(torch.tensor([0, rows]), rows).mean(
        torch.full((rows, 1), 3.0).to(dtype)
    )
    assert mean.dtype is dtype and mean.item() == 3.0
