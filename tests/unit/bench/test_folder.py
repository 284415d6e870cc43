"""The questions over the folder of real files."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.retrieval.folder import QUESTIONS, questions
from graphagg.rag.evaluation.questions import read_questions


def test_only_questions_whose_files_are_all_there_are_asked(tmp_path: Path) -> None:
    known = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    first, *others = (each for each in known if len(each["gold_document_ids"]) == 2)
    held, missing = others[0]["gold_document_ids"]
    assert missing not in first["gold_document_ids"]
    for name in (*first["gold_document_ids"], held):  # the second question lacks one of its files
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    wanted = [each["id"] for each in known if there.issuperset(each["gold_document_ids"])]
    assert questions(tmp_path, tmp_path / "asked.jsonl") == (len(wanted), 40)
    asked = read_questions(tmp_path / "asked.jsonl")
    assert [each.id for each in asked] == wanted
    assert first["id"] in wanted and others[0]["id"] not in wanted
