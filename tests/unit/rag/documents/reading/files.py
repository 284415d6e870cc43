"""Files of several kinds, made in the tests."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from graphagg.rag import Document, FolderReport, ReadConfig, read_documents


def read(folder: Path, **config: object) -> tuple[dict[str, Document], FolderReport]:
    report = FolderReport()
    documents = list(read_documents(folder, ReadConfig(**config), report))  # type: ignore[arg-type]
    assert len({document.id for document in documents}) == len(documents) == report.documents
    return {document.id: document for document in documents}, report


def docx(title: str = "") -> bytes:
    import docx

    document = docx.Document()
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
    """A PDF; the first line of a page, unless it is empty, is an entry of its outline."""
    from fpdf import FPDF

    made = FPDF()
    made.set_title(title)
    made.set_font("helvetica", size=12)
    if password is not None:
        made.set_encryption("owner", user_password=password)
    for lines in pages:
        made.add_page()
        for number, line in enumerate(lines):
            if not line:
                continue
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


def replaced(content: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """A zip file with one of its texts changed."""
    file = zipfile.ZipFile(BytesIO(content))
    parts = {each: file.read(each).decode() for each in file.namelist()}
    return zipped(parts | {name: change(parts[name])})


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


_OFFICE = "http://schemas.openxmlformats.org"
_TYPE = "application/vnd.openxmlformats-officedocument"


def ooxml(main: str, kind: str, parts: dict[str, str]) -> bytes:
    """An Office file of its main part, the kind of that part, and all parts."""
    relation = f"{_OFFICE}/officeDocument/2006/relationships"
    types = "".join(
        f'<Override PartName="/{name}" ContentType="{_TYPE}.{kind_of}+xml"/>'
        for name, kind_of in {main: kind, **PARTS}.items()
        if name in parts
    )
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{_OFFICE}/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
            f'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>{types}'
            "</Types>",
            "_rels/.rels": relations({"rId1": (f"{relation}/officeDocument", main)}),
            **parts,
        }
    )


PARTS = {
    "xl/worksheets/sheet1.xml": "spreadsheetml.worksheet",
    "xl/worksheets/sheet2.xml": "spreadsheetml.worksheet",
    "ppt/slides/slide1.xml": "presentationml.slide",
    "ppt/slides/slide2.xml": "presentationml.slide",
    "ppt/notesSlides/notesSlide2.xml": "presentationml.notesSlide",
}


def relations(targets: dict[str, tuple[str, str]]) -> str:
    lines = "".join(
        f'<Relationship Id="{name}" Type="{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_OFFICE}/package/2006/relationships">{lines}</Relationships>'


def xlsx(sheets: dict[str, list[list[str]]]) -> bytes:
    space = f'xmlns="{_OFFICE}/spreadsheetml/2006/main"'
    kind = f"{_OFFICE}/officeDocument/2006/relationships"
    parts, listed, targets = {}, "", {}
    for number, (name, rows) in enumerate(sheets.items(), 1):
        cells = "".join(
            f'<row r="{r}">'
            + "".join(
                f'<c r="{chr(64 + c)}{r}" t="inlineStr"><is><t>{text}</t></is></c>'
                for c, text in enumerate(row, 1)
            )
            + "</row>"
            for r, row in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f"<worksheet {space}><sheetData>{cells}</sheetData></worksheet>"
        )
        listed += f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>'
        targets[f"rId{number}"] = (f"{kind}/worksheet", f"worksheets/sheet{number}.xml")
    parts["xl/workbook.xml"] = (
        f'<workbook {space} xmlns:r="{kind}"><sheets>{listed}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = relations(targets)
    return ooxml("xl/workbook.xml", "spreadsheetml.sheet.main", parts)


def pptx(slides: list[tuple[str, str]], notes: str) -> bytes:
    """Slides of a title and a text; the second has notes."""
    kind = f"{_OFFICE}/officeDocument/2006/relationships"
    spaces = (
        f'xmlns:a="{_OFFICE}/drawingml/2006/main" xmlns:r="{kind}" '
        f'xmlns:p="{_OFFICE}/presentationml/2006/main"'
    )

    def shape(text: str, place: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="x"/><p:cNvSpPr/><p:nvPr><p:ph type="{place}"/>'
            "</p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r>"
            f"<a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def tree(name: str, shapes: str) -> str:
        return f"<p:{name} {spaces}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:{name}>"

    parts, listed, targets = {}, "", {}
    for number, (title, text) in enumerate(slides, 1):
        shapes = shape(title, "title") + shape(text, "body")
        parts[f"ppt/slides/slide{number}.xml"] = tree("sld", shapes)
        listed += f'<p:sldId id="{255 + number}" r:id="rId{number}"/>'
        targets[f"rId{number}"] = (f"{kind}/slide", f"slides/slide{number}.xml")
    parts["ppt/notesSlides/notesSlide2.xml"] = tree("notes", shape(notes, "body"))
    parts["ppt/slides/_rels/slide2.xml.rels"] = relations(
        {"rId1": (f"{kind}/notesSlide", "../notesSlides/notesSlide2.xml")}
    )
    parts["ppt/presentation.xml"] = (
        f"<p:presentation {spaces}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
    )
    parts["ppt/_rels/presentation.xml.rels"] = relations(targets)
    return ooxml("ppt/presentation.xml", "presentationml.presentation.main", parts)


def eml(subject: str, text: str, attachments: dict[str, bytes] | None = None) -> bytes:
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "anna@x.org", "bert@x.org", subject
    message["Date"] = "Mon, 27 May 2024 10:00:00 +0200"
    message.set_content(text)
    for name, content in (attachments or {}).items():
        message.add_attachment(
            content, maintype="application", subtype="octet-stream", filename=name
        )
    return message.as_bytes()


def ole(name: str) -> bytes:
    """A compound file: a mail of Outlook, a text of Word 97, or one with a password."""
    return (Path(__file__).parent / "ole" / name).read_bytes()


def company(root: Path) -> Path:
    """A folder with every kind of file; each names the impeller IM-22, and links where it can."""
    table = [["Part", "Price"], ["IM-22", "418 EUR"]]
    odp = (
        '<draw:page draw:name="s1"><draw:frame presentation:class="title"><draw:text-box><text:p>'
        "Pumps</text:p></draw:text-box></draw:frame><draw:frame><draw:text-box><text:p>IM-22 fits."
        "</text:p></draw:text-box></draw:frame></draw:page>"
    )
    mail = eml("Order of IM-22", "It came.\n\nOn Monday, Bert wrote:\n> When?\n",
               {"prices.xlsx": xlsx({"Prices": table}), "x.bin": b"\0\1"})  # fmt: skip
    for name, content in {
        "a.md": "# Pumps\n\n## Impeller\n\nThe IM-22 fits. See [the prices](sheets/a.xlsx).\n",
        "b.rst": "Pumps\n=====\n\nThe IM-22, see :doc:`a`.\n\nCosts\n-----\n\nMany.\n",
        "c.adoc": "= Pumps\n\n== Impeller\n\nThe IM-22, see xref:a.md[here].\n",
        "d.org": "#+TITLE: Pumps\n* Impeller\nThe IM-22, see [[file:a.md][here]].\n",
        "e.html": "<title>Pumps</title><h2>Impeller</h2><p>The IM-22, see <a href=a.md>here</a>.",
        "f.ipynb": '{"cells": [{"cell_type": "markdown", "source": "# Pumps\\n\\nThe IM-22."}]}',
        "g.docx": docx(),
        "h.odt": odt(),
        "i.rtf": r"{\rtf1\ansi\ansicpg1252 Caf\'e9 IM-22.\par}",
        "j.epub": epub(),
        "sheets/a.xlsx": xlsx({"Prices": table, "Staff": [["Name", "City"], ["Anna", "Oslo"]]}),
        "k.ods": odf("spreadsheet", f"<office:spreadsheet>{odf_table('Prices', table)}"
                     "</office:spreadsheet>"),
        "l.pptx": pptx([("Pumps", "Two kinds."), ("Impeller", "IM-22 fits.")], "Say the price."),
        "m.odp": odf("presentation", f"<office:presentation>{odp}</office:presentation>"),
        "n.pdf": pdf([["Pumps", "First."], ["Impeller", "The IM-22."]], title="Manual"),
        "o.eml": mail,
        "p.mbox": b"From a@x.org Mon May 27\n" + mail + b"\nFrom b@x.org Mon May 27\n" + mail,
        "q.srt": "1\n00:00:01,000 --> 00:00:02,000\n<i>The IM-22</i> fits.\n",
        "r.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nThe IM-22 fits.\n",
        "s.xml": "<?xml version='1.0'?><parts><part>IM-22</part></parts>",
        "t.csv": "part,price\nIM-22,418\n",
        "u.txt": "The IM-22 fits.",
        "v.msg": ole("mail.msg"),  # the mail above
        "w.doc": ole("text.doc"),
        "old.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    }.items():  # fmt: skip
        write(root / name, content)
    return root


def thirty(root: Path) -> list[Path]:
    """A folder of thirty files of twenty kinds, of which a few cannot be read."""
    files = sorted(each for each in company(root).rglob("*") if each.is_file())
    for file in files[23:]:
        file.unlink()
    for name, content in {
        "travel.md": "# Travel\n\nThe hotel limit in Aarhus is 180 euros.\n",
        "notes/anna.md": "# Anna\n\nAnna leads the works in Oslo.\n",
        "notes/bert.txt": "Bert keeps the books.",
        "notes/deep/harbor.html": "<h1>Harbor</h1><p>The harbor freezes in January.</p>",
        "rows.jsonl": '{"id": "r1", "text": "The crane was built in 1912."}\n',
        "broken.pdf": "no pdf",
        "empty.txt": "",
    }.items():
        write(root / name, content)
    return sorted(each for each in root.rglob("*") if each.is_file())
