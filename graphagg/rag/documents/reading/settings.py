"""What is read of a folder, and what became of its files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from graphagg.checks import integer


@dataclass(frozen=True)
class ReadConfig:
    """What is read of a folder.

    Attributes:
        include: only files whose path below the folder matches a glob such as 'manual/**' or
            '*.md'; repeat it. None: all.
        exclude: no file whose path matches such a glob; repeat it. None: none.
        max_file_size: MiB of a file at most; larger ones are left out.
        strict: refuse the folder at the first file that cannot be read, instead of leaving it out.
    """

    include: list[str] | None = None
    exclude: list[str] | None = None
    max_file_size: int = 64
    strict: bool = False

    def __post_init__(self) -> None:
        integer("max_file_size", self.max_file_size, 1)


class LeftOut(NamedTuple):
    """A file, or a row of one, that was not read.

    Attributes:
        path: below the folder.
        kind: what it is counted under, such as `empty` or `binary (.so)`.
        reason: a sentence for a person.
    """

    path: str
    kind: str
    reason: str


@dataclass
class ReadReport:
    """What became of the files of a folder; filled while the documents are read.

    Attributes:
        read: files that gave a document at least.
        left_out: the others, in the order of their paths, and rows that cannot be read.
    """

    read: int = 0
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, int]:
        """How many were left out, by kind, the most frequent first."""
        return dict(Counter(each.kind for each in self.left_out).most_common())
