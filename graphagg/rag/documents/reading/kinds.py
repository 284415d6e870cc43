"""Supported file formats, by suffix, and the converter of each."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import entry_points
from io import BytesIO
from pathlib import PurePosixPath
from typing import NamedTuple

from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters import chats, line_formats, mail, markup, tables
from graphagg.rag.documents.reading.converters.markup import convert
from graphagg.rag.documents.reading.converters.office import office
from graphagg.rag.documents.reading.converters.pdf import pdf
from graphagg.rag.documents.reading.converters.rest import restructured
from graphagg.rag.documents.reading.converters.structure import html
from graphagg.rag.documents.reading.converters.text import decode
from graphagg.rag.documents.reading.document import suffix_of
from graphagg.rag.documents.reading.members import Members, zipped
from graphagg.rag.documents.reading.rules import section


class ConversionLimits(NamedTuple):
    """Maximum bytes of text that a file may unpack to, and `ReadConfig.encoding`."""

    most: int
    encoding: str | None = None
    members: Members | None = None  # set if the file is inside of another file


Converter = Callable[[bytes, ConversionLimits], Iterable[Content | Unread]]
"""Converts the content of a file to documents."""

CODE, TEXT = (frozenset(section("markups", "suffixes")[key].split()) for key in ("code", "text"))
"""Suffixes of files that are read as text; for code, the title is the whole file name."""


def _of_text(convert: Callable[[str], Content]) -> Converter:
    return _of_rows(lambda text: [convert(text)])


def _of_rows(convert: Callable[[str], Iterable[Content | Unread]]) -> Converter:
    def converted(content: bytes, limits: ConversionLimits) -> Iterator[Content | Unread]:
        text, guess = decode(content, limits.encoding)
        for each in convert(text):
            yield each if isinstance(each, Unread) else replace(each, guess=guess)

    return converted


def _of_bytes(convert: Callable[[bytes, int], Content]) -> Converter:
    return lambda content, limits: [convert(content, limits.most)]


def _of_members(convert: Callable[[bytes, Members], Iterable[Content | Unread]]) -> Converter:
    """Return the converter of a file that contains other files."""

    def converted(content: bytes, limits: ConversionLimits) -> Iterable[Content | Unread]:
        def member(name: str, inside: bytes, members: Members) -> Iterable[Content | Unread]:
            name, inside = opened(name, inside, limits.most)
            converter = converter_of(name)
            if converter is None:
                raise Unread(f"of unknown kind ({suffix_of(name) or 'no suffix'})")
            return converter(inside, limits._replace(members=members))

        return convert(content, limits.members or Members(limits.most, member))

    return converted


_DOCUMENTS: dict[str, Converter] = {
    ".txt .text": _of_text(lambda text: chats.whatsapp(text) or markup.plain(text)),
    ".md .markdown .mdown .mkd .mdx .qmd .rmd": _of_text(markup.markdown),
    ".adoc .asciidoc": _of_text(partial(convert, "asciidoc")),
    ".org": _of_text(partial(convert, "org")),
    ".tex": _of_text(partial(convert, "latex")),
    ".wiki .mediawiki": _of_text(partial(convert, "wiki")),
    ".man": _of_text(partial(convert, "man")),
    ".html .htm .xhtml": _of_text(html),
    ".atom .enex .opml .plist .rss .xml": _of_rows(line_formats.xml),
    ".srt .vtt": _of_text(line_formats.subtitles),
    ".ipynb": _of_text(markup.notebook),
}
_BOUNDED: dict[str, Converter] = {
    ".rst .rest": _of_text(restructured),
    ".pdf": _of_bytes(pdf),
    section("markups", "suffixes")["office"]: _of_bytes(office),
    ".eml .mht .mhtml": _of_members(mail.eml),
    ".mbox": _of_members(mail.mbox),
    ".msg": _of_members(mail.msg),
    ".zip": _of_members(zipped),
    ".ics .vcf": _of_rows(line_formats.entries),
}
_TABLES: dict[str, Converter] = {
    ".csv .tsv": _of_rows(tables.csv_rows),
    ".geojson .json": _of_rows(tables.json_document),
    ".jsonl .ndjson": _of_rows(tables.json_lines),
}


def _by_suffix(converters: dict[str, Converter]) -> dict[str, Converter]:
    return {suffix: each for names, each in converters.items() for suffix in names.split()}


BOUNDED = _by_suffix(_BOUNDED)
"""Converters that run in a child process with time and memory limits, by suffix."""
DOCUMENTS = _by_suffix(_DOCUMENTS) | BOUNDED
"""Converters of documents by suffix; see also `CODE` and `TEXT`."""
CONVERTERS = DOCUMENTS | _by_suffix(_TABLES)
"""Converters of documents and of tables, by suffix."""
_ROFF = re.compile(r"\s*+[.'](?:\\\"|[A-Za-z]{2}\s)")  # a comment or a macro
_BEGINS = {  # patterns of first bytes, by real format: for any suffix, and for .doc and .xls
    suffix: {each: re.compile(head.encode()) for each, head in section("markups", name).items()}
    for suffix, name in (("", "begins"), (".doc", "begins doc"), (".xls", "begins xls"))
}
READ = section("markups", "suffixes")["shown"]
"""Supported file formats, for messages."""


@cache
def installed_converters() -> dict[str, Converter]:
    """Load converters of other packages: entry points, named by a suffix, that return Markdown."""

    def converter(load: Callable[[], Callable[[bytes], str]]) -> Converter:
        return lambda content, _: [markup.markdown(load()(content))]

    return {each.name: converter(each.load) for each in entry_points(group="graphagg.converters")}


def opened(name: str, content: bytes, most: int) -> tuple[str, bytes]:
    """Unpack a gzip file to at most `most` bytes; if the suffix is wrong, append the right one.

    Raises `Unread` if it is broken or larger.
    """
    if name.endswith(".gz"):
        name, content = name.removesuffix(".gz"), _unpacked(content, most)
    suffix = suffix_of(name)
    begins = _BEGINS[""] | _BEGINS.get(suffix, {})
    actual = next((each for each, head in begins.items() if head.match(content)), suffix)
    is_named = CONVERTERS.get(suffix) is CONVERTERS.get(actual) or suffix in installed_converters()
    is_named = is_named or suffix == ".zip"
    return name if is_named or converter_of(name) is None else name + actual, content


def _unpacked(content: bytes, most: int) -> bytes:
    try:
        with gzip.open(BytesIO(content)) as file:
            text = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unread("broken", f"not a gzip file ({error}); correct it") from None
    if len(text) > most:
        raise Unread("too large", f"it unpacks to more than {most:,} bytes; raise max_file_size")
    return text


def is_bounded(name: str) -> bool:
    """Return whether files with this name are converted in a process with limits."""
    suffix = suffix_of(name)
    return suffix in BOUNDED or suffix in installed_converters()


def converter_of(name: str) -> Converter | None:
    """Return the converter of files with this name; None if they cannot be read."""
    suffix = suffix_of(name)
    converter = installed_converters().get(suffix) or CONVERTERS.get(suffix)
    if converter is not None:
        return converter
    if suffix in CODE:
        return _of_text(line_formats.code)
    is_text = not suffix or suffix in TEXT or PurePosixPath(name).stem.lower() == "readme"
    return _of_text(_plain) if is_text else None


def _plain(text: str) -> Content:
    """Convert a text of unknown format: a manual page begins with a roff macro or comment."""
    return convert("man", text) if _ROFF.match(text) else markup.plain(text)
