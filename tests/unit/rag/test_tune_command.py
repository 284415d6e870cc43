"""`graphagg rag tune`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from graphagg.rag import BestConfig, Passage, PassageIndex
from tests.unit.commands import Answer

Call = Callable[..., Answer]


@pytest.fixture
def place(demo_index: Path, tmp_path: Path) -> Path:
    """An index of its own: the command may write."""
    return Path(shutil.copytree(demo_index, tmp_path / "idx"))


def titled(place: Path) -> list[Passage]:
    with PassageIndex.open(place) as index:
        return [passage for passage in index if passage.title]


def asked(folder: Path, questions: list[tuple[str, str]]) -> Path:
    path = folder / "questions.jsonl"
    rows = [
        {"id": f"q{n}", "question": text, "gold_passage_ids": [gold]}
        for n, (text, gold) in enumerate(questions)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def plain(place: Path) -> list[tuple[str, str]]:
    return [(f"What is known about {p.title}?", p.id) for p in titled(place)]


def test_a_set_without_a_gain_leaves_the_index_as_it_is(call: Call, place: Path) -> None:
    path, before = asked(place.parent, plain(place)), (place / "manifest.json").read_bytes()
    found = call("rag", "tune", place, path, "--json").json
    assert found["index"] == str(place) and not found["is_gain"] and not found["written"]
    assert found["questions"] == len(titled(place)) and found["gold_missing"] == 0
    assert {"today", "tuned", "gain", "changes"} <= found.keys()
    said = call("rag", "tune", place, path, "--dry-run")
    assert said.code == 0
    assert "no gain of recall@5 beyond chance: the index keeps its weights" in " ".join(
        said.out.split()
    )
    assert (place / "manifest.json").read_bytes() == before


def test_reset(call: Call, place: Path) -> None:
    assert call("rag", "tune", place, "--reset", "--json").json["reset"] is False
    with PassageIndex.open(place) as index:
        passages = list(index)
    PassageIndex.build(passages, place, chunking=None, weights=BestConfig(coverage=1.2)).close()
    said = call("rag", "tune", place, "--reset")
    assert said.code == 0 and "back to the default weights" in " ".join(said.out.split())
    with PassageIndex.open(place) as index:
        assert not index.is_tuned


def test_what_it_refuses(call: Call, place: Path) -> None:
    few = asked(place.parent, plain(place)[:7])
    assert "7 different questions, wanted at least 30" in call("rag", "tune", place, few).error
    wanted = "give a file of questions (with or without --dry-run), or --reset"
    for options in ((), (few, "--reset"), ("--reset", "--dry-run")):
        assert wanted in call("rag", "tune", place, *options).error
    titles = asked(place.parent, [(p.title, p.id) for p in titled(place)])
    message = call("rag", "tune", place, titles).error
    assert "questions are titles of passages in the index" in message
    assert "give questions as they are asked" in message
