"""What inverted files assume of FAISS and Linux; a new version that differs fails here."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from graphagg.rag.snapshot import inverted_file
from graphagg.rag.tables.vectors import Stack

VECTORS = 1500


def filled(trained: Path, windows: Stack, begin: int, end: int, path: Path) -> Any:
    index = inverted_file.load(trained)
    inverted_file.add(index, windows, np.arange(begin, end))
    inverted_file.save(index, path)
    return index


@pytest.fixture(scope="module")
def windows() -> Stack:
    return Stack([np.random.default_rng(0).normal(size=(VECTORS, 8)).astype(np.float32)])


@pytest.fixture(scope="module")
def trained(windows: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faiss") / "trained"
    inverted_file.save(inverted_file.trained(windows, np.arange(VECTORS)), path)
    return path


@pytest.mark.parametrize("count", [3, 200, VECTORS])  # few, half and all of the lists filled
def test_parts_join_to_the_bytes_that_faiss_writes_of_one(
    windows: Stack, trained: Path, tmp_path: Path, count: int
) -> None:
    index = filled(trained, windows, 0, count, tmp_path / "whole")
    some = np.random.default_rng(count).choice(np.arange(1, count), 2, replace=False)
    joined = inverted_file.load(trained)
    for begin, end in pairwise([0, *sorted(some.tolist()), count]):
        joined.merge_from(filled(trained, windows, begin, end, tmp_path / f"part{begin}"), 0)
    inverted_file.save(joined, tmp_path / "joined")
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()
    opened, queries = inverted_file.open_mapped(tmp_path / "joined"), windows.take(np.arange(5))
    for probed, searched in zip(
        inverted_file.probe(opened, queries, 3), index.search(queries, 3), strict=True
    ):
        assert probed.tolist() == searched.tolist()


def test_the_ranges_that_are_asked_for_are_those_of_the_lists(
    windows: Stack, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address and length of each list, from `OnDiskInvertedLists`, hold its codes and ids."""
    filled(trained, windows, 0, VECTORS, tmp_path / "whole")
    advised: list[tuple[int, int, str]] = []
    monkeypatch.setattr(inverted_file, "_advise", lambda *call: advised.append(call))
    index = inverted_file.open_mapped(tmp_path / "whole")
    size = (tmp_path / "whole").stat().st_size
    (whole,) = advised
    assert whole[1:] == (size, "MADV_RANDOM")
    advised.clear()
    queries = windows.take(np.arange(2))
    _, visited = index.quantizer.search(queries, index.nprobe)
    inverted_file.probe(index, queries, 3)
    ranges = {}
    for number in visited.ravel().tolist():
        codes = faiss.rev_swig_ptr(index.invlists.get_codes(number), 1).ctypes.data
        ranges[codes] = index.invlists.list_size(number) * (index.code_size + 8)
    assert {(address, length) for address, length, _ in advised} == set(ranges.items())
    assert {advice for *_, advice in advised} == {"MADV_WILLNEED"}
    assert all(whole[0] <= a and a + n <= whole[0] + size for a, n, _ in advised)


def test_a_search_among_some_ids_finds_no_other(
    windows: Stack, trained: Path, tmp_path: Path
) -> None:
    filled(trained, windows, 0, VECTORS, tmp_path / "whole")
    index = inverted_file.open_mapped(tmp_path / "whole")
    some = np.arange(0, VECTORS, 7)
    bits = np.packbits(np.isin(np.arange(VECTORS), some), bitorder="little")
    _, ids = inverted_file.probe(index, windows.take(np.arange(9)), 5, faiss.IDSelectorBitmap(bits))
    assert set(ids[ids >= 0].tolist()) <= set(some.tolist()) and (ids >= 0).any()
