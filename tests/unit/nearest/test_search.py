"""Search by FAISS finds as many visible vectors as there are, and refuses what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import CorruptArtifact, InvalidParameter
from graphagg.nearest.search import (
    NEAREST,
    TARGET,
    FlatSearch,
    Measured,
    SearchType,
    VectorSearch,
    measured,
    to_bytes,
)
from graphagg.nearest.vectors import Codes, Queries, decode, encode, products, write_vectors
from tests.unit.nearest.units import unit

KINDS = [None, "IVF8,SQ8", "IVF4,PQ16x4fs"]
SEEDS = st.integers(0, 2**32 - 1)


def opened(folder: Path, codes: Codes, kind: str | None) -> VectorSearch:
    write_vectors(folder / "v.faiss", codes)
    index = SearchType(kind).indexed(codes)
    found = measured(index, folder / "v.faiss", codes[::7], None)
    (folder / "i.faiss").write_bytes(to_bytes(index).data)
    return VectorSearch(folder / "i.faiss", codes, found)


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.sampled_from(KINDS), st.integers(200, 400))
def test_as_many_visible_vectors_as_wanted_are_found(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str | None, count: int
) -> None:
    rng = np.random.default_rng(seed)
    codes, query = encode(unit(rng, count, 16)), Queries(unit(rng, 1, 16))
    opener = opened(tmp_path_factory.mktemp("s"), codes, kind)
    assert 0 < opener.measured.recall <= 1 and 1 <= opener.measured.candidates <= count
    if kind is None:  # the sentences that chose the number of candidates reach the target
        chose = [Queries(vector[None]) for vector in decode(codes[::7][::2])]
        nearest = [np.argsort(-products(codes, each)[:, 0])[:NEAREST] for each in chose]
        found = [opener.nearest(each, opener.measured.candidates) for each in chose]
        shares = [np.isin(*pair).mean() for pair in zip(nearest, found, strict=True)]
        assert np.mean(shares) >= TARGET - 0.01  # of equal codes FAISS may take others as the last
    for share in (1.0, 0.5, 0.02, 0.0):
        visible = rng.random(count) < share
        for n in (1, 10, count):
            found = opener.nearest(query, n, visible)
            assert len({*found.tolist()}) == len(found) and visible[found].all()
            assert len(found) == min(n, np.count_nonzero(visible))
    exact = products(codes, query)[:, 0]
    flat = VectorSearch(opener.path.with_name("v.faiss"), codes)
    best = np.argsort(-exact, kind="stable")[:10]
    np.testing.assert_allclose(exact[flat.nearest(query, 10)], exact[best], atol=1e-5)


def test_the_number_of_lists_is_chosen_or_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = encode(unit(rng, 2000, 12))
    write_vectors(tmp_path / "v.faiss", codes)
    recalls = []
    for nprobe in (1, None, 99):
        index = SearchType("IVF40,SQ8").indexed(codes)
        recalls.append(measured(index, tmp_path / "v.faiss", codes[::10], nprobe).recall)
        lists = index.nprobe
        assert lists == {1: 1, 99: 40}.get(nprobe or 0, lists) and 1 <= lists <= 40
    assert recalls[0] < recalls[1] <= recalls[2] and recalls[1] > 0.9


@pytest.mark.parametrize(
    ("kind", "nprobe", "message"),
    [
        ("HNSW8,SQ8", None, r"faiss is 'HNSW8,SQ8'; wanted a type such as 'IVF4096,SQ8'"),
        ("IVF4,SQ8,RFlat", None, r"faiss is 'IVF4,SQ8,RFlat'; wanted a type such as"),
        ("IVF0,SQ8", None, r"faiss is 'IVF0,SQ8'; wanted a type such as"),
        ("IVF4,PQ5x4fs", None, r"makes no index of 16 components .*a number of parts that divides"),
        ("IVF400,SQ8", None, r"cannot be trained on 200 vectors .*\(400\)"),
        ("IVF8,SQ8", 0, "nprobe is 0"),
    ],
)
def test_a_wrong_type(tmp_path: Path, kind: str | None, nprobe: int | None, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        SearchType(kind, nprobe)
        opened(tmp_path, encode(unit(np.random.default_rng(0), 200, 16)), kind)


@pytest.mark.parametrize("name", ["i.faiss", "v.faiss"])
@pytest.mark.parametrize("shape", [(200, 8), (100, 16)])
def test_an_index_of_other_vectors_is_refused(
    tmp_path: Path, name: str, shape: tuple[int, int]
) -> None:
    codes = encode(unit(np.random.default_rng(0), 200, 16))
    path = opened(tmp_path, codes, None).path.with_name(name)
    with pytest.raises(CorruptArtifact, match=rf"{name}: .*wanted.*build the index again"):
        VectorSearch(path, codes[: shape[0], : shape[1]], Measured())


@given(SEEDS, st.integers(1, 40), st.integers(1, 12))
def test_rows_of_floats_are_all_compared(seed: int, count: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 5)).astype(np.float32)
    pairs = FlatSearch(rows, "embedding").search(rows[0], k, 0)
    others = np.delete(rows @ rows[0], 0)
    np.testing.assert_allclose([s for _, s in pairs], np.sort(others)[::-1][:k], atol=1e-4)
    assert all(row > 0 for row, _ in pairs)
