"""BM25 is that of bm25s, over the passages that may be seen."""

from __future__ import annotations

import math
from dataclasses import replace

import bm25s
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag import Passage
from graphagg.rag.documents.analyzer import Analyzer
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.snapshot import search
from graphagg.rag.snapshot.search import Lexical, spread
from graphagg.rag.tables.view import View
from tests.fakes import FakeExtractor, InMemory
from tests.unit.rag.corpora import ENCODER, EXTRACTOR, corpora

WORDS = "river rivers Thames the of flows flowed city cities".split()
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
PASSAGES = st.lists(
    st.tuples(TEXTS, st.just("") | TEXTS), min_size=1, max_size=10
).map(lambda rows: [Passage(f"p{i}", *row) for i, row in enumerate(rows)])  # fmt: skip


def body_scores(view: View, terms: list[str]) -> npt.NDArray[np.float64]:
    """BM25 of every row over the sum of the terms' idf; 0 where hidden."""
    lexical = Lexical(view, [(term,) for term in terms])
    return spread(*lexical.best(len(view.visible)), len(view.visible))


@settings(deadline=None, max_examples=30)
@given(PASSAGES, st.lists(st.sampled_from([*WORDS, "absent"]), min_size=1, max_size=6, unique=True))
def test_scores_equal_bm25s(passages: list[Passage], terms: list[str]) -> None:
    peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75, dtype="float64")
    texts = [tokenize(p.full_text) for p in passages]
    peer.index(texts, show_progress=False)
    terms = [word.lower() for word in terms]
    present = [term for term in terms if any(term in text for text in texts)]
    expected = peer.get_scores(present) if present else np.zeros(len(texts))
    found = body_scores(InMemory.of(passages).view(), terms)
    df = [sum(term in text for text in texts) for term in terms]
    idf = sum(math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for n in df)
    np.testing.assert_allclose(found * idf, expected, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(PASSAGES, st.lists(st.sampled_from(WORDS), min_size=1, max_size=6, unique=True), st.data())
def test_the_best_of_many_rows_are_those_of_all(
    passages: list[Passage], words: list[str], data: st.DataObject
) -> None:
    """Also where common words are looked up only in rows that can be among the best."""
    passages = [replace(p, id=f"{p.id}.{copy}") for copy in range(4) for p in passages]
    visible = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(passages), max_size=len(passages)))
    )
    view, k = InMemory.of(passages).view(visible), data.draw(st.integers(1, 12))
    scores = Lexical(view, [(word,) for word in words]).at(np.arange(len(passages)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_MANY", 0)
        patch.setattr(search, "_LONG", data.draw(st.integers(0, 2)))
        patch.setattr(search, "_MARKED", data.draw(st.sampled_from([0, 4, 1000])))
        large = Lexical(view, [(word,) for word in words])
        rows, best = large.best(k)
        shown = np.flatnonzero(visible)
        np.testing.assert_array_equal(large.at(shown), scores[shown])
    np.testing.assert_array_equal(best, scores[rows])
    least = max(np.sort(scores)[-k:].min(), 1e-300)
    np.testing.assert_array_equal(rows, np.flatnonzero(scores >= least))


@settings(deadline=None, max_examples=15)
@given(corpora("abcdefgh"), st.data())
def test_a_view_has_the_statistics_of_the_visible_passages(
    passages: list[Passage], data: st.DataObject
) -> None:
    shown = data.draw(st.sets(st.sampled_from(range(len(passages))), min_size=1))
    visible = np.array([i in shown for i in range(len(passages))])
    index = InMemory.of(passages, ENCODER, EXTRACTOR)
    only = InMemory.of([passages[i] for i in sorted(shown)], ENCODER, EXTRACTOR)
    some, all_ = index.view(visible), only.view()
    assert some.passages == all_.passages == len(shown)
    assert some.mean_length == all_.mean_length
    words = [*only.lexicon.terms, "absent"]
    for terms in (words, words[::2]):
        np.testing.assert_array_equal(body_scores(some, terms)[visible], body_scores(all_, terms))
        assert not body_scores(some, terms)[~visible].any()
    rows = np.cumsum(visible) - 1
    seen = np.flatnonzero(some.entity)
    assert [index.gazetteer.keys[e] for e in seen] == list(only.gazetteer.keys)
    np.testing.assert_array_equal(some.df[seen], all_.df)
    np.testing.assert_array_equal(some.idf(seen), all_.idf(np.arange(len(seen))))
    for number, entity in enumerate(seen):
        (tied, how), (expected, expected_how) = some.tied(entity), all_.tied(number)
        np.testing.assert_array_equal(rows[tied], expected)
        np.testing.assert_array_equal(how, expected_how)


def test_stems_and_stop_words_are_those_of_the_language() -> None:
    english, none = Analyzer("en"), Analyzer("")
    words = ["which", "rivers", "flowed", "and", "flows", "whose"]
    assert english.content(words) == ["river", "flow"] and none.content(words) == words
    german = tokenize("Wer fährt für die Flüsse über den Fluß?")  # tokens have no accents
    assert Analyzer("de").content(german) == ["fahrt", "fluss"]
    index = InMemory.of([Passage("p", "Rivers flowed.")], extractor=FakeExtractor("en"))
    assert list(index.lexicon.terms) == ["flow", "river"]
