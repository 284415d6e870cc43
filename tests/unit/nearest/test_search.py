"""Search by FAISS finds as many visible vectors as there are, and refuses what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import CorruptArtifact
from graphagg.nearest.search import (
    NEAREST,
    TARGET,
    FlatSearch,
    Measured,
    VectorSearch,
    indexed,
    measured,
    to_bytes,
)
from graphagg.nearest.vectors import Codes, Queries, decode, encode, products, write_vectors
from tests.unit.nearest.units import unit

SEEDS = st.integers(0, 2**32 - 1)


def opened(folder: Path, codes: Codes) -> VectorSearch:
    write_vectors(folder / "v.faiss", codes)
    index = indexed(codes)
    found = measured(index, folder / "v.faiss", codes[::7])
    (folder / "i.faiss").write_bytes(to_bytes(index).data)
    return VectorSearch(folder / "i.faiss", codes, found)


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.sampled_from([11, 16]), st.integers(200, 400))
def test_as_many_visible_vectors_as_wanted_are_found(
    tmp_path_factory: pytest.TempPathFactory, seed: int, dimension: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    codes, query = encode(unit(rng, count, dimension)), Queries(unit(rng, 1, dimension))
    opener = opened(tmp_path_factory.mktemp("s"), codes)
    assert 0 < opener.measured.recall <= 1 and 1 <= opener.measured.candidates <= count
    # The sentences that chose the number of candidates reach the target.
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


@pytest.mark.parametrize("name", ["i.faiss", "v.faiss"])
@pytest.mark.parametrize("shape", [(200, 8), (100, 16)])
def test_an_index_of_other_vectors_is_refused(
    tmp_path: Path, name: str, shape: tuple[int, int]
) -> None:
    codes = encode(unit(np.random.default_rng(0), 200, 16))
    path = opened(tmp_path, codes).path.with_name(name)
    with pytest.raises(CorruptArtifact, match=rf"{name}: .*expected.*build the index again"):
        VectorSearch(path, codes[: shape[0], : shape[1]], Measured()).check()


@given(SEEDS, st.integers(1, 40), st.integers(1, 12))
def test_rows_of_floats_are_all_compared(seed: int, count: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 5)).astype(np.float32)
    pairs = FlatSearch(rows, "embedding").search(rows[0], k, 0)
    others = np.delete(rows @ rows[0], 0)
    np.testing.assert_allclose([s for _, s in pairs], np.sort(others)[::-1][:k], atol=1e-4)
    assert all(row > 0 for row, _ in pairs)
