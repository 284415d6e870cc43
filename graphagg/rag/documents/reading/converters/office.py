"""Office files and books to text: anydoc makes Markdown of them, and `markdown` reads it.

anydoc refuses what unpacks to too much, reads no external entity and runs no macro. It leaves the
properties of a file out, which are Dublin Core in all of these kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters.markup import markdown

_PROPERTIES = ("docProps/core.xml", "meta.xml", ".opf")
_MOST_PROPERTIES = 2**20  # bytes
_NAMES = {"title": "title", "creator": "author", "created": "created", "creation-date": "created"}


def office(content: bytes, most: int) -> Content:
    """Convert a text, book, sheet or presentation of Microsoft Office or OpenDocument, or RTF.

    Raises:
        Unread: the file is broken, encrypted, or has more than `most` bytes of text.
        MissingExtra: anydoc is not installed.
    """
    try:
        import anydoc
    except ModuleNotFoundError:
        raise MissingExtra("firecrawl-anydoc", "documents") from None
    try:
        text = anydoc.to_markdown_bytes(content)
    except anydoc.EncryptedError:
        raise Unread("password", "it wants a password; save a copy without one") from None
    except anydoc.ResourceLimitError as error:
        raise Unread("too large", f"{error}; split the file") from None
    except anydoc.ConvertError as error:
        raise Unread("broken", f"{error}; save it anew") from None
    if len(text) > most:
        raise Unread("too large", f"its text has more than {most:,} characters; split the file")
    properties = dict(_properties(content))
    return markdown(text, title=properties.pop("title", ""), metadata=properties)


def _properties(content: bytes) -> Iterator[tuple[str, Any]]:
    """Title, author and date, as far as a file states them."""
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
    except (BadZipFile, etree.XMLSyntaxError, NotImplementedError):  # RTF, old kinds
        return
