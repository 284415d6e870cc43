"""Likeness: by formulas in loops, under filters and changes, and what is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter, UnknownEntity, UnknownPassage
from graphagg.rag import Passage
from tests.unit.rag.corpora import SENTENCES, build, corpora

IDS = "abcdefgh"
few = settings(max_examples=8, deadline=None)


@few
@given(
    corpora(IDS, least=2),
    st.sets(st.sampled_from(IDS), min_size=1),
)
def test_a_filter_sees_the_likes_of_an_index_of_what_it_leaves(
    corpus: list[Passage], hidden: set[str]
) -> None:
    left = [p for p in corpus if p.id not in hidden and p.document not in hidden]
    if not left:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with build(corpus, root / "all") as index, build(left, root / "left") as smaller:
            names = [name for name in hidden if index.snapshot.rows_named(name)]
            for passage in left:
                seen = index.similar_passages(passage.id, exclude=names)
                assert seen == smaller.similar_passages(passage.id)
            for key in smaller.graph().entities:
                seen = index.similar_entities(key, exclude=names)
                assert seen == smaller.similar_entities(key)
            index.delete(names)
            index.compact()
            for key in smaller.graph().entities:
                assert index.similar_entities(key) == smaller.similar_entities(key)


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


def test_entities_are_alike_by_the_texts_that_name_them(tmp_path: Path) -> None:
    corpus = [
        Passage("a", "Ada Lovelace walks quickly home through falling snow."),
        Passage("b", "Rivers flood where Mary Somerville swims today."),
        Passage("c", "Charles Babbage walks quickly home through falling snow."),
    ]
    with build(corpus, tmp_path / "i") as index:
        assert index.similar_passages("a").items[0].id == "c"
        found = index.similar_entities("ADA LOVELACE")
        assert (found.of, found.items[0].id) == ("ada lovelace", "charles babbage")


def test_what_cannot_be_asked_is_named(tmp_path: Path) -> None:
    corpus = [Passage(f"p{i}", text) for i, text in enumerate(SENTENCES)]
    with build(corpus, tmp_path / "i") as index:
        with pytest.raises(UnknownPassage, match="'nobody'"):
            index.similar_passages("nobody")
        with pytest.raises(UnknownPassage, match="left out"):
            index.similar_passages("p0", exclude=["p0"])
        with pytest.raises(UnknownEntity, match="use a spelling from a passage"):
            index.similar_entities("New Amsterdam")
        with pytest.raises(UnknownEntity):
            index.similar_entities("")
        with pytest.raises(InvalidParameter, match="k is"):
            index.similar_passages("p0", k=0)
    with build([Passage("a", "nobody is named.")], tmp_path / "j") as index:
        assert index.similar_passages("a").items == ()
        with pytest.raises(UnknownEntity):
            index.similar_entities("york")
