"""What is read of a folder, and what became of its files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from graphagg.checks import integer

_KINDS_SAID = 12


@dataclass(frozen=True)
class ReadConfig:
    """What is read of a folder.

    Attributes:
        include: only files whose path below the folder matches a glob such as '*.md' or
            'manual/**', as in a .gitignore file; repeat it. None: all.
        exclude: no file whose path matches such a glob; repeat it. None: no such file.
        max_file_size: MiB of a file at most; larger ones are left out.
        strict: refuse the folder at the first file that cannot be read, instead of leaving it out.
    """

    include: list[str] | None = None
    exclude: list[str] | None = None
    max_file_size: int = 64
    strict: bool = False

    def __post_init__(self) -> None:
        integer("max_file_size", self.max_file_size, 1, 2**16)


class LeftOut(NamedTuple):
    """A file, or a part of one, that was not read.

    Attributes:
        path: below the folder; of a row, `PATH/ROW`.
        kind: what it is counted under, such as `empty` or `binary (.so)`.
        reason: for a person; "" where the kind says it all.
    """

    path: str
    kind: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}" + (f": {self.reason}" if self.reason else "")


@dataclass
class ReadReport:
    """What became of the files of a folder; filled while the documents are read.

    Attributes:
        read: files that gave a document at least.
        documents: what they gave; a row of a table is one.
        left_out: files that were not read.
        parts: rows and metadata values that were left out of files that were read.
        notes: what to do, each once: how a missing library is installed.
    """

    read: int = 0
    documents: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    parts: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, int]:
        """How many files were left out, by kind, the most frequent first."""
        return dict(Counter(each.kind for each in self.left_out).most_common())

    @property
    def complete(self) -> bool:
        """Whether nothing was left out."""
        return not self.left_out and not self.parts

    def __str__(self) -> str:
        text = f"read {self.read:,} of {self.read + len(self.left_out):,} files"
        if self.left_out:
            text += f"; left out: {_counted(self.kinds)}"
        if self.parts:
            parts = Counter(each.kind for each in self.parts)
            text += f"; left out of files that were read: {_counted(dict(parts.most_common()))}"
        return text


def _counted(kinds: dict[str, int]) -> str:
    """The kinds with their counts; of many, the first ones."""
    said = [f"{count:,} {kind}" for kind, count in kinds.items()]
    if len(said) <= _KINDS_SAID:
        return ", ".join(said)
    others = list(kinds.values())[_KINDS_SAID:]
    return f"{', '.join(said[:_KINDS_SAID])}, {sum(others):,} of {len(others):,} other kinds"
