"""A document as it is read from a file: its text, and where pages and sections begin in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Mark(NamedTuple):
    """A place of a text from which on another heading or page holds.

    A section's mark stands where the line of its heading begins, if that line is in the text.

    Attributes:
        offset: in characters from the start of the text.
        heading: the headings that enclose what follows, outermost first; without the title.
        page: of what follows, from 1; None where the file has no pages.
    """

    offset: int
    heading: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True)
class Document:
    """A document, before it is split into passages.

    Attributes:
        id: the POSIX path of the file below its folder; of a row of a table, `PATH/ROW`.
        text: what is split, searched and returned.
        title: it is indexed in front of the text.
        metadata: JSON values: what the file says of itself, and the file's path, size, ...
        marks: where sections and pages begin, by ascending offset; before the first there is none.
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """The fields of its passage, if it is not split; see `as_passage`."""
        return {"id": self.id, "text": self.text, "title": self.title, "metadata": self.metadata}

    def mark_at(self, offset: int) -> Mark:
        """The mark that holds at an offset of the text; O(log m) of m marks."""
        place = bisect_right(self.marks, offset, key=lambda mark: mark.offset)
        return self.marks[place - 1] if place else Mark(0)
