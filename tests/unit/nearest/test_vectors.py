"""Stored vectors are near to the given ones, multiply exactly, and FAISS reads their file."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import CorruptArtifact
from graphagg.nearest.vectors import (
    Queries,
    decode,
    encode,
    map_vectors,
    products,
    rotate,
    rotated,
    step_of,
    write_vectors,
)
from tests.unit.nearest.units import unit

SEEDS = st.integers(0, 2**32 - 1)
DIMENSIONS = st.sampled_from([1, 2, 3, 64, 96, 384, 1040, 1041, 1536])


@settings(deadline=None, max_examples=40)
@given(SEEDS, DIMENSIONS)
def test_a_stored_vector_is_near_to_the_given_one(seed: int, dimension: int) -> None:
    """Vectors along an axis too: the rotation spreads them, and hardly any component is cut off.

    The product of a row with its own vector hardly errs where there are components enough.
    """
    rng = np.random.default_rng(seed)
    vectors = np.concatenate([unit(rng, 20, dimension), np.eye(min(20, dimension), dimension)])
    vectors = np.concatenate([vectors, np.zeros((1, dimension))]).astype(np.float32)
    codes = encode(vectors)
    np.testing.assert_array_equal(encode(vectors[::-1]), codes[::-1])  # of its vector alone
    np.testing.assert_array_equal(encode(decode(codes)), codes)
    distances = np.linalg.norm(decode(codes) - vectors, axis=1)
    is_inside = np.abs(rotate(vectors)).max(axis=1) <= 127 * step_of(dimension)
    assert (distances <= step_of(dimension) * np.sqrt(dimension))[is_inside].all()
    if dimension >= 64:
        errors = np.abs((decode(codes) * vectors).sum(axis=1)[:20] - 1.0)
        assert np.median(errors) < 0.12 * step_of(dimension)
    assert not decode(codes)[-1].any()
    np.testing.assert_allclose(rotate(vectors) @ rotate(vectors).T, vectors @ vectors.T, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(SEEDS, DIMENSIONS)
def test_products_are_sums_of_integers(seed: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    codes, queries = encode(unit(rng, 300, dimension)), Queries(unit(rng, 3, dimension))
    whole = products(codes, queries)
    np.testing.assert_allclose(whole, decode(codes) @ queries.vectors.T, atol=1e-5)
    integers = (queries.columns * 2**22).astype(int)
    assert (integers == queries.columns * 2**22).all()
    exact = (codes.astype(int) - 128) @ integers / 2**22 * step_of(dimension)
    np.testing.assert_array_equal(whole, exact.astype(np.float32))
    order = rng.permutation(300)[:50]
    np.testing.assert_array_equal(products(codes[order], queries), whole[order])


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(0, 50), DIMENSIONS)
def test_faiss_reads_the_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, dimension: int
) -> None:
    rng, path = np.random.default_rng(seed), tmp_path_factory.mktemp("v") / "v.faiss"
    codes = encode(unit(rng, count, dimension)).reshape(count, dimension)
    write_vectors(path, codes)
    np.testing.assert_array_equal(map_vectors(path), codes)
    index = faiss.read_index(str(path))
    assert (index.ntotal, index.d, index.metric_type) == (count, dimension, 0)
    np.testing.assert_allclose(index.reconstruct_n(0, count), rotated(codes), atol=1e-6)
    index.reset()
    index.add(rotated(codes))  # FAISS encodes as this library does
    faiss.write_index(index, str(path))
    np.testing.assert_array_equal(map_vectors(path), codes)


HARMS = ["short", "long", "kind", "metric", "dimension", "count", "empty", "newer"]


@pytest.mark.parametrize("harm", HARMS)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "v.faiss"
    write_vectors(path, encode(unit(np.random.default_rng(0), 9, 6)))
    content = bytearray(path.read_bytes())
    if harm == "kind":
        content[:4] = b"IxFI"
    elif harm == "metric":
        content[33] = 1
    elif harm == "dimension":
        content[4] = 7
    elif harm == "count":
        content[15] = 127  # 2^62 and more
    elif harm == "newer":
        content[37] = 99  # the type of the quantizer
    changed = {"short": content[:-1], "long": content + b"x", "empty": b""}.get(harm, content)
    path.write_bytes(changed)
    with pytest.raises(
        CorruptArtifact, match=r"v\.faiss: .*expected FAISS's.*build the index again"
    ):
        map_vectors(path)
