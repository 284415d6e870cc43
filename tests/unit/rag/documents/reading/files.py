"""Files of several kinds, made in the tests."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path


def docx(title: str = "") -> bytes:
    from docx import Document

    document = Document()
    document.core_properties.title = title
    document.core_properties.author = "Anna Berg"
    document.add_heading("The works", 1)
    document.add_paragraph("Anna led the works.")
    document.add_heading("Costs", 2)
    table = document.add_table(2, 2)
    for row, texts in enumerate((("item", "price"), ("stone", "12"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    sink = BytesIO()
    document.save(sink)
    return sink.getvalue()


def pdf(pages: list[list[str]], *, title: str = "", password: str | None = None) -> bytes:
    """A PDF; the first line of a page is an entry of its outline."""
    from fpdf import FPDF

    made = FPDF()
    made.set_title(title)
    made.set_font("helvetica", size=12)
    if password is not None:
        made.set_encryption("owner", user_password=password)
    for lines in pages:
        made.add_page()
        for number, line in enumerate(lines):
            if not number:
                made.start_section(line)
            made.cell(text=line, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def zipped(parts: dict[str, str]) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in parts.items():
            file.writestr(name, text)
    return sink.getvalue()


def odf(kind: str, body: str, entity: str = "") -> bytes:
    """An OpenDocument file of a kind, such as `text`."""
    names = ("office", "table", "text", "presentation")
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in names)
    spaces += ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
    head = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' if entity else ""
    meta = '<m xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>Anna Berg</dc:creator></m>'
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"{head}<office:document-content {spaces}><office:body>"
            f"{body}</office:body></office:document-content>",
            "meta.xml": meta,
        }
    )


def odf_table(name: str, rows: list[list[str]]) -> str:
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    lines = ("".join(map(cell.format, row)) for row in rows)
    body = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    return f'<table:table table:name="{name}">{body}</table:table>'


def odt(entity: str = "") -> bytes:
    body = (
        f'<office:text>{entity}<text:h text:outline-level="1">The works</text:h>'
        "<text:p>Anna<text:s/>led <text:span>the works</text:span>.</text:p>"
        '<text:h text:outline-level="2">Costs</text:h>'
        f"{odf_table('t', [['item', 'price'], ['stone', '12']])}</office:text>"
    )
    return odf("text", body, entity)


def epub() -> bytes:
    package = (
        '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>A book</dc:title>'
        '</metadata><manifest><item id="b" href="text/b.xhtml"/><item id="a" href="text/a.xhtml"/>'
        '</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    container = '<c><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></c>'
    return zipped(
        {
            "META-INF/container.xml": container,
            "OPS/book.opf": package,
            "OPS/text/a.xhtml": "<html><body><h1>One</h1><p>First.</p></body></html>",
            "OPS/text/b.xhtml": "<html><body><h1>Two</h1><p>Second.</p></body></html>",
        }
    )


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
