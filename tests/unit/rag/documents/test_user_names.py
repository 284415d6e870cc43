"""Names that a user lists: read, checked, found, kept by the index, shown in paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphagg.errors import InvalidParameter, ModelMismatch
from graphagg.rag import PassageIndex
from graphagg.rag.config.modes import MODES
from graphagg.rag.documents.tokens import scan
from graphagg.rag.documents.user_names import ListedName, ListedNames
from tests.fakes import FakeEncoder, FakeExtractor

FILE = """Site Reliability Engineering = SRE = site reliability
Hydrogen Plant 7 = HP7
"""
ROWS = [
    {"id": "a", "text": "The SRE on call repaired the pump."},
    {"id": "b", "text": "Site Reliability Engineering is led by Mette Kjaer."},
    {"id": "c", "text": "The pump of WO-2231 is blue."},
    {"id": "d", "text": "sre is a syllable."},
]


def names(text: str, listed: ListedNames) -> list[tuple[str, str]]:
    return [(text[c.start : c.end], c.key) for c in listed.find(text, scan(text))]


def test_finds_aliases_under_the_name(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(FILE)
    listed = ListedNames.from_source(tmp_path / "names.txt")
    assert listed is not None and len(listed.names) == 2
    key = "site reliability engineering"
    text = "Ask SRE, not sre, of Site reliability about it, at HP7."
    assert sorted(names(text, listed)) == [
        ("HP7", "hydrogen plant 7"), ("SRE", key), ("Site reliability", key),
    ]  # fmt: skip
    assert ListedNames.from_source(FILE.splitlines()).digest == listed.digest  # type: ignore[union-attr]
    assert ListedNames.from_source(listed.to_json()).digest == listed.digest  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", MODES)
def test_a_question_by_an_alias_has_the_answer_of_the_name(mode: Any, tmp_path: Path) -> None:
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor("en")}
    rows = [*ROWS, {"id": "e", "text": "HP7 waits for a valve."}]
    with PassageIndex.build(rows, tmp_path / "i", known_names=FILE.splitlines(), **models) as index:
        for name, *aliases in (("Site Reliability Engineering", "SRE", "site reliability"),
                               ("Hydrogen Plant 7", "HP7")):  # fmt: skip
            for question in ("Who leads {}?", "{}", "Which pump has {}'s valve, {}?"):
                hits = index.retrieve(question.replace("{}", name), 4, mode=mode)
                for alias in aliases:
                    asked = question.replace("{}", alias)
                    same = index.retrieve(asked, 4, mode=mode)
                    assert same == hits and same.confidence == hits.confidence
                    assert index.explain(asked, "a", mode=mode).question == asked
        words = index.retrieve("hydrogen", 4, mode="bm25")
        assert words[0].passage.id == "e" and words[0].score > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([{"name": ""}], "none of them empty"),
        ([{"name": "a", "alias": ["b"]}], "is not a name"),
        ([{"name": "a", "aliases": "b"}], "is not a name"),
        ([{"name": "?!"}], "has 0 words"),
        ([{"name": " ".join("abcdefghijk")}], "has 11 words"),
        ([{"name": "Ada"}, {"name": "ada"}], "listed for 'Ada' and for 'ada'"),
        ([{"name": "Ada", "aliases": ["x"]}, {"name": "Bo", "aliases": ["x"]}], "keep one"),
        ([{"name": "WO-####"}], "is a pattern"),
        ([7], "is not a name"),
        (["Ada = = b"], "none of them empty"),
    ],
)
def test_bad_lists_are_refused(wrong: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=message.replace("?", r"\?")):
        ListedNames.from_source(wrong)


def test_bad_files_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    for content, message in (
        ("Ada = = b", r"names.txt:1: .*none of them empty"),
        (b"\xff\xfe", "cannot be read as UTF-8"),
    ):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InvalidParameter, match=message):
            ListedNames.from_source(path)
    with pytest.raises(InvalidParameter, match="cannot be read"):
        ListedNames.from_source(tmp_path / "absent")


def test_the_index_keeps_the_names(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(FILE)
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor("en")}
    build = PassageIndex.build
    with build(ROWS, tmp_path / "i", known_names=tmp_path / "names.txt", **models) as index:
        (hit,) = index.retrieve("Who leads the site reliability engineering?", 1)
        assert hit.passage.id == "b" and hit.path[0].text.startswith("site reliability")
        first = {hit.passage.id for hit in index.retrieve("which pump has sre?", 4)[:3]}
        assert "a" in first
        hits = index.retrieve("What is said of the SRE?", 4)
        starts = {hit.passage.id: hit.path[0] for hit in hits}
        assert [starts[p].kind for p in "ab"] == ["question_entity"] * 2
        assert starts["d"].kind != "question_entity"
        index.add([{"id": "e", "text": "WO-2231 waits for the site reliability."}])
        question = "what waits of wo-2231?"
        first = index.retrieve(question, 2)
        assert {hit.passage.id for hit in first} == {"c", "e"}
        rows = [*ROWS, {"id": "e", "text": "WO-2231 waits for the site reliability."}]
        with build(rows, tmp_path / "anew", known_names=tmp_path / "names.txt", **models) as anew:
            assert anew.retrieve(question, 5) == index.retrieve(question, 5)
            assert anew.retrieve(question, 4, exclude=["e"]) == build(
                ROWS, tmp_path / "less", known_names=tmp_path / "names.txt", **models
            ).retrieve(question, 4)
    with pytest.raises(ModelMismatch):
        PassageIndex.open(tmp_path / "i", **models)
    with pytest.raises(InvalidParameter):
        build(ROWS, tmp_path / "i", known_names=[{"name": "##"}], **models)
    named = [ListedName("Site Reliability Engineering", ("SRE", "site reliability"))]
    assert ListedNames(named).digest != ListedNames.from_source(tmp_path / "names.txt").digest  # type: ignore[union-attr]
