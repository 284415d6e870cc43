"""Files inside of a file: the members of a zip archive, and the attachments of a mail.

Nothing is written to disk. The name of a member is its path, such as `a.zip/b/c.docx`. The limits
apply to everything inside one file of a folder, at any depth: `MAX_FILES`, `MAX_DEPTH`, and
`max_file_size` for the unpacked bytes.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from operator import itemgetter
from pathlib import PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Content, Unread, fault_of

MAX_FILES = 10_000
MAX_DEPTH = 4  # levels of nested archives and mails
_UTF8_NAME, _ENCRYPTED = 0x800, 0x1  # flags of a member
_UNSOUND = re.compile(r"[\0-\x1f]|^/|^[A-Za-z]:|(?:^|/)\.{1,2}(?:/|$)")
_HIDDEN = re.compile(r"(?:^|/)(?:\.|__MACOSX/)")
_FULL = ("too many files", "too large")

Load = Callable[[int], bytes]
"""Reads a member, or its first bytes."""
Convert = Callable[[str, bytes, "Members"], Iterable[Content | Unread]]


class Members:
    """Reads the files inside of one file of a folder, and counts them against the limits."""

    def __init__(self, most: int, convert: Convert) -> None:
        self._most, self._convert = most, convert
        self.left, self._files, self._depth = most, 0, 0

    def read(self, files: Iterable[tuple[str, Load]]) -> Iterator[Content | Unread]:
        """Yield the documents of files; stop after a file that exceeds the number or the bytes."""
        for name, load in files:
            self._depth += 1
            try:
                for each in self._convert(name, self._loaded(load), self):
                    if isinstance(each, Unread):
                        yield Unread(each.kind, each.reason, f"{name}/{each.row}")
                    elif each.text.strip():
                        yield replace(each, file=f"{name}/{each.file}" if each.file else name)
                    else:
                        yield Unread("empty", "it contains no text", name)
            except MissingExtra as error:
                kind = f"for lack of a library ({PurePosixPath(name).suffix.lower()})"
                yield Unread(kind, str(error), name)
            except MemoryError:
                raise
            except Exception as error:
                fault = error if isinstance(error, Unread) else fault_of(error)
                yield Unread(fault.kind, fault.reason, name)
                if fault.kind in _FULL and (self.left < 0 or self._files > MAX_FILES):
                    return
            finally:
                self._depth -= 1

    def _loaded(self, load: Load) -> bytes:
        """Read a file, and count it; raise `Unread` beyond a limit, or for an empty file."""
        self._files += 1
        if self._files > MAX_FILES:
            raise Unread("too many files", f"more than {MAX_FILES:,} files inside; unpack the file")
        if self._depth > MAX_DEPTH:
            raise Unread("too deep", f"files are nested more than {MAX_DEPTH} deep; unpack it")
        content = load(max(0, self.left) + 1)
        self.left -= len(content)
        if self.left < 0:
            reason = f"its files unpack to more than {self._most:,} bytes; raise max_file_size"
            raise Unread("too large", reason)
        if not content:
            raise Unread("empty")
        return content


def zipped(content: bytes, members: Members) -> Iterator[Content | Unread]:
    """Convert the members of a zip archive, by ascending name; raise `Unread`."""
    try:
        archive = ZipFile(BytesIO(content))
    except (BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise Unread("broken", f"the zip archive cannot be read ({error})") from None
    if not {"[Content_Types].xml", "mimetype"}.isdisjoint(archive.namelist()):
        raise Unread(
            "misnamed", ("it is an Office file or an e-book with the suffix .zip; rename it")
        )
    yield from members.read(_files(archive))


def _files(archive: ZipFile) -> Iterator[tuple[str, Load]]:
    files = sorted(((_name(e), e) for e in archive.infolist() if not e.is_dir()), key=itemgetter(0))
    names, before = {name for name, _ in files}, ""
    for name, member in files:
        is_taken = name == before or any(str(p) in names for p in PurePosixPath(name).parents)
        shown = ascii(name)[1:-1] if _UNSOUND.search(name) else name
        yield shown, partial(_load, archive, member, name, is_taken)
        before = name


def _name(member: ZipInfo) -> str:
    """Return the name of a member; it may be UTF-8 even if the UTF-8 flag is not set."""
    name = member.filename
    if not member.flag_bits & _UTF8_NAME:
        name = name.encode("cp437").decode("utf-8", "replace")
        name = member.filename if "\ufffd" in name else name
    return name.replace("\\", "/")


def _load(archive: ZipFile, member: ZipInfo, name: str, is_taken: bool, most: int) -> bytes:
    """Read a member; raise `Unread` for one that is not a document of the archive."""
    if _UNSOUND.search(name):
        raise Unread("unreadable", "its path points outside the archive")
    if is_taken:
        raise Unread("unreadable", "another file has its name, or that of a folder above")
    if _HIDDEN.search(name):
        raise Unread("hidden")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Unread("links", "links inside an archive are not followed")
    if member.flag_bits & _ENCRYPTED:
        raise Unread("password", "it needs a password; unpack it")
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise Unread("unreadable", f"compressed by method {member.compress_type}; unpack it")
    with archive.open(member) as file:
        return file.read(most)
