"""Inverted lists see what they say they see; with all of them seen, search is exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag.tables.lists import (
    NEAREST,
    TARGET,
    Lists,
    labels_of,
    trained,
    write_lists,
)
from graphagg.rag.tables.packed import multiply, pack, query_of, unpack
from graphagg.store.reading import ArrayFolder

pytestmark = pytest.mark.usefixtures("compiled")

SEEDS = st.integers(0, 2**32 - 1)


def unit(rng: np.random.Generator, rows: int, dimension: int) -> np.ndarray:
    matrix = rng.normal(size=(rows, dimension)) + 0.3
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


def written(folder: Path, vectors: np.ndarray, sentences: np.ndarray) -> Lists:
    centroids = trained(vectors)
    write_lists(folder, "s0.", vectors, sentences, centroids, labels_of(vectors, centroids))
    opened = Lists.open(ArrayFolder(folder), "s0.")
    assert opened is not None
    return opened


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(1, 300), st.sampled_from([1, 5, 64, 96, 130]))
def test_what_is_seen_is_visible_and_its_products_are_exact(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, dimension: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors, sentences = unit(rng, count, dimension), unit(rng, 30, dimension)
    opened = written(tmp_path_factory.mktemp("lists"), pack(vectors), pack(sentences))
    assert sorted(opened.windows.tolist()) == list(range(count))
    query = query_of(unit(rng, 1, dimension))
    exact = multiply(pack(vectors), query)[:, 0]
    visible = rng.random(count) < rng.random()
    for least in (0, 3, count):
        windows, products = opened.scan(query, visible, least, count)
        assert len(windows) == min(max(opened.probe_budget, least), np.count_nonzero(visible))
        assert len({*windows.tolist()}) == len(windows) and visible[windows].all()
        np.testing.assert_array_equal(products, exact[windows])
    near = int(rng.integers(1, 20))
    some, nearer = opened.scan(query, visible, count, near)
    assert some.tolist() == windows[: len(some)].tolist()
    promises = multiply(opened.centroids, query)[:, 0] + opened.reach
    list_of = np.empty(count, np.int64)
    list_of[opened.windows] = np.repeat(np.arange(len(promises)), np.diff(opened.bounds))
    every = [opened.scan(query, mask, count, near) for mask in (None, np.ones(count, np.bool_))]
    assert len({tuple(each.tobytes() for each in seen) for seen in every}) == 1
    for unread in {*list_of[windows[len(some) :]].tolist()}:
        assert np.count_nonzero(nearer >= promises[unread]) >= near


def test_lists_that_promise_less_are_not_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng, 800, 64)
    vectors[:200, 0], vectors[200:, 0] = 2.0, -2.0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    opened = written(tmp_path, pack(vectors), pack(vectors[::40]))
    windows, _ = opened.scan(query_of(vectors[:1]), np.ones(800, np.bool_), 800)
    assert set(windows.tolist()) == {*range(200)}


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 400), st.sampled_from([3, 96]))
def test_a_window_has_its_list_in_any_part(seed: int, count: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng, count, dimension)
    rows = pack(vectors)
    centroids = trained(rows)
    labels, products = labels_of(rows, centroids)
    cut = int(rng.integers(count + 1))
    parts = [labels_of(part, centroids) for part in (rows[:cut], rows[cut:])]
    for whole, joined in zip((labels, products), zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(joined), whole)
    near, means = unpack(rows), unpack(centroids)
    distances = ((near[:, None] - means) ** 2).sum(axis=2)
    np.testing.assert_allclose(
        distances[np.arange(count), labels], distances.min(axis=1), atol=1e-5
    )


def test_the_stored_recall_is_the_one_of_the_sentences_that_did_not_choose(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    vectors, sentences = pack(unit(rng, 3000, 12)), pack(unit(rng, 500, 12))
    opened = written(tmp_path, vectors, sentences)
    assert 0 < opened.probe_budget < 3000
    positions = opened.positions(query_of(unpack(sentences[:1])))
    assert positions.base is None  # a view would keep the positions of all windows in memory
    rows = np.random.default_rng(0).choice(500, 200, replace=False)
    every, reached, shares = np.ones(3000, np.bool_), [], []
    for row in rows.tolist():
        query = query_of(unpack(sentences[row : row + 1]))
        nearest = np.argsort(-multiply(vectors, query)[:, 0])[:NEAREST]
        reached.append(np.isin(nearest, opened.scan(query, every, near=3000)[0]).mean())
        shares.append(np.isin(nearest, opened.scan(query, every)[0]).mean())
    assert np.mean(reached[0::2]) >= TARGET
    assert opened.recall == pytest.approx(np.mean(shares[1::2])) and opened.recall > 0.9
