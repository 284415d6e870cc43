"""The confidence of an answer: a chance, the same by any way to the same passages; its limit."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.rag import Passage, PassageIndex, Recency
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.evaluation.measure import confidence_threshold
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.modes.multihop.mode import RankingHits
from graphagg.rag.operations.answering import distinct_hits
from tests.unit.rag.corpora import SENTENCES, build, corpora

IDS = "abcdefgh"
JUDGED: tuple[Mode, ...] = tuple(mode for mode in MODES if mode != "bm25")
QUESTIONS = [*SENTENCES[:3], "who met Ada in York?", "zebra xylophone?"]


def confidences(index: PassageIndex, **options: object) -> list[float | None]:
    return [
        index.retrieve(question, k, mode=mode, **options).confidence  # type: ignore[arg-type]
        for question in QUESTIONS for mode in JUDGED for k in (1, 5)
    ]  # fmt: skip


@settings(max_examples=4, deadline=None)
@given(corpora(IDS, least=3), st.sampled_from(IDS), st.randoms())
def test_a_change_a_filter_and_any_order_give_the_confidence_of_a_rebuild(
    corpus: list[Passage], gone: str, random: object
) -> None:
    left = [p for p in corpus if gone not in (p.id, p.document)]
    if not left:
        return
    shuffled = sorted(left, key=lambda p: p.text)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with build(corpus, root / "all") as index, build(shuffled, root / "left") as smaller:
            judged = confidences(smaller)
            assert all(0.0 <= value <= 1.0 for value in judged if value is not None)
            expected = pytest.approx(judged, abs=1e-12)  # as scores, which are among the features
            if index.snapshot.rows_named(gone):
                assert confidences(index, exclude=[gone]) == expected
                index.delete([gone])
            assert confidences(index) == expected


def test_it_is_of_the_answer_not_of_its_batch_or_its_limits(tmp_path: Path) -> None:
    corpus = [Passage(f"p{i}", text) for i, text in enumerate(SENTENCES)]
    with build(corpus, tmp_path / "i") as index:
        for mode in JUDGED:
            alone = [index.retrieve(q, 3, mode=mode).confidence for q in QUESTIONS]
            batch = [hits.confidence for hits in index.retrieve_batch(QUESTIONS, 3, mode=mode)]
            assert batch == alone
        hits = index.retrieve(QUESTIONS[0], 3)
        assert hits.confidence is not None and 0 < hits.confidence < 1
        reached = index.retrieve(QUESTIONS[0], 3, min_confidence=hits.confidence)
        assert reached == hits and reached.confidence == hits.confidence
        refused = index.retrieve(QUESTIONS[0], 3, min_confidence=1)
        assert refused == [] and refused.confidence == hits.confidence
        assert index.retrieve(QUESTIONS[0], 3, neighbors=1).confidence == hits.confidence
        assert index.retrieve(QUESTIONS[0], 3, min_score=1e9).confidence == hits.confidence
        assert index.retrieve(QUESTIONS[0], 3, mode="bm25").confidence is None
        assert index.retrieve(QUESTIONS[0], 3, include=["absent"]).confidence == 0.0


def test_similarity_in_a_language_that_the_encoder_does_not_know_makes_an_answer_surer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = [Passage(f"p{i}", text) for i, text in enumerate(SENTENCES)]
    with build(corpus, tmp_path / "i") as index:
        english = index.retrieve(QUESTIONS[0], 3, mode="dense").confidence
        monkeypatch.setattr(type(index.snapshot), "is_foreign", lambda self, view: True)
        other = index.retrieve(QUESTIONS[0], 3, mode="dense").confidence
        assert english is not None and other is not None and other > english


def test_words_for_the_present_are_not_open_and_absent_words_count_less(tmp_path: Path) -> None:
    texts = ["Hotels are paid up to 150 EUR a night.", "Visitors park free for two hours."]
    with build([Passage(f"p{i}", text) for i, text in enumerate(texts)], tmp_path / "i") as index:
        held = []
        for question in ("Who paid for hotels?", "Who currently paid for hotels at the moment?",
                         "Who paid for zebra hotels?"):  # fmt: skip
            retriever = index.retriever()
            read = retriever.read([question], index.models)
            features = distinct_hits(retriever, retriever.encode(read, index.models), 5).features()
            assert features is not None
            held.append(features["held"])
        assert held[0] == held[1] == pytest.approx(1.0) and 0.5 < held[2] < 1.0


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "sure"])
def test_a_limit_outside_0_to_1_is_named(tmp_path: Path, value: object) -> None:
    with build([Passage("a", SENTENCES[0])], tmp_path / "i") as index:
        with pytest.raises(InvalidParameter, match="min_confidence"):
            index.retrieve("Ada?", min_confidence=value)  # type: ignore[arg-type]
        with pytest.raises(InvalidParameter, match="mode 'bm25' has no confidence"):
            index.retrieve("Ada?", mode="bm25", min_confidence=0.5)


@settings(max_examples=4, deadline=None)
@given(corpora(IDS, least=2), st.sampled_from(QUESTIONS))
def test_more_hits_never_make_an_answer_less_sure(corpus: list[Passage], question: str) -> None:
    dated = [replace(p, metadata={"when": f"2026-01-0{1 + i % 9}"}) for i, p in enumerate(corpus)]
    ways: list[dict[str, object]] = [
        *({"mode": mode} for mode in JUDGED), {"recency": Recency(1.0)}, {"history": "Ada?"},
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, build(dated, Path(folder) / "i") as index:
        for way in ways:
            sure = [index.retrieve(question, k, **way).confidence for k in (1, 2, 3, 5, 8, 20)]
            assert sure == sorted(sure) and sure[0] < sure[-1]  # type: ignore[type-var]


def test_a_question_without_a_vector_is_judged_by_its_words(tmp_path: Path) -> None:
    texts = ["मेरी क्यूरी का जन्म वारसॉ में हुआ था।", "गंगा नदी भारत में बहती है।", "पेरिस फ्रांस में है।"]
    corpus = [{"id": f"p{i}", "text": text} for i, text in enumerate(texts)]
    with PassageIndex.build(corpus, tmp_path / "i", profile="fast", language="hi") as index:
        right, wrong = (
            index.retrieve(question, 3).confidence
            for question in ("मेरी क्यूरी का जन्म कहाँ हुआ था?", "चाँद पर कौन गया?")
        )
        assert right is not None and wrong is not None and right > 0.2 > 0.1 > wrong


def test_a_threshold_refuses_the_share_of_wrong_answers(tmp_path: Path) -> None:
    corpus = [Passage(f"p{i}", text) for i, text in enumerate(SENTENCES)]
    asked = [GoldQuestion(str(i), p.text, frozenset({p.id})) for i, p in enumerate(corpus)]
    with build(corpus, tmp_path / "i") as index:
        for refuse in (0.0, 0.5, 1.0):
            found = confidence_threshold(index, asked, refuse)
            wrong = [
                index.retrieve(q.text, exclude=q.gold).confidence for q in asked
            ]  # each question finds its own text
            assert found.wrong == len(wrong) and found.right == len(asked)
            refused = [not index.retrieve(q.text, exclude=q.gold, min_confidence=found.value)
                       for q in asked]  # fmt: skip
            assert sum(refused) == found.refused >= refuse * len(wrong)
        with pytest.raises(InvalidParameter, match="no wrong answer of mode 'bm25'"):
            confidence_threshold(index, asked, mode="bm25")


@pytest.mark.parametrize(
    ("documents", "counted"),
    [("abcde", [5, 4, 3, 2, 1]), ("aabca", [5, 3, 2]), ("aaaab", [5, 4, 3, 2, 1])],
)
def test_chunks_of_a_document_count_once_in_the_spread(documents, counted):
    names = np.array(list(documents))
    corpus = SimpleNamespace(same_document=lambda rows, others: names[rows] == names[others])
    choice = SimpleNamespace(score=np.array([5.0, 4, 3, 2, 1]))
    hits = SimpleNamespace(
        search=SimpleNamespace(source=SimpleNamespace(corpus=corpus)),
        choice=choice,
        _rows=lambda chosen: np.arange(len(chosen)),
    )
    spread = RankingHits._spread(hits, [(at, (0.0, 0.0)) for at in range(5)])
    assert spread == pytest.approx(np.std(counted))
