"""The main job on 2WikiMultiHopQA: floors of quality on the real corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphagg.rag import PassageIndex, read_passages
from graphagg.rag.evaluation.measure import evaluate
from graphagg.rag.evaluation.questions import read_questions

pytestmark = pytest.mark.slow


def test_recall_on_two_wiki(two_wiki: Path, tmp_path: Path) -> None:
    index = PassageIndex.build(
        read_passages(two_wiki / "passages.jsonl.gz"), tmp_path / "idx", chunking=None
    )
    questions = read_questions(two_wiki / "questions.jsonl.gz")
    best = evaluate(index, questions)
    assert best.quality["recall@5"] >= 97.0 and best.quality["recall@2"] >= 80.0
    assert best.quality["all_gold@5"] >= 92.0
    official = evaluate(index, questions, mode="linearrag")
    assert official.quality["recall@5"] >= 70.0 and official.quality["recall@2"] >= 54.0
    dense = evaluate(index, questions, mode="dense")
    assert dense.quality["recall@5"] == pytest.approx(61.6, abs=1.0)
    texts = [question.text for question in questions]
    together = index.retrieve_batch(texts, mode="linearrag")
    for text, hits in zip(texts, together, strict=True):
        alone = index.retrieve(text, mode="linearrag")
        assert [h.passage.id for h in hits] == [h.passage.id for h in alone]
