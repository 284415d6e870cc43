"""Subtitles, calendars, contacts, XML and source code, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import unescape
from itertools import count
from typing import Any

from graphagg.errors import needs
from graphagg.rag.documents.reading.content import Composer, Content, Unread
from graphagg.rag.documents.reading.converters.markup import convert
from graphagg.rag.documents.reading.converters.structure import without_tags
from graphagg.rag.documents.reading.converters.tables import SENTENCE
from graphagg.rag.documents.reading.rules import section
from graphagg.rag.documents.tokens import CODE

_CUE = re.compile(r"[\d:.,]{4,20}\s{1,9}-->\s{1,9}[\d:.,]{4,20}")
_ENTITY = re.compile(r"&(?!(?:amp|apos|gt|lt|quot);)\w{1,40};")  # an entity that only HTML has
_TAG = re.compile(r"<[^<>\n]{0,100}>|\{\\[^{}\n]{0,40}\}")


def subtitles(text: str) -> Content:
    """Convert the spoken lines of SRT or WebVTT; a line that is repeated is written once."""
    blocks = (block.split("\n") for block in text.split("\n\n"))
    composer, last = Composer(), ""
    for lines in blocks:
        times = [i for i, line in enumerate(lines) if _CUE.match(line)]
        for line in lines[times[0] + 1 :] if times else ():
            words = " ".join(_TAG.sub("", line).split())
            if words and words != last:
                composer.block(words, "\n")
                last = words
    if not composer.length:
        raise Unread("broken", "it has no subtitles: no line has two times")
    return composer.content()


def xml(text: str) -> Iterator[Content]:
    """Convert XML: one line per text, and per attribute that contains a sentence.

    If all values are attributes, as in dumps of tables, each element becomes one line. Each page of
    a MediaWiki dump is a document.
    """
    with needs("lxml", "fast"):
        from lxml import etree
    safe: dict[str, Any] = {"resolve_entities": "internal", "no_network": True, "load_dtd": False}
    # The text is decoded already, whatever encoding it declares.
    parser = etree.XMLParser(recover=True, remove_comments=True, encoding="utf-8", **safe)
    text = _ENTITY.sub(lambda entity: unescape(entity[0]), text)
    root = etree.fromstring(text.encode(), parser)
    if root is None:
        raise Unread("broken", "the XML cannot be parsed; correct it")
    if etree.QName(root).localname == "mediawiki":
        for number, page in enumerate(root.iterfind("{*}page"), 1):
            title, text = (page.findtext(name) or "" for name in ("{*}title", ".//{*}text"))
            if page.find("{*}redirect") is None and text.strip():
                yield replace(convert("wiki", text), title=title, row=title or str(number))
        return
    composer, elements = Composer(), list(root.iter("{*}*"))
    attributes = etree.XPath("@*")  # `attrib` takes quadratic time
    has_text = any(words and words.strip() for e in elements for words in (e.text, e.tail))
    for element in elements:
        values = attributes(element)
        lines = [*filter(SENTENCE.search, values), element.text or "", element.tail or ""]
        if not has_text:
            lines = ["; ".join(f"{v.attrname}: {without_tags(v)}" for v in values)]
        for line in lines:
            composer.block(" ".join(without_tags(line).split()), "\n")
    yield composer.content()


# --- calendars and contacts ----------------------------------------------------------------------

_SOFT_BREAK = re.compile(r"(?<!=)=\n(?![A-Z-]{1,30}[;:])")  # in quoted-printable text
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?")
_LABELS = section("markups", "entry")


def entries(text: str) -> Iterator[Content]:
    """Convert the events and tasks of a calendar (`.ics`), or the contacts of a `.vcf` file."""
    with needs("vobject", "documents"):
        import vobject
    rows = count(1)
    for each in vobject.readComponents(_SOFT_BREAK.sub("", text), False, False, True):
        for entry in (each, *each.components()):
            if entry.name in ("VEVENT", "VTODO", "VJOURNAL", "VCARD"):
                fields = {key: [*map(_value, lines)] for key, lines in entry.contents.items()}
                yield _entry(fields, str(next(rows)))
    if next(rows) == 1:
        raise Unread("broken", "it has no event, task or contact")


def _value(line: Any) -> str:
    """Return the value of a line: a person's name, a date as ISO 8601, or a text."""
    value, name = getattr(line, "value", ""), getattr(line, "params", {}).get("CN", [""])[0]
    value = ", ".join(value) if isinstance(value, list) else str(value)
    if moment := _MOMENT.fullmatch(value):
        year, month, day, hour, minute, zone = moment.groups("")
        return f"{year}-{month}-{day}" + (f"T{hour}:{minute}:00{zone}" if hour else "")
    is_compound = line.name in ("N", "ADR", "ORG")
    value = ", ".join(filter(None, value.split(";"))) if is_compound else value
    return name or value.removeprefix("mailto:")


def _entry(fields: Mapping[str, list[str]], row: str) -> Content:
    titles, notes = (
        [text for key in keys.split() for text in fields.get(key, ())]
        for keys in ("summary fn n", "description note comment")
    )
    columns = {label: fields[key] for key, label in _LABELS.items() if key in fields}
    lines = "\n".join(f"{label}: {', '.join(values)}" for label, values in columns.items())
    stated = {key: v if key == "attendees" else ", ".join(v) for key, v in columns.items()}
    return Content("\n\n".join([lines, *notes]), next(iter(titles), ""), stated, row=row)


# A comment that fills its line; `#include` and `#main {` are not comments.
_COMMENT = re.compile(r"\s*+(?:#+!?|//+!?|--|;+|%+)(?:\s++|\Z)")
_OPENING = re.compile(r"\"\"\"|\'\'\'|^\s*+(?:/\*+!?|<!--)")
_CLOSING = {"/": "*/", "<": "-->"}
_WORDS = re.compile(r"(?<![^\W\d_])[^\W\d_]{2,}+[ ,:;.]{1,3}[^\W\d_]{2,}+")  # two, as in prose


def code(text: str) -> Content:
    """Convert source code: mark its lines as code, except comments and docstrings with prose."""
    return Content("\n".join(_code_lines(text.split("\n"))))


def _code_lines(lines: list[str]) -> Iterator[str]:
    closing, is_doc, was_prose = "", False, False  # `closing`: what ends the open comment
    for line in filter(str.strip, lines):
        comment = _COMMENT.match(line) if not closing else None
        words = line[comment.end() :] if comment else line
        if not closing and not comment and (opening := _OPENING.search(line)):
            mark = opening[0].strip()
            closing = _CLOSING.get(mark[0], mark)
            is_doc = not line[: opening.start()].strip(" \trRfFbBuU")
            words = line[opening.end() :]
        is_prose = bool(comment or (closing and is_doc))
        if closing and (end := words.find(closing)) >= 0:
            is_prose = is_prose and not words[end + len(closing) :].strip(" ;")
            words, closing = words[:end], ""
        words = words.strip().removeprefix("* ")
        is_prose = is_prose and _WORDS.search(words) is not None
        if is_prose != was_prose:
            was_prose = is_prose
            yield ""
        yield words if is_prose else CODE + line
