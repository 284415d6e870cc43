"""A company's folder: every kind of file, what is no document, and files that would do harm."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from graphagg.errors import InvalidParameter
from graphagg.rag import ChunkConfig, ReadConfig, chunk_documents
from graphagg.rag.documents.reading import kinds
from graphagg.rag.documents.reading.bounded import BoundedConverter
from graphagg.rag.documents.reading.content import Unread
from graphagg.rag.documents.reading.converters.text import decode
from graphagg.rag.documents.reading.kinds import ConversionLimits
from tests import converters
from tests.unit.rag.documents.reading import files
from tests.unit.rag.documents.reading.encodings import cases, is_european
from tests.unit.rag.documents.reading.files import read, write
from tests.unit.rag.documents.reading.harm import HARMFUL, hex_dump, mails
from tests.unit.rag.documents.reading.short_texts import texts


def test_every_kind_is_read(tmp_path: Path) -> None:
    documents, report = read(files.company(tmp_path))
    assert report.kinds == {"broken": 1}
    assert report.left_out[0].path == "old.doc" and "save it" in report.left_out[0].reason
    expected = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    attachments = {
        "o.eml/prices.xlsx", "v.msg/prices.xlsx",
        "p.mbox/1", "p.mbox/1/prices.xlsx", "p.mbox/2", "p.mbox/2/prices.xlsx",
    }  # fmt: skip
    assert documents.keys() == expected - {"old.doc", "p.mbox", "t.csv"} | attachments | {"t.csv/1"}
    without = {name for name, each in documents.items() if "IM-22" not in each.text}
    assert without == {"g.docx", "h.odt", "j.epub", "o.eml", "p.mbox/1", "p.mbox/2", "v.msg"}
    assert documents["sheets/a.xlsx"].text == (
        "Prices\n\n- Part: IM-22; Price: 418 EUR\n\nStaff\n\n- Name: Anna; City: Oslo"
    )
    assert documents["i.rtf"].text == "Café IM-22."
    assert documents["w.doc"].text == "Pumps\n\nThe IM-22 fits."
    assert documents["v.msg"].metadata["from"] == '"Anna Berg" <anna@x.org>'
    for name in ("o.eml", "v.msg"):
        mail, inside = documents[name], documents[f"{name}/prices.xlsx"]
        assert (mail.text, mail.title) == (
            "It came.\n\nOn Monday, Bert wrote:\nWhen?",
            "Order of IM-22",
        )
        assert mail.metadata["date"] == "2024-05-27T08:00:00+00:00"
        assert mail.metadata["to"] == "bert@x.org"
        assert (inside.text, inside.title) == ("- Part: IM-22; Price: 418 EUR", "prices")
    linked = {name: {link.target for link in each.links} for name, each in documents.items()}
    assert {name: targets for name, targets in linked.items() if targets} == {
        "a.md": {"sheets/a.xlsx"}, "b.rst": {"a"}, "c.adoc": {"a.md"}, "d.org": {"a.md"},
        "e.html": {"a.md"},
    }  # fmt: skip


def test_pages_and_headings_of_each_kind_are_cited(tmp_path: Path) -> None:
    documents, _ = read(files.company(tmp_path))
    placed = {}
    for chunk in chunk_documents(documents.values(), ChunkConfig(4, 0)):
        if "IM-22" in chunk.text:
            placed[chunk.document or chunk.id] = (chunk.title, chunk.metadata.get("page"))
    assert placed["l.pptx"] == ("Pumps > Impeller", 2)
    assert placed["n.pdf"] == ("Manual > Impeller", 2)
    assert placed["sheets/a.xlsx"] == ("a > Prices", None)
    marked = ("a.md", "c.adoc", "d.org", "e.html")
    assert {placed[name] for name in marked} == {("Pumps > Impeller", None)}
    breaks = "<w:p><w:r><w:t>One.</w:t></w:r></w:p>", '<w:r><w:br w:type="page"/></w:r>'
    source = zipfile.ZipFile(write(tmp_path / "x" / "a.docx", files.docx()))
    parts = {name: source.read(name).decode() for name in source.namelist() if "xml" in name}
    parts["word/document.xml"] = parts["word/document.xml"].replace(
        "Costs</w:t></w:r>", f"Costs</w:t></w:r>{breaks[1]}"
    )
    paged, _ = read(write(tmp_path / "y" / "a.docx", files.zipped(parts)).parent)
    assert [mark.page for mark in paged["a.docx"].marks] == [1, 2]


def test_what_is_no_document_stays_out_and_is_said(tmp_path: Path) -> None:
    for name, content in {
        "a.md": "Text.", "package-lock.json": "[1]", "poetry.lock": "x", "app.min.js": "var a",
        "app.js.map": "{}", "bundle.js": "x=1;" * 5_000, "api.py": "# DO NOT EDIT\nx = 1\n",
        "node_modules/p/README.md": "Text.", "web/package.json": '{"name": "web"}',
        "web/dist/page.html": "<p>Text", "docs/build/guide.md": "Text of a guide.",
        "big.log": "line\n" * 300_000, "small.log": "line\n", "code.py": "x = 1\n",
        "x.strange": "Text.", "y.odd": "Text.",
    }.items():  # fmt: skip
        write(tmp_path / name, content)
    documents, report = read(tmp_path)
    assert list(documents) == [
        "a.md", "code.py", "docs/build/guide.md", "small.log", "web/package.json",
    ]  # fmt: skip
    assert "1 of unknown kind (.strange), 1 of unknown kind (.odd)" in str(report)
    assert "2 build folder" in str(report) and "1 lock file (.lock)" in str(report)
    assert "more than 1 MiB" in {each.path: each.reason for each in report.left_out}["big.log"]
    everything, _ = read(tmp_path, everything=True)
    assert len(everything) == 12


_SUM = "d41d8cd98f00b204e9800998ecf8427e  docs/chapter-{}.md\n"
_DIGITS = "da39a3ee5e6b4b0d3255bfef95601890afd80709"


@pytest.mark.parametrize(
    ("lines", "is_dump"),
    [
        (hex_dump(200).decode(), True),
        ("00000010  02 00 03 00 e0 74 0b 6c  7e 00 00 8b 40 00 45 ff  |.....t.l~...@.E.|\n", True),
        ("0000020 0002 0003 abe0 000b 7fff 0000 0040 0000\r\n", True),
        (_DIGITS + "\n", True),
        ("".join(_SUM.format(i) for i in range(9)), False),
        ("2001 12 31 10 15 20 25 30 1961 01 07 12 1.4E-05\n", False),
        (f"    {{0x1f, 0x8b, 0x08}}, // {_DIGITS[:8]}\n", False),
        ("add 12 bad ad be cafe and a bit of prose that follows it for a while\n", False),
    ],
)
def test_hex_dumps_stay_out(lines: str, is_dump: bool, tmp_path: Path) -> None:
    for name, text in {"a.txt": lines * 200, "b.txt": lines, "c.txt": "Text."}.items():
        write(tmp_path / name, text)
    _, report = read(tmp_path)
    assert report.kinds == ({"hex dump (.txt)": 1} if is_dump else {})
    assert len(read(tmp_path, everything=True)[0]) == 3


def test_a_packed_file_is_read_as_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path / "a.md.gz", gzip.compress(b"# Pumps\n\nThe IM-22 fits."))
    write(tmp_path / "b.csv.gz", gzip.compress(b"part,price\nIM-22,418\n"))
    write(tmp_path / "c.pdf.gz", gzip.compress(files.pdf([["Works", "Anna led."]])))
    write(tmp_path / "cut.txt.gz", gzip.compress(bytes(range(65, 91)) * 99)[:-9])
    write(tmp_path / "bomb.txt.gz", gzip.compress(bytes(2**20 + 1)))
    write(tmp_path / "d.tar.gz", gzip.compress(b"x"))
    documents, report = read(tmp_path, max_file_size=1)
    assert documents.keys() == {"a.md.gz", "b.csv.gz/1", "c.pdf.gz"}
    assert (documents["a.md.gz"].title, documents["a.md.gz"].text) == ("Pumps", "The IM-22 fits.")
    left_out = {each.path: each.kind for each in report.left_out}
    assert left_out["cut.txt.gz"] == "broken" and left_out["bomb.txt.gz"] == "too large"
    assert left_out["d.tar.gz"].startswith(("of unknown kind", "binary"))


# --- encodings -----------------------------------------------------------------------------------


def test_short_texts_in_many_encodings() -> None:
    wrong = [case for case in cases() if decode(case[2].encode(case[1])).text != case[2]]
    assert len(cases()) > 100
    assert not [case for case in wrong if is_european(case[0])]
    assert len(wrong) <= 2


@pytest.mark.parametrize("half", [0, 1])
def test_small_files_of_twenty_languages(half: int) -> None:
    """Five lines each: names, streets, sentences; foreign names in English do not decide."""
    cases = texts(half)
    wrong = [case for case in cases if decode(case[2].encode(case[1])).text != case[2]]
    assert len(cases) == 200 and not wrong


def test_guesses_are_reported_and_an_encoding_may_be_named(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "Hélène Lefèvre, où êtes-vous ?".encode("cp1252"))
    write(tmp_path / "b.txt", "Žluťoučký kůň".encode() * 9 + b"\xff")
    write(tmp_path / "c.html", "<meta charset=latin-1><p>Née à “Nice”".encode("cp1252"))
    write(tmp_path / "d.txt", "Hélène".encode())
    documents, report = read(tmp_path)
    assert documents["a.txt"].text == "Hélène Lefèvre, où êtes-vous ?"
    assert documents["b.txt"].text.endswith("kůň\ufffd")
    assert documents["c.html"].text == "Née à “Nice”"
    assert [(each.path, each.reason) for each in report.guessed] == [
        ("a.txt", "cp1252"), ("b.txt", "utf-8, 1 bad bytes replaced"),
    ]  # fmt: skip
    assert "guessed: a.txt (cp1252), b.txt" in str(report)
    named, report = read(tmp_path, encoding="mac-roman")
    assert named["a.txt"].text != documents["a.txt"].text and len(report.guessed) == 1
    with pytest.raises(InvalidParameter, match="encoding is 'klingon', expected a name such as"):
        ReadConfig(encoding="klingon")


def test_what_begins_as_another_kind_is_read_as_that(tmp_path: Path) -> None:
    names = ["plain", "text.txt", "page.md", "code.py", "table.csv"]
    for name in names:
        write(tmp_path / f"a {name}", files.pdf([["Works", "Anna led."]]))
        write(tmp_path / f"b {name}", files.docx())
    write(tmp_path / "c.pdf", files.docx())
    write(tmp_path / "d.zip", files.docx())
    documents, report = read(tmp_path)
    assert documents.keys() == {f"{each} {name}" for name in names for each in "ab"} | {"c.pdf"}
    for name in names:
        assert "Anna led." in documents[f"a {name}"].text
        assert documents["c.pdf"].text == documents[f"b {name}"].text
    assert "Anna led the works." in documents["c.pdf"].text and report.kinds == {"misnamed": 1}


@pytest.mark.parametrize("content", [
    "<html><body><table><tr><td>Größe</td><td>5</td></tr></table></body></html>",
    "Name\tSize\nGröße\t5\n", "<?xml version='1.0'?><a><b>Größe</b></a>",
    "MIME-Version: 1.0\nSubject: x\nContent-Type: text/html; charset=utf-8\n\n<p>Größe</p>",
])  # fmt: skip
def test_what_other_programs_write_as_office_files(tmp_path: Path, content: str) -> None:
    for name in ("a.doc", "b.xls"):
        write(tmp_path / name, content)
    documents, report = read(tmp_path)
    assert len(documents) == 2 and not report.left_out
    assert all("Größe" in document.text for document in documents.values())


# --- limits --------------------------------------------------------------------------------------


@pytest.fixture
def real_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of converters start as those of users."""
    monkeypatch.setattr(BoundedConverter, "_start", converters.START)


