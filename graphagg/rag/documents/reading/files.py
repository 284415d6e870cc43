"""Find the files of a folder to read, and read the bytes of one.

Nothing outside the folder is read. Symbolic links are followed only to files inside the folder, so
circular links do no harm.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from graphagg import __version__
from graphagg.errors import InvalidParameter, needs
from graphagg.rag.documents.reading.content import Unread
from graphagg.rag.documents.reading.rules import section
from graphagg.rag.documents.reading.settings import ReadConfig
from graphagg.store.addresses import is_address, local_folder

_MIB = 2**20
_BUILT, _OUTPUT, _BUILDERS = (
    frozenset(section("markups", "screened")[key].split())
    for key in ("built", "output", "builders")
)
_OF_WINDOWS = ("desktop.ini", "thumbs.db")
Leave = Callable[[str, Unread], None]
"""Records that a path is left out."""


class FoundFile(NamedTuple):
    """A file to read: its POSIX path below the folder, and its real path."""

    name: str
    path: Path


class ReadFile(NamedTuple):
    """The bytes of a file, and the time of its last change in seconds since 1970."""

    content: bytes
    modified: float


def path_filter(config: ReadConfig) -> Callable[[str], bool]:
    """Return a test of paths: included and not excluded, by patterns as in a .gitignore file."""
    included = _matcher("include", config.include, True)
    excluded = _matcher("exclude", config.exclude, False)
    return lambda path: included(path) and not excluded(path)


def _matcher(name: str, globs: list[str] | None, default: bool) -> Callable[[str], bool]:
    if not globs:
        return lambda path: default
    with needs("pathspec", "fast"):
        from pathspec import GitIgnoreSpec
    try:
        return GitIgnoreSpec.from_lines(globs).match_file
    except ValueError as error:
        raise InvalidParameter(f"{name} is {globs}, expected globs like '*.md' ({error})") from None


def find_files(folder: Path, config: ReadConfig, leave: Leave) -> list[FoundFile]:
    """Find the files to read below a folder, by ascending path; call `leave` for the others."""
    root = Path(os.path.realpath(folder))
    takes = path_filter(config)
    files: list[FoundFile] = []
    links: list[str] = []
    folders = [""]
    while folders:
        for entry, name in _entries(root, folders.pop(), leave):
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                if config.everything or not _is_built(root / name):
                    folders.append(f"{name}/")
                else:
                    leave(f"{name}/", Unread("build folder", "built or fetched by a tool"))
            elif (fault := _fault(entry, name, takes)) is not None:
                leave(_printable(name), fault)
            elif entry.is_symlink():
                links.append(name)
            else:
                files.append(FoundFile(name, Path(entry.path)))
    names = {file.name for file in files}
    for name in links:
        try:
            files.append(FoundFile(name, _target(root, name, names)))
        except Unread as error:
            leave(name, error)
    return sorted(files)


def _is_built(folder: Path) -> bool:
    """Return whether a tool built or fetched the files of a folder."""
    if folder.name in _BUILT or (folder / "CACHEDIR.TAG").exists():
        return True
    return folder.name in _OUTPUT and any((folder.parent / each).exists() for each in _BUILDERS)


_LIBRARIES = ("anydoc", "chardet", "docutils", "lxml", "oxmsg", "pypdfium2", "pyromark", "vobject")


def source_stamp(source: str, config: ReadConfig, *more: object) -> str:
    """Return a digest of everything that determines the documents of a local folder or file.

    It covers names, sizes and times of all files to read, the options, `more`, the version of
    graphagg, and which libraries are installed. Returns "" for an address or a missing path.
    """
    if is_address(source):
        return ""
    path, libraries = local_folder(source), [bool(find_spec(name)) for name in _LIBRARIES]
    digest = blake2b(repr((__version__, libraries, config, *more)).encode(), digest_size=16)
    try:
        files = [FoundFile("", path)]
        if path.is_dir():
            files = find_files(path, config, lambda name, fault: None)
        for name, file in files:
            facts = file.stat()
            digest.update(repr((name, facts[6], facts.st_mtime_ns, facts.st_ctime_ns)).encode())
    except OSError:
        return ""
    return digest.hexdigest()


def _entries(root: Path, folder: str, leave: Leave) -> list[tuple[os.DirEntry[str], str]]:
    try:
        with os.scandir(root / folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)  # scandir has any order
            return [(entry, folder + entry.name) for entry in ordered]
    except OSError as error:
        leave(_printable(folder), Unread("unreadable", error.strerror or str(error)))
        return []


def _fault(entry: os.DirEntry[str], name: str, takes: Callable[[str], bool]) -> Unread | None:
    """Return a reason to leave out a path without opening it; None if there is none."""
    if entry.name.startswith((".", "~$")) or entry.name.lower() in _OF_WINDOWS:
        return Unread("hidden")
    if _printable(name) != name:
        return Unread("unreadable", "its name is not UTF-8; rename it")
    if not takes(name):
        return Unread("excluded")
    if not entry.is_symlink() and not entry.is_file(follow_symlinks=False):
        return Unread("unreadable", "not a regular file but a socket, a pipe or a device")
    return None


def _target(root: Path, name: str, names: set[str]) -> Path:
    """Resolve a link to a file that is in the folder and that is not read anyway."""
    try:
        target = Path(os.path.realpath(root / name, strict=True))
    except OSError:
        raise Unread("broken link") from None
    if not target.is_relative_to(root):
        raise Unread("link out of the folder", "not followed")
    if not target.is_file():
        raise Unread("link to a folder")
    if target.relative_to(root).as_posix() in names:
        raise Unread("link to a file that is read")
    return target


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_file(path: Path, most: int, first: int | None = None) -> ReadFile:
    """Read a regular file of at most `most` MiB, or its `first` bytes.

    Raises `Unread` if it cannot be read, or changes while it is read.
    """
    # The path may have become a link or a pipe since the folder was listed.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise Unread("unreadable", "it is no longer a regular file")
            if first is not None:
                return ReadFile(file.read(first), before.st_mtime)
            if before.st_size > most * _MIB:
                size = f"{before.st_size / _MIB:,.0f} MiB"
                raise Unread("too large", f"{size}, more than max_file_size ({most} MiB)")
            content = file.read(most * _MIB + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise Unread("unreadable", error.strerror or str(error)) from None
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, len(content)):
        raise Unread("changed", "it changed while it was read; read it again later")
    return ReadFile(content, after.st_mtime)
