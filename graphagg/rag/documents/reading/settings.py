"""Options for reading a folder, and the report on its files."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass, field

from graphagg.checks import integer
from graphagg.errors import InvalidParameter
from graphagg.fields import Brief

_NAMED = 10
_SCANS = ("without text", "(.png)", "(.jpg)", "(.jpeg)", "(.tif)", "(.tiff)", "(.bmp)", "(.webp)")


@dataclass(frozen=True)
class ReadConfig:
    """Which files of a folder are read, and how.

    Attributes:
        include: read only files whose path relative to the folder matches one of these globs, as in
            a .gitignore file, such as '*.md' or 'manual/**'. None: all.
        exclude: leave out files whose path relative to the folder matches one of these globs.
        max_file_size: maximum size of a file in MiB, and 1 MiB for logs; larger files are left out.
        max_seconds: time limit for the conversion of one file, in seconds.
        max_memory: memory limit for the conversion of one file, in MiB.
        encoding: encoding of text files that are not UTF-8 and declare no encoding. None: detected.
        everything: also read lock files, minified and generated code, hex dumps and build folders.
        strict: stop at the first file that cannot be read, instead of leaving it out.
        when: metadata key that holds the date of a document. None: a date from its properties,
            name, title or text, or else the time of its last change.

    Examples:
        >>> ReadConfig(include=["*.md"], exclude=["drafts/**"]).max_file_size
        64
    """

    include: list[str] | None = None
    exclude: list[str] | None = None
    max_file_size: int = 64
    max_seconds: int = 60
    max_memory: int = 2048
    encoding: str | None = None
    everything: bool = False
    strict: bool = False
    when: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_file_size", "max_seconds", "max_memory"):
            integer(name, getattr(self, name), 1, 2**16)
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError:
            raise InvalidParameter(
                f"encoding is {self.encoding!r}, expected a name such as cp1252 or shift_jis"
            ) from None


@dataclass(frozen=True)
class LeftOut:
    """A file, or a part of one, that was not read."""

    path: str  # below the folder; of a row, `PATH/ROW`
    kind: str  # such as `empty` or `binary (.so)`; reports count files by kind
    reason: str = ""  # "" if the kind is enough

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}" + (f": {self.reason}" if self.reason else "")


@dataclass(repr=False)
class FolderReport(Brief):
    """A report on the files of a folder; filled while the documents are read.

    Attributes:
        read: number of files with at least one document.
        documents: number of documents; a row of a table is one.
        left_out: files that were not read.
        refused: rows and metadata values that were left out of files that were read.
        guessed: files whose encoding was guessed, or with bytes that were replaced.
        quotations: number of quotations left out of mails because the quoted mails were read too.
        notices: number of chat messages left out because they have no text or report who joined,
            and of the users and channels that an export lists.
        notes: advice, such as how to install a missing library; each note once.

    Examples:
        >>> print(FolderReport(read=2, documents=5, left_out=[LeftOut("a.so", "binary (.so)")]))
        read 2 of 3 files; left out: 1 binary (.so)
    """

    read: int = 0
    documents: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    refused: list[LeftOut] = field(default_factory=list)
    guessed: list[LeftOut] = field(default_factory=list)
    quotations: int = 0
    notices: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, int]:
        """Number of files that were left out, by kind, the most frequent kind first."""
        return _kinds(self.left_out)

    @property
    def complete(self) -> bool:
        """Whether nothing was left out."""
        return not self.left_out and not self.refused

    def __str__(self) -> str:
        text = f"read {self.read:,} of {self.read + len(self.left_out):,} files"
        if self.left_out:
            text += f"; left out: {_counts_text(self.kinds)}"
        if scans := sum(n for kind, n in self.kinds.items() if kind.endswith(_SCANS)):
            text += f"; perhaps scans, which a converter with OCR can read: {scans:,}"
        if self.refused:
            text += f"; left out of files that were read: {_counts_text(_kinds(self.refused))}"
        if self.quotations:
            text += f"; left out of mails: {self.quotations:,} quotations of mails that were read"
        if self.notices:
            text += f"; left out of chats: {self.notices:,} notices, names and empty messages"
        if self.guessed:
            names = ", ".join(f"{each.path} ({each.reason})" for each in self.guessed[:_NAMED])
            more = f" and {len(self.guessed) - _NAMED:,} more" if self.guessed[_NAMED:] else ""
            text += f"; in an encoding that was guessed: {names}{more}"
        return text


def _kinds(left_out: list[LeftOut]) -> dict[str, int]:
    return dict(Counter(each.kind for each in left_out).most_common())


def _counts_text(kinds: dict[str, int]) -> str:
    one = {kind: re.sub(r"\b(line|value|link)s\b", r"\1", kind) for kind in kinds}
    return ", ".join(f"{n:,} {kind if n > 1 else one[kind]}" for kind, n in kinds.items())