@pytest.mark.usefixtures("real_start")
def test_a_conversion_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleeping(self: BoundedConverter) -> object:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    bounded = BoundedConverter(2, 1024)
    with monkeypatch.context() as patch, pytest.raises(Unread) as caught:
        patch.setattr(BoundedConverter, "_start", sleeping)
        list(bounded.convert("a.rst", b"Text." * 60_000, ConversionLimits(2**26)))
    assert caught.value.kind == "too slow" and "max_seconds" in caught.value.reason
    bounded._seconds = 600  # a process may start slowly on a loaded machine
    (content,) = bounded.convert("a.rst", b"Text.", ConversionLimits(2**26))  # a new process
    assert not isinstance(content, Unread) and content.text == "Text."
    assert bounded._child is not None
    bounded._child.kill()  # what other files did to a process is not the fault of this one
    assert list(bounded.convert("a.rst", b"Text.", ConversionLimits(2**26))) == [content]
    bounded.close()


def test_a_large_file_of_any_kind_has_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> None:
        raise Unread("too slow")

    monkeypatch.setattr(BoundedConverter, "convert", late)
    suffixes = [*kinds.CONVERTERS, ".py", ".log", ""]
    for suffix in suffixes:
        write(tmp_path / f"large{suffix}", "Words of a text.\n" * 1_200)
    write(tmp_path / "small.md", "Text.")
    documents, report = read(tmp_path)
    assert list(documents) == ["small.md"] and report.kinds == {"too slow": len(suffixes)}


