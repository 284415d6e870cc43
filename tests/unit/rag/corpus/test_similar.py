"""Likeness: by formulas in loops, under filters and changes, and what is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter, UnknownEntity, UnknownPassage
from graphagg.graph.csr import Csr
from graphagg.rag import Passage
from graphagg.rag.corpus.similar import DIMENSION, STEPS, projected
from tests.unit.rag.corpora import SENTENCES, build, corpora

IDS = "abcdefgh"
few = settings(max_examples=8, deadline=None)


@few
@given(
    corpora(IDS, least=2),
    st.sets(st.sampled_from(IDS), min_size=1),
    st.sampled_from(["text", "graph"]),
)
def test_a_filter_sees_the_likes_of_an_index_of_what_it_leaves(
    corpus: list[Passage], hidden: set[str], by: str
) -> None:
    left = [p for p in corpus if p.id not in hidden and p.document not in hidden]
    if not left:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with build(corpus, root / "all") as index, build(left, root / "left") as smaller:
            names = [name for name in hidden if index.snapshot.rows_named(name)]
            for passage in left:
                seen = index.similar_passages(passage.id, by=by, exclude=names)
                assert seen == smaller.similar_passages(passage.id, by=by)
            for key in smaller.graph().entities:
                seen = index.similar_entities(key, by=by, exclude=names)
                assert seen == smaller.similar_entities(key, by=by)
            index.delete(names)
            index.compact()
            for key in smaller.graph().entities:
                assert index.similar_entities(key, by=by) == smaller.similar_entities(key, by=by)


@few
@given(corpora(IDS))
def test_text_likeness_is_the_cosine_of_mean_windows(corpus: list[Passage]) -> None:
    with tempfile.TemporaryDirectory() as folder, build(corpus, Path(folder) / "i") as index:
        stored = index.snapshot.corpus
        bounds = stored.window_bounds
        means = []
        for row in range(len(corpus)):
            mean = stored.windows.take(np.arange(bounds[row], bounds[row + 1])).sum(axis=0)
            means.append(mean / np.linalg.norm(mean))
        for row, passage in enumerate(corpus):
            likes = index.similar_passages(passage.id, k=len(corpus)).items
            assert passage.id not in {like.id for like in likes}
            scores = [like.score for like in likes]
            assert scores == sorted(scores, reverse=True)
            for like in likes:
                other = next(i for i, p in enumerate(corpus) if p.id == like.id)
                assert like.score == pytest.approx(float(means[row] @ means[other]), abs=2e-3)


def test_the_projection_is_the_sum_of_steps() -> None:
    rng = np.random.default_rng(0)
    dense = np.triu(rng.random((7, 7)) * (rng.random((7, 7)) < 0.5), 1)
    dense[:, 6] = 0  # a vertex without edges
    dense += dense.T
    rows, columns = np.nonzero(dense)
    matrix = Csr.from_pairs(rows, columns, dense[rows, columns], (7, 7))
    names = rng.integers(0, 2**32, 7)
    found = projected(matrix, matrix.entries, names)
    apart = Csr.from_pairs(rows[:0], columns[:0], np.zeros(0), (7, 7))
    assert not projected(apart, apart.entries, names).any() and not found[6].any()
    # The random vectors come out of a graph in which each vertex is tied to one twin.
    twins = Csr.from_pairs(np.arange(14), (np.arange(14) + 7) % 14, np.ones(14), (14, 14))
    start = projected(twins, twins.entries, np.r_[names, names])[:7] * DIMENSION**0.5
    assert set(np.unique(np.round(start, 9))) == {-1.0, 1.0}
    total, vectors = np.zeros_like(start), start
    for alpha in STEPS:
        vectors = dense @ vectors
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        total += alpha * vectors
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(found, total, atol=1e-9)


def test_what_shares_names_is_alike_by_the_graph_whatever_its_words(tmp_path: Path) -> None:
    corpus = [
        Passage("a", "Ada Lovelace walks quickly home through falling snow."),
        Passage("b", "rivers flood where Ada Lovelace swims today."),
        Passage("c", "Charles Babbage walks quickly home through falling snow."),
    ]
    with build(corpus, tmp_path / "i") as index:
        assert index.similar_passages("a", by="graph").items[0].id == "b"
        assert index.similar_passages("a", by="text").items[0].id == "c"
        assert index.similar_passages("a").by == "text"
        assert index.similar_entities("Ada Lovelace").by == "graph"
        assert index.similar_entities("ADA LOVELACE").of == "ada lovelace"


def test_what_cannot_be_asked_is_named(tmp_path: Path) -> None:
    corpus = [Passage(f"p{i}", text) for i, text in enumerate(SENTENCES)]
    with build(corpus, tmp_path / "i") as index:
        with pytest.raises(UnknownPassage, match="'nobody'"):
            index.similar_passages("nobody")
        with pytest.raises(UnknownPassage, match="left out"):
            index.similar_passages("p0", exclude=["p0"])
        with pytest.raises(UnknownEntity, match="wanted a name as passages have it"):
            index.similar_entities("New Amsterdam")
        with pytest.raises(UnknownEntity):
            index.similar_entities("")
        with pytest.raises(InvalidParameter, match="by is"):
            index.similar_entities("york", by="both")  # type: ignore[arg-type]
        with pytest.raises(InvalidParameter, match="k is"):
            index.similar_passages("p0", k=0)
    with build([Passage("a", "nobody is named.")], tmp_path / "j") as index:
        assert index.similar_passages("a").items == ()
        with pytest.raises(UnknownEntity):
            index.similar_entities("york")
