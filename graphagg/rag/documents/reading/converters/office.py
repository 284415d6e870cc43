"""Convert Office files and e-books to text: anydoc converts them to Markdown.

anydoc rejects files that unpack to too much data, reads no external entities and runs no macros. It
drops page numbers and properties. So we first insert marks for the pages of DOCX and the slides of
PPTX, and we read the properties, which are Dublin Core in all of these formats.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import count
from typing import Any
from zipfile import BadZipFile, ZipFile

from graphagg.errors import needs
from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters.markup import markdown
from graphagg.rag.documents.reading.converters.structure import page_mark

_BREAK = re.compile(rb"<w:lastRenderedPageBreak/>")
_HARD_BREAK = re.compile(rb'<w:br w:type="page"/>')
_WORDS = re.compile(rb"<w:t(?: [^<>]{1,60})?>")
_SLIDE = re.compile(r"ppt/slides/slide\d{1,5}\.xml")
_SLIDE_ID = re.compile(rb'<p:sldId [^<>]{0,200}?r:id="([^"]{1,40})"')
_RELATION = re.compile(rb"<Relationship [^<>]{1,500}>")
_FIRST_TEXT = re.compile(rb"<a:t>")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # the stream with an encrypted file
# Some programs write a million blank rows between two rows.
_BLANK_ROWS = re.compile(r"^(\|[ |]*+\n)(?:\|[ |]*+\n)++", re.M)
_PROPERTIES = ("docProps/core.xml", "meta.xml", ".opf")
_MOST_PROPERTIES = 2**20  # bytes
_NAMES = {"title": "title", "creator": "author", "created": "created", "creation-date": "created"}


def office(content: bytes, most: int) -> Content:
    """Convert a text, e-book, sheet or presentation of Microsoft Office, OpenDocument or RTF."""
    with needs("firecrawl-anydoc", "documents"):
        import anydoc
    try:
        text = anydoc.to_markdown_bytes(_with_pages(content, most))
    except anydoc.ResourceLimitError as error:
        raise Unread("too large", f"{error}; split the file") from None
    except (anydoc.EncryptedError, anydoc.UnsupportedError) as error:
        if isinstance(error, anydoc.EncryptedError) or _ENCRYPTED in content:
            raise Unread("password", "it needs a password; save a copy without one") from None
        raise Unread("broken", "not an Office file of a known kind; save it again") from None
    except anydoc.ConvertError as error:
        raise Unread("broken", f"{error}; save it again") from None
    text = _BLANK_ROWS.sub(r"\1", text)
    if len(text) > most:
        raise Unread("too large", f"its text has more than {most:,} characters; split the file")
    properties = dict(_properties(content))
    title = properties.pop("title", "")
    if anydoc.format_from_bytes(content) not in ("ods", "xls", "xlsx"):
        return markdown(text, title, properties)
    # The name of the first sheet is not a title.
    return replace(markdown(text, title or "-", properties, is_sheet=True), title=title)


def _with_pages(content: bytes, most: int) -> bytes:
    """Mark pages of DOCX and slides of PPTX; files with over `most` bytes of XML stay unchanged."""
    try:
        with ZipFile(BytesIO(content)) as file:
            members = [m for m in file.infolist() if m.filename.endswith((".xml", ".rels"))]
            names = {member.filename for member in members}
            is_paged = not names.isdisjoint(("word/document.xml", "ppt/presentation.xml"))
            if not is_paged or sum(each.file_size for each in members) > most:
                return content
            texts = {name: file.read(name) for name in names}
    except (BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error):
        return content  # anydoc reports the error
    _mark_pages(texts)
    _mark_slides(texts)
    sink = BytesIO()
    with ZipFile(sink, "w") as target:
        for name, text in texts.items():
            target.writestr(name, text)
    return sink.getvalue()


def _mark_pages(texts: dict[str, bytes]) -> None:
    text = texts.get("word/document.xml", b"")
    breaks = _BREAK if _BREAK.search(text) else _HARD_BREAK
    pages = count(2)
    marked = breaks.sub(lambda _: f"<w:t>{page_mark(next(pages))}</w:t>".encode(), text)
    if marked != text:
        first = page_mark(1).encode()
        texts["word/document.xml"] = _WORDS.sub(lambda tag: tag[0] + first, marked, count=1)


def _mark_slides(texts: dict[str, bytes]) -> None:
    relations = texts.get("ppt/_rels/presentation.xml.rels", b"")
    targets = {}
    for relation in _RELATION.findall(relations):
        fields = dict(re.findall(rb'(\w{1,20})="([^"]{0,300})"', relation))
        targets[fields.get(b"Id")] = fields.get(b"Target", b"").lstrip(b"/").decode("utf-8")
    for page, name in enumerate(_SLIDE_ID.findall(texts.get("ppt/presentation.xml", b"")), 1):
        target = targets.get(name, "").removeprefix("ppt/")
        if _SLIDE.fullmatch(f"ppt/{target}"):
            text = texts.get(f"ppt/{target}", b"")
            mark = f"<a:t>{page_mark(page)}".encode()
            texts[f"ppt/{target}"] = _FIRST_TEXT.sub(mark, text, count=1)


def _properties(content: bytes) -> Iterator[tuple[str, Any]]:
    """Yield title, author and date, if the file has them."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        with ZipFile(BytesIO(content)) as file:
            files = [each for each in file.infolist() if each.filename.endswith(_PROPERTIES)]
            if not files or files[0].file_size > _MOST_PROPERTIES:
                return
            for element in etree.fromstring(file.read(files[0]), parser).iter("{*}*"):
                name = _NAMES.get(etree.QName(element).localname)
                if name and element.text and element.text.strip():
                    yield name, element.text.strip()
    except (BadZipFile, etree.XMLSyntaxError, NotImplementedError):  # RTF, old formats
        return
