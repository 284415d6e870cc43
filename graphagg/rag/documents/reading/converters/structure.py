"""Convert HTML, also from Markdown, reStructuredText and Office files, to text with structure.

A table row becomes a line with the column names, and lines of code begin with a tab. libxml2's
parser (lxml) reports tags and builds no tree, so memory does not grow with the depth of a page.
Python's own `html.parser` takes 8 seconds for 80 kB of `<!--`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain, repeat

from graphagg.errors import needs
from graphagg.rag.documents.reading.content import Composer, Content
from graphagg.rag.documents.reading.converters.layout import filled, parts_of
from graphagg.rag.documents.reading.document import Link
from graphagg.rag.documents.reading.rules import section
from graphagg.rag.documents.reading.wiki_exports import read_export
from graphagg.rag.documents.tokens import CODE

_STEP = 2**16  # characters per call of the parser
_HIDDEN, _ROLES, _CLASSES, _BLOCKS = (
    frozenset(section("markups", "html")[key].split())
    for key in ("hidden", "roles", "classes", "blocks")
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_TIGHT = frozenset(("li", "tr", "dd", "dt"))  # separated by a line break, not a blank line
_SPACE = re.compile(r"[^\S\xa0]+")
_WEB = re.compile(r"(?!(?:ref|doc):)[a-zA-Z][a-zA-Z0-9+.-]{0,20}:|//")  # leads out of the folder
_ELEMENT = re.compile(  # detects HTML in a cell of a table
    r"(?i)</(a|b|blockquote|body|code|div|em|h[1-6]|i|li|ol|p|pre|span|strong|table|td|ul)>|<br\s?/?>"
)
_PERMALINK = re.compile(r"[#¶§🔗](?!\w)")  # the whole label of a heading's link to itself
_PAGE_MARK = re.compile("\ue000(\\d{1,6})\ue001")
_MOST_LINKS = 100_000
_MOST_SPAN = 100  # columns of a cell
_OF_A_TABLE = frozenset(("tr", "tbody", "thead", "tfoot"))
_LONGEST_TITLE = 120  # characters of a table title
_TITLE_LEVEL = 3  # below the name of a sheet


def page_mark(page: int) -> str:
    """Return the mark of the start of a page, for texts that `read_html` reads."""
    return f"\ue000{page}\ue001"


def html(text: str) -> Content:
    """Convert a page; its title is an h1 that `<title>` begins with, else `<title>`."""
    composer = Composer()
    text, exported, metadata = read_export(text)
    stated = read_html(text, composer)
    title = exported or " ".join(stated.split())
    tops = (heading.text for heading in composer.headings if heading.level == 1)
    # Sites add their name to the title, and some write it as an h1 on every page.
    folded = title.casefold()
    title = next((h for h in tops if folded.startswith(h.casefold())), title)
    return composer.content(title, metadata)


def read_html(text: str, composer: Composer, *, is_sheet: bool = False) -> str:
    """Add the text of a page; return its title, "" if it has none.

    In a sheet the first row of several cells is the header, and a title above it is a heading.
    """
    with needs("lxml", "fast"):
        from lxml import etree
    target = _HtmlTarget(composer, is_sheet)
    parser = etree.HTMLParser(
        target=target, encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True
    )
    for start in range(0, len(text), _STEP):
        parser.feed(text[start : start + _STEP].encode("utf-8", "replace"))
    if text:
        parser.close()
    return target.title


def without_tags(text: str) -> str:
    """Convert HTML, as in a cell of a table, to text; return any other text unchanged."""
    if "```" in text or not _ELEMENT.search(text):  # Markdown may contain some HTML
        return text
    composer = Composer()
    read_html(text, composer)
    composer.headings.clear()  # they stay in the text
    return composer.content().text


class _Row:
    """A table row: texts and links of its cells, and whether all cells are headers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.links: list[list[tuple[int, str]]] = []
        self.is_header = True
        self.span = 1  # columns of the open cell
        self.anchors: list[str] = []
        self.page: int | None = None  # the page that begins in this row


