from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphagg.cli.request import OPTIONS
from graphagg.cli.shell.passages import PassageShell, View
from graphagg.errors import (
    GraphAggError,
    InvalidFilter,
    InvalidParameter,
    InvalidQuestion,
    UnknownPassage,
)
from graphagg.rag import PassageIndex
from graphagg.rag.config.modes import MODES
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.shell.talk import talk, text_of

ASKED = "Where did Ada live?"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PassageIndex]:
    path = tmp_path_factory.mktemp("shell") / "idx"
    with PassageIndex.build(CORPUS, path, encoder=FakeEncoder(), extractor=FakeExtractor()) as one:
        yield one


@pytest.fixture
def shell(index: PassageIndex) -> PassageShell:
    return PassageShell(index)


def test_a_line_is_a_question(shell: PassageShell, index: PassageIndex) -> None:
    outcome = talk(shell, ASKED)
    assert outcome.view == View(ASKED)
    assert list(shell.answer(outcome.view)) == index.retrieve(ASKED)
    shown = text_of(outcome)
    assert shown.startswith(ASKED + "\n") and index.retrieve(ASKED)[0].passage.id in shown
    assert talk(shell, f"ask {ASKED}").view == View(ASKED)


@pytest.mark.parametrize(
    "line", ["why did Ada leave?", "open questions about London?", "Ada", "London Thames Ada"]
)
def test_questions_may_begin_like_commands(shell: PassageShell, line: str) -> None:
    assert talk(shell, line).view.question == line


def test_quotes_in_a_question_are_its_own(shell: PassageShell) -> None:
    assert talk(shell, 'ask  who said "never').view.question == 'who said "never'
    assert talk(shell, 'who said "never').view.question == 'who said "never'
    assert talk(shell, "ask top 5").view.question == "top 5"


def test_top_mode_and_filter_apply_to_the_question(
    shell: PassageShell, index: PassageIndex
) -> None:
    outcome = talk(shell, ASKED, "top 2", "mode bm25", "filter kind=city")
    view = outcome.view
    assert view == View(ASKED, 2, (("mode", "bm25"), ("filter", ("kind=city",))))
    wanted = index.retrieve(ASKED, 2, mode="bm25", filter={"kind": "city"})
    assert list(shell.answer(view)) == wanted
    back = talk(shell, ASKED, "top 2", "mode bm25", "undo", "undo")
    assert back.view == View(ASKED) and ASKED in text_of(back)
    assert talk(shell, "filter kind=city", "filter none").view == View()
    assert "kind=city" in text_of(talk(shell, "filter kind=city", "filter"))
    assert "kind (string)" in text_of(talk(shell, "filter"))
    assert "no passage fits" in text_of(talk(shell, ASKED, "filter kind=nothing"))


def test_settings_may_come_before_the_question(shell: PassageShell) -> None:
    assert talk(shell, "top 1", "mode dense", ASKED).view == View(ASKED, 1, (("mode", "dense"),))
    assert "mode dense" in text_of(talk(shell, "mode dense"))


def test_more_and_min_score(shell: PassageShell, index: PassageIndex) -> None:
    wider = talk(shell, ASKED, "top 2", "more 2")
    assert wider.view.k == 4
    assert list(shell.answer(wider.view)) == index.retrieve(ASKED, 4)
    assert "these 5 passages are all there are" in text_of(talk(shell, ASKED, "more"))
    hits = index.retrieve(ASKED)
    least = f"min-score {hits[1].score!r}"
    asked = talk(shell, ASKED, least)
    assert list(shell.answer(asked.view)) == hits[:2]
    assert "min-score 0" in text_of(talk(shell, "min-score 0.5", "min-score"))
    assert talk(shell, ASKED, least, "min-score none").view == View(ASKED)
    assert "reaches min-score" in text_of(talk(shell, ASKED, "min-score 1e9"))
    with pytest.raises(InvalidParameter, match="min_score is nan, wanted a finite number"):
        talk(shell, "min-score nan")


def test_every_option_of_a_request_can_be_set(shell: PassageShell, index: PassageIndex) -> None:
    listed = text_of(talk(shell, "set"))
    assert all(name.replace("_", "-") in listed for name in OPTIONS)
    session = talk(
        shell, ASKED, "set exclude p3", "set window 1", "set bridge-through-filtered true"
    ).session
    options = {"exclude": ["p3"], "window": 1, "bridge_through_filtered": True}
    assert list(session.answer(session.view)) == index.retrieve(ASKED, **options)  # type: ignore[arg-type]
    assert "window 1" in text_of(talk(session, "set window"))
    for name in ("exclude", "window", "bridge-through-filtered"):
        session.run(f"set {name} none")
    assert session.view == View(ASKED)
    with pytest.raises(InvalidParameter, match="setting is 'luck'"):
        session.run("set luck 1")
    with pytest.raises(InvalidParameter, match="window is 'wide', wanted a number, or none"):
        session.run("set window wide")


