"""DOCX (python-docx), ODT and EPUB to text, with their headings.

The three are zip files. The zip's directory gives the unpacked size before anything is unpacked;
Python unpacks no more of a file than the directory says.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zipfile import BadZipFile, ZipFile

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Composer, Content, Unread
from graphagg.rag.documents.reading.converters.html import HtmlText, read_html
from graphagg.rag.documents.reading.converters.text import decode

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.table import Table
    from lxml.etree import _Element

_TEXTS = (".xml", ".xhtml", ".html", ".htm", ".rels", ".opf")
_UNPACKED = 16  # limit for all files, pictures too, in multiples of the limit for texts
_MOST_FILES = 100_000
_ODF_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_DC = "{http://purl.org/dc/elements/1.1/}"


def _opened(content: bytes, most: int) -> ZipFile:
    """Open a zip file with at most `most` unpacked bytes of text.

    Raises:
        Unread: the file is broken, encrypted, or unpacks to more.
    """
    try:
        opened = ZipFile(BytesIO(content))
    except BadZipFile as error:
        raise Unread("broken", f"not a zip file, as its kind should be ({error})") from None
    files = opened.infolist()
    texts = sum(f.file_size for f in files if f.filename.lower().endswith(_TEXTS))
    everything = sum(f.file_size for f in files)
    if texts > most or everything > _UNPACKED * most or len(files) > _MOST_FILES:
        raise Unread(
            "too large",
            f"its {len(files):,} parts unpack to {everything:,} bytes, {texts:,} of them text; "
            f"at most {most:,} bytes of text are read",
        )
    if any(f.flag_bits & 1 for f in files):
        raise Unread("password", "it wants a password; save a copy without one")
    return opened


# --- DOCX ----------------------------------------------------------------------------------------


def docx(content: bytes, most: int) -> Content:
    """Convert a Word document: paragraphs and tables; headings have the styles Title and Heading.

    Raises:
        Unread: the file is broken, or unpacks to more than `most` bytes of text.
        MissingExtra: python-docx is not installed.
    """
    if content.startswith(b"\xd0\xcf\x11\xe0"):  # how Word stores a document with a password
        raise Unread("password", "it wants a password, or is an older Word file; save it as .docx")
    _opened(content, most).close()
    try:
        from docx import Document
    except ModuleNotFoundError:
        raise MissingExtra("python-docx", "documents") from None
    document = Document(BytesIO(content))
    composer, title = Composer(), ""
    for item in document.iter_inner_content():
        style = getattr(item.style, "name", None) or "" if hasattr(item, "runs") else None
        if style is None:
            for row in _rows(item):  # type: ignore[arg-type]  # without runs it is a table
                composer.block(row, "\n")
        elif style == "Title" and not title:
            title = item.text.strip()  # type: ignore[union-attr]
            composer.heading(1, title)
        elif style.startswith("Heading ") and style[8:].isdigit():
            composer.heading(int(style[8:]), item.text)  # type: ignore[union-attr]
        else:
            listed = style.startswith("List")
            composer.block(("- " if listed else "") + item.text, "\n" if listed else "\n\n")  # type: ignore[union-attr]
    return composer.content(*_word_properties(document, title))


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        # Merged cells share one element and are listed once.
        cells = {id(cell._tc): " ".join(cell.text.split()) for cell in row.cells}
        yield " | ".join(cells.values())


def _word_properties(document: WordDocument, title: str) -> tuple[str, dict[str, Any]]:
    try:
        stated = document.core_properties
        properties = {"author": stated.author, "created": stated.created}
        return title or stated.title, {key: value for key, value in properties.items() if value}
    except Exception:  # broken properties; the text was read
        return title, {}


# --- ODT -----------------------------------------------------------------------------------------


def odt(content: bytes, most: int) -> Content:
    """Convert an OpenDocument text: paragraphs and headings.

    Raises:
        Unread: the file is broken, or unpacks to more than `most` bytes of text.
        MissingExtra: lxml is not installed.
    """
    composer = Composer()
    with _opened(content, most) as file:
        body, meta = (_xml(file, name) for name in ("content.xml", "meta.xml"))
    if body is None:
        raise Unread("broken", "no content.xml in it, which an OpenDocument text has")
    for element in body.iter(f"{_ODF_TEXT}h", f"{_ODF_TEXT}p"):
        text = " ".join("".join(_odf_text(element)).split())
        if element.tag == f"{_ODF_TEXT}h":
            composer.heading(int(element.get(f"{_ODF_TEXT}outline-level", "1")), text)
        else:
            composer.block(text)
    return composer.content(_first(meta, "title"), _authored(meta))


def _odf_text(element: _Element) -> Iterator[str]:
    """The text of a paragraph; paragraphs inside it, such as notes, follow as their own blocks."""
    yield element.text or ""
    for child in element:
        if child.tag in (f"{_ODF_TEXT}s", f"{_ODF_TEXT}tab", f"{_ODF_TEXT}line-break"):
            yield " "
        elif child.tag != f"{_ODF_TEXT}p":
            yield from _odf_text(child)
        yield child.tail or ""


# --- EPUB ----------------------------------------------------------------------------------------


def epub(content: bytes, most: int) -> Content:
    """Convert an electronic book: its pages in the order of the spine.

    Raises:
        Unread: the file is broken, or unpacks to more than `most` bytes of text.
        MissingExtra: lxml is not installed.
    """
    composer = Composer()
    with _opened(content, most) as file:
        package, folder = _package(file)
        items = {item.get("id"): item.get("href") for item in package.iter("{*}item")}
        for entry in package.iter("{*}itemref"):
            name = posixpath.normpath(
                posixpath.join(folder, unquote(items.get(entry.get("idref")) or ""))
            )
            if name in file.namelist():
                read_html(decode(file.read(name)), HtmlText(composer))
    return composer.content(_first(package, "title"), _authored(package))


def _package(file: ZipFile) -> tuple[_Element, str]:
    """The description of a book, and the folder to which its file names are relative."""
    container = _xml(file, "META-INF/container.xml")
    roots = container.iter("{*}rootfile") if container is not None else iter(())
    path = next((root.get("full-path") for root in roots), None) or ""
    package = _xml(file, path)
    if package is None:
        raise Unread("broken", "no package file in it, which an EPUB has")
    return package, posixpath.dirname(path)


# --- XML -----------------------------------------------------------------------------------------


def _xml(file: ZipFile, name: str) -> _Element | None:
    """Parse a file of a zip file; None if it is missing. Reads nothing outside of it."""
    try:
        from lxml import etree
    except ModuleNotFoundError:
        raise MissingExtra("lxml", "documents") from None
    if name not in file.namelist():
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(file.read(name), parser)


def _first(element: _Element | None, name: str) -> str:
    """The text of the first Dublin Core element with this name."""
    elements = element.iter(f"{_DC}{name}") if element is not None else iter(())
    return next((each.text for each in elements if each.text), "")


def _authored(element: _Element | None) -> dict[str, Any]:
    author = _first(element, "creator")
    return {"author": author} if author else {}