def test_the_rows_of_a_table_come_in_batches() -> None:
    text = "".join(f'{{"id": {i}, "text": "Row {i}."}}\n' for i in range(250)).encode()
    bounded, limits = BoundedConverter(600, 1024), ConversionLimits(2**26)
    expected = list(kinds.CONVERTERS[".jsonl"](text, limits))
    rows = bounded.convert("a.jsonl", text, limits)
    assert list(zip(range(150), rows, strict=False))  # the rest is not wanted
    assert list(bounded.convert("a.jsonl", text, limits)) == expected
    rows = bounded.convert("a.jsonl", text, limits)
    some = [next(rows) for _ in range(150)]
    assert bounded._child is not None
    bounded._child.kill()
    assert [*some, *rows] == expected
    bounded.close()


@pytest.mark.usefixtures("real_start")
@pytest.mark.skipif(sys.platform == "win32", reason="memory is limited on POSIX alone")
def test_a_conversion_is_bounded_in_memory(tmp_path: Path) -> None:
    rows = [["a", "b", "c"]] * 100_000
    write(tmp_path / "a.xlsx", files.xlsx({"Large": rows}))
    write(tmp_path / "b.rtf", r"{\rtf1 Text.\par}")
    documents, report = read(tmp_path, max_memory=16)
    assert list(documents) == ["b.rtf"]
    assert "max_memory" in report.left_out[0].reason


