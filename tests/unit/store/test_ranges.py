"""Large files in ranges: what is written is what is read, however much is in memory."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import CorruptArtifact, WriteFailed
from graphagg.store import ranges
from graphagg.store.ranges import (
    GrowingFile,
    at_random,
    check_space,
    forget,
    is_large,
    map_array,
    npy_header,
    preallocate,
    take_rows,
    will_need,
    write_range,
)


@given(
    data=st.data(),
    length=st.integers(1, 60),
    width=st.integers(0, 9),
    dtype=st.sampled_from(["<f4", "<i8", "<f2", "|u1"]),
)
def test_ranges_make_the_file_that_one_write_makes(tmp_path_factory, data, length, width, dtype):
    folder = tmp_path_factory.mktemp("ranges")
    whole = np.arange(length * width).reshape(length, width).astype(dtype)
    cuts = sorted({0, length, *data.draw(st.lists(st.integers(0, length), max_size=4))})
    spans = data.draw(st.permutations(list(pairwise(cuts))))
    preallocate(folder / "a.npy", dtype, whole.shape)
    for low, high in spans:
        write_range(folder / "a.npy", low, whole[low:high])
    with (folder / "b.npy").open("wb") as file:
        np.lib.format.write_array(file, whole, version=(1, 0), allow_pickle=False)
    assert (folder / "a.npy").read_bytes() == (folder / "b.npy").read_bytes()


def test_values_take_the_type_of_the_file(tmp_path):
    preallocate(tmp_path / "a.npy", np.float16, (3, 2))
    write_range(tmp_path / "a.npy", 1, np.asfortranarray(np.array([[1.5, 2.0], [3.0, 4.0]])))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), [[0, 0], [1.5, 2], [3, 4]])


@given(
    rows=st.lists(st.integers(0, 299), max_size=50).map(sorted),
    resident=st.integers(1, 5000),
    low=st.integers(0, 7),
)
def test_rows_are_those_of_the_array(tmp_path_factory, rows, resident, low):
    path = tmp_path_factory.mktemp("rows") / "a.npy"
    whole = np.random.default_rng(0).random((300, 7))
    np.save(path, whole)
    mapped = np.load(path, mmap_mode="r")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "RESIDENT", resident)
        for array in (mapped, mapped[10:], whole):
            numbers = np.array([row for row in rows if row < len(array)], dtype=np.int64)
            taken = take_rows(array, numbers, slice(low, 7))
            np.testing.assert_array_equal(taken, array[numbers][:, low:])


def test_a_full_disk_is_told(tmp_path):
    check_space(tmp_path, 1, "a byte")
    with pytest.raises(WriteFailed, match=r"GiB for so much: 2 \* 3; make room"):
        check_space(tmp_path, 1 << 60, "so much: 2 * 3")


@given(
    st.lists(st.integers(0, 5), max_size=5),
    st.sampled_from([(), (2,), (3, 1)]),
    st.sampled_from(["<f4", "|u1", "|b1", "<i8"]),
)
def test_appended_parts_make_the_file_that_one_write_makes(tmp_path_factory, parts, width, dtype):
    folder = tmp_path_factory.mktemp("ranges")
    blocks = [np.arange(n * np.prod(width, dtype=int)).reshape(n, *width) % 2 for n in parts]
    file = GrowingFile(folder / "a.npy", dtype, width=width)
    for block in blocks:
        file.append(block)
    file.close()
    whole = np.concatenate([np.zeros((0, *width), dtype), *blocks]).astype(dtype)
    with (folder / "b.npy").open("wb") as other:
        np.lib.format.write_array(other, whole, version=(1, 0), allow_pickle=False)
    assert (folder / "a.npy").read_bytes() == (folder / "b.npy").read_bytes()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="<i4"),
        np.arange(6.0, dtype="<f2").reshape(2, 3),
        np.array(7, "<u2"),
        np.zeros((0, 3), "|b1"),
    ],
)
def test_an_array_of_numbers_is_mapped_as_numpy_reads_it(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    found = map_array(tmp_path / "a.npy")
    assert found.dtype == array.dtype and found.shape == array.shape
    np.testing.assert_array_equal(found, array)
    assert not found.size or not found.flags.writeable
    assert npy_header(tmp_path / "a.npy") == (array.dtype.str, array.shape)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i4"),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([b"ab", b"c"]),
        np.array(["é", "fg"]),
        np.array(["2026-01-01"], "<M8[D]"),
        np.array([(1, 2.0)], [("a", "<i4"), ("b", "<f8")]),
    ],
)
def test_an_array_of_anything_else_is_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    assert npy_header(tmp_path / "a.npy") is None
    with pytest.raises(CorruptArtifact, match="not a complete array"):
        map_array(tmp_path / "a.npy")


def test_an_array_that_is_cut_off_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-8])
    with pytest.raises(CorruptArtifact, match="not a complete array"):
        map_array(tmp_path / "a.npy")


def test_advice_on_mapped_arrays_changes_nothing(tmp_path: Path) -> None:
    """`will_need` finds the mapping below any view; the kernel refuses a range outside of it."""
    np.save(tmp_path / "a.npy", np.arange(100_000))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    will_need(mapped[50_000:], np.asarray(mapped)[1:90_000][5:], np.arange(100_000))
    assert mapped.sum() == 4_999_950_000
    at_random([(mapped, 3), np.arange(5), "a"])
    assert mapped.sum() == 4_999_950_000
    forget(mapped[1000:], np.arange(3))
    assert mapped.sum() == 4_999_950_000


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the system does not tell its memory")
def test_more_than_half_of_memory_is_large() -> None:
    assert not is_large(0) and is_large(1 << 60)
