"""Pools in the form of HippoRAG 2's files: gold by title and text, recall by passage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.retrieval.published import main, read_pool

CORPUS = [
    {"title": "Ada", "text": "Ada lived in York. She wrote notes."},
    {"title": "Ada", "text": "Ada is a language for aircraft."},
    {"title": "York", "text": "York lies on the Ouse."},
    {"title": "York", "text": "York lies on the Ouse."},
    {"title": "Seine", "text": "The Seine flows through Paris."},
]
MUSIQUE = {
    "question": "On which river does the town of the author of the notes lie?",
    "paragraphs": [
        {"title": row["title"], "paragraph_text": row["text"], "is_supporting": i in (0, 2)}
        for i, row in enumerate(CORPUS)
    ],
}
HOTPOT = {
    "question": "On which river does the town of the author of the notes lie?",
    "type": "bridge",
    "supporting_facts": [["Ada", 0], ["York", 0]],
    "context": [
        ["Ada", ["Ada lived in York. ", "She wrote notes."]],
        ["York", ["York lies on the Ouse."]],
        ["Seine", ["The Seine flows through Paris."]],
    ],
}


def write(folder: Path, name: str, corpus: list, questions: list) -> None:
    (folder / f"{name}_corpus.json").write_text(json.dumps(corpus))
    (folder / f"{name}.json").write_text(json.dumps(questions))


@pytest.mark.parametrize(("name", "question"), [("musique", MUSIQUE), ("hotpotqa", HOTPOT)])
def test_gold_is_the_passage_of_title_and_text(tmp_path: Path, name: str, question: dict) -> None:
    write(tmp_path, name, CORPUS, [question])
    pool = read_pool(tmp_path, name)
    assert len(pool.passages) == 4  # two are one
    texts = {p.id: p.text for p in pool.passages}
    (asked,) = pool.questions
    assert {texts[i] for i in asked.gold} == {CORPUS[0]["text"], CORPUS[2]["text"]}
    assert "sha256" in pool.notes[0] and "figures are not comparable" in pool.notes[-1]


def test_recall_is_printed_beside_published_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "musique", CORPUS, [MUSIQUE])
    main([str(tmp_path), "--profile", "fast", "--modes", "bm25", "--out", str(tmp_path / "idx")])
    printed = capsys.readouterr().out
    assert "| graphagg bm25 | 100.0 / 100.0 |" in printed and "56.1 / 74.7" in printed
    with pytest.raises(SystemExit):
        main([str(tmp_path / "idx")])
