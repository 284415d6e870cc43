"""Hits name the section, page and lines of what matched, on every surface."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from graphagg.rag import Document, Hit, PassageIndex
from graphagg.rag.adapters.conversion import metadata_of
from graphagg.rag.documents.passages import Passage, language_of_corpus
from graphagg.rag.documents.reading.converters.line_formats import code
from graphagg.rag.documents.reading.document import Mark
from graphagg.rag.operations.answering import add_distinguishing_paths
from graphagg.rag.question.excerpts import place_of
from graphagg.rag.question.results import Hits
from graphagg.serve.mcp.text import _heads

SECTIONS = {
    "Badges": "Lost badges are replaced by the reception within a day.",
    "Trains": "Tickets for trains are booked by the travel desk in Aarhus.",
    "Parking": "Cars are parked behind the warehouse after seven in the morning.",
}
MODES = ("multihop", "rrf", "dense", "bm25", "linearrag")


def handbook() -> Document:
    """Three short sections under one parent, each on a page of its own."""
    text, marks, anchors = "", list[Mark](), dict[str, int]()
    for page, (name, sentence) in enumerate(SECTIONS.items(), start=1):
        marks.append(Mark(len(text), ("Office", name), page))
        anchors[name.lower()] = len(text)
        text += f"{name}\n\n{sentence}\n\n"
    return Document("handbook.md", text, "Handbook", {}, tuple(marks), (), anchors)


def source(name: str, text: str) -> Document:
    """A file of code."""
    return Document(name, code(text).text, name)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PassageIndex]:
    others = [
        Document(
            f"code{n}.py", code(f"# Unit {n} does its work.\nx{n} = {n}\n").text, f"code{n}.py"
        )
        for n in range(5)
    ]
    long = "import os\n" * 3 + "\nDEFAULT_TIMEOUT_CONFIG = 30\nretryLimit = 4\n" + "y = os\n" * 9
    others.append(source("deploy.py", long))
    folder = tmp_path_factory.mktemp("places") / "idx"
    with PassageIndex.build([handbook(), *others], folder, profile="fast") as built:
        yield built


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SECTIONS)
def test_every_surface_names_the_section_of_the_match(
    index: PassageIndex, mode: str, name: str
) -> None:
    hits = index.retrieve(SECTIONS[name], 1, mode=mode)  # type: ignore[arg-type]
    (hit,) = hits
    page = list(SECTIONS).index(name) + 1
    assert hit.sentence == SECTIONS[name]
    title = f"Handbook > Office > {name}"
    assert hit.place == (title, ("Office", name), page, name.lower())
    wanted = {"heading": ["Office", name], "page": page, "anchor": name.lower()}
    for answer in (hit.to_json(), hit.to_json(60)):
        assert answer["title"] == title and wanted.items() <= answer["metadata"].items()
        assert "marks" not in answer["metadata"]
    (row,) = Hits(hits).to_arrow().to_pylist()
    assert row["title"] == title and wanted.items() <= json.loads(row["metadata"]).items()
    fields = metadata_of(hit)
    assert (fields["title"], fields["page"], fields["trail"]) == (title, page, f"Office > {name}")
    (head,) = _heads([hit.to_json()], ())
    assert title in head and f"page {page}" in head


def test_the_match_of_code_is_its_closest_line(index: PassageIndex) -> None:
    for question, line in (
        ("default timeout", "DEFAULT_TIMEOUT_CONFIG = 30"),
        ("What is the retry limit?", "retryLimit = 4"),
    ):
        hit: Hit = index.retrieve(question, 1)[0]
        assert hit.passage.id == "deploy.py"
        assert line in hit.sentence and len(hit.sentence.split("\n")) <= 3


def test_users_may_use_the_same_keys() -> None:
    own = {"marks": "B+", "heading": "mine", "page": "iv", "anchors": ["a"], "anchor": "x"}
    assert place_of(Passage("p", "Text.", "T", own), 2) == ("T", (), None, "x")
    hit = Hit(Passage("p", "Text.", "T", own), 1.0, {}, (), "bm25")
    assert hit.to_json()["metadata"] == own


def test_similar_files_are_add_distinguishing_paths() -> None:
    files = [{"path": f"{name}.pdf"} for name in ("3M_2018_10K", "3M_2019_10K", "Nike_2018_8K")]
    passages = [Passage(f"p{n}", "Text.", "", file) for n, file in enumerate([*files, {}])]
    hits = [Hit(passage, 1.0, {}, (), "bm25") for passage in passages]
    told = [hit.to_json().get("apart") for hit in add_distinguishing_paths(hits)]
    assert (
        told == [["2018"], ["2019"], None, None] and add_distinguishing_paths(hits[:1]) == hits[:1]
    )


def test_the_language_of_a_folder_is_told_by_its_prose() -> None:
    files = [
        Passage(f"{n}.py", code(f"wert{n} = das.ist.kein.satz\n").text, f"{n}.py") for n in range(9)
    ]
    assert language_of_corpus(files) is None
    german = "Die Brücke über die Donau wurde im vergangenen Jahr für den Verkehr gebaut."
    texts = [Passage(f"{n}.txt", german, f"{n}.txt") for n in range(6)]
    assert language_of_corpus([*files, *texts]) == "de"
