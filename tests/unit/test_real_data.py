"""The main job on 2WikiMultiHopQA: floors of the issue, on the real corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphagg.rag import PassageIndex, read_passages
from graphagg.rag.config import PRESETS
from graphagg.rag.evaluation import evaluate, read_questions

pytestmark = pytest.mark.slow


def test_faithful_reaches_the_official_code(two_wiki: Path, tmp_path: Path) -> None:
    index = PassageIndex.build(read_passages(two_wiki / "passages.jsonl.gz"), tmp_path / "idx")
    questions = read_questions(two_wiki / "questions.jsonl.gz")
    official = evaluate(index, questions)
    assert official.quality["recall@5"] >= 70.0 and official.quality["recall@2"] >= 54.0
    paper = evaluate(index, questions, config=PRESETS["paper"])
    assert paper.quality["recall@5"] >= 66.0
    dense = evaluate(index, questions, mode="dense")
    assert dense.quality["recall@5"] == pytest.approx(61.6, abs=1.0)
    texts = [question.text for question in questions]
    prepared = index.prepare(texts)
    together = index.retriever.retrieve_batch(prepared, 5, "faithful", PRESETS["official"])
    for question, hits in zip(prepared, together, strict=True):
        alone = index.retriever.retrieve(question, 5, "faithful", PRESETS["official"])
        assert [h.passage.id for h in hits] == [h.passage.id for h in alone]
