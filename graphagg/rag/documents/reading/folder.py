"""A folder, or one file, as documents; what cannot be read is left out, counted and named."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from graphagg.errors import EmptyCorpus, GraphAggError, MissingExtra, UnreadableFile
from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters.text import SAMPLE, is_binary
from graphagg.rag.documents.reading.document import Document
from graphagg.rag.documents.reading.facts import file_facts, plain_metadata
from graphagg.rag.documents.reading.kinds import CODE, READ, converter_of, suffix_of
from graphagg.rag.documents.reading.settings import LeftOut, ReadConfig, ReadReport
from graphagg.rag.documents.reading.walk import FoundFile, ReadFile, find_files, read_file

_MIB = 2**20
_DEFAULT = ReadConfig()
_UNTITLED = frozenset(
    "about authors changelog changes contributing contributors copying copyright history index "
    "install licence license main metadata news notice readme thanks todo".split()
)
"""Names of files that say nothing of their content: the folder's name stands in front."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Lone surrogates, which some converters and JSON files give: no Unicode text."""


def read_documents(
    source: str | os.PathLike[str],
    config: ReadConfig = _DEFAULT,
    report: ReadReport | None = None,
) -> Iterator[Document]:
    """Read the files of a folder, or one file, as documents, one at a time, by ascending path.

    Takes text, Markdown, reStructuredText, HTML, PDF, DOCX, ODT, EPUB, notebooks, source code, and
    CSV, JSON and JSON lines, whose rows are a document each. What cannot be read is left out.

    Args:
        source: a folder, or a file.
        config: what is read of a folder.
        report: what is left out is noted in it; None: a warning at the end says what was.

    Raises:
        UnreadableFile: there is no such path; or, if `strict`, a file cannot be read.
        MissingExtra: if `strict`, a file needs a library that is not installed.
        EmptyCorpus: no file could be read.
        InvalidParameter: a glob is none.
    """
    path = Path(source)
    noted = ReadReport() if report is None else report
    reading = _Reading(config, noted, path)
    if path.is_dir():
        files = find_files(path, config, reading.leave)
    elif path.exists():
        files = [FoundFile(path.name, Path(os.path.realpath(path)))]
    else:
        raise UnreadableFile(f"{path}: no such file or folder; check the path")
    for file in files:
        yield from reading.documents(file)
    if not noted.read:
        found = f"{noted}" if noted.left_out else "the folder is empty"
        raise EmptyCorpus(f"{path}: nothing in it can be read: {found}; what is read: {READ}")
    if report is None and not noted.complete:
        warnings.warn(f"{path}: {noted}", stacklevel=2)


class _Reading:
    """Reads files one after the other and notes what is left out."""

    def __init__(self, config: ReadConfig, report: ReadReport, source: Path) -> None:
        self._config = config
        self._report = report
        self._source = source

    def leave(self, name: str, fault: Unread) -> None:
        """Note that a file is left out; `UnreadableFile` if that is not allowed."""
        self._check(name, fault)
        self._report.left_out.append(LeftOut(name, fault.kind, fault.reason))

    def _leave_part(self, name: str, fault: Unread) -> None:
        self._check(name, fault)
        self._report.parts.append(LeftOut(name, fault.kind, fault.reason))

    def _check(self, name: str, fault: Unread) -> None:
        if self._config.strict and fault.kind not in _MEANT:
            reason = fault.reason or fault.kind
            raise UnreadableFile(f"{self._source / name}: {reason}; correct or exclude it")

    def documents(self, file: FoundFile) -> Iterator[Document]:
        """The documents of a file; none if it is left out."""
        count = 0
        parts: list[tuple[str, Unread]] = []
        try:
            content = self._content(file)
            for each in converted(file.name, content, self._config.max_file_size):
                if isinstance(each, Document):
                    count += 1
                    yield each
                else:
                    parts.append(each)
        except Unread as fault:
            kind = fault.kind
            if kind == "binary":
                kind = f"binary ({suffix_of(file.name) or 'no suffix'})"
            self.leave(file.name, Unread(kind, fault.reason))
            return
        except MissingExtra as error:
            if self._config.strict:
                raise
            if str(error) not in self._report.notes:
                self._report.notes.append(str(error))
            self.leave(file.name, Unread(f"for want of a library ({suffix_of(file.name)})"))
            return
        for name, part in parts:
            self._leave_part(name, part)
        if count:
            self._report.read += 1
            self._report.documents += count
        else:
            self.leave(file.name, Unread("empty", "no row in it can be read" if parts else ""))

    def _content(self, file: FoundFile) -> ReadFile:
        """The bytes of a file of a kind that is read."""
        if converter_of(file.name) is None:
            try:
                with file.path.open("rb") as opened:
                    text = not is_binary(opened.read(SAMPLE))
            except OSError as error:
                raise Unread("unreadable", error.strerror or str(error)) from None
            raise Unread(f"of unknown kind ({suffix_of(file.name)})" if text else "binary")
        content = read_file(file.path, self._config.max_file_size)
        if not content.content:
            raise Unread("empty")
        return content


_MEANT = frozenset(("hidden", "excluded", "link to a file that is read", "link to a folder"))
"""Kinds of files that nobody wants to be read: `strict` passes over them."""


def converted(name: str, file: ReadFile, most: int) -> Iterator[Document | tuple[str, Unread]]:
    """The documents of a file, and by path what is left out of it; the same bytes give the same.

    Args:
        name: the path of the file below its folder.
        file: its content.
        most: MiB that it may unpack to.

    Raises:
        Unread: it cannot be read.
        MissingExtra: it needs a library that is not installed.
    """
    converter = converter_of(name)
    if converter is None:
        raise Unread(f"of unknown kind ({suffix_of(name)})")
    facts = file_facts(name, len(file.content), file.modified)
    contents = _guarded(lambda: iter(converter(file.content, most * _MIB)))
    for content in contents:
        if isinstance(content, Unread):
            yield f"{name}/{content.row}", content
            continue
        where = f"{name}/{content.row}" if content.row else name
        metadata, refused = plain_metadata(content.metadata)
        for key, reason in refused.items():
            yield where, Unread("metadata values", f"metadata {key!r} is {reason}")
        for fault in content.refused:
            yield where, fault
        yield _document(where, content, metadata | facts)


def _guarded(convert: Callable[[], Iterator[Content | Unread]]) -> Iterator[Content | Unread]:
    """What a converter gives; whatever goes wrong in it, the file cannot be read.

    Raises:
        Unread: it cannot.
        MissingExtra: a library is not installed.
    """
    try:
        for content in convert():
            if isinstance(content, Content) and not content.row and not content.text.strip():
                raise Unread("empty", "no text in it")
            yield content
    except (GraphAggError, Unread):
        raise
    except Exception as error:  # converters raise anything on broken files
        message = " ".join(str(error).split())[:200]
        raise Unread("broken", f"it cannot be read ({type(error).__name__}: {message})") from None


def _document(identifier: str, content: Content, metadata: dict[str, object]) -> Document:
    title = content.title.strip() or ("" if content.row else name_title(identifier))
    name, text, title = (_SURROGATE.sub("\ufffd", s) for s in (identifier, content.text, title))
    return Document(name, text, title, metadata, content.marks)


def name_title(name: str) -> str:
    """The title of a file that names none: its name, for what is no code without the suffix.

    A name that many files have, such as README, follows that of the folder.
    """
    path, suffix = PurePosixPath(name), suffix_of(name)
    title = path.stem if suffix and suffix not in CODE else path.name
    return f"{path.parent.name} {title}".strip() if title.lower() in _UNTITLED else title
