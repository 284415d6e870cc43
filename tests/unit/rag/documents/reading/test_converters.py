"""Converters: text, title, headings and pages of each kind of file."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters.html import html
from graphagg.rag.documents.reading.converters.markup import markdown, notebook, plain, restructured
from graphagg.rag.documents.reading.converters.office import office
from graphagg.rag.documents.reading.converters.pdf import pdf
from graphagg.rag.documents.reading.converters.tables import csv_rows, json_document, json_lines
from graphagg.rag.documents.reading.converters.text import decode
from graphagg.rag.documents.reading.document import mark_at
from tests.unit.rag.documents.reading import files

MOST = 2**20


def sections(content: Content) -> list[tuple[tuple[str, ...], int | None, str]]:
    """The path and page of each mark, with the text from there to the next."""
    bounds = [*(mark.offset for mark in content.marks), len(content.text)]
    return [
        (mark.heading, mark.page, " ".join(content.text[mark.offset : end].split()))
        for mark, end in zip(content.marks, bounds[1:], strict=True)
    ]


# --- encodings -----------------------------------------------------------------------------------


@given(st.text(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_text_is_decoded_as_it_was_encoded(text: str, encoding: str) -> None:
    given = f"{text.replace(chr(0), '')} a line without control characters, long enough for any"
    wanted = given.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    try:
        assert decode(given.encode(encoding)).removeprefix("\ufeff") == wanted
    except Unread as fault:  # many control characters, which no text has
        assert fault.kind == "binary"
        assert sum(c < " " and c not in "\t\n\r\f\b\x1b" for c in given) > 3


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "Die Brücke über die Donau wurde für große Züge gebaut, sagte Jürgen Müller."),
        ("cp1252", "L’école de la République a été fermée à Noël, d’après le préfet “Dupont”."),  # noqa: RUF001
        ("cp1251", "Мария Кюри родилась в Варшаве и изучала физику в Париже вместе с мужем."),  # noqa: RUF001
        ("koi8-r", "Мария Кюри родилась в Варшаве и изучала физику в Париже вместе с мужем."),  # noqa: RUF001
        ("shift_jis", "東京は日本の首都であり、世界最大の都市の一つです。多くの人が住んでいます。"),
        ("gb18030", "北京是中华人民共和国的首都，也是全国的政治、文化和国际交往中心。"),  # noqa: RUF001
        ("euc_kr", "서울은 대한민국의 수도이며 가장 큰 도시이다. 많은 사람들이 살고 있다."),
    ],
)
def test_foreign_encodings_are_recognized(encoding: str, text: str) -> None:
    assert decode("\r\n".join([text] * 3).encode(encoding)) == "\n".join([text] * 3)


def test_a_character_at_the_end_of_the_sample_does_not_hide_the_encoding() -> None:
    text = "東京は日本の首都であり、世界最大の都市の一つです。\n" * 3_000
    assert decode(text.encode("shift_jis")) == text


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x7fELF\0\0", "binary"),
        (bytes(range(1, 32)) * 9, "binary"),
        (b"\xff\xfea\0\x00\xd8", "unknown encoding"),
    ],
)
def test_what_is_no_text_is_named(content: bytes, kind: str) -> None:
    with pytest.raises(Unread) as caught:
        decode(content)
    assert caught.value.kind == kind


# --- markup --------------------------------------------------------------------------------------


def test_front_matter_becomes_typed_metadata_and_the_title() -> None:
    content = markdown(
        "---\ntitle: My title\nyear: 2020\nlang: no\nzip: 010\ndate: 2024-05-31\nat: 12:30\n"
        "tags: [a, b]\n---\n# Real Heading\n\nText.\n"
    )
    assert content.title == "My title"
    metadata = {key: str(value) for key, value in content.metadata.items()}
    assert metadata == {
        "year": "2020", "lang": "no", "zip": "010", "date": "2024-05-31", "at": "12:30",
        "tags": "['a', 'b']",
    }  # fmt: skip
    assert content.text == "# Real Heading\n\nText.\n"
    assert sections(content) == [(("Real Heading",), None, "# Real Heading Text.")]


def test_front_matter_in_toml() -> None:
    content = markdown('+++\ntitle = "T"\nyear = 2020\n+++\nText.\n')
    assert (content.title, content.metadata, content.text) == ("T", {"year": 2020}, "Text.\n")


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("---\ntitle: a: b\n---\nText.\n", 1),
        ("---\na: &a [1]\nb: *a\n---\nText.\n", 1),  # aliases can stand for gigabytes
        ("---\nA line, then prose [\n---\nText.\n", 0),  # rules across the page
        ("---\nJust words\n---\nText.\n", 0),
    ],
)
def test_what_is_no_front_matter_stays_in_the_text(text: str, faults: int) -> None:
    content = markdown(text)
    assert (content.text, content.metadata, len(content.refused)) == (text, {}, faults)


@pytest.mark.parametrize(
    "text",
    ["# *The* `works`\n\nA.\n\n## Costs\nB.\n", "The *works*\n===\nA.\n\nCosts\n-----\nB.\n"],
)
def test_markdown_headings(text: str) -> None:
    content = markdown("\n" + text)
    assert content.title == "The works"
    assert content.text.startswith("A.")
    ((path, _, part),) = sections(content)
    assert path == ("Costs",)
    assert part.endswith("B.")


def test_no_heading_in_code_and_lists() -> None:
    content = markdown("Intro.\n\n```\n# no heading\n```\n\n- # none\n\n> # none\n")
    assert (content.title, content.marks) == ("", ())


def test_the_only_heading_is_not_taken_from_a_text_that_has_nothing_else() -> None:
    assert markdown("# Alone\n").text == "# Alone\n"


LINES = st.sampled_from(["# A", "## B", "### C", "# D", "text", "", "```", "~", "---", "Setext"])


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_marks_are_ascending_places_where_their_heading_stands(text: str) -> None:
    content = markdown(text)
    offsets = [mark.offset for mark in content.marks]
    assert offsets == sorted(set(offsets))
    assert text.endswith(content.text)
    for mark in content.marks:
        line = content.text[mark.offset :].split("\n")[0]
        assert mark.heading[-1].startswith(line.lstrip("# ").strip())
        assert mark_at(content.marks, mark.offset) == mark
        assert mark_at(content.marks, mark.offset - 1) != mark


def test_restructured_text_and_its_overlined_title() -> None:
    content = restructured("=====\nWorks\n=====\n\nA.\n\nCosts\n-----\n\nB.\n\nMore\n----\nC.\n")
    assert (content.title, content.text[:2]) == ("Works", "A.")
    assert [path for path, _, _ in sections(content)] == [("Costs",), ("More",)]


def test_a_plain_text_takes_its_title_only_from_its_head() -> None:
    assert plain("Works\n*****\n\nA.\n").title == "Works"
    assert plain("A.\n\nWorks\n*****\n\nB.\n").title == ""
    assert plain("a table\n\n-----  ---\n1      2\n").marks == ()


def test_html() -> None:
    content = html(
        "<html><head><title>Works - Site</title><script>var x</script></head><body>"
        "<nav>Home</nav><h1>Works<a class='headerlink'>¶</a></h1><p>Anna <b>led</b>\n the works."
        "<h2>Costs</h2><table><tr><th>item<th>price<tr><td>stone<td>12</table>"
        "<ul><li>one<li>two</ul><pre>a  b\n  c</pre><p hidden>secret"
    )
    assert content.title == "Works"
    assert content.text == (
        "Anna led the works.\n\nCosts\n\nitem | price\nstone | 12\n\n- one\n- two\n\na  b\n  c"
    )
    assert content.marks[0].heading == ("Costs",)


def test_html_title_where_a_site_writes_its_name_as_heading() -> None:
    assert html("<title>Page</title><body><h1>Site</h1>Text").title == "Page"
    assert html("<body><h1>Only</h1>Text").title == "Only"


@pytest.mark.parametrize("tag", ["<div>", "<!--", "<a ", "</", '<a href="', "<b><p>", "<![CDATA["])
def test_html_bombs_are_read_in_linear_time_and_without_a_crash(tag: str) -> None:
    assert html(tag * 200_000 + "<p>the end").title == ""


# --- binary files --------------------------------------------------------------------------------


@pytest.mark.parametrize(("made", "title"), [(files.docx, "The works"), (files.odt, "The works")])
def test_office_files(made, title: str) -> None:
    content = office(made(), MOST)
    assert (content.title, content.metadata["author"]) == (title, "Anna Berg")
    assert content.text == (
        "Anna led the works.\n\n## Costs\n\n| item | price |\n| --- | --- |\n| stone | 12 |\n"
    )
    assert content.marks[-1].heading == ("Costs",)
    assert office(files.docx("A title"), MOST).title == "A title"


def test_epub_in_the_order_of_its_spine() -> None:
    content = office(files.epub(), MOST)
    assert content.title == "A book"
    assert [mark.heading for mark in content.marks] == [("One",), ("Two",)]


def test_pdf_pages_outline_and_properties() -> None:
    made = files.pdf([["Works", "Anna led the en-", "coding."], ["Costs", "Stone."]], title="T")
    content = pdf(made, MOST)
    assert (content.title, content.metadata.keys() - {"created"}) == ("T", set())
    assert sections(content) == [
        (("Works",), 1, "Works Anna led the encoding."),
        (("Costs",), 2, "Costs Stone."),
    ]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (files.pdf([["Secret"]], password="p"), "password"),
        (files.pdf([[]]), "PDF without text"),
        (files.pdf([["word " * 9] * 20] * 3), "too large"),
    ],
)
def test_pdf_that_cannot_be_read(content: bytes, kind: str) -> None:
    with pytest.raises(Unread) as caught:
        pdf(content, 1_000)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (files.zipped({"[Content_Types].xml": "", "word/document.xml": "x" * 2**28}), "too large"),
        (b"PK\x03\x04 broken", "broken"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "broken"),
    ],
)
def test_office_files_that_cannot_be_read(content: bytes, kind: str) -> None:
    with pytest.raises(Unread) as caught:
        office(content, MOST)
    assert caught.value.kind == kind


def test_entities_of_xml_are_not_read() -> None:
    content = office(files.odt("<text:p>Words &x;</text:p>"), MOST)
    assert "root:" not in content.text and content.text.startswith("Words &amp;x;")


# --- notebooks and tables ------------------------------------------------------------------------


def test_notebook() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Works\n", "\n", "Anna."]},
        {"cell_type": "code", "source": "# no heading\nx = 1", "outputs": []},
        {"cell_type": "markdown", "source": "## Costs"},
    ]
    content = notebook(json.dumps({"cells": cells, "metadata": {}}))
    assert content.title == "Works"
    assert content.text == "Anna.\n\n```\n# no heading\nx = 1\n```\n\n## Costs"
    assert [mark.heading for mark in content.marks] == [("Costs",)]
    with pytest.raises(Unread, match="not a notebook"):
        notebook("[]")


def rows(contents: Iterator[Content | Unread]) -> list[tuple[str, object]]:
    return [(c.row, c.kind if isinstance(c, Unread) else (c.text, c.title)) for c in contents]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_rows_have_the_types_of_their_columns(delimiter: str) -> None:
    lines = [["id", "text", "title", "year"], ["7", '"a, b"', "T", "2001"], ["9", "c", "", ""]]
    contents = list(csv_rows("\n".join(map(delimiter.join, lines))))
    assert rows(iter(contents)) == [("7", ("a, b", "T")), ("9", ("c", ""))]
    assert [c.metadata["year"] for c in contents if isinstance(c, Content)] == [2001, None]


def test_rows_without_a_text_are_written_by_columns() -> None:
    assert rows(csv_rows("name,year\nAnna,2001\n")) == [("1", ("name: Anna\nyear: 2001", ""))]


def test_json() -> None:
    given = [{"text": "a", "id": "x"}, {"text": "b", "id": "x"}, {"text": " "}]
    assert rows(json_document(json.dumps(given))) == [
        ("x", ("a", "")),
        ("x", "rows whose id was used before"),
        ("3", "rows without text"),
    ]
    assert rows(json_document('{"a": 1}')) == [("", ('{"a": 1}', ""))]
    assert rows(json_lines('{"text": "a"}\n\n[1]\n{"te')) == [
        ("1", ("a", "")),
        ("2", "rows that cannot be read"),
        ("3", "rows that cannot be read"),
    ]
