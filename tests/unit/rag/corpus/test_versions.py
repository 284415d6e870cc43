"""Versions of documents: a change equals a rebuild, and which version a question gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.rag import PassageIndex, Recency, read_documents
from graphagg.rag.documents.dates import dated, periods, time_spans, undated
from graphagg.rag.operations.answering import distinct_hits
from tests.fakes import FakeEncoder, FakeExtractor

MODELS: Any = {
    "encoder": FakeEncoder(window=12),
    "extractor": FakeExtractor("en"),
    "language": "en",
}
TEXT = "A place in the garage costs {} euros a month for all staff who ask for one at the desk."
ROW = "item: place in the garage\ncosts: {}"
OTHER = "The menu of the canteen lists soup, bread and rice, and costs {} euros for guests."
NAMES = ("a/rules-2022.md", "a/rules-2023.md", "a/rules v3.md", "b/rules-2024.md", "2021/rules.md")
ROWS = ("a/list-2022.csv/1", "a/list-2022.csv/2", "a/list-2023.csv/1", "a/list-2024.tsv/7")
FILES = st.dictionaries(
    st.sampled_from((*NAMES, *ROWS, "2022/rules.md", "rules-2020 (2).md", "menu-2022.md")),
    st.tuples(
        st.sampled_from((TEXT, ROW, OTHER)),
        st.integers(1, 3),
        st.sampled_from(("2021-05-01", "2024-02-03", None)),
        st.sampled_from(
            (None, {"version_of": "none"}, {"version_of": "x"}, {"successor": NAMES[0]})
        ),
    ),
    min_size=1,
)


def passages(files: Mapping[str, Any]) -> list[dict[str, Any]]:
    made = []
    for name, (text, cost, when, stated) in sorted(files.items()):
        metadata = {"path": name, "when": when or "2020-01-01"} | (
            {} if when else {"dated_by": "time of change"}
        )
        made.append({"id": name, "text": text.format(cost), "metadata": metadata | (stated or {})})
    return made


def answers(index: PassageIndex, **fields: Any) -> list[Any]:
    questions = ("What does a place cost now?", "What did a place cost in 2022?", "the menu")
    hits = [index.retrieve(question, **fields) for question in questions]
    shown = [[(h.passage.id, h.versions, h.copies) for h in each] for each in hits]
    return [index.versions(), *shown]


@settings(max_examples=max(settings().max_examples // 2, 1))
@given(FILES, FILES)
def test_a_change_and_a_filter_equal_a_rebuild(before: Any, after: Any) -> None:
    with TemporaryDirectory() as folder:
        changed = PassageIndex.build(passages(before), f"{folder}/changed", **MODELS)
        changed.sync(passages(after))
        both = PassageIndex.build(passages(before | after), f"{folder}/both", **MODELS)
        rebuilt = PassageIndex.build(passages(after), f"{folder}/rebuilt", **MODELS)
        assert answers(changed) == answers(rebuilt)
        if {*before} & {*after} == set():
            assert answers(both, include=[*after])[1:] == answers(rebuilt)[1:]
        for index in (changed, both, rebuilt):
            index.close()


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("rules")
    files = (
        ("rules-2022.md", "", 2022),
        ("rules-2023.md", "", 2023),
        ("draft/rules.md", "date: 2024-06-01", 2024),
        ("rules-old-2021.md", "version_of: none", 2021),
        ("guests.md", "successor: rules-2022.md", 2020),
    )
    for name, front, year in files:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        front = f"---\n{front}\n---\n" if front else ""
        body = TEXT.format(year - 2000) if name != "guests.md" else OTHER.format(1)
        path.write_text(f"{front}# Parking\n\n{body}\n\n{year} rates apply.\n")
    (folder / "other").mkdir()
    (folder / "other/rules-2025.md").write_text("# Canteen\n\n" + OTHER.format(3))
    return PassageIndex.build(read_documents(folder), folder / "idx", **MODELS)


def test_families_of_a_folder(rules: PassageIndex) -> None:
    ids = [[version.document for version in family] for family in rules.versions()]
    assert ids == [["draft/rules.md", "guests.md", "rules-2022.md", "rules-2023.md"]]
    sources = {v.document: v.dated_by for v in rules.versions()[0]}
    assert sources["rules-2022.md"] == "file name"


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("What does a place cost now?", "rules-2023.md"),
        ("Was kostet ein Platz (place) aktuell?", "rules-2023.md"),
        ("What does a place in the garage cost?", "rules-2023.md"),
        ("What did a place in the garage cost in 2022?", "rules-2022.md"),
        ("What did a place in the garage cost on 5 May 2022?", "rules-2022.md"),
    ],
)
@pytest.mark.parametrize("mode", ["multihop", "bm25", "dense", "rrf"])
def test_the_right_version_is_first_in_every_mode(
    rules: PassageIndex, question: str, first: str, mode: Any
) -> None:
    family = ["rules-2022.md", "rules-2023.md"]
    hits = rules.retrieve(question, k=2, mode=mode, include=family)
    assert hits[0].passage.id == first
    assert hits[0].versions is not None and hits[0].versions.of == 2
    assert sum(hits[0].components.values()) == pytest.approx(hits[0].score)
    plain = rules.retrieve(question, k=2, mode=mode, include=family, versions="all")
    assert {hit.passage.id for hit in plain} == {*family}
    assert [h.score for h in plain] == pytest.approx([h.score for h in hits])


def test_of_near_equal_texts_the_document_that_the_question_names_is_first(tmp_path: Path) -> None:
    paths = [f"{town}/rules-{y}.md" for town in ("oslo", "graz") for y in (2022, 2023, 2024)]
    rows = [
        {
            "id": path,
            "title": f"Parking, {path[:4]}",
            "text": TEXT.format(i),
            "when": path[-7:-3] + "-01-01",
        }
        for i, path in enumerate(paths)
    ]
    index = PassageIndex.build(rows, tmp_path, **MODELS)
    for town, year in ("oslo", 2023), ("graz", 2022):
        question = f"What does a place in the garage cost in {town.title()}"
        now, then = (index.retrieve(f"{question}{end}") for end in (" now?", f" in {year}?"))
        assert now[0].passage.id == f"{town}/rules-2024.md"
        assert then[0].passage.id == f"{town}/rules-{year}.md"
        both = index.retrieve(f"{question} in 2022 and in 2024?")
        assert {h.passage.id for h in both[:2]} == {f"{town}/rules-{y}.md" for y in (2022, 2024)}


def test_words_that_chose_the_version_are_no_open_words(rules: PassageIndex) -> None:
    retriever = rules.retriever()
    for end in ("", " currently", " in 1999", " now, not on 5 May 2022", " on the moon"):
        question = f"What does a place in the garage cost{end}?"
        read = retriever.read([question], rules.models)
        features = distinct_hits(retriever, retriever.encode(read, rules.models), 5).features()
        assert features is not None
        assert (features["held"] == pytest.approx(1.0)) == (end != " on the moon")


def test_recency_and_as_of_work_on_a_folder_and_fail_alike_without_dates(
    rules: PassageIndex, tmp_path: Path
) -> None:
    assert rules.retrieve("place", recency=Recency(0.5))[0].components["recency"] > 0
    assert "rules-2023.md" not in [
        h.passage.id for h in rules.retrieve("place", k=9, as_of="2022-12-31")
    ]
    undated_index = PassageIndex.build([{"id": "a", "text": "A place."}], tmp_path, **MODELS)
    for name, value in {"as_of": "2022-01-01", "recency": Recency(0.5)}.items():
        with pytest.raises(InvalidParameter, match=f"^{name}: no passage has a date"):
            undated_index.retrieve("place", **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["name", "front matter", "properties"])
def test_a_version_of_the_future_waits_for_its_day(tmp_path: Path, way: str) -> None:
    names = ("rules-2024.md", "rules-2050.md", "rules-2060.md")
    folder = tmp_path / "rules"
    folder.mkdir()
    for name in names:
        front = f"---\nvalid_from: {name[6:10]}-01-01\n---\n" if way == "front matter" else ""
        path = folder / (name if way == "name" else f"rules (v{name[7:9]}).md")
        path.write_text(f"{front}# Parking\n\n{TEXT.format(int(name[6:10]) - 2000)}")
    rows = [
        {"id": n, "text": TEXT.format(int(n[6:10]) - 2000), "when": f"{n[6:10]}-01-01"}
        for n in names
    ]
    source = rows if way == "properties" else read_documents(folder)
    index = PassageIndex.build(source, tmp_path / "idx", **MODELS)
    cases = (("now", None, 24), ("", None, 24), ("in 2055", None, 50), ("now", "2050-02-01", 50))
    for when, as_of, cost in cases:
        hit = index.retrieve(f"What does a place cost {when}?", as_of=as_of)[0]
        assert f" {cost} euros" in hit.passage.text, (when, as_of)


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("2016_10K.pdf", "2016-01-01"), ("10-Q_2019_Q2.txt", "2019-04-01"),
        ("results 3Q24.pdf", "2024-07-01"), ("Budget FY2025-26.xlsx", "2025-01-01"),
        ("H2-2023-review.md", "2023-07-01"), ("Protokoll KW 14 2024.md", "2024-04-01"),
        ("status 2024-W07.md", "2024-02-12"), ("Protokoll_12.03.24.md", "2024-03-12"),
        ("compte rendu du 1er mars 2024.md", "2024-03-01"), ("notes_jan24.txt", "2024-01-01"),
        ("newsletter_2024_september.html", "2024-09-01"), ("prices 05-2023.csv", "2023-05-01"),
        ("Strategy 2022-2024.pdf", "2022-01-01"), ("a/2022/05/14/mail.md", "2022-05-14"),
        ("01.01.2024-31.03.2024.md", "2024-01-01"), ("a 2021-06-30, 2024-02-01.md", "2024-02-01"),
        ("policy v2 final (1).docx", None), ("Ubuntu 22.04.md", None), ("model T4-20.md", None),
        ("Scan 2024-03-05 10.09.32.pdf", "2024-03-05"),
    ],
)  # fmt: skip
def test_dates_in_names(name: str, when: str | None) -> None:
    assert dated(name, "", "", {}).get("when") == when


def test_dates_come_from_the_first_place_that_has_one() -> None:
    facts = {"modified": "2020-02-02T00:00:00Z"}
    cases = {
        ("2021/a-2022.md", "T 2023", "valid from 1 March 2024", "date"): "2019-01-01",
        ("2021/a-2022.md", "T 2023", "valid from 1 March 2024", ""): "2022-01-01",
        ("2021/a.md", "T 2023", "valid from 1 March 2024", ""): "2021-01-01",
        ("a.md", "T 2023", "valid from 1 March 2024", ""): "2023-01-01",
        ("a.md", "T", "Gültig ab 1. März 2024 in allen Büros", ""): "2024-03-01",
        ("a.md", "T", "In 2024 we moved.", ""): "2020-02-02T00:00:00Z",
    }
    for (name, title, text, key), when in cases.items():
        assert dated(name, title, text, facts | {key: "2019-01-01"})["when"] == when
    assert (
        dated("a-2022.md", "T", "", facts | {"reviewed": "5 May 2018"}, "reviewed")["when"]
        == "2018-05-05"
    )
    assert "when" not in dated("a-2022.md", "T", "", facts, "reviewed")


def test_names_without_versions_and_words_of_the_present() -> None:
    equal = (
        "Price list 2024",
        "price-list_v2",
        "Price list (3) final",
        "2023-05/price list",
        "price list rev 3.1",
    )
    assert {undated(name) for name in equal} == {"price list"}
    assert undated("invoice-1001") != undated("invoice-1002")
    assert [p.last for p in periods("between March 2022 and 2024")] == ["2022-03-31", "2024-12-31"]
    present = (
        "What is the current rule?",
        "Welche Regel gilt derzeit?",
        "Quel est le tarif actuel ?",
    )
    assert all(map(time_spans, present)) and not time_spans("What was the rule?")


def test_a_third_hit_of_a_file_must_add_a_word(tmp_path: Path) -> None:
    log = [
        {"id": f"log#{i}", "text": f"Door heartbeat number {i}.", "document": "log", "position": i}
        for i in range(6)
    ]
    rows = [*log, {"id": "kim", "text": "Kim repairs every door and heartbeat."}]
    index = PassageIndex.build(rows, tmp_path, **MODELS)
    hits = index.retrieve("door heartbeat number 3 repairs", k=4)
    assert "kim" in [hit.passage.id for hit in hits[:3]]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_rows_of_two_tables_are_versions_if_their_first_cells_are_equal(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    for year, sums in (("2024", (10, 20, 30, 40)), ("2026", (11, 21, 31, 41))):
        cells = zip(("Pump P10", "Pump P20", "Acme", "Acme"), sums, strict=True)
        lines = "".join(f"{name},{cost}\n" for name, cost in cells)
        (folder / f"prices {year}.csv").write_text(f"item,price\n{lines}")
    index = PassageIndex.build(read_documents(folder), tmp_path / "idx", **MODELS)
    assert [[v.document for v in each] for each in index.versions()] == [
        [f"prices {year}.csv/{row}" for year in (2024, 2026)] for row in (1, 2)
    ], "the price of Acme is twice in a table"
    for question, year in (("What is the price of Pump P10 now?", 2026), ("in 2024?", 2024)):
        hit = index.retrieve(f"Pump P10 price {question}")[0]
        assert hit.passage.id == f"prices {year}.csv/1"


def test_sections_valid_from_dates_are_versions(tmp_path: Path) -> None:
    head, discount = (
        "# Garage\n\nAll in euros.\n\n## Places\n\n",
        "#### Staff\n\nTen percent less.\n\n",
    )
    sections = {
        f"### Gültig ab 1. Mai {year}": f"{TEXT.format(year - 2000)}\n\n{discount}"
        for year in (2022, 2024, 2050)
    }
    other = "## Bicycles\n\n### Valid from 2019\n\nFree.\n"
    folder = tmp_path / "garage"
    folder.mkdir()
    (folder / "a.md").write_text(head + "".join(f"{h}\n\n{t}" for h, t in sections.items()) + other)
    documents = list(read_documents(folder))
    assert "".join(d.text for d in documents[1:]).count("Ten percent") == 3
    assert documents[0].text.endswith("Valid from 2019\n\nFree."), (
        "a section without versions stays"
    )
    assert documents[2].anchors["gültig-ab-1-mai-2024"] == 0
    assert [mark.heading[2:] for mark in documents[2].marks] == [(), ("Staff",)]
    index = PassageIndex.build(documents, tmp_path / "idx", **MODELS)
    assert [[v.when for v in each] for each in index.versions()] == [
        ["2022-05-01", "2024-05-01", "2050-05-01"]
    ]
    for when, cost in (("now", 24), ("in 2023", 22), ("in 2051", 50)):
        hit = index.retrieve(f"What does a place in the garage cost {when}?")[0]
        assert f" {cost} euros" in hit.passage.text and hit.versions
