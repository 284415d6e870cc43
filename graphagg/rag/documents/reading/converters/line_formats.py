"""AsciiDoc, Org, subtitles, XML and source code, line by line.

AsciiDoc and Org become Markdown: headings, lists, tables, code, links. No maintained Python library
with a permissive license reads either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from graphagg.errors import needs
from graphagg.rag.documents.code import CODE
from graphagg.rag.documents.reading.content import Composer, Content, Unread
from graphagg.rag.documents.reading.converters.markup import markdown
from graphagg.rag.documents.reading.converters.structure import without_tags

_FENCE = "~~~~~~"
_MOST = 4_000  # characters of a line that is searched for marks

# --- AsciiDoc ------------------------------------------------------------------------------------

_ASCIIDOC_LINES = (
    (re.compile(r"(={1,6}) (?=\S)"), lambda m: "#" * len(m[1]) + " "),
    (re.compile(r"(\*{1,6}|-) (?=\S)"), lambda m: "  " * (len(m[1]) - 1) + "- "),
    (re.compile(r"(\.{1,6}) (?=\S)"), lambda m: "  " * (len(m[1]) - 1) + "- "),
    (re.compile(r"(?:NOTE|TIP|IMPORTANT|WARNING|CAUTION): "), lambda m: ""),
    (re.compile(r"\.(?=[A-Za-z])"), lambda m: ""),  # the title of a block
)
_ASCIIDOC_DROPPED = re.compile(
    r"(?:\[[^\]\n]{0,200}\]|:[\w!-]{1,60}:.{0,500}|//.{0,500}|'''|<<<|toc::.*|include::.*)\s*\Z"
)
_ASCIIDOC_INLINE = (
    (re.compile(r"(?:xref|link):([^\s\[\]]{1,300})\[([^\[\]\n]{0,300})\]"), r"[\2](\1)"),
    (re.compile(r"(https?://[^\s\[\]]{1,300})\[([^\[\]\n]{1,300})\]"), r"\2"),
    (re.compile(r"<<([^<>,\n]{1,200}),([^<>\n]{1,200})>>"), r"[\2](#\1)"),
    (re.compile(r"<<([^<>,\n]{1,200})>>"), r"[\1](#\1)"),
    (re.compile(r"image::?[^\s\[\]]{1,300}\[[^\[\]\n]{0,300}\]"), ""),
    (re.compile(r"\[\[([\w.-]{1,100})\]\]"), r'<a id="\1"></a>'),
    (re.compile(r"\{([\w-]{1,60})\}"), r"\1"),
)


def asciidoc(text: str) -> Content:
    """Convert a text in AsciiDoc; nothing that it includes is read."""
    return markdown("\n".join(_asciidoc(text.split("\n"))))


def _asciidoc(lines: list[str]) -> Iterator[str]:
    fence, table = "", False
    cells: list[str] = []  # of the row that is open
    columns = 0  # of the table, by its first row
    for line in lines:
        mark = line.rstrip() if len(line) < _MOST else ""
        if fence:
            fence = "" if mark == fence else fence
            yield line if fence else _FENCE
        elif len(mark) > 3 and mark in ("-" * len(mark), "." * len(mark), "+" * len(mark)):
            fence = mark
            yield _FENCE
        elif mark == "|===":
            table, columns, cells = not table, 0, []
            yield ""
        elif table and mark.startswith("|"):
            cells += [cell.strip() for cell in _inline(line, _ASCIIDOC_INLINE).split("|")[1:]]
            is_first, columns = not columns, columns or len(cells)
            while len(cells) >= columns:
                yield f"| {' | '.join(cells[:columns])} |"
                cells = cells[columns:]
                yield from ["|" + " --- |" * columns] * is_first
        elif len(mark) > 3 and mark[0] in "=*_" and mark == mark[0] * len(mark):
            yield ""
        elif not _ASCIIDOC_DROPPED.match(mark) and (line.strip() or not table):
            yield _inline(_begin(line, _ASCIIDOC_LINES), _ASCIIDOC_INLINE)


# --- Org -----------------------------------------------------------------------------------------

_ORG_LINES = ((re.compile(r"(\*{1,6}) (?:TODO |DONE )?(?=\S)"), lambda m: "#" * len(m[1]) + " "),)
_ORG_INLINE = (
    (re.compile(r"\[\[(?:file:)?([^\[\]\n]{1,300})\]\[([^\[\]\n]{1,300})\]\]"), r"[\2](<\1>)"),
    (re.compile(r"\[\[(?:file:)?([^\[\]\n]{1,300})\]\]"), r"[\1](<\1>)"),
    (re.compile(r"(?<!\S)[=~]([^=~\s][^=~\n]{0,200})[=~](?!\w)"), r"`\1`"),
    (re.compile(r"(?<!\S)/([^/\s][^/\n]{0,200})/(?!\w)"), r"\1"),
    (re.compile(r"(?m)\s{1,20}(?::[\w@]{1,40}){1,9}:\s{0,9}\Z"), ""),  # tags of a heading
)
_ORG_TITLE = re.compile(r"#\+title:(.{1,300})", re.I)
_ORG_CODE = re.compile(r"\s{0,20}#\+(begin|end)_(?:src|example|export)", re.I)
_ORG_DROPPED = re.compile(r"\s{0,20}(?:#\+.*|# .*|:[\w-]{1,40}:.*|\|[-+|]{1,2000})\s*\Z")


def org(text: str) -> Content:
    """Convert a text in Org mode."""
    title = _ORG_TITLE.search(text)
    return markdown("\n".join(_org(text.split("\n"))), title[1].strip() if title else "")


def _org(lines: list[str]) -> Iterator[str]:
    is_code, rows = False, 0
    for line in lines:
        if code := _ORG_CODE.match(line):
            is_code = code[1].lower() == "begin"
            yield _FENCE
        elif is_code:
            yield line
        elif not _ORG_DROPPED.match(line):
            is_row = line.lstrip().startswith("|")
            rows = rows + 1 if is_row else 0
            yield _inline(_begin(line, _ORG_LINES), _ORG_INLINE)
            if rows == 1:
                yield "|" + " --- |" * (line.strip().strip("|").count("|") + 1)


_Rules = tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]


def _begin(line: str, rules: _Rules) -> str:
    """Replace the mark at the beginning of a line."""
    for pattern, replacement in rules:
        if match := pattern.match(line):
            return replacement(match) + line[match.end() :]
    return line


def _inline(line: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    if len(line) <= _MOST:
        for pattern, replacement in rules:
            line = pattern.sub(replacement, line)
    return line


# --- the others ----------------------------------------------------------------------------------

_CUE = re.compile(r"[\d:.,]{4,20}\s{1,9}-->\s{1,9}[\d:.,]{4,20}")
_TAG = re.compile(r"<[^<>\n]{0,100}>|\{\\[^{}\n]{0,40}\}")


def subtitles(text: str) -> Content:
    """Convert SRT or WebVTT: the spoken lines; a line that is repeated counts once."""
    blocks = (block.split("\n") for block in text.split("\n\n"))
    composer, last = Composer(), ""
    for lines in blocks:
        times = [i for i, line in enumerate(lines) if _CUE.match(line)]
        for line in lines[times[0] + 1 :] if times else ():
            spoken = " ".join(_TAG.sub("", line).split())
            if spoken and spoken != last:
                composer.block(spoken, "\n")
                last = spoken
    if not composer.length:
        raise Unread("broken", "no subtitles: no line with two times")
    return composer.content()


def xml(text: str) -> Content:
    """Convert XML: a line per text or, as in dumps of tables, per element with attributes."""
    with needs("lxml", "fast"):
        from lxml import etree
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, recover=True, remove_comments=True
    )
    root = etree.fromstring(text.encode(), parser)
    if root is None:
        raise Unread("broken", "not XML that can be read; correct it")
    composer = Composer()
    for element in root.iter("{*}*"):
        for words in (element.text, element.tail):
            composer.block(" ".join(without_tags(words or "").split()), "\n")
    for element in () if composer.length else root.iter("{*}*"):
        values = (f"{name}: {without_tags(value)}" for name, value in element.attrib.items())
        composer.block(" ".join("; ".join(values).split()), "\n")
    return composer.content()


# A comment that fills its line; `#include` and `#main {` are none.
_COMMENT = re.compile(r"\s*+(?:#+!?|//+!?|--|;+|%+)(?:\s++|\Z)")
_OPENING = re.compile(r"\"\"\"|\'\'\'|^\s*+(?:/\*+!?|<!--)")
_CLOSING = {"/": "*/", "<": "-->"}
_WORDS = re.compile(r"(?<![^\W\d_])[^\W\d_]{2,}+[ ,:;.]{1,3}[^\W\d_]{2,}+")  # of a sentence


def code(text: str) -> Content:
    """Keep source code: its lines are marked as code, and comments and docstrings are sentences."""
    return Content("\n".join(_code_lines(text.split("\n"))))


def _code_lines(lines: list[str]) -> Iterator[str]:
    closing, is_doc, was_prose = "", False, False  # of what spans lines: its end, and its kind
    for line in filter(str.strip, lines):
        comment = _COMMENT.match(line) if not closing else None
        words = line[comment.end() :] if comment else line
        if not closing and not comment and (opening := _OPENING.search(line)):
            mark = opening[0].strip()
            closing = _CLOSING.get(mark[0], mark)
            is_doc = not line[: opening.start()].strip(" \trRfFbBuU")
            words = line[opening.end() :]
        is_prose = bool(comment or (closing and is_doc))
        if closing and (end := words.find(closing)) >= 0:
            words, closing = words[:end], ""
        words = words.strip().removeprefix("* ")
        is_prose = is_prose and _WORDS.search(words) is not None
        if is_prose != was_prose:
            was_prose = is_prose
            yield ""
        yield words if is_prose else CODE + line