LARGE = {
    "dump.txt", "cells.xlsx", "many.mbox", "bomb.docx", "word.txt", "large.log", "streams.pdf"
}  # fmt: skip
"""Files that only a benchmark reads: `python -m benchmarks.retrieval.kinds harm`."""
LEFT_OUT = {
    "ticks.rst": "empty", "comments.html": "empty", "lists.json": "broken", "cells.ipynb": "broken",
    "tables.docx": "too large", "locked.docx": "password", "cut.docx": "broken",
    "far.xlsx": "too large", "merged.xlsx": "too large", "repeated.ods": "too large",
    "cut.xlsx": "broken", "head.pptx": "broken", "spine.epub": "broken", "nested.eml": "broken",
    "cut.msg": "broken", "cut.doc": "broken", "fake.pdf": "broken", "cut.pdf": "broken",
    "locked.pdf": "password", "stream.pdf": "PDF without text", "loop.pdf": "broken",
    "empty.txt": "empty",
    "nul.txt": "binary (.txt)", "bundle.js": "minified (.js)", "dump.hex": "of unknown kind (.hex)",
    "bytes.txt": "binary (.txt)", "field.csv": "broken",
}  # fmt: skip


@pytest.mark.usefixtures("real_start")
def test_files_that_would_do_harm_cost_themselves_alone(tmp_path: Path) -> None:
    """All in one folder, converted by the same processes."""
    names = HARMFUL.keys() - LARGE
    for name in names:
        write(tmp_path / name, HARMFUL[name]())
    write(tmp_path / "plain.txt", "Text.")
    documents, report = read(tmp_path, max_seconds=300)
    assert documents["plain.txt"].text == "Text."
    assert {each.path: each.kind for each in report.left_out} == LEFT_OUT
    assert {name.partition("/")[0] for name in documents} == names - LEFT_OUT.keys() | {"plain.txt"}
    assert not any("root:" in each.text for each in documents.values())


def test_mails_are_read_to_a_depth(tmp_path: Path) -> None:
    write(tmp_path / "a.eml", mails(6))
    write(tmp_path / "b.txt", "Text.")
    _, report = read(tmp_path)
    assert any("files are nested" in each.reason for each in report.refused)


# --- converters of others ------------------------------------------------------------------------


def test_a_converter_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(group: str) -> list[object]:
        assert group == "graphagg.converters"
        converter = lambda content: f"# Scan\n\n{len(content)} bytes."  # noqa: E731
        return [SimpleNamespace(name=".png", load=lambda: converter)]

    monkeypatch.setattr(kinds, "entry_points", entry_points)
    kinds.installed_converters.cache_clear()
    try:
        (content,) = kinds.converter_of("a.png")(b"123", ConversionLimits(2**20))  # type: ignore[misc]
    finally:
        kinds.installed_converters.cache_clear()
    assert (content.title, content.text) == ("Scan", "3 bytes.")  # type: ignore[union-attr]
