"""Mails that quote each other: quotations of mails that were read are left out.

A quoted paragraph is left out if its letters equal a paragraph of a mail that was read, or if its
lines are lines of such mails; text that these mails quote themselves does not count. So no text is
lost, and a quotation stays if its mail is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from graphagg.rag.documents.reading.content import Quotation
from graphagg.rag.documents.reading.document import Document

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")
_NO_LETTERS = re.compile(r"<(?:https?|mailto):[^<>\s]{1,2000}>|[\W_]+")


class Mail(NamedTuple):
    """A mail whose text includes its quotations."""

    document: Document
    quotations: tuple[Quotation, ...]


class MailThreads:
    """The mails of a folder; those with quotations wait until all are read."""

    def __init__(self) -> None:
        self._read = set[bytes]()  # paragraphs and lines of all mails, without their quotations
        self._waiting: list[Mail] = []
        self.left_out = 0
        """Number of quotations that were left out, completely or in part."""

    def add(self, mail: Document | Mail) -> Iterator[Document]:
        """Record a mail; yield it if it has no quotations. Yield any other document unchanged."""
        if isinstance(mail, Document):
            yield mail
            return
        text, start = mail.document.text, 0
        for quotation in (*mail.quotations, Quotation(len(text), 0, 0)):
            own = text[start : quotation.start]
            self._read.update(map(_letters, (*_PARAGRAPH.split(own), *own.split("\n"))))
            start = quotation.end
        if mail.quotations:
            self._waiting.append(mail)
        else:
            yield mail.document

    def documents(self) -> Iterator[Document]:
        """Yield the waiting mails, without quotations of mails that were read."""
        for document, quotations in self._waiting:
            text, parts, start = document.text, list[str](), 0
            for quotation in quotations:
                parts.append(text[start : quotation.start])
                parts += self._unread(text, quotation)
                start = quotation.end
            parts = [part.strip("\n") for part in (*parts, text[start:])]
            own = "\n\n".join(part for part in parts if part.strip())
            yield replace(document, text=own or document.title)

    def _unread(self, text: str, quotation: Quotation) -> list[str]:
        """Return the lines that introduce a quotation, and its parts that are in no mail."""
        paragraphs = _PARAGRAPH.split(text[quotation.body : quotation.end])
        unread = [each for each in paragraphs if not self._was_read(each)]
        if quotation.body == quotation.end or len(unread) == len(paragraphs):
            return [text[quotation.start : quotation.end]]
        self.left_out += 1
        return [text[quotation.start : quotation.body], *unread] if unread else []

    def _was_read(self, paragraph: str) -> bool:
        lines = filter(str.strip, paragraph.split("\n"))
        return _letters(paragraph) in self._read or self._read.issuperset(map(_letters, lines))


def _letters(text: str) -> bytes:
    """Return a digest of the letters and digits; it ignores line breaks and emphasis."""
    letters = _NO_LETTERS.sub("", text).casefold()
    return blake2b(letters.encode(), digest_size=8).digest()