class _HtmlTarget:
    """A parser target, called for each tag; writes to a composer."""

    def __init__(self, composer: Composer, is_sheet: bool) -> None:
        self.title = ""
        self._composer, self._is_sheet = composer, is_sheet
        self._texts: list[str] = []  # the block so far, white space joined
        self._size = 0  # characters of the block so far
        self._links: list[tuple[int, str]] = []  # offsets in the block, and targets
        self._anchors: list[str] = []  # anchors of the block
        self._heading = 0  # level of the open heading
        self._pre = 0  # number of open pre elements
        self._hidden: tuple[str, int] = ("", 0)  # name of the hiding element, and its open count
        self._in_title = False
        self._gap = "\n\n"
        self._row: _Row | None = None  # open row of the innermost table; None in a layout table
        self._rows: list[_Row] = []  # rows of the table so far

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Handle a start tag."""
        name, depth = self._hidden
        if depth:
            self._hidden = (name, depth + (tag == name))
            return
        if tag in _HIDDEN or _is_hidden(attributes):
            self._hidden = (tag, 1)
            return
        if self._row and (tag in _HEADINGS or tag in ("table", "pre")):
            self._lay_out()
        if tag in ("td", "th"):
            self._begin_cell(tag == "th", attributes.get("colspan", ""))
        elif tag in _BLOCKS or tag in _HEADINGS:
            self._begin_block(tag)
        elif tag == "br":
            self._write(" " if self._row else "\n")
        elif tag == "title":
            self._in_title = not self.title
        elif tag == "a":
            self._refer(attributes.get("href", ""))
        if anchor := attributes.get("id") or (tag == "a" and attributes.get("name")):
            (self._row.anchors if self._row else self._anchors).append(anchor)

    def _begin_block(self, tag: str) -> None:
        if self._row:
            self._write(" ")
        else:
            if tag not in _OF_A_TABLE:
                self._end_table()
            self._flush("\n" if tag in _TIGHT else "\n\n")
            self._write("- " if tag == "li" else "")
        self._pre += tag == "pre"
        self._heading = _HEADINGS.get(tag, 0)
        if tag == "tr":
            self._row = _Row()

    def end(self, tag: str) -> None:
        """Handle an end tag; the parser also calls it for elements that are never closed."""
        name, depth = self._hidden
        if depth:
            self._hidden = (name, depth - (tag == name))
        elif tag in ("td", "th"):
            self._end_cell()
        elif tag == "tr" and self._row:
            self._rows.append(self._row)
            self._row = None
            self._texts, self._links, self._size = [], [], 0
        elif tag in _HEADINGS or tag in _BLOCKS:
            if self._row:
                self._write(" ")
            else:
                if tag == "table":
                    self._end_table()
                self._flush("\n" if tag in _TIGHT else "\n\n")
            self._pre -= tag == "pre"
        elif tag == "title":
            self._in_title = False

    def data(self, text: str) -> None:
        """Handle text between tags, which arrives in pieces."""
        if self._in_title:
            self.title += text
        elif not self._hidden[1]:
            if "\ue000" in text:
                for mark in _PAGE_MARK.finditer(text):
                    if self._row:
                        self._row.page = int(mark[1])
                    else:
                        self._end_table()
                        self._composer.begin_page(int(mark[1]))
                text = _PAGE_MARK.sub("", text)
            self._write(text if self._pre else _SPACE.sub(" ", text))

    def close(self) -> None:
        """Handle the end of the page."""
        self._lay_out()
        self._end_table()
        self._flush("\n\n")

    def _write(self, text: str) -> None:
        """Add text to the block, without leading or repeated white space."""
        if not self._pre and (not self._texts or self._texts[-1][-1] in " \n"):
            text = text.lstrip(" ")
        if text:
            self._texts.append(text)
            self._size += len(text)

    def _refer(self, href: str) -> None:
        if href and not _WEB.match(href) and len(self._composer.links) < _MOST_LINKS:
            self._links.append((self._size, href))

    def _begin_cell(self, is_header: bool, span: str) -> None:
        if self._row is None:
            self._write(" | " if self._texts else "")
        else:
            self._texts, self._links, self._size = [], [], 0
            self._row.is_header &= is_header
            self._row.span = min(int(span), _MOST_SPAN) if span.isdecimal() else 1

    def _end_cell(self) -> None:
        """Store the open cell; its text begins at offset 0 of the block."""
        row = self._row
        if row is not None:
            row.texts += [" ".join("".join(self._texts).split()), *[""] * (row.span - 1)]
            row.links += [self._links, *([] for _ in range(row.span - 1))]
            self._texts, self._links, self._size = [], [], 0

    def _end_table(self) -> None:
        """Write the rows of the table: titles and notes, and rows with the column names."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        headed = None if self._is_sheet else rows[0].is_header and bool(rows[0].texts)
        parts = list(parts_of([row.texts for row in rows], headed))
        for part in parts:
            for number, row in enumerate(rows[part.start : part.end]):
                if row.page is not None:
                    self._composer.begin_page(row.page)
                self._anchors += row.anchors
                is_title = self._is_sheet and not (number or part.names or part is parts[-1])
                self._write_row(row, part.names, is_title)

    def _write_row(self, row: _Row, names: Sequence[str], is_title: bool) -> None:
        gap = "- " if names or filled(row.texts) > 1 else ""
        for name, text, links in zip(chain(names, repeat("")), row.texts, row.links, strict=False):
            if text:
                self._write(gap + (f"{name}: " if name else ""))
                self._links += [(self._size + at, target) for at, target in links]
                self._write(text)
                gap = " " if text.endswith(":") else "; "
        if is_title and self._size <= _LONGEST_TITLE:
            self._heading = _TITLE_LEVEL
        self._flush("\n")

    def _lay_out(self) -> None:
        """Treat the table as page layout: its cells become blocks."""
        row, self._row = self._row, None
        if row is not None:
            before, links, self._texts, self._links = self._texts, self._links, [], []
            self._end_table()
            for text in row.texts:
                self._write(text)
                self._flush("\n\n")
            self._texts, self._links, self._size = before, links, sum(map(len, before))

    def _flush(self, gap: str) -> None:
        """End the block; `gap` is written before the next one."""
        text = "".join(self._texts).rstrip()
        if self._pre:
            lines = (line.rstrip() for line in text.split("\n"))
            text = "\n".join(CODE + line for line in lines if line)
        if text not in ("", "-", "|"):
            if self._heading:
                for at, target in self._links:
                    if target.startswith("#") and _PERMALINK.match(text, at):
                        text = f"{text[:at]} {text[at + 1 :]}"
                start = self._composer.heading(self._heading, text)
            else:
                start = self._composer.block(text, self._gap)
            self._composer.links += [Link(start + at, to) for at, to in self._links]
            self._composer.anchors |= dict.fromkeys(self._anchors, start)
            self._gap, self._anchors = gap, []
        else:  # links without a label, such as the entries of a table of contents
            end = self._composer.length
            self._composer.links += [Link(end, target) for _, target in self._links]
            self._gap = gap if gap == "\n\n" else self._gap
        self._texts, self._links, self._size = [], [], 0
        self._heading = 0


def _is_hidden(attributes: Mapping[str, str]) -> bool:
    classes = attributes.get("class", "").split()
    is_marked = "hidden" in attributes or attributes.get("aria-hidden") == "true"
    return is_marked or not _CLASSES.isdisjoint(classes) or attributes.get("role") in _ROLES
