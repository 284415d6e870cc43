"""Read a folder, or one file, as documents; count the files that cannot be read."""

from __future__ import annotations

import os
import posixpath
import re
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from graphagg.errors import EmptyCorpus, GraphAggError, MissingExtra, UnreadableFile
from graphagg.rag.documents.dates import dated
from graphagg.rag.documents.reading import kinds
from graphagg.rag.documents.reading.bounded import BoundedConverter
from graphagg.rag.documents.reading.content import Content, Unread, fault_of
from graphagg.rag.documents.reading.conversations import Chat, Conversations
from graphagg.rag.documents.reading.converters.text import SAMPLE, is_binary
from graphagg.rag.documents.reading.document import (
    Document,
    Link,
    file_metadata,
    plain_metadata,
    suffix_of,
)
from graphagg.rag.documents.reading.files import FoundFile, ReadFile, find_files, read_file
from graphagg.rag.documents.reading.rules import section
from graphagg.rag.documents.reading.screening import screened
from graphagg.rag.documents.reading.settings import FolderReport, LeftOut, ReadConfig
from graphagg.rag.documents.reading.sources import local_source
from graphagg.rag.documents.reading.threads import Mail, MailThreads
from graphagg.rag.documents.validity import by_validity

_MIB = 2**20
_SMALL = 2**14  # bytes; a smaller file takes little time and memory, whatever its text
_PROCESSES = min(4, os.cpu_count() or 1)  # that convert files in parallel
_Result = Document | Mail | Chat | LeftOut | tuple[str, Unread]
_Begun = Future[tuple[list[_Result], Exception | None]]
_DEFAULT = ReadConfig()
_GENERIC_TITLES = frozenset(section("markups", "generic")["titles"].split())
_GENERIC_NAMES = _GENERIC_TITLES.union(("", *section("markups", "generic")["folders"].split()))
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Lone surrogates, as in some JSON files, are not Unicode text."""


def read_documents(
    source: str | os.PathLike[str],
    config: ReadConfig = _DEFAULT,
    report: FolderReport | None = None,
) -> Iterator[Document]:
    """Read the files of a folder, or one file, as documents, one at a time, by ascending path.

    The source may be an address such as `s3://bucket/docs`, `zip://docs::archive.zip`, or one of a
    plug-in (`graphagg.rag.documents.reading.sources`).

    Mails with quotations come after all other files, without quotations of mails that were read.
    Chats come last, with one document per thread and per run of messages.

    Reads text, Markdown and other markup, PDF, Office files, mail, notebooks, source code, and CSV,
    JSON and JSON lines, where each row is a document. Skips files that cannot be read, and lock
    files, built and generated files.

    Args:
        source: a folder, or a file.
        config: which files of a folder to read.
        report: receives the files that are left out; None: a warning at the end names them.

    Raises:
        UnreadableFile: there is no such path; or, if `strict`, a file cannot be read.
        MissingExtra: a file needs a library that is not installed, and no other file can be read;
            with `strict`, as soon as a file needs one.
        EmptyCorpus: no file could be read.
        InvalidParameter: a glob is invalid.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "vistula.txt").write_text("A river in Poland.")
        >>> document = next(read_documents(folder))
        >>> document.id, document.title, document.text
        ('vistula.txt', 'vistula', 'A river in Poland.')
    """
    filled = FolderReport() if report is None else report
    path = local_source(source, config, filled)
    if not isinstance(path, Path):
        yield from path
        return
    reader = FolderReader(config, filled, path)
    if path.is_dir():
        files = find_files(path, config, reader.leave)
    elif path.exists():
        files = [FoundFile(path.name, Path(os.path.realpath(path)))]
    else:
        raise UnreadableFile(f"{path}: no such file or folder; check the path")
    try:
        for file, begun in reader.begin(files):
            yield from reader.documents(file, begun)
        yield from reader.threads.documents()
        filled.quotations += reader.threads.left_out
        for document in reader.conversations.documents():
            filled.documents += 1
            yield document
        filled.notices += reader.conversations.notices
    finally:
        reader.close()
    if not filled.read and reader.missing:
        raise reader.missing
    if not filled.read:
        reason = f"{filled}" if filled.left_out else "the folder is empty"
        raise EmptyCorpus(
            f"{path}: none of its files can be read: {reason}; readable formats: {kinds.READ}"
        )
    if report is None and not filled.complete:
        warnings.warn(f"{path}: {filled}", stacklevel=2)


class FolderReader:
    """Reads files in order, and reports those that are left out.

    Conversions that run in a child process start early, several in parallel.
    """

    def __init__(
        self, config: ReadConfig, report: FolderReport, source: str | os.PathLike[str]
    ) -> None:
        self._config, self._source, self.report = config, source, report
        self.threads, self.conversations = MailThreads(), Conversations()
        self._converters = [
            BoundedConverter(config.max_seconds, config.max_memory) for _ in range(_PROCESSES + 1)
        ]
        self._own, *self._idle = self._converters  # a process starts when it is first used
        self._pool = ThreadPoolExecutor(_PROCESSES)
        self.missing: MissingExtra | None = None  # the first library that a file needed

    def close(self) -> None:
        """End the processes of converters."""
        self._pool.shutdown(cancel_futures=True)  # waits for running conversions
        for converter in self._converters:
            converter.close()

    def begin(self, files: Iterable[FoundFile]) -> Iterator[tuple[FoundFile, _Begun | None]]:
        """Yield files in order, with the conversions that were started early."""
        waiting = deque[tuple[FoundFile, _Begun | None]]()
        for file in files:
            is_bounded = kinds.is_bounded(file.name.removesuffix(".gz"))
            waiting.append((file, self._pool.submit(self._convert, file) if is_bounded else None))
            if len(waiting) > 2 * _PROCESSES:
                yield waiting.popleft()
        yield from waiting

    def _convert(self, file: FoundFile) -> tuple[list[_Result], Exception | None]:
        """Convert a file in an idle process; there is one for each thread."""
        converter, results = self._idle.pop(), list[_Result]()
        try:
            results.extend(converted(file.name, self._content(file), self._config, converter))
        except Exception as error:
            return results, error
        finally:
            self._idle.append(converter)
        return results, None

    def _results(self, file: FoundFile, begun: _Begun | None) -> Iterator[_Result]:
        if begun is None:
            yield from converted(file.name, self._content(file), self._config, self._own)
            return
        results, error = begun.result()
        yield from results
        if error is not None:
            raise error

    def leave(self, name: str, fault: Unread) -> None:
        """Record that a file is left out; raise `UnreadableFile` if `strict` forbids it."""
        self._note(name, fault, self.report.left_out)

    def _note(self, name: str, fault: Unread, left_out: list[LeftOut]) -> None:
        left_out.append(LeftOut(name, fault.kind, fault.reason))
        if self._config.strict and fault.kind not in _MEANT:
            reason = fault.reason or fault.kind
            raise UnreadableFile(f"{self._source}/{name}: {reason}; correct or exclude it")

    def documents(self, file: FoundFile, begun: _Begun | None) -> Iterator[Document]:
        """Yield the documents of a file; none if it is left out."""
        count = 0
        faults: list[tuple[str, Unread]] = []
        try:
            for each in self._results(file, begun):
                if isinstance(each, Document | Mail | Chat):
                    count += 1
                    yield from self._added(each)
                elif isinstance(each, LeftOut):
                    self.report.guessed.append(each)
                else:
                    faults.append(each)
        except Unread as error:
            suffix = suffix_of(file.name) or "no suffix"
            self.leave(file.name, Unread(f"binary ({suffix})") if error.kind == "binary" else error)
            return
        except MissingExtra as error:
            if self._config.strict:
                raise
            self.missing = self.missing or error
            if str(error) not in self.report.notes:
                self.report.notes.append(str(error))
            self.leave(file.name, Unread(f"for lack of a library ({suffix_of(file.name)})"))
            return
        for name, fault in faults:
            self._note(name, fault, self.report.refused)
        if count:
            self.report.read += 1
        else:
            self.leave(file.name, Unread("empty", "no row in it can be read" if faults else ""))

    def _added(self, read: Document | Mail | Chat) -> Iterator[Document]:
        """Yield the documents of a file, except those that wait for other files."""
        if isinstance(read, Chat):
            self.conversations.add(read)
            return
        if isinstance(read, Document) and self.conversations.is_listed(read):
            return
        self.report.documents += 1
        yield from self.threads.add(read)

    def _content(self, file: FoundFile) -> ReadFile:
        """Read the bytes of a file if it has a converter."""
        if kinds.converter_of(file.name.removesuffix(".gz")) is None:
            sample = read_file(file.path, self._config.max_file_size, SAMPLE).content
            if is_binary(sample):
                raise Unread("binary")
            fault = screened(file.name, sample)
            raise fault or Unread(f"of unknown kind ({suffix_of(file.name)})")
        content = read_file(file.path, self._config.max_file_size)
        if not content.content:
            raise Unread("empty")
        fault = screened(file.name, content.content)
        if fault and not self._config.everything:
            raise fault
        return content


_MEANT = frozenset(
    "hidden,excluded,link to a file that is read,link to a folder,build folder,large log,"
    "lines above a table,values beside rows".split(",")
)
"""Kinds of files that are left out on purpose: `strict` allows them."""


def converted(
    name: str,
    file: ReadFile,
    config: ReadConfig = _DEFAULT,
    bounded: BoundedConverter | None = None,
) -> Iterator[_Result]:
    """Convert a file to documents; the result depends on its name and bytes alone.

    Also yields the encoding if it was guessed, and `(path, reason)` for rows and metadata values
    that cannot be read. `bounded` converts large files, and formats that may hang or take much
    memory. None: convert them here. Raises `Unread`, or `MissingExtra` if a library is missing.
    """
    most = config.max_file_size * _MIB
    read_as, inside = kinds.opened(name, file.content, most)
    converter = kinds.converter_of(read_as)
    if converter is None:
        raise Unread(f"of unknown kind ({suffix_of(name)})")
    limits = kinds.ConversionLimits(most, config.encoding)
    if bounded is not None and (kinds.is_bounded(read_as) or len(inside) > _SMALL):
        contents: Iterable[Content | Unread] = bounded.convert(read_as, inside, limits)
    else:
        contents = _guarded(lambda: converter(inside, limits))
    guess = ""
    for content in contents:
        if isinstance(content, Unread):
            yield f"{name}/{content.row}", content
            continue
        if not (content.file or content.row or content.text.strip()):
            raise Unread("empty", "it contains no text")
        path = f"{name}/{content.file}" if content.file else name
        where = f"{path}/{content.row}" if content.row else path
        if content.guess and not guess:
            guess = content.guess
            yield LeftOut(name, "guessed encoding", guess)
        metadata, refused = plain_metadata(content.metadata)
        for key, reason in refused.items():
            yield where, Unread("metadata values", f"metadata {key!r} is {reason}")
        for fault in content.refused:
            yield where, fault
        facts = file_metadata(path, len(file.content), file.modified)
        document = _document(where, path, content, metadata | facts)
        yield from _parts(document, path, content, config.when)


def _parts(document: Document, path: str, content: Content, key: str | None) -> Iterator[_Result]:
    """Yield a document with its date, and its separately dated sections; or a chat; or a mail."""
    dates = dated(path, document.title, document.text, document.metadata, key)
    document = replace(document, metadata=dates)
    if content.messages is not None:
        yield Chat(document, content.messages)
    elif content.quotations is not None:
        yield Mail(document, content.quotations)
    else:
        yield from by_validity(document) if key is None else [document]


def _guarded(convert: Callable[[], Iterable[Content | Unread]]) -> Iterator[Content | Unread]:
    """Run a converter; its errors, except those that graphagg raises, become `Unread`."""
    try:
        yield from convert()
    except (GraphAggError, Unread):
        raise
    except Exception as error:
        raise fault_of(error) from None


def _document(
    identifier: str, file: str, content: Content, metadata: dict[str, object]
) -> Document:
    title = content.title.strip()
    title = title if content.row else _title_of(identifier, title)
    name, text, title = (_SURROGATE.sub("\ufffd", s) for s in (identifier, content.text, title))
    links = tuple(filter(None, (_link(file, link) for link in content.links)))
    return Document(name, text, title, metadata, content.marks, links, content.anchors)


def _link(file: str, link: Link) -> Link | None:
    """Resolve the target of a link below the folder; None if it is outside the folder."""
    if link.target.startswith("ref:"):
        return Link(link.offset, "", link.target.removeprefix("ref:"))
    path, _, anchor = link.target.removeprefix("doc:").partition("#")
    path = unquote(path.partition("?")[0]).strip()
    if not path:
        return Link(link.offset, file, unquote(anchor)) if anchor else None
    folder = "" if path.startswith("/") else posixpath.dirname(file)
    target = posixpath.normpath(posixpath.join(folder, path.lstrip("/")))
    return None if target.startswith("..") else Link(link.offset, target, unquote(anchor))


def _title_of(name: str, title: str) -> str:
    """Return the title of a file if it has letters, else the file name (for code, with suffix).

    A generic title, such as README or Overview, is prefixed with the name of the file or folder.
    """
    path, suffix = PurePosixPath(name), suffix_of(name)
    if not any(map(str.isalpha, title)):  # none, or a number
        title = path.stem if suffix and suffix not in kinds.CODE else path.name
    if title.lower() not in _GENERIC_TITLES:
        return title
    names = (path.stem, *(folder.name for folder in path.parents))
    specific = (each for each in names if each.lower() not in _GENERIC_NAMES)
    return f"{next(specific, path.parent.name)} {title}".strip()
