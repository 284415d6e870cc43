"""The confidence of an answer: a chance, the same by any way to the same passages; its limit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.confidence import COEFFICIENTS, FEATURES
from graphagg.rag.modes.multihop.mode import Multihop
from tests.unit.rag.corpora import SENTENCES, build, corpora

IDS = "abcdefgh"
JUDGED: tuple[Mode, ...] = tuple(mode for mode in MODES if mode != "bm25")
QUESTIONS = [*SENTENCES[:3], "who met Ada in York?", "zebra xylophone?"]


def confidences(index: PassageIndex, **options: object) -> list[float | None]:
    return [
        index.retrieve(question, k, mode=mode, **options).confidence  # type: ignore[arg-type]
        for question in QUESTIONS for mode in JUDGED for k in (1, 5)
    ]  # fmt: skip


@settings(max_examples=10, deadline=None)
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
        assert index.retrieve(QUESTIONS[0], 3, window=1).confidence == hits.confidence
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


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "sure"])
def test_a_limit_outside_0_to_1_is_named(tmp_path: Path, value: object) -> None:
    with build([Passage("a", SENTENCES[0])], tmp_path / "i") as index:
        with pytest.raises(InvalidParameter, match="min_confidence"):
            index.retrieve("Ada?", min_confidence=value)  # type: ignore[arg-type]
        with pytest.raises(InvalidParameter, match="mode 'bm25' makes no vectors"):
            index.retrieve("Ada?", mode="bm25", min_confidence=0.5)


def test_each_feature_has_a_coefficient() -> None:
    for table in COEFFICIENTS.values():
        assert table.keys() == {"intercept", *FEATURES}


@pytest.mark.parametrize(
    ("documents", "counted"),
    [("abcde", [5, 4, 3, 2, 1]), ("aabca", [5, 3, 2]), ("aaaab", [5, 4, 3, 2, 1])],
)
def test_chunks_of_a_document_count_once_in_the_spread(documents, counted):
    names = np.array(list(documents))
    corpus = SimpleNamespace(same_document=lambda rows, others: names[rows] == names[others])
    mode = SimpleNamespace(snapshot=SimpleNamespace(corpus=corpus))
    candidates = SimpleNamespace(rows=np.arange(5))
    ranking = SimpleNamespace(score=np.array([5.0, 4, 3, 2, 1]), candidates=candidates)
    none = SimpleNamespace(score=lambda config: 0.0)
    spread = Multihop._spread(mode, ranking, [(at, none) for at in range(5)], MultihopConfig())
    assert spread == pytest.approx(np.std(counted))
