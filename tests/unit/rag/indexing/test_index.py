"""`PassageIndex`: building, opening, asking, and every way of asking badly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphagg.arrays import top_k
from graphagg.errors import (
    IndexClosed,
    InvalidParameter,
    InvalidQuestion,
    ModelMismatch,
)
from graphagg.nearest import search
from graphagg.nearest.vectors import Queries, RowSet
from graphagg.rag import LinearRAGConfig, Passage, PassageIndex
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.snapshot import search as dense_module
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor, assert_same_hits

QUESTIONS = [
    "What did Ada write on the Engine?",
    "Who read notes in London near the Thames?",
    "who is named nowhere?",
    "Is Babbage or Ada from London?",
]


def build(directory: Path, corpus: list[Passage] = CORPUS, **named: object) -> PassageIndex:
    return PassageIndex.build(
        corpus,
        directory,
        **{"encoder": FakeEncoder(), "extractor": FakeExtractor()} | named,  # type: ignore[arg-type]
    )


def test_passages_come_back_whole(small_index: PassageIndex) -> None:
    hits = small_index.retrieve("Where is London?", 10)
    assert sorted((hit.passage for hit in hits), key=lambda p: p.id) == CORPUS
    assert len(small_index) == 5
    assert small_index.manifest.counts["passages"] == 5


def test_multi_hop_path_is_told(small_index: PassageIndex) -> None:
    config = LinearRAGConfig(threshold=0.1)
    question = "What is near Ada's house on the Thames?"
    hits = small_index.retrieve(question, 5, mode="linearrag", config=config)
    paths = {h.passage.id: [hop.passage_id or hop.text for hop in h.path] for h in hits}
    assert paths["p5"][0] in ("Ada", "Thames") and paths["p5"][-1] == "p5"
    bridged = [hit for hit in hits if any(hop.kind == "sentence" for hop in hit.path)]
    assert bridged and all(hit.method == "linearrag" for hit in hits)
    assert hits[0].to_json()["components"].keys() == {"dense", "entity", "walk"}


@pytest.mark.parametrize("question", ["who is named nowhere?", "zebra crossing ahead"])
def test_without_an_entity_the_ranking_is_dense_and_says_so(
    small_index: PassageIndex, question: str
) -> None:
    hits = small_index.retrieve(question, mode="linearrag")
    assert {hit.method for hit in hits} == {"dense"}
    assert hits == small_index.retrieve(question, mode="dense")
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    for hit in hits:
        assert hit.components == {"dense": hit.score}
        assert [(hop.kind, hop.passage_id) for hop in hit.path] == [("passage", hit.passage.id)]


@pytest.mark.parametrize("mode", MODES)
def test_batch_equals_one_by_one(small_index: PassageIndex, mode: Mode) -> None:
    many = QUESTIONS * 20  # several blocks
    together = small_index.retrieve_batch(many, 5, mode=mode)
    alone = [small_index.retrieve(q, 5, mode=mode) for q in QUESTIONS] * 20
    for hits, expected in zip(together, alone, strict=True):
        assert [h.passage for h in hits] == [h.passage for h in expected]
        assert_same_hits(hits, expected, 1e-5 if mode == "linearrag" else 0.0)  # it sweeps blocks
    assert small_index.retrieve_batch([], mode=mode) == []


def test_reopened_answers_are_equal_to_the_bit(small_index: PassageIndex, tmp_path: Path) -> None:
    before = {mode: small_index.retrieve_batch(QUESTIONS, mode=mode) for mode in MODES}
    with PassageIndex.open(
        tmp_path / "idx", encoder=FakeEncoder(), extractor=FakeExtractor()
    ) as again:
        for mode, answers in before.items():
            assert again.retrieve_batch(QUESTIONS, mode=mode) == answers


def test_long_passages_score_by_their_best_window(tmp_path: Path) -> None:
    long = Passage("long", "one two three. " + "filler words go on. " * 10 + "zebra crossing")
    encoder = FakeEncoder(window=5)
    with build(tmp_path / "i", [*CORPUS, long], encoder=encoder) as index:
        question = "zebra crossing"
        hits = index.retrieve(question, mode="dense")
        best = max(
            float(encoder.encode([w])[0] @ encoder.encode([question])[0])
            for w in encoder.split([long.full_text])[0]
        )
        assert hits[0].passage == long
        assert hits[0].score == pytest.approx(best, abs=0.01)
        snapshot, (vector,) = index.snapshot, encoder.encode([question])
        searched, scores = snapshot.dense.search(
            Queries(vector[None]), 6, RowSet(np.ones(6, bool), 6)
        )
        exact = snapshot.corpus.similarity(vector[None])[:, 0]
        np.testing.assert_allclose(exact[searched], scores, atol=1e-6)
        assert searched.tolist() == top_k(exact, 6).tolist()


@pytest.mark.parametrize("flat", [500, 2000])
def test_search_by_faiss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flat: int) -> None:
    """Hits of many passages have exact scores; a scan of all vectors finds the best."""
    monkeypatch.setattr(search, "SMALL", 500)
    monkeypatch.setattr(search, "FLAT", flat)
    rng = np.random.default_rng(0)
    corpus = [
        Passage(f"n{i}", " ".join(f"w{w}" for w in rng.integers(0, 300, 12))) for i in range(1500)
    ]
    with build(tmp_path / "i", corpus) as index:
        snapshot, rows = index.snapshot, np.arange(len(corpus))

        def some_rows(some: np.ndarray) -> RowSet:
            return RowSet(np.isin(rows, some), len(some))

        assert not snapshot.dense.is_exact(some_rows(rows))
        assert snapshot.dense.is_exact(some_rows(rows[:500]))
        (segment,) = snapshot.corpus.segments
        assert segment.search is not None and segment.search.measured.recall > 0.9
        for question in [p.text[:30] for p in corpus[:20]]:
            (vector,) = FakeEncoder().encode([question])
            exact = snapshot.corpus.similarity(vector[None])[:, 0]
            for some in (rows, rows[rows % 3 > 0], rows[: rng.integers(501, 1400)]):
                best = some[top_k(exact[some], 10, snapshot.ranks[some])]
                query, visible = Queries(vector[None]), some_rows(some)
                searched, scores = snapshot.dense.search(query, 10, visible)
                assert len(searched) == 10 and np.isin(searched, some).all()
                np.testing.assert_array_equal(scores, exact[searched])
                if flat == 500:  # all are candidates
                    with monkeypatch.context() as patch:
                        patch.setattr(dense_module, "_OVERSAMPLE", len(corpus))
                        searched, _ = snapshot.dense.search(
                            Queries(vector[None]), 10, some_rows(some)
                        )
                assert searched.tolist() == best.tolist()


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("why? " * 20_000, "100,000 characters, expected at most 10,000"),
        (5, "a int, expected a string"),
    ],
)
def test_bad_questions(small_index: PassageIndex, question: str, message: str) -> None:
    with pytest.raises(InvalidQuestion, match=message):
        small_index.retrieve(question)
    with pytest.raises(InvalidQuestion, match=message):
        small_index.retrieve_batch(["Who is Ada?", question])


@pytest.mark.parametrize(
    "setting",
    [{"max_iterations": 0}, {"threshold": 0}, {"damping": 1.0}, {"passage_ratio": float("nan")}],
)
def test_bad_settings(setting: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(setting))):
        LinearRAGConfig(**setting)  # type: ignore[arg-type]


def test_another_model_is_refused(small_index: PassageIndex, tmp_path: Path) -> None:
    with pytest.raises(ModelMismatch, match=r"built with the encoder 'fake'.*'other'"):
        PassageIndex.open(tmp_path / "idx", encoder=FakeEncoder("other"))


def test_a_closed_index_refuses(small_index: PassageIndex) -> None:
    retriever = small_index.retriever()
    small_index.close()
    small_index.close()
    assert "5 passages" in repr(small_index) and small_index.manifest.counts["passages"] == 5
    assert retriever.view  # what was begun before goes on
    calls: list[Callable[[], object]] = [
        lambda: small_index.retrieve("Who?"),
        lambda: small_index.delete("p1"),
        lambda: small_index.add([{"id": "n", "text": "Ada."}]),
        lambda: small_index.sync([], dry_run=True),
        lambda: small_index.map(), small_index.graph, small_index.reopen, lambda: len(small_index),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(IndexClosed, match="was closed; open the index again"):
            call()


def test_one_id_is_a_list_of_it(small_index: PassageIndex) -> None:
    def ids(**chosen: Any) -> list[str]:
        return [hit.passage.id for hit in small_index.retrieve("Who wrote?", 9, **chosen)]

    assert ids(include="p1") == ids(include=["p1"]) == ids(include=iter(["p1", "p1"])) == ["p1"]
    assert set(ids(exclude="p1")) == set(ids(exclude=["p1"])) == {"p2", "p3", "p4", "p5"}
    assert small_index.delete("p1").removed == small_index.delete(iter(["p2", "p2"])).removed == 1
    assert set(ids()) == {"p3", "p4", "p5"}


def test_building_the_same_is_no_work_unless_forced(tmp_path: Path) -> None:
    class Counting(FakeExtractor):
        calls = 0

        def annotate(self, texts: object) -> object:  # type: ignore[override]
            Counting.calls += 1
            return super().annotate(texts)  # type: ignore[arg-type]

    versions = [
        build(tmp_path / "i", extractor=Counting(), force=force).manifest.data
        for force in (False, False, True)
    ]
    assert Counting.calls == 2
    assert len(set(versions)) == 1
    build(tmp_path / "i", extractor=Counting(), encoder=FakeEncoder("other"))
    build(tmp_path / "i", CORPUS[:3], extractor=Counting(), encoder=FakeEncoder("other"))
    assert Counting.calls == 4
