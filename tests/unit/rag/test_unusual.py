"""Legal but unusual: folders that move, other working directories, generators, odd metadata."""

from __future__ import annotations

import gzip
import json
import math
import os
import shutil
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from graphagg.errors import (
    GraphAggError,
    InvalidParameter,
    InvalidPassage,
    InvalidQuestion,
    UnreadableFile,
)
from graphagg.rag import Passage, PassageIndex, read_passages
from graphagg.rag.evaluation.questions import read_questions
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor

QUESTION = "Where did Ada live?"
NEW = Passage("new", "Ada Lovelace lived in London.", "Ada")


def build(directory: str | Path, corpus: Any = CORPUS) -> PassageIndex:
    return PassageIndex.build(
        corpus, directory, encoder=FakeEncoder(), extractor=FakeExtractor(), force=True
    )


def test_an_index_stays_where_it_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    build(tmp_path / "two" / "idx").close()
    monkeypatch.chdir(tmp_path / "one")
    index = build("idx")
    os.chdir(tmp_path / "two")
    assert index.retrieve(QUESTION)
    index.add([NEW])
    index.reopen()
    assert "new" in index
    with PassageIndex.open(tmp_path / "two" / "idx") as other:
        assert "new" not in other


@pytest.mark.parametrize("mode", ["multihop", "linearrag", "dense", "bm25"])
@pytest.mark.parametrize("fate", ["moved", "replaced", "removed"])
def test_an_opened_version_answers_whatever_becomes_of_its_folder(
    tmp_path: Path, mode: str, fate: str
) -> None:
    expected = build(tmp_path / "idx").retrieve(QUESTION, mode=mode)
    options = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    index = PassageIndex.open(tmp_path / "idx", **options)
    if fate == "removed":
        shutil.rmtree(tmp_path / "idx")
    else:
        (tmp_path / "idx").rename(tmp_path / "old")
    if fate == "replaced":
        build(tmp_path / "idx", [NEW]).close()
    assert index.retrieve(QUESTION, mode=mode) == expected


def test_questions_may_come_from_anything_that_gives_them(small_index: PassageIndex) -> None:
    texts = [QUESTION, "Who wrote?"]
    expected = small_index.retrieve_batch(texts)
    assert len(expected) == 2
    assert small_index.retrieve_batch(text for text in texts) == expected
    assert small_index.retrieve_batch(map(str, texts)) == expected
    assert small_index.retrieve_batch(()) == []
    for wrong in (QUESTION, None, 5):
        with pytest.raises(InvalidQuestion, match="expected a list of strings"):
            small_index.retrieve_batch(wrong)


@pytest.mark.parametrize(
    "options",
    [
        {"k": 2.5}, {"k": "3"}, {"k": None}, {"k": True}, {"k": 0}, {"k": math.inf},
        {"neighbors": "1"}, {"neighbors": None}, {"neighbors": 0.5}, {"neighbors": -1},
        {"include": 5}, {"include": [5]}, {"exclude": None}, {"exclude": 5},
    ],
)  # fmt: skip
def test_numbers_and_lists_that_are_none(
    small_index: PassageIndex, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(options))):
        small_index.retrieve(QUESTION, **options)


def test_metadata_is_json_to_the_letter(tmp_path: Path) -> None:
    odd = {
        "v": math.nan, "deep": {"list": [1, math.nan, (2, 3)]},
        "day": date(2020, 2, 1), "at": datetime(2020, 2, 1, 3, 4),
    }  # fmt: skip
    index = build(tmp_path / "idx", [*CORPUS, Passage("odd", "Ada is odd.", metadata=odd)])
    plain = {"v": None, "deep": {"list": [1, None, [2, 3]]}, "day": "2020-02-01"}
    assert index["odd"].metadata == {**plain, "at": "2020-02-01T03:04:00"}
    found = index.retrieve(QUESTION, filter={"day": {"gte": "2020-01-01"}})
    assert [hit.passage.id for hit in found] == ["odd"]
    json.dumps(index["odd"].metadata, allow_nan=False)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("passage", "message"),
    [
        (Passage("p", "t", metadata={"v": math.inf}), "of passage 'p' is inf, expected a finite"),
        (Passage("p", "t", metadata={"v": nested(900)}), "nested more than 64 levels deep"),
        (Passage("p", "t", metadata={"v": nested(5000)}), "nested more than 64 levels deep"),
        (Passage("p", "t", position=3_000_000_000), "expected an integer from 0 to 2147483647"),
        (None, "expected a Passage or a mapping"),
        ("text", "expected a Passage or a mapping"),
        (("a", "b"), "expected a Passage or a mapping"),
    ],
)
def test_a_passage_that_is_none(small_index: PassageIndex, passage: Any, message: str) -> None:
    with pytest.raises(InvalidPassage, match=message):
        small_index.add([passage])


@pytest.mark.parametrize("wrong", [None, 5, "passages.jsonl", Path("p"), {"id": "a"}])
def test_passages_that_are_none(small_index: PassageIndex, wrong: Any) -> None:
    with pytest.raises(InvalidPassage, match="expected an iterable"):
        small_index.add(wrong)


def test_files_that_are_broken_within(tmp_path: Path) -> None:
    line = json.dumps({"id": "a", "text": "t" * 5000}).encode()
    whole = gzip.compress(line * 40)
    broken = whole[:40] + bytes(b ^ 0xFF for b in whole[40:60]) + whole[60:]
    files = {
        "corrupt.jsonl.gz": broken,
        "cut.jsonl.gz": whole[: len(whole) // 2],
        "digits.jsonl": b'{"id": "a", "text": "t", "n": ' + b"9" * 5000 + b"}",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableFile, match=name):
            list(read_passages(tmp_path / name))


@pytest.mark.parametrize("question", ["\ud800 x", "x" * 10_001, "  ", 5])
def test_questions_of_an_evaluation_are_checked_as_others(tmp_path: Path, question: Any) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": question, "gold_passage_ids": ["a"]}))
    with pytest.raises(GraphAggError, match=r"q\.jsonl:1: the question"):
        read_questions(path)
