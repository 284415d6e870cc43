"""PDF to text, page by page (pypdf), with headings from the outline and the title property."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Composer, Content, Heading, Unread

if TYPE_CHECKING:
    from pypdf import PdfReader

_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[^\W\d_A-Z])")
_LEADER = re.compile(r"(?: ?\.){5,200}+")  # of a table of contents
_DEEPEST = 32  # levels of an outline


def pdf(content: bytes, most: int) -> Content:
    """Convert a PDF of at most `most` characters of text; raises `Unread` and `MissingExtra`."""
    try:
        from pypdf import PdfReader
    except ModuleNotFoundError:
        raise MissingExtra("pypdf", "documents") from None
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its repairs do not matter to a reader
    reader = PdfReader(BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unread("password", "it needs a password; save a copy without one")
    composer, headings, outline = Composer(), [], _outline(reader)
    for page_number, page in enumerate(reader.pages, start=1):
        text = _LEADER.sub(" ", _HYPHEN.sub("", page.extract_text())).strip()
        composer.begin_page(page_number)
        start = composer.block(text)
        for level, title in outline.get(page_number, ()):
            headings.append(_heading(text, start, level, title))
        if composer.length > most:
            raise Unread("too large", f"its text has more than {most:,} characters; split the file")
    if not composer.length:
        raise Unread("PDF without text", f"no text on any page of {len(reader.pages):,}; run OCR")
    composer.headings = sorted(headings)
    return composer.content(*_properties(reader), title_first=True)


def _outline(reader: PdfReader) -> dict[int, list[tuple[int, str]]]:
    """Level and title of each entry of the outline, by page; {} if it is broken."""
    entries: dict[int, list[tuple[int, str]]] = {}
    try:
        for level, entry in _entries(reader.outline, 1):
            page = reader.get_destination_page_number(entry)
            if page is not None and page >= 0:
                title = " ".join(str(entry.title).split())
                entries.setdefault(page + 1, []).append((level, title))
    except Exception:  # the pages can still be read
        return {}
    return entries


def _entries(outline: list[Any], level: int) -> Iterator[tuple[int, Any]]:
    for entry in outline:
        if not isinstance(entry, list):
            yield level, entry
        elif level < _DEEPEST:
            yield from _entries(entry, level + 1)


def _heading(text: str, start: int, level: int, title: str) -> Heading:
    """A heading at its words on the page, else at the head of the page."""
    words = r"\s+".join(map(re.escape, title.split()))
    match = re.search(rf"^.{{0,12}}{words}\s*$", text, re.M) if words else None
    first, last = match.span() if match else (0, 0)
    return Heading(start + first, start + last, level, title)


def _properties(reader: PdfReader) -> tuple[str, dict[str, Any]]:
    """The title and the other properties that are set."""
    try:
        info = reader.metadata
        if info is None:
            return "", {}
        properties = {"author": info.author, "created": info.creation_date}
        return str(info.title or ""), {key: value for key, value in properties.items() if value}
    except Exception:  # an invalid date
        return "", {}
