"""Follow-up questions: scores of both readings, weighted by how much the turn before counts."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidQuestion
from graphagg.rag import Hit, MultihopConfig, Passage, PassageIndex
from graphagg.rag.config.modes import MODES
from graphagg.rag.documents.analyzer import Analyzer
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.modes.follow_up import DEPTH
from graphagg.rag.question.request import Request
from graphagg.rag.snapshot.search import Lexical
from tests.unit.rag.corpora import QUESTIONS, SENTENCES, build, corpora
from tests.unit.rag.modes.test_explanations import adds_up, index, random_questions

__all__ = ["index"]
CONFIG = MultihopConfig().without("coverage").without("named-pages").without("documents")
TURNS = [*SENTENCES[:2], "who?", "zebra xylophone?"]


def all_hits(index: PassageIndex, question: str, **options: Any) -> dict[str, Hit]:
    return {hit.passage.id: hit for hit in index.retrieve(question, len(index), **options)}


def brute_weight(index: PassageIndex, question: str, turn: str, first: list[Hit]) -> float:
    reading, before = index.retriever(mode="bm25").read([question, turn], index.models)
    view, stem = index.snapshot.view_of(Request().selection), Analyzer("en").stem
    idf = [float(Lexical(view, [term]).idf[0]) for term in before.terms]
    stems = {stem(word) for hit in first for word in tokenize(hit.passage.full_text)}
    held = sum(x for x, term in zip(idf, before.terms, strict=True) if stems & {*term})
    same = 0.2 + held / max(sum(idf), 1e-12) + bool({*reading.terms} & {*before.terms})
    rarity = float(Lexical(view, reading.terms).idf.sum()) / math.log(len(index))
    return min(same, 1.0) * min(max(1.6 - 0.4 * rarity, 0.0), 1.0)


def test_multihop_weighs_the_scores_of_both_readings(index: PassageIndex) -> None:
    weights = set()
    for question in random_questions(12):
        for turn in TURNS:
            together = f"{turn}\n{question}"
            h = brute_weight(index, question, turn, index.retrieve(question, 5, config=CONFIG))
            s, t = (all_hits(index, text, config=CONFIG) for text in (question, together))
            first = dict(list(t.items())[:DEPTH])
            last_s, last_t = list(s.values())[DEPTH - 1].score, list(first.values())[-1].score
            hits = all_hits(index, question, config=CONFIG, history=["Other?", turn])
            for name, hit in hits.items() if h else ():
                own = max(s[name].score, last_s) if name in first else s[name].score
                other = h * (t[name].score if name in first else last_t) / (1 + h)
                assert hit.score == pytest.approx(own / (1 + h) + other, abs=1e-9)
                assert hit.components["history"] == pytest.approx(other, abs=1e-9)
            assert h or hits == s
            weights.add(round(h, 3))
    assert len(weights) > 5 and {0.0, 1.0} <= weights


@pytest.mark.parametrize("mode", MODES)
def test_scores_add_up_and_pages_batches_and_explanations_agree(
    index: PassageIndex, mode: Any
) -> None:
    counted = 0
    for turn in TURNS:
        batch = index.retrieve_batch(random_questions(4), 12, mode=mode, history=turn)
        for question, hits in zip(random_questions(4), batch, strict=True):
            assert all(map(adds_up, hits)) and len(hits) == 12
            assert index.retrieve(question, 5, mode=mode, history=turn) == hits[:5]
            counted += any("history" in hit.components for hit in hits)
            for k, hit in ((12, hits[3]), (2, hits[9])):
                why = index.explain(question, hit.passage.id, k, mode=mode, history=turn)
                assert why.rank == (4 if k == 12 else None) or k == 2
                assert why.hit is not None and adds_up(why.hit)
                if k == 12:
                    assert why.hit.score == pytest.approx(hit.score, abs=1e-9)
    assert counted


@settings(max_examples=5, deadline=None)
@given(corpora("abcdefgh", least=3), st.sampled_from("abcdefgh"), st.sampled_from(MODES))
def test_a_change_and_a_filter_give_the_answers_of_a_rebuild(
    corpus: list[Passage], gone: str, mode: Any
) -> None:
    left = [p for p in corpus if gone not in (p.id, p.document)]
    if not left:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with build(corpus, root / "all") as index, build(left, root / "left") as smaller:

            def scores(of: PassageIndex, **options: Any) -> list[Any]:
                answers = of.retrieve_batch(QUESTIONS, 5, mode=mode, history=TURNS[0], **options)
                return [
                    (h.passage.id, pytest.approx(h.score, abs=1e-5)) for a in answers for h in a
                ]

            if index.snapshot.rows_named(gone):
                assert scores(index, exclude=[gone]) == scores(smaller)
                index.delete([gone])
            assert scores(index) == scores(smaller)


@pytest.mark.parametrize("history", [[""], [5], 5, ["Ada?", " "], ["x" * 10_001]])
def test_turns_are_checked(history: Any) -> None:
    with pytest.raises(InvalidQuestion):
        Request(history=history)
    assert Request(history="Ada?").readings("When?") == ["When?", "Ada?\nWhen?"]
    assert Request().readings("When?") == ["When?"]
