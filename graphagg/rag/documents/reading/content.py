"""The result of a converter: text, title, metadata, sections, pages, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphagg.rag.documents.reading.document import Link, Mark

_NOT_OF_A_SLUG = re.compile(r"[^\w\- ]")


class Unread(Exception):
    """A file, or a row of one, cannot be read; the rest of the folder is still read.

    Reports count faults by `kind`. `reason` is the cause and what to do, "" if the kind is enough.
    `row` is the id of a row of a table, "" for a whole file.
    """

    def __init__(self, kind: str, reason: str = "", row: str = "") -> None:
        super().__init__(kind, reason, row)
        self.kind, self.reason, self.row = kind, reason, row

    def __str__(self) -> str:
        return self.reason or self.kind


def fault_of(error: Exception) -> Unread:
    """Return the fault for an error that a converter raised; it may be any exception."""
    message = " ".join(str(error).split())[:200]
    return Unread("broken", f"it cannot be read ({type(error).__name__}: {message})")


class Quotation(NamedTuple):
    """A quotation `text[start:end]` in a mail; `text[start:body]` has its author and date."""

    start: int
    body: int
    end: int


class Message(NamedTuple):
    """A chat message; its text is "" if it is a notice, such as that someone joined."""

    sent: str  # ISO 8601, in UTC if the export has the offset
    author: str
    text: str
    id: str = ""
    answers: str = ""  # id of the message in the same chat that it replies to


@dataclass(frozen=True)
class Content:
    """A converted file, or a row of one."""

    text: str
    title: str = ""  # "" if the file has none
    metadata: Mapping[str, Any] = field(default_factory=dict)  # front matter, columns or properties
    marks: tuple[Mark, ...] = ()
    links: tuple[Link, ...] = ()  # as written, such as `a.md#b`; ascending
    anchors: Mapping[str, int] = field(default_factory=dict)  # offsets by the names that links use
    file: str = ""  # path inside of an archive or a mail; "" for the file itself
    row: str = ""  # id of a row of a table; "" for a whole file
    refused: tuple[Unread, ...] = ()  # parts that cannot be read, such as front matter
    guess: str = ""  # the encoding, if it was guessed
    quotations: tuple[Quotation, ...] | None = None  # of a mail; ascending
    messages: tuple[Message, ...] | None = None  # of a chat, in any order; `text` has them too


class Heading(NamedTuple):
    """A heading `text[start:end]`, and its text without markup; level 1 is the outermost."""

    start: int
    end: int
    level: int
    text: str


class PageStart(NamedTuple):
    """A page that begins at an offset of a text; pages count from 1."""

    start: int
    page: int


class Composer:
    """Composes a text from blocks, with its headings, pages, links and anchors."""

    def __init__(self, text: str = "") -> None:
        self._pieces: list[str] = [text] if text else []
        self.length = len(text)
        """Characters so far."""
        self._page: int | None = None
        self.headings: list[Heading] = []
        self.pages: list[PageStart] = []
        self.links: list[Link] = []
        self.anchors: dict[str, int] = {}

    def block(self, text: str, gap: str = "\n\n") -> int:
        """Add a block after `gap`, unless it is white space; return its offset."""
        text = text.strip("\r\n")
        if not text.strip():
            return self.length
        gap = gap if self._pieces else ""
        start = self.length + len(gap)
        if self._page is not None:
            self.pages.append(PageStart(start, self._page))
            self._page = None
        self._pieces += [gap, text]
        self.length = start + len(text)
        return start

    def heading(self, level: int, text: str) -> int:
        """Add a heading on a separate line; return its offset."""
        text = " ".join(text.split())
        start = self.block(text)
        if text:
            self.headings.append(Heading(start, self.length, level, text))
            slug = _NOT_OF_A_SLUG.sub("", text.lower()).replace(" ", "-")
            self.anchors.setdefault(slug, start)
        return start

    def begin_page(self, page: int) -> None:
        """Begin a page; pages count from 1."""
        self._page = page

    def content(
        self,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        refused: tuple[Unread, ...] = (),
        *,
        title_first: bool = False,
    ) -> Content:
        """Finish the text; see `Content`.

        The title is `title`, else the only heading of level 1, else a heading before all other
        text; with `title_first`, only such a heading. A title at the head of the text is removed
        from it, because titles are indexed in front of the text.
        """
        text, title = "".join(self._pieces), " ".join(title.split())
        heading = _title_heading(text, self.headings, title, title_first)
        cut = 0
        if heading and not text[: heading.start].strip() and text[heading.end :].strip():
            cut = len(text) - len(text[heading.end :].lstrip("\r\n"))
        return Content(
            text[cut:],
            title or (heading.text if heading else ""),
            metadata or {},
            tuple(_marks([h for h in self.headings if h is not heading], self.pages, cut)),
            tuple(Link(max(0, at - cut), target) for at, target, _ in sorted(self.links)),
            {name: max(0, offset - cut) for name, offset in self.anchors.items()},
            refused=refused,
        )


def _title_heading(
    text: str, headings: Sequence[Heading], title: str, first_only: bool
) -> Heading | None:
    leads = headings[:1] if headings and not text[: headings[0].start].strip() else []
    if title:
        return next((h for h in leads if h.text.casefold() == title.casefold()), None)
    tops = [h for h in headings if h.level == 1]
    alone = tops if len(tops) == 1 and not first_only else []  # several ones are sections
    return next(iter([*alone, *leads]), None)


def _marks(headings: Sequence[Heading], pages: Sequence[PageStart], cut: int) -> Iterator[Mark]:
    """Yield a mark for each offset, less `cut`, at which a heading or a page begins."""
    path: list[tuple[int, str]] = []  # the enclosing headings, by ascending level
    page: int | None = None
    begins: list[Heading | PageStart] = [*pages, *headings]
    begins.sort(key=lambda each: each.start)
    for index, each in enumerate(begins):
        if isinstance(each, PageStart):
            page = each.page
        else:
            while path and path[-1][0] >= each.level:
                path.pop()
            path.append((each.level, each.text))
        offset = max(0, each.start - cut)
        following = begins[index + 1].start - cut if index + 1 < len(begins) else None
        if following is None or following > offset:
            yield Mark(offset, tuple(text for _, text in path), page)
