# ruff: noqa: E501
"""Converters: text, title, headings and pages of each kind of file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters.line_formats import code, entries, xml
from graphagg.rag.documents.reading.converters.markup import convert, markdown, notebook, plain
from graphagg.rag.documents.reading.converters.office import office
from graphagg.rag.documents.reading.converters.pdf import pdf
from graphagg.rag.documents.reading.converters.rest import restructured
from graphagg.rag.documents.reading.converters.structure import html
from graphagg.rag.documents.reading.converters.tables import csv_rows, json_document, json_lines
from graphagg.rag.documents.reading.converters.text import decode
from graphagg.rag.documents.reading.document import mark_at
from graphagg.rag.documents.tokens import prose
from tests.unit.rag.documents.reading import files

MOST = 2**20


asciidoc, org = partial(convert, "asciidoc"), partial(convert, "org")


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
        assert decode(given.encode(encoding)).text.removeprefix("\ufeff") == wanted
    except Unread as fault:  # many control characters, which no text has
        assert fault.kind == "binary"
        assert sum(c < " " and c not in "\t\n\r\f\b\x1b" for c in given) > 3


def test_a_character_at_the_end_of_the_sample_does_not_hide_the_encoding() -> None:
    text = "東京は日本の首都であり、世界最大の都市の一つです。\n" * 3_000
    assert decode(text.encode("shift_jis")).text == text


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
        "tags: [a, b]\nis: true\nnone: ~\n---\n# Real Heading\n\nText.\n"
    )
    assert (content.title, content.text) == ("My title", "Real Heading\n\nText.")
    assert content.metadata == {
        "year": 2020, "lang": "no", "zip": "010", "date": "2024-05-31", "at": "12:30",
        "tags": ["a", "b"], "is": True, "none": None,
    }  # fmt: skip
    assert sections(content) == [(("Real Heading",), None, "Real Heading Text.")]
    toml = markdown('+++\ntitle = "T"\nyear = 2020\n+++\nText.\n')
    assert (toml.title, toml.metadata, toml.text) == ("T", {"year": 2020}, "Text.")


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("---\ntitle: a: b\n---\nText.\n", 1),
        ("---\na: &a [1]\nb: *a\n---\nText.\n", 1),  # aliases can stand for gigabytes
        ("---\nA line, then prose [\n---\nText.\n", 0),  # rules across the page
        ("---\nJust words\n---\nText.\n", 0),
    ],
)
def test_front_matter_that_cannot_be_read_is_no_text(text: str, faults: int) -> None:
    content = markdown(text)
    assert content.text.endswith("Text.") and content.metadata == {}
    assert len(content.refused) == faults and "a:" not in content.text


SHOWN = {
    "# A *b* {#x}\n\nT": "T",
    "**b** _i_ ~~s~~ `c` \\(m\\)": "b i s c (m)",
    "[la *bel*](a.md) ![alt](i.png) <https://x.org>": "la bel https://x.org",
    "[[Page|label]] and [[Other]]": "label and Other",
    "| City | Limit |\n|---|---|\n| Oslo | [9](r.md) |\n| Rome | |": "- City: Oslo; Limit: 9\n- City: Rome",
    "```sh\n# a\n\nb\n```": "\t# a\n\tb",
    "~~~\n{% raw %}\n~~~": "\t{% raw %}",
    "T\n\n## :material-download: Get :arrow_up:\n\n[Go](a.md){ .button }": "T\n\nGet\n\nGo",
    "- :bug: Mind :memory: of `:bug:`": "- Mind :memory: of :bug:",
    'At 10:30:45, a:b-c:d, ":a_b:", `:a-b:` {{ .a }}': 'At 10:30:45, a:b-c:d, ":a_b:", :a-b: {{ .a }}',
    '{% include x %}\n{% tab title="Mac" %}\nA.\n{: .c}': "Mac A.",
    '!!! note "Mind"\n    Be *careful*.\n\n    More.\n\nEnd.': "Mind\n\nBe careful.\n\nMore.\n\nEnd.",
    ":::tip[Mine]\nBody.\n:::": "Mine\n\nBody.",
    "```{warning} Mind\nBe *careful*.\n```": "Mind\n\nBe careful.",
    '=== "Linux"\n\n    ```\n    ls\n    ```': "Linux\n\n\tls",
    "import X from 'x'\n\nText.": "Text.",
    "<!-- c -->\n<div align='center'>\n*In* <b>x</b>\n</div>": "In x",
    "<table><tr><td align='left'>a</td>\n\n<td>b</td></tr></table>": "- a; b",
    "Term\n: meaning\n\n- [x] done": "Term\nmeaning\n\n- done",
    "a[^1]\n\n[^1]: note": "a\n\nnote",
    "> [!note]- Mind\n> a ==b c== d, x==y==z, `==e==`%%f%% ^a1b2c3": "Mind\na b c d, x==y==z, ==e==",
    "> quoted\n\n---\n\n&amp; &lt;x&gt;": "quoted\n\n& <x>",
}


@pytest.mark.parametrize("text", SHOWN)
def test_markdown_as_a_person_sees_it(text: str) -> None:
    shown = "\n".join(line.rstrip() for line in markdown(text).text.split("\n"))
    assert shown.replace("\n\n\n", "\n\n").replace("\nA.", " A.") == SHOWN[text]


LINES = st.sampled_from(["# A", "## B", "### C", "# D", "text", "", "```", "~", "---", "Setext"])


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_marks_are_ascending_places_where_their_heading_stands(text: str) -> None:
    content = markdown(text)
    offsets = [mark.offset for mark in content.marks]
    assert offsets == sorted(set(offsets))
    for mark in content.marks:
        assert content.text[mark.offset :].split("\n")[0] == mark.heading[-1]
        assert mark_at(content.marks, mark.offset) == mark
        assert mark_at(content.marks, mark.offset - 1) != mark


@given(
    st.lists(st.sampled_from(["word", "[link](x.md)", "\n\n", "| a |", "- ", "`c`"]), max_size=20)
)
def test_links_stand_where_their_labels_do(pieces: list[str]) -> None:
    content = markdown("# T\n\n" + " ".join(pieces))
    assert [link.target for link in content.links] == ["x.md"] * pieces.count("[link](x.md)")
    assert all(content.text.startswith("link", link.offset) for link in content.links)


def test_links_and_anchors_of_each_markup() -> None:
    rest = restructured(
        "Works\n=====\n\nSee :doc:`guide </a/setup>`, :ref:`costs-label` and `b <b.rst>`_.\n\n"
        ".. toctree::\n\n   first\n\n.. _Costs Label:\n\nCosts\n-----\n\nMany.\n"
    )
    assert [link.target for link in rest.links] == [
        "doc:/a/setup", "ref:costs-label", "b.rst", "doc:first",
    ]  # fmt: skip
    assert rest.text[rest.anchors["costs-label"] :] == "Costs\n\nMany."
    page = html('<h2 id="x">A b</h2><p><a href="c.html#d">c</a> <a href="http://w">w</a>')
    assert [link.target for link in page.links] == ["c.html#d"]
    assert page.anchors == {"x": 0, "a-b": 0}
    adoc = asciidoc("= T\n\nSee xref:b.adoc[the b].\n\n[[s]]\n== Costs\n\nC.")
    assert ([link.target for link in adoc.links], adoc.anchors["s"]) == (["b.adoc"], 12)


def test_restructured_text() -> None:
    content = restructured(
        "=====\nWorks\n=====\n\nIntro ``x``, :py:class:`~a.b.C`, *e*.\n\n.. contents::\n\n"
        ".. note:: Mind.\n\n.. raw:: html\n\n   <b>r</b>\n\n.. include:: /etc/passwd\n\n"
        ".. mine:: arg\n   :o: 1\n\n   Body.\n\nCosts\n-----\n\n.. code-block:: py\n\n   y = 1\n\n"
        ".. list-table::\n   :header-rows: 1\n\n   * - Item\n     - Price\n   * - stone\n     - 12\n"
    )
    assert content.title == "Works"
    assert content.text == (
        "Intro x, C, e.\n\nNote\n\nMind.\n\narg\n\nBody.\n\nCosts\n\n\ty = 1\n\n- Item: stone; Price: 12"
    )
    assert [path for path, _, _ in sections(content)] == [("Costs",)]
    content = restructured(
        ".. versionadded:: 3.19\n   The ``x`` of :manual:`cmake (7)`, *new*.\n\n"
        ".. py:function:: draw(*lines, **options)\n\n   Draws."
    )
    assert content.text == ("3.19 The x of cmake (7), new.\n\ndraw(*lines, **options)\n\nDraws.")


def test_asciidoc_and_org() -> None:
    shown = "Costs\n\n- one\n\n\tputs 1\n\n- Item: stone; Price: 12"
    assert (
        asciidoc(
            "= T\n:a: b\n\n== Costs\n\n* one\n\n[source]\n----\nputs 1\n----\n\n|===\n|Item |Price\n\n|stone\n"
            "|12\n|===\n"
        ).text
        == shown
    )
    assert (
        org(
            "#+TITLE: T\n* Costs :tag:\n- one\n#+BEGIN_SRC sh\nputs 1\n#+END_SRC\n| Item | Price |\n|---+---|\n"
            "| stone | 12 |\n"
        ).text
        == shown
    )


def test_titles_come_from_the_head_or_the_only_heading() -> None:
    assert markdown("A.\n\n# Works\n\nB.").title == "Works"
    assert markdown("A.\n\n# Works\n\nB.\n\n# Costs\n\nC.").title == ""
    assert markdown("# Works\n\nB.\n\n# Costs\n\nC.").title == "Works"
    assert plain("Works\n*****\n\nA.\n").title == "Works"
    assert plain("A.\n\nWorks\n*****\n\nB.\n").title == ""
    assert plain("a table\n\n-----  ---\n1      2\n").marks == ()


def test_links_of_headings_to_themselves() -> None:
    content = html(
        "<h2>Zlib<a class=mark href='#zlib'>#</a></h2><p>A.<h2><a href='#b'>§ </a>Costs</h2><p>B."
        "<h2>C#</h2><p>C.<h2><a href='#news'>#news</a></h2><p>D."
    )
    assert content.title == "Zlib"
    assert content.text == "A.\n\nCosts\n\nB.\n\nC#\n\nC.\n\n#news\n\nD."


def test_html() -> None:
    content = html(
        "<html><head><title>Works - Site</title><script>var x</script></head><body>"
        "<nav>Home</nav><h1>Works<a class='headerlink'>¶</a></h1><p>Anna <b>led</b>\n the works."
        "<h2>Costs</h2><table><tr><th>item<th>price<tr><td>stone<td>12</table>"
        "<ul><li>one<li>two</ul><pre>a  b\n  c</pre><p hidden>secret"
        "<table><tr><td><h3>Laid</h3><p>out<td>x</table>"
    )
    assert content.title == "Works"
    assert content.text == (
        "Anna led the works.\n\nCosts\n\n- item: stone; price: 12\n\n- one\n- two\n\n\ta  b\n\t  c"
        "\n\nLaid\n\nout\n\nx"
    )
    assert content.marks[0].heading == ("Costs",)
    assert html("<title>Page</title><body><h1>Site</h1>Text").title == "Page"
    assert html("<body><h1>Only</h1>Text").title == "Only"


# --- binary files --------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [files.docx, files.odt])
def test_office_files(made) -> None:
    content = office(made(), MOST)
    assert (content.title, content.metadata["author"]) == ("The works", "Anna Berg")
    assert content.text == "Anna led the works.\n\nCosts\n\n- item: stone; price: 12"
    assert content.marks[-1].heading == ("Costs",)
    assert office(files.docx("A title"), MOST).title == "A title"


def test_a_million_blank_rows_are_one() -> None:
    table = files.odf_table("t", [["item", "price"], ["stone", "12"]])
    blank = '<table:table-row table:number-rows-repeated="1000000"/>'
    row = table.partition("<table:table-row>")[2].partition("</table:table>")[0]
    table = table.replace("</table:table>", f"{blank}<table:table-row>{row}</table:table>")
    content = office(
        files.odf("spreadsheet", f"<office:spreadsheet>{table}</office:spreadsheet>"), 999
    )
    assert content.text == "- item: stone; price: 12\n- item: stone; price: 12"


def test_pdf_pages_outline_and_properties() -> None:
    leader = "Costs . . . . . . . . 2"
    made = files.pdf(
        [["Works", "Anna led the en-", "coding.", leader], ["Costs", "Stone."]], title="T"
    )
    content = pdf(made, MOST)
    assert (content.title, content.metadata.keys() - {"created"}) == ("T", set())
    assert sections(content) == [
        (("Works",), 1, "Works Anna led the encoding. Costs 2"),
        (("Costs",), 2, "Costs Stone."),
    ]

    content = pdf(files.pdf([["", "Anna's manual"], ["1 Introduction", "Anna led."]]), MOST)
    assert content.title == "" and content.text.startswith("Anna's manual")
    assert [path for path, _, _ in sections(content)] == [(), ("1 Introduction",)]
    content = pdf(re.sub(rb"/Title \(.*?\)", b"/Title <FEFFD800>", made), MOST)  # no characters
    assert content.title == "" and content.text.startswith("Works")


def test_what_was_written_on_a_pdf_and_its_pages_of_pictures() -> None:
    from fpdf import FPDF
    from PIL import Image

    made = FPDF()
    made.set_font("helvetica", size=12)
    for text in ("Anna led.", "", "Ben left."):
        made.add_page()
        if text:
            made.cell(text=text)
            made.free_text_annotation(f"Note: {text}", w=60, h=20, x=20, y=60)
        else:
            made.image(Image.new("RGB", (9, 9)), w=50)
    content = pdf(bytes(made.output()), MOST)
    assert content.text == "Anna led.\n\nNote: Anna led.\n\nBen left.\n\nNote: Ben left."
    assert [mark.page for mark in content.marks] == [1, 3]
    assert [(each.kind, each.reason) for each in content.refused] == [
        ("pages without text", "page 2; run OCR")
    ]


def test_pdf_without_headers_and_divided_words() -> None:
    def lines(name: str, page: int) -> list[str]:
        text = f"{name}: a long-term", "loan of a long-", "term en-", f"coding by {name}"
        return ["", "Annual report", *text, f"Page {page}"]

    names = ["Anna", "Ben", "Carla", "Dora"]
    content = pdf(files.pdf([lines(name, 9 + page) for page, name in enumerate(names)]), MOST)
    assert [text for _, _, text in sections(content)] == [
        f"{name}: a long-term loan of a long-term encoding by {name}" for name in names
    ]


def test_headers_of_a_part_of_a_pdf_are_left_out() -> None:
    pages = [
        ["", f"Page of {name}", f"{name} has words."]
        for name in map("".join, product("abcdefgh", "vwxyz"))
    ]
    for number in range(10, 20):
        pages[number][1:1] = ["Notes (continued)"]
    for number in range(20, 36, 4):  # a title that some pages share stays
        pages[number][1:1] = ["Terms and conditions"]
    text = pdf(files.pdf(pages), MOST).text
    assert "Notes (continued)" not in text and text.count("Terms and conditions") == 4


@pytest.mark.parametrize(
    ("convert", "content", "kind"),
    [
        (pdf, files.pdf([["Secret"]], password="p"), "password"),
        (pdf, files.pdf([[]]), "PDF without text"),
        (pdf, files.pdf([["word " * 9] * 20] * 3), "too large"),
        (
            office,
            files.zipped({"[Content_Types].xml": "", "word/document.xml": "x" * 2**28}),
            "too large",
        ),
        (office, b"PK\x03\x04 broken", "broken"),
        (office, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "broken"),
    ],
)
def test_binary_files_that_cannot_be_read(convert, content: bytes, kind: str) -> None:
    with pytest.raises(Unread) as caught:
        convert(content, 1_000 if convert is pdf else MOST)
    assert caught.value.kind == kind


def test_xml_and_entities_that_are_not_read() -> None:
    content = office(files.odt("<text:p>Words &x;</text:p>"), MOST)
    assert "root:" not in content.text and content.text.startswith("Words &x;")
    feed = "<rss><title>News</title><description><![CDATA[<p>A <b>dam</b> broke.</p>]]></description></rss>"
    assert next(xml(feed)).text == "News\nA dam broke."
    dump = '<posts><row Title="Saws" Body="&lt;p&gt;It stalls.&lt;/p&gt;"/><row Body="Use oil."/></posts>'
    assert next(xml(dump)).text == "Title: Saws; Body: It stalls.\nBody: Use oil."
    assert next(xml('<a name="unseen" why="It broke at noon.">Seen.</a>')).text == (
        "It broke at noon.\nSeen."
    )
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE a [<!ENTITY co "ACME">]><a>&co;: caf&eacute;</a>'
    assert next(xml(latin)).text == "ACME: café"


# --- notebooks and tables ------------------------------------------------------------------------


def test_notebook() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Works\n", "\n", "Anna."]},
        {"cell_type": "code", "source": "# no heading\nx = 1", "outputs": []},
        {"cell_type": "markdown", "source": "## Costs"},
    ]
    content = notebook(json.dumps({"cells": cells, "metadata": {}}))
    assert content.title == "Works"
    assert content.text == "Anna.\n\n\t# no heading\n\tx = 1\n\nCosts"
    assert [mark.heading for mark in content.marks] == [("Costs",)]
    with pytest.raises(Unread, match="not a notebook"):
        notebook("[]")


def test_comments_and_docstrings_of_code_are_sentences() -> None:
    text = code(
        "#!/usr/bin/env python\n"
        '"""Deploys the service."""\n'
        "# The default timeout, in seconds.\n"
        "DEFAULT_TIMEOUT_CONFIG = 30\n"
        'QUERY = """\nselect all rows\n"""\n'
        "def run(x):\n"
        '    r"""Run it once.\n\n    Then stop.\n    """\n'
        "    return x  # as it is\n"
        "/* Blocks of\n * two lines. */\n"
        "#include <stdio.h>\n"
        "# x = 1\n"
    ).text
    assert [text[start:end].strip() for start, end in prose(text)] == [
        "Deploys the service.\nThe default timeout, in seconds.",
        "Run it once.\nThen stop.",
        "Blocks of\ntwo lines.",
    ]
    for line in (
        "DEFAULT_TIMEOUT_CONFIG = 30",
        "select all rows",
        "    return x  # as it is",
        "# x = 1",
    ):
        assert f"\t{line}" in text.split("\n")


def rows(contents: Iterator[Content | Unread]) -> list[tuple[str, object]]:
    return [(c.row, c.kind if isinstance(c, Unread) else (c.text, c.title)) for c in contents]


@pytest.mark.parametrize(
    ("above", "title", "label", "sentence"),
    [
        ("Sales\n", "Sales", "", ""), ("Account;DE12\n\n", "Account DE12", "", ""),
        ("Sales\nExported by;Ann;2025;Ulm\n", "Sales", "Exported by Ann 2025 Ulm", ""),
        ("Sales 2024\nExported by;Ann;\nNet of all taxes here.\n\n", "Sales 2024", "Exported by Ann",
         "Net of all taxes here."),
    ],
)  # fmt: skip
def test_lines_above_a_table(above: str, title: str, label: str, sentence: str) -> None:
    """The first is the title, a sentence is the last row, and labels are reported."""
    table = "Region;Month;EUR;By\nNorth;May;10.500,00;A\nSouth;May;8.200,50;B\nNorth;June;9,5;A\n"
    every = list(csv_rows(above + table))
    found = [each for each in every if isinstance(each, Content)]
    assert [replace(row, title="") for row in found[:3]] == list(csv_rows(table))
    assert {row.title for row in found} == {title}
    assert [row.text for row in found[3:]] == [sentence] * bool(sentence)
    assert [each.reason for each in every if isinstance(each, Unread)] == [label] * bool(label)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_file_with_a_title_and_notes(delimiter: str) -> None:
    table = [["Article", "Price", "2025"], ["TX-9", "189.5", "7"], ["CH-7", "24.5", ""]]
    wanted = ["Article: TX-9\nPrice: 189.5\n2025: 7", "Article: CH-7\nPrice: 24.5"]
    for above, below in (([], []), ([["Prices"], []], [["Prices of May"]])):
        grid = [*above, *table, *below]
        text = "\n".join(map(delimiter.join, grid))
        found = [each.text for each in csv_rows(text) if isinstance(each, Content)]
        assert found == wanted + (["Prices of May"] if above else [])
    texts = [each.text for each in csv_rows("1,2\n3,4\n") if isinstance(each, Content)]
    assert texts == ["column 1: 1\ncolumn 2: 2", "column 1: 3\ncolumn 2: 4"]  # no names


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_rows_have_the_types_of_their_columns(delimiter: str) -> None:
    lines = [["id", "text", "title", "year"], ["7", '"a, b"', "T", "2001"], ["9", "c", "", ""]]
    contents = list(csv_rows("\n".join(map(delimiter.join, lines))))
    assert rows(iter(contents)) == [("7", ("a, b", "T")), ("9", ("c", ""))]
    assert [c.metadata["year"] for c in contents if isinstance(c, Content)] == [2001, None]


def test_rows_without_a_text_are_written_by_columns() -> None:
    given = {
        "Name": "Anna",
        "Year": 2001,
        "tags": ["a", "b"],
        "is_in": {"city": "Ribe"},
        "no": None,
    }
    text = "Name: Anna\nYear: 2001\ntags: a, b\nis_in.city: Ribe"
    assert rows(json_lines(json.dumps(given))) == [("1", (text, "Anna"))]
    assert rows(json_lines(json.dumps({"name": "Anna " * 50}))) == [
        ("1", ("name: " + "Anna " * 50, ""))
    ]


def test_columns_are_found_in_any_case_and_html_in_a_cell_is_text() -> None:
    given = {"ID": 7, "Title": "T", "TEXT": "<h1>Fees</h1><p>At <em>most</em> 3.</p>", "Year": 1}
    (content,) = json_lines(json.dumps(given))
    assert isinstance(content, Content)
    assert (content.row, content.title, content.text) == ("7", "T", "Fees\n\nAt most 3.")
    assert content.metadata == {"Year": 1}
    assert rows(json_lines('{"text": "a < b and c > d &amp;"}')) == [
        ("1", ("a < b and c > d &amp;", ""))
    ]


@given(st.lists(st.sampled_from(["a", "a (2)", "b", ""]), min_size=1, max_size=6))
def test_no_column_is_lost(names: list[str]) -> None:
    cells = [f"v{position}" for position in range(len(names))]
    (content,) = csv_rows(f"x,y,{','.join(names)}\n0,1,{','.join(cells)}\n")
    assert isinstance(content, Content)
    assert [line.rpartition(": ")[2] for line in content.text.split("\n")] == ["0", "1", *cells]
    assert len(content.metadata) == len(names) + 2


def test_a_list_beside_plain_values() -> None:
    chat = {"name": "Team", "id": 12, "messages": [{"id": 1, "text": "Hello."}]}
    assert rows(json_document(json.dumps(chat))) == [
        ("1", ("Hello.", "")),
        ("beside", "values beside rows"),
    ]
    assert len(rows(json_document(json.dumps(chat | {"name": 3})))) == 1  # numbers tell nothing
    about = chat | {"about": "All that the team says."}
    assert rows(json_document(json.dumps(about)))[1] == (
        "12", ("name: Team\nid: 12\nabout: All that the team says.", "Team"),
    )  # fmt: skip
    for other in ({"a": {}}, {"a": []}, {"a": [{"b": 1}]}):
        assert len(rows(json_document(json.dumps(chat | other)))) == 1


def test_pages_of_confluence_and_notion() -> None:
    table = "<div class='plugin-tabmeta-details'><table><tr><th>Owner</th><td>Cid</td></tr></table></div>"
    page = html(
        '<title>HR : Trips</title><ol id="breadcrumbs"><li>HR</li><li>Rules</li></ol>'
        '<h1 id="title-heading"><span id="title-text"> HR : Trips </span></h1>'
        '<div class="page-metadata">Created by <span class="author"> Ann</span> on Jan 05, 2024</div>'
        f'{table}<p>By train.</p><div id="footer">Document generated by Confluence</div>'
    )
    assert (page.title, page.text) == ("Trips", "- Owner: Cid\n\nBy train.")
    assert page.metadata == {
        "breadcrumb": ["HR", "Rules"], "author": "Ann", "date": "2024-01-05", "Owner": "Cid",
    }  # fmt: skip
    properties = '<table class="properties"><tr><th>State</th><td>Open</td></tr></table>'
    page = html(f'<h1 class="page-title">Plan</h1>{properties}<p>In May.</p>')
    assert (page.title, page.metadata) == ("Plan", {"State": "Open"})
    page = markdown("# Plan\n\nOwner: Eve\nMade: January 5, 2024 3:12 PM\n\nIn May.\n")
    assert page.metadata == {"Owner": "Eve", "Made": "2024-01-05T15:12:00"}
    assert page.text.split("\n")[:2] == ["Owner: Eve", "Made: January 5, 2024 3:12 PM"]
    assert markdown("# Plan\n\nOwner: Eve\nand Ann.\n").metadata == {}


def test_json() -> None:
    given = [{"text": "a", "id": "x"}, {"text": "b", "id": "x"}, {"text": " "}]
    given.append(given[0])
    assert rows(json_document(json.dumps(given))) == [
        ("x", ("a", "")),
        ("x (2)", ("b", "")),
        ("3", "rows without text"),
        ("x", "rows that occur twice"),
    ]
    assert rows(json_document(json.dumps({"items": given[:1]}))) == [("x", ("a", ""))]
    nested = r'{"a": {"b": "\u00d6l\n5"}, "c": [1, "x"], "d": [{"e": 1, "f": 2}, "y"], "g": null}'
    assert rows(json_document(nested)) == [("", ("a.b: Öl\n5\nc: 1, x\nd: e: 1; f: 2\ny", ""))]
    assert rows(json_document('{"a": 1}\n{"a": 2}\n')) == [("1", ("a: 1", "")), ("2", ("a: 2", ""))]
    assert rows(json_lines('{"text": "a"}\n\n[1]\n{"te')) == [
        ("1", ("a", "")),
        ("2", "rows that cannot be read"),
        ("3", "rows that cannot be read"),
    ]


# --- markups by rules, calendars and contacts -----------------------------------------------------

PAGE = r""".\" made by hand
.TH PUMP 1 "2026\-01\-02"
.SH NAME
pump \- moves water
.SH "SEE ALSO"
.BR valve (1),
.B \-\-dry\-run
does \fInothing\fR.
.TP
.BI \-n " N"
It\(aqs _N_ times.
.nf
pump \-n 2
.fi
"""
MDOC = """.Dd January 2, 2026
.Dt PUMP 1
.Os
.Sh NAME
.Nm pump
.Nd moves water
.Sh DESCRIPTION
.Nm
reads
.Pa /etc/pump ,
see
.Xr valve 1 .
.Bl -tag
.It Fl n Ar N
Runs N times.
.El
"""
PAPER = r"""\documentclass{article} % a comment
\title{On Pumps}
\begin{document}
\maketitle
\section{Results} \label{sec:r}
The \emph{pump} of M\"uller \& Co.~leaks 5\,\% \cite{a}; $x_i < y_i$.
\begin{itemize}
\item One
\end{itemize}
\begin{verbatim}
a_b = 1
\end{verbatim}
\begin{tabular}{ll}
Item & Price \\ \hline
stone & 12 \\
\end{tabular}
\end{document}
"""
WIKI = """{{Infobox|maker=Acme|year=1999}}
The '''pump''' is in [[Oslo|the city]].<ref>A book.</ref> [[Category:Pumps]]

== Parts ==
# one
{| class="wikitable"
! Item !! Price
|-
| stone || 12
|}
"""


@pytest.mark.parametrize(
    ("name", "text", "title", "wanted"),
    [
        ("man", PAGE, "PUMP", "NAME\n\npump - moves water\n\nSEE ALSO\n\nvalve(1), --dry-run does nothing."
         "\n\n-n N It's _N_ times.\n\n\tpump -n 2"),
        ("man", MDOC, "PUMP", "NAME\n\npump \u2013 moves water\n\nDESCRIPTION\n\nit reads /etc/pump, see valve(1)."
         "\n\n-n N Runs N times."),
        ("latex", PAPER, "On Pumps", "Results\n\nThe pump of Mu\u0308ller & Co. leaks 5 %; $x_i < y_i$."
         "\n\n- One\n\n\ta_b = 1\n\n- Item: stone; Price: 12"),
        ("wiki", WIKI, "", "maker=Acme|year=1999 The pump is in the city.\n\nParts\n\n- one\n\n"
         "- Item: stone; Price: 12"),
    ],
)  # fmt: skip
def test_markups_by_rules(name: str, text: str, title: str, wanted: str) -> None:
    content = convert(name, text)
    assert (content.title, content.text) == (title, wanted)


def test_pages_of_a_dump_are_documents() -> None:
    page = "<page><title>{}</title><ns>0</ns>{}<revision><text>{}</text></revision></page>"
    pages = (
        page.format("Pump", "", WIKI.replace("<", "&lt;")),
        page.format("Pumps", '<redirect title="Pump" />', "#REDIRECT [[Pump]]"),
    )
    dump = f'<mediawiki xmlns="http://www.mediawiki.org/xml/">{"".join(pages)}</mediawiki>'
    (content,) = xml(dump)
    assert (content.row, content.title) == ("Pump", "Pump") and "the city" in content.text


def test_calendars_and_contacts() -> None:
    calendar = (
        "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Europe/Oslo\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:1\n"
        "DTSTART;TZID=Europe/Oslo:20260105T090000\nDTEND:20260105T100000Z\nSUMMARY:Pump P-7\\, review\n"
        'ORGANIZER;CN="Lee: Ann":mailto:ann@x.no\nATTENDEE;CN=Bob:mailto:bob@x.no\n'
        "ATTENDEE:mailto:cid@x.no\nDESCRIPTION:We look at the pump\\nand the\n  valve.\nBEGIN:VALARM\n"
        "DESCRIPTION:Reminder\nEND:VALARM\nEND:VEVENT\nBEGIN:VTODO\nDUE;VALUE=DATE:20260106\n"
        "SUMMARY:Order seals\nEND:VTODO\nEND:VCALENDAR\n"
    )
    event, task = entries(calendar)
    assert (event.title, task.title, task.metadata) == (
        "Pump P-7, review", "Order seals", {"due": "2026-01-06"}
    )  # fmt: skip
    assert event.text == (
        "start: 2026-01-05T09:00:00\nend: 2026-01-05T10:00:00Z\norganizer: Lee: Ann\n"
        "attendees: Bob, cid@x.no\n\nWe look at the pump\nand the valve."
    )
    assert event.metadata["attendees"] == ["Bob", "cid@x.no"]
    cards = (
        "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8:Lee;Ann;;;\nFN:Ann Lee\nORG:Pumps;Service\n"
        "item1.TEL;TYPE=CELL:+47 1\nNOTE;ENCODING=QUOTED-PRINTABLE:Knows =C3=B8l and=\n more\n"
        "END:VCARD\nBEGIN:VCARD\nVERSION:3.0\nFN:Bob\nEMAIL:bob@x.no\nEND:VCARD\n"
    )
    ann, bob = entries(cards)
    assert (ann.title, bob.title, bob.text) == ("Ann Lee", "Bob", "mail: bob@x.no")
    assert (
        ann.text
        == "name: Lee, Ann\norganization: Pumps, Service\nphone: +47 1\n\nKnows øl and more"
    )
    with pytest.raises(Unread, match="no event"):
        list(entries("BEGIN:VCALENDAR\nEND:VCALENDAR\n"))
