"""What a large index reads for a question is what a small one lays out for all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.nearest import search
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.indexing import block
from graphagg.rag.modes.multihop.mode import RankingHits
from graphagg.rag.snapshot import search as in_snapshot
from graphagg.rag.snapshot.search import best_rows, spread, top_k
from graphagg.rag.tables.view import View
from tests.unit.rag.corpora import QUESTIONS, SENTENCES, TITLES, build


def some_passages(count: int, seed: int) -> list[Passage]:
    rng = random.Random(seed)
    return [
        Passage(f"p{n}", " ".join(rng.choices(SENTENCES, k=3)), rng.choice(TITLES))
        for n in range(count)
    ]


@contextmanager
def large_corpus() -> Iterator[None]:
    """Context manager: every corpus is a large one, and every passage is a candidate."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "SMALL", 0)
        patch.setattr(in_snapshot, "_OVERSAMPLE", 1 << 12)
        patch.setattr(in_snapshot, "_MANY", 0)
        patch.setattr(in_snapshot, "_LONG", 0)
        yield


@contextmanager
def changed_index(seed: int, count: int) -> Iterator[PassageIndex]:
    """Context manager: an index of two segments, one of them with FAISS; passages are deleted."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "SMALL", 6)
        patch.setattr(search, "FLAT", 20)
        with build(some_passages(count, seed), Path(folder) / "i") as index:
            index.add([replace(p, id=f"new {p.id}") for p in some_passages(5, seed + 1)])
            index.delete(["p1", "p4", "new p2"])
            patch.undo()
            assert index.snapshot.corpus.segments[0].search is not None
            yield index


LARGE = (st.integers(0, 1 << 20), st.integers(8, 36))


@settings(max_examples=4, deadline=None)
@given(*LARGE)
def test_a_large_corpus_is_answered_as_a_small_one(seed: int, count: int) -> None:
    """The pool holds every passage here, whichever way it is found."""
    hidden = [f"p{n}" for n in range(seed % 4, count, 3)]
    with changed_index(seed, count) as index:
        ways: tuple[dict[str, Any], ...] = ({}, {"exclude": hidden})
        for options in ways:
            answers = index.retrieve_batch(QUESTIONS, 6, **options)
            with large_corpus():
                found = index.retrieve_batch(QUESTIONS, 6, **options)
            assert found == answers
            assert [hits.confidence for hits in found] == [hits.confidence for hits in answers]


@settings(max_examples=6, deadline=None)
@given(*LARGE, st.integers(1, 9), st.booleans())
def test_the_best_by_words_and_titles_join_the_pool(
    seed: int, count: int, size: int, filtered: bool
) -> None:
    hidden = [f"p{n}" for n in range(seed % 4, count, 3)] if filtered else []
    with changed_index(seed, count) as index, large_corpus():
        retriever = index.retriever(mode="multihop", exclude=hidden)
        models, weights = index.models, retriever.config.passage
        visible = retriever.view.row_set.rows
        for asked in retriever.encode(retriever.read(QUESTIONS, models), models):
            question = retriever.source.scores(asked)
            titled = np.unique(np.concatenate([np.zeros(0, np.int64), *question.titled]))
            prior = weights.lexical * question.lexical.at(visible)
            prior += weights.title * np.isin(visible, titled)
            prior += retriever.config.document * question.documents_at(visible)
            best = visible[top_k(prior, size, index.snapshot.ranks[visible])]
            best = best[prior[np.searchsorted(visible, best)] > 0]
            ranking = retriever.rank(asked, 1)
            assert isinstance(ranking, RankingHits)
            found = ranking.search.source._by_words(question, titled, size)
            assert set(best.tolist()) <= set(found.tolist())
            if len(best) == size:
                assert len(found) == size
            assert not question.is_exact


def test_the_view_of_everything_is_mapped(tmp_path: Path) -> None:
    with build(some_passages(20, 2), tmp_path / "i") as index:
        index.delete(["p3", "p4"])
        index.add(some_passages(30, 3)[25:])
        snapshot = index.snapshot
        stored = snapshot.view(None)
        made = View.of(snapshot.gazetteer, snapshot.lexicon, snapshot.alive)
        for name in ("entity", "title", "mentions", "tie", "titled", "df"):
            assert getattr(stored, name).tolist() == getattr(made, name).tolist()
        assert not stored.tie.flags.writeable and not stored.tie.flags.owndata
        assert (stored.passages, stored.tokens) == (made.passages, made.tokens)
        assert stored.mean_length == made.mean_length
        assert stored.passages == len(index) == np.count_nonzero(snapshot.alive)


def test_a_mention_says_how_its_pair_is_tied(tmp_path: Path) -> None:
    with build(some_passages(30, 6), tmp_path / "i") as index:
        index.delete(["p2"])
        snapshot = index.snapshot
        g = snapshot.gazetteer
        hidden = np.array(snapshot.alive)
        hidden[5:9] = False
        for view in (snapshot.view(None), snapshot.view(hidden)):
            for row in np.flatnonzero(view.visible).tolist():
                place = g.mentions(row)
                entities = g.entity[place].tolist()
                pairs = [dict(zip(*view.tied(e), strict=True)).get(row, 0) for e in entities]
                assert view.ties(place).tolist() == pairs
                assert set(view.counts_as(place).tolist()) <= {0, 1, 2}
            assert view.ties(slice(None)).any()


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=30), st.integers(1, 12), st.data())
def test_best_of_the_rows_that_have_a_score(values: list[float], k: int, data: Any) -> None:
    size = 40
    rows = np.array(sorted(data.draw(st.permutations(range(size)))[: len(values)]), np.int64)
    ranks = np.random.default_rng(len(values)).permutation(size)
    scores = spread(rows, np.array(values), size)
    wanted = top_k(scores, k, ranks)
    found = best_rows(rows, np.array(values), k, ranks)
    assert (found is None) == (np.count_nonzero(scores > 0) < k)
    if found is not None:
        assert found[0].tolist() == wanted.tolist()
        assert found[1].tolist() == scores[wanted].tolist()


def test_a_build_in_blocks_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = some_passages(40, 4)
    whole = build(corpus, tmp_path / "i")
    monkeypatch.setattr(block, "BLOCK", 7)
    reports: list[tuple[str, int, int]] = []
    with build(corpus, tmp_path / "j", progress=lambda *r: reports.append(r)) as index:
        assert index.manifest == whole.manifest
        index.delete(["p1"])
        index.add(some_passages(60, 5)[45:])
    done = [(d, t) for name, d, t in reports if name == "indexing"]
    assert done[-1][0] == done[-1][1] and [d for d, _ in done] == sorted(d for d, _ in done)
    with build([*corpus[:1], *corpus[2:], *some_passages(60, 5)[45:]], tmp_path / "k") as rebuilt:
        with build(corpus, tmp_path / "j") as index:
            index.delete(["p1"])
            index.add(some_passages(60, 5)[45:])
            index.compact()
            assert index.manifest.data == rebuilt.manifest.data
