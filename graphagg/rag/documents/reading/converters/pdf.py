"""Convert PDF to text by page (PDFium), with headings from the outline and the title property.

PDFium writes a row of a table as a line. Lines that repeat at the edges of pages, such as headers,
are left out, and words that are split at the end of a line are joined.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from ctypes import POINTER, c_ushort, cast, create_string_buffer
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from graphagg.errors import needs
from graphagg.rag.documents.reading.content import Composer, Content, Heading, Unread

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_LEADER = re.compile(r"(?: ?\.){5,200}+")  # dots in a table of contents
# A word that ends on the next line: PDFium writes U+FFFE for a hyphen at the end of a line.
_DIVIDED = re.compile(r"(?<![^\W\d_])([^\W\d_]++)(?:\ufffe|[-\u00ad\u2010]\n)\n?([^\W\d_]++)")
_EDGE, _FEWEST = 3, 4  # lines at an edge of a page; minimum pages with the same line there
_SUCCESSIVE = 8  # minimum pages with the same line there as the page before
_DATE = re.compile(r"D:(\d{8})(\d{6})(?:([+-]\d\d)'?(\d\d)|Z)?")
_DEEPEST = 32  # levels of an outline
_NEEDS_PASSWORD = 4  # FPDF_ERR_PASSWORD


def pdf(content: bytes, most: int) -> Content:
    """Convert a PDF of at most `most` characters of text; raise `Unread` or `MissingExtra`."""
    with needs("pypdfium2", "documents"):
        from pypdfium2 import PdfDocument, PdfiumError
        from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE
    try:
        document = PdfDocument(content)
    except PdfiumError as error:
        if error.err_code == _NEEDS_PASSWORD:
            raise Unread("password", "it needs a password; save a copy without one") from None
        raise Unread("broken", f"the PDF cannot be read ({error})") from None
    document.init_forms()
    composer, headings, outline, scans = Composer(), [], _outline(document), list[str]()
    for page, text in enumerate(_pages(document, most), start=1):
        composer.begin_page(page)
        start = composer.block(text)
        headings += [_heading(text, start, *entry) for entry in outline.get(page, ())]
        if not text and any(document[page - 1].get_objects([FPDF_PAGEOBJ_IMAGE])):
            scans.append(str(page))
        composer.block("\n".join(_filled_in(document, page - 1)))
    if not composer.length:
        raise Unread("PDF without text", f"no text on any page of {len(document):,}; run OCR")
    composer.headings = sorted(headings)
    refused = [Unread("pages without text", f"page {', '.join(scans)}; run OCR")] if scans else []
    return composer.content(*_properties(document), tuple(refused), title_first=True)


def _filled_in(document: PdfDocument, page: int) -> Iterator[str]:
    """Yield the text annotations on a page, and the form fields that were filled in."""
    from pypdfium2 import raw

    opened, form = document[page], document.formenv
    for i in range(raw.FPDFPage_GetAnnotCount(opened)):
        note = raw.FPDFPage_GetAnnot(opened, i)
        kind = raw.FPDFAnnot_GetSubtype(note)
        if kind == raw.FPDF_ANNOT_FREETEXT:
            yield _string(raw.FPDFAnnot_GetStringValue, note, b"Contents")
        elif form and raw.FPDFAnnot_GetFormFieldType(form, note) in range(4, 7):  # texts, choices
            value = _string(raw.FPDFAnnot_GetFormFieldValue, form, note)
            name = _string(raw.FPDFAnnot_GetFormFieldName, form, note)
            yield f"{name}: {value}" if value else ""
        raw.FPDFPage_CloseAnnot(note)


def _string(read: Callable[..., int], *arguments: Any) -> str:
    """Return the string that a PDFium function writes to a buffer."""
    buffer = create_string_buffer(read(*arguments, None, 0))
    read(*arguments, cast(buffer, POINTER(c_ushort)), len(buffer))
    return buffer.raw.decode("utf-16-le", "replace").strip("\0")


def _pages(document: PdfDocument, most: int) -> Iterator[str]:
    """Yield the text of each page."""
    pages: list[list[str]] = []
    size = 0
    for number in range(len(document)):
        text = document[number].get_textpage().get_text_range()
        size += len(text)
        if size > most:
            raise Unread("too large", f"its text has more than {most:,} characters; split the file")
        lines = (" ".join(_LEADER.sub(" ", line).split()) for line in text.splitlines())
        pages.append(list(filter(None, lines)))
    edges = [{*map(_folded, page[:_EDGE] + page[-_EDGE:])} for page in pages]
    counts = Counter(line for page in edges for line in page)
    successive = Counter(line for page, following in pairwise(edges) for line in page & following)
    repeated = {line for line, n in counts.items() if n >= max(_FEWEST, len(pages) / 3)}
    repeated |= {line for line, n in successive.items() if n >= _SUCCESSIVE}  # headers of a part
    texts = ["\n".join(_without(page, repeated) or page) for page in pages]
    everything = "\n".join(texts)

    def joined(word: re.Match[str]) -> str:
        compound = f"{word[1]}-{word[2]}"
        is_compound = not word[2].islower() or compound in everything  # such as "long-term"
        return compound if is_compound else word[1] + word[2]

    return (_DIVIDED.sub(joined, text).replace("\ufffe", "-") for text in texts)


def _folded(line: str) -> str:
    """Replace the numbers in a line, which differ from page to page."""
    return re.sub(r"\d+", "#", line)


def _without(lines: list[str], repeated: set[str]) -> list[str]:
    """Cut repeated lines off both ends of a page."""
    first, last = 0, len(lines)
    while first < min(_EDGE, last) and _folded(lines[first]) in repeated:
        first += 1
    while last > max(first, len(lines) - _EDGE) and _folded(lines[last - 1]) in repeated:
        last -= 1
    return lines[first:last]


def _outline(document: PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Return level and title of each entry of the outline, by page; both count from 1."""
    entries: dict[int, list[tuple[int, str]]] = {}
    for entry in document.get_toc(_DEEPEST):
        target = entry.get_dest()
        page = target.get_index() if target else None
        with suppress(UnicodeDecodeError):  # a title that is not valid text
            title = " ".join(entry.get_title().split())
            if page is not None:
                entries.setdefault(page + 1, []).append((entry.level + 1, title))
    return entries


def _heading(text: str, start: int, level: int, title: str) -> Heading:
    """Return a heading at its words on the page, else at the top of the page."""
    words = r"\s+".join(map(re.escape, title.split()))
    match = re.search(rf"^.{{0,12}}{words}\s*$", text, re.M) if words else None
    first, last = match.span() if match else (0, 0)
    return Heading(start + first, start + last, level, title)


def _properties(document: PdfDocument) -> tuple[str, dict[str, Any]]:
    """Return the title, and the other properties that are set."""
    try:
        stated = document.get_metadata_dict(skip_empty=True)
    except UnicodeDecodeError:
        return "", {}
    properties: dict[str, Any] = {"author": stated["Author"]} if "Author" in stated else {}
    if moment := _DATE.match(stated.get("CreationDate", "")):
        day, time, hours, minutes = moment.groups("00")
        zone = "+00:00" if hours == "00" else f"{hours}:{minutes}"
        with suppress(ValueError):  # no such day
            properties["created"] = datetime.fromisoformat(f"{day}T{time}{zone}")
    return stated.get("Title", ""), properties
