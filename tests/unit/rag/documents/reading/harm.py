# ruff: noqa: E501
"""Files that would hang a build, fill the memory, or lead out of their folder; made in the tests."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from itertools import pairwise

from tests.unit.rag.documents.reading import files

_MANY = 100_000
_LAUGHS = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghijk"))
_LAUGHS = f'<!DOCTYPE d [<!ENTITY a "ha">{_LAUGHS}]>'
_OPF = (
    '<package><manifest><item id="a" href="../../../etc/passwd"/><item id="b" href="b.xhtml"/>'
    '</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
)


def _word(body: str, head: str = "") -> bytes:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    document = f"{head}<w:document {space}><w:body>{body}</w:body></w:document>"
    kind = "wordprocessingml.document.main"
    return files.ooxml("word/document.xml", kind, {"word/document.xml": document})


def _tables(depth: int) -> str:
    return "<w:tbl><w:tr><w:tc>" * depth + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * depth


def _sheet(reference: str, merged: str = "") -> bytes:
    """A sheet with one cell far away."""
    plain = files.xlsx({"Far": [["near"]]})
    return files.replaced(
        plain,
        "xl/worksheets/sheet1.xml",
        lambda text: text.replace("</sheetData>", f'<row r="1048576"><c r="{reference}" '
                                  f't="inlineStr"><is><t>far</t></is></c></row></sheetData>{merged}'),
    )  # fmt: skip


def _ods(attributes: str) -> bytes:
    cell = '<table:table-cell office:value-type="string" table:number-columns-repeated="16384">'
    row = f"<table:table-row {attributes}>{cell}<text:p>x</text:p></table:table-cell>"
    table = f'<table:table table:name="a">{row}</table:table-row></table:table>'
    return files.odf("spreadsheet", f"<office:spreadsheet>{table}</office:spreadsheet>")


def mails(depth: int) -> bytes:
    nested = files.eml("deep", "text")
    for mark in map(str, range(depth)):
        head = f"From: a@x.org\nContent-Type: multipart/mixed; boundary=b{mark}\n\n--b{mark}\n"
        nested = (head + "Content-Type: message/rfc822\n\n").encode() + nested
        nested += f"\n--b{mark}--\n".encode()
    return nested


def _pdf(objects: list[bytes]) -> bytes:
    """A PDF of numbered objects, of which the first is the catalog."""
    text, places = b"%PDF-1.4\n", []
    for i, each in enumerate(objects, 1):
        places.append(len(text))
        text += b"%d 0 obj\n%s\nendobj\n" % (i, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
    return text + head + table + tail % (len(objects) + 1, len(text))


def _page(content: bytes) -> bytes:
    packed = zlib.compress(content)
    stream = b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed)
    return _pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
                 b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/MediaBox[0 0 9 9]>>", stream])  # fmt: skip


def hex_dump(size: int) -> bytes:
    """Bytes in hexadecimal, 16 a line, as `xxd` prints them; about `size` characters."""
    state, lines = 1, []
    for address in range(0, size // 68 * 16, 16):
        state = state * 6364136223846793005 + 1442695040888963407 & 2**128 - 1
        digits = f"{state:032x}"
        pairs = " ".join(digits[i : i + 4] for i in range(0, 32, 4))
        lines.append(f"{address:08x}: {pairs}  {digits[:16]}\n")
    return "".join(lines).encode()


HARMFUL: dict[str, Callable[[], bytes]] = {
    "word.txt": lambda: b"x" * 3_000_000,
    "dump.txt": lambda: hex_dump(20_000_000),
    "dump.hex": lambda: hex_dump(100_000),
    "run.md": lambda: b"[" * _MANY + b"*_`" * _MANY,
    "ticks.rst": lambda: b"`" * 4 * _MANY,
    "include.rst": lambda: b"Text.\n\n.. include:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd\n",
    "divs.html": lambda: b"<div>" * _MANY + b"x",
    "comments.html": lambda: b"<!--" * _MANY,
    "lists.json": lambda: b"[" * _MANY,
    "field.csv": lambda: b"a,b\n" + b"x" * 5_000_000,
    "cells.ipynb": lambda: b'{"cells": ' + b"[" * _MANY,
    "laughs.xml": lambda: f"{_LAUGHS}<d>Words &k;</d>".encode(),
    "laughs.docx": lambda: _word("<w:p><w:r><w:t>&k;</w:t></w:r></w:p>", _LAUGHS),
    "bomb.docx": lambda: _word(" " * 2**28),
    "tables.docx": lambda: _word(_tables(20_000)),
    "locked.docx": lambda: files.ole("locked.docx"),
    "cut.docx": lambda: files.docx()[:9_000],
    "outside.odt": lambda: files.odt("&x;"),
    "far.xlsx": lambda: _sheet("XFD1048576"),
    "merged.xlsx": lambda: _sheet("A9", '<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'),
    "cells.xlsx": lambda: files.xlsx({"Large": [["1"] * 20] * _MANY}),
    "repeated.ods": lambda: _ods('table:number-rows-repeated="1048576"'),
    "cut.xlsx": lambda: files.xlsx({"a": [["b"]]})[:900],
    "head.pptx": lambda: b"PK\x03\x04",
    "groups.rtf": lambda: b"{\\rtf1 " + b"{" * _MANY + b"x" + b"}" * _MANY + b"}",
    "spine.epub": lambda: files.zipped(
        {"META-INF/container.xml": '<c><rootfiles><rootfile full-path="b.opf"/></rootfiles></c>',
         "b.opf": _OPF, "b.xhtml": "<p>Inside.</p>", "../../out.xhtml": "<p>Out.</p>"}
    ),
    "nested.eml": lambda: mails(200),
    "parts.eml": lambda: b"From: a\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 20_000,
    "many.mbox": lambda: (b"From a@x.org\n" + files.eml("S", "Text.") + b"\n") * 5_000,
    "cut.msg": lambda: files.ole("mail.msg")[:4_000],
    "cut.doc": lambda: files.ole("text.doc")[:2_000],
    "cut.pdf": lambda: files.pdf([["Words"]] * 3)[:700],
    "fake.pdf": lambda: b"%PDF-1.7\n" + b"\0\xff" * 999,
    "locked.pdf": lambda: files.pdf([["Secret"]], password="p"),
    "stream.pdf": lambda: _page(b"BT (x) Tj ET\n" * 2**19),
    "streams.pdf": lambda: _page(b"BT (x) Tj ET\n" * 2**24),
    "loop.pdf": lambda: _pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R]/Count 9>>"]),
    "empty.txt": lambda: b"",
    "nul.txt": lambda: bytes(1_000),
    "bytes.txt": lambda: b"Words \xff\xfe\x00\xd8 words.\n" * 99,
    "bundle.js": lambda: b"x=1;" * 200_000,
    "large.log": lambda: b"12:00:01 ERROR x.y failed\n" * 800_000,
}  # fmt: skip
"""The bytes of each file, by its name."""

if __name__ == "__main__":
    sys.stdout.buffer.write(HARMFUL[sys.argv[1]]())
