"""Mails that quote each other: quotations of mails that were read are left out.

A paragraph of a quotation is left out if its letters occur in the text of a mail that was read,
apart from what that mail quotes itself. Only mails that the quoting one refers to (`In-Reply-To`,
`References`), or that share a line or paragraph with the quotation, are compared. So no text is
lost, and a quotation stays if its mail is not there.
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
_LEAST = 20  # letters of a line by which a quoted mail is found


class Mail(NamedTuple):
    """A mail whose text includes its quotations."""

    document: Document
    quotations: tuple[Quotation, ...]


class MailThreads:
    """The mails of a folder; those with quotations wait until all are read."""

    def __init__(self) -> None:
        self._letters: list[str] = []  # of each mail, without its quotations
        self._by_id: dict[str, int] = {}
        self._by_line: dict[bytes, int] = {}
        self._waiting: list[Mail] = []
        self.left_out = 0
        """Quotations that were left out, whole or in part."""

    def add(self, mail: Document | Mail) -> Iterator[Document]:
        """Record a mail; yield it if it quotes nothing. Other documents are yielded."""
        if isinstance(mail, Document):
            yield mail
            return
        text, start, number = mail.document.text, 0, len(self._letters)
        own = []
        for quotation in mail.quotations:
            own.append(text[start : quotation.start])
            start = quotation.end
        for part in (*own, text[start:]):
            for line in _lines(part):
                self._by_line.setdefault(line, number)
        self._letters.append(_letters("".join((*own, text[start:]))))
        for name in mail.document.anchors:
            self._by_id.setdefault(name, number)
        if mail.quotations:
            self._waiting.append(mail)
        else:
            yield mail.document

    def documents(self) -> Iterator[Document]:
        """Yield the mails that wait, without quotations of mails that were read."""
        for document, quotations in self._waiting:
            names = [link.anchor for link in document.links if not link.target]
            answered = {self._by_id[name] for name in names if name in self._by_id}
            text, parts, start = document.text, list[str](), 0
            for quotation in quotations:
                parts.append(text[start : quotation.start])
                parts += self._unread(text, quotation, answered)
                start = quotation.end
            parts = [part.strip("\n") for part in (*parts, text[start:])]
            own = "\n\n".join(part for part in parts if part.strip())
            yield replace(document, text=own or document.title)

    def _unread(self, text: str, quotation: Quotation, answered: set[int]) -> list[str]:
        """The parts of a quotation that are in no mail, after the lines that introduce it."""
        body = text[quotation.body : quotation.end]
        numbers = {self._by_line[line] for line in _lines(body) if line in self._by_line}
        mails = [self._letters[number] for number in numbers | answered]
        paragraphs = _PARAGRAPH.split(body)
        unread = [each for each in paragraphs if not any(_letters(each) in mail for mail in mails)]
        if not body or len(unread) == len(paragraphs):
            return [text[quotation.start : quotation.end]]
        self.left_out += 1
        return [text[quotation.start : quotation.body], *unread] if unread else []


def _letters(text: str) -> str:
    """The letters and digits of a text, which line breaks and marks of emphasis do not change."""
    return _NO_LETTERS.sub("", text).casefold()


def _lines(text: str) -> Iterator[bytes]:
    """Digests of the longer lines and paragraphs of a text."""
    for unit in {*text.split("\n"), *_PARAGRAPH.split(text)}:
        if len(letters := _letters(unit)) >= _LEAST:
            yield blake2b(letters.encode(), digest_size=8).digest()