def test_why_by_number_and_by_id(shell: PassageShell, index: PassageIndex) -> None:
    hits = index.retrieve(ASKED)
    by_number = text_of(talk(shell, ASKED, "why 1"))
    assert by_number == text_of(talk(shell, ASKED, f"why {hits[0].passage.id}"))
    assert by_number.startswith(index.explain(ASKED, hits[0].passage.id).reason)
    assert f"{hits[0].score:.4f}" in by_number


def test_open_shows_the_whole_passage(shell: PassageShell, index: PassageIndex) -> None:
    shown = text_of(talk(shell, "open p3"))
    assert shown == "London [p3]\nkind: city\n\nLondon lies on the Thames. Ada lived there.\n"
    first = index.retrieve(ASKED)[0].passage
    assert first.text in text_of(talk(shell, ASKED, "open 1"))


def test_saved_hits_are_those_that_are_shown(
    shell: PassageShell, index: PassageIndex, tmp_path: Path
) -> None:
    hits = index.retrieve(ASKED)
    for suffix in ("csv", "json", "jsonl"):
        talk(shell, ASKED, f'save "{tmp_path / "a b"}.{suffix}"')
    rows = list(csv.DictReader((tmp_path / "a b.csv").open(encoding="utf-8")))
    assert [(r["id"], float(r["score"])) for r in rows] == [(h.passage.id, h.score) for h in hits]
    plain = json.loads(json.dumps([hit.to_json() for hit in hits]))
    saved = json.loads((tmp_path / "a b.json").read_text(encoding="utf-8"))
    assert saved == {"question": ASKED, "hits": plain}
    lines = (tmp_path / "a b.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == plain


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("tpo 3", InvalidParameter, "did you mean 'top'. To ask it: ask tpo 3"),
        ("top many", InvalidParameter, "a number from 1 to 1,000"),
        ("top scorers of 1990", InvalidParameter, "to ask it, write ask before it"),
        ("mode luck", InvalidParameter, "wanted one of"),
        ("filter color=red", InvalidFilter, "color"),
        ("filter kind", GraphAggError, "kind"),
        ("why 9", UnknownPassage, "the number of a hit .1 to 5."),
        ("open", InvalidParameter, "nothing is given"),
        ("save hits.xls", InvalidParameter, "wanted one of .csv, .parquet, .json, .jsonl"),
        ("ask", InvalidQuestion, "empty"),
        ("ask " + "long " * 3_000, InvalidQuestion, "shorten it"),
    ],
)
def test_mistakes_are_named_and_change_nothing(
    shell: PassageShell, line: str, error: type[Exception], message: str
) -> None:
    session = talk(shell, ASKED).session
    with pytest.raises(error, match=message):
        session.run(line)
    assert (session.view, len(session.past)) == (View(ASKED), 1)


@pytest.mark.parametrize("line", ["why 1", "save hits.csv"])
def test_without_a_question_it_says_so(shell: PassageShell, line: str) -> None:
    with pytest.raises(InvalidQuestion, match="write a question"):
        talk(shell, line)


def test_no_model_is_loaded_before_the_first_question(index: PassageIndex) -> None:
    directory = index.directory

    class Counting(FakeEncoder):
        used = 0

        def encode_query(self, texts, names=()):  # type: ignore[no-untyped-def]
            Counting.used += 1
            return super().encode_query(texts, names)

    with PassageIndex.open(directory, encoder=Counting(), extractor=FakeExtractor()) as opened:
        shell = PassageShell(opened)
        talk(shell, "help", "filter", "top 2", "open p1", "")
        assert Counting.used == 0
        talk(shell, ASKED, "why 1", "top 2", "undo", ASKED)
        assert Counting.used == 3  # the question, why, and two passages of it; undo is free


def test_words_complete(shell: PassageShell) -> None:
    def offered(line: str, *before: str) -> list[str]:
        return talk(shell, *before).session.complete(line)[1]  # type: ignore[no-any-return]

    assert offered("mo") == ["more", "mode"]
    assert offered("mode ") == list(MODES)
    assert offered("filter ") == ["kind", "none"]
    assert offered("why ", ASKED) == ["1", "2", "3", "4", "5"]
    assert offered("Where did Ada ") == []


def test_a_session_can_begin_with_settings(index: PassageIndex) -> None:
    start = PassageShell(index, 3, mode="bm25", filter=["kind=city"]).view
    assert start == View("", 3, (("mode", "bm25"), ("filter", ("kind=city",))))
    with pytest.raises(InvalidParameter, match="mode"):
        PassageShell(index, 3, mode="luck")
    with pytest.raises(InvalidParameter, match="a number from 1 to 1,000"):
        PassageShell(index, 0)
    with pytest.raises(InvalidFilter, match="color"):
        PassageShell(index, filter=["color=red"])
