"""Markdown, reStructuredText and plain text: they stay as they are, and their headings are found.

Markdown is parsed by markdown-it. The headings of reStructuredText are found by their adornment:
docutils would need every directive and role of the project that a file was written for.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from graphagg.rag.documents.reading.content import Content, Heading, Unread, sectioned

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FRONT = re.compile(
    r"\A(?:\s*\n)?(---|\+\+\+)[^\S\n]*\n(.*?)(?:\n\1|\n\.\.\.)[^\S\n]*(?:\n|\Z)", re.S
)
_LONGEST_FRONT = 2**16
_KEY = re.compile(r"^[\w-]+\s*[:=]", re.M)
_HTML_HEADING = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.S | re.I)
_WORDS = ("text", "code_inline", "text_special")
_TAG = re.compile(r"<[^>]*>")
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[^\S\n]*\Z")


def markdown(text: str) -> Content:
    """A Markdown text, with or without front matter."""
    metadata, text, refused = front_matter(text)
    title = metadata.pop("title", None)
    title = "" if title is None else " ".join(str(title).split())
    headings = list(_markdown_headings(text))
    return sectioned(text, headings, title=title, metadata=metadata, refused=refused)


def front_matter(text: str) -> tuple[dict[str, Any], str, tuple[Unread, ...]]:
    """The YAML (between `---`) or TOML (`+++`) at the head of a text.

    Returns:
        Its values, the text without it, and what cannot be read; such a block stays in the text.
    """
    match = _FRONT.match(text, 0, _LONGEST_FRONT)
    if match is None:
        return {}, text, ()
    try:
        values = _yaml(match[2]) if match[1] == "---" else tomllib.loads(match[2])
    except ValueError as error:
        rule = match[1] == "---" and not _KEY.search(match[2])  # a line across the page
        reason = " ".join(str(error).split())
        return {}, text, () if rule else (Unread("bad front matter", f"front matter: {reason}"),)
    if not isinstance(values, Mapping):
        return {}, text, ()
    return {str(key): value for key, value in values.items()}, text[match.end() :], ()


def _yaml(text: str) -> object:
    """The value of a YAML text; `ValueError` if it is none."""
    import yaml

    from graphagg.rag.documents.reading.converters.yaml import Loader

    try:
        loader = Loader(text)  # a SafeLoader: plain values alone
        try:
            value: object = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not YAML that can be read ({error})") from None
    return value


def _markdown_headings(text: str) -> Iterator[Heading]:
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    tokens = _block_parser().parse(text)
    for place, token in enumerate(tokens):
        if token.map is None:
            continue
        start, end = starts[token.map[0]], starts[token.map[1]]
        if token.type == "heading_open" and token.level == 0:  # not in a list or a quotation
            words = _words(tokens[place + 1].content)
            if words:
                yield Heading(start, _line_end(text, start, end), int(token.tag[1]), words)
        elif token.type == "html_block" and (match := _HTML_HEADING.search(token.content)):
            words = " ".join(_TAG.sub(" ", match[2]).split())
            if words:  # one heading a block: offsets inside it are not those of the text
                yield Heading(start, _line_end(text, start, end), int(match[1]), words)


def _block_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").disable("inline")  # blocks alone: ten times as fast


def _words(content: str) -> str:
    """The words of a heading, without emphasis, links, pictures and code marks."""
    from markdown_it import MarkdownIt

    (token,) = MarkdownIt("commonmark").parseInline(content)
    texts = (c.content if c.type in _WORDS else " " for c in token.children or ())
    return " ".join("".join(texts).split())


def _line_end(text: str, start: int, end: int) -> int:
    return start + len(text[start:end].rstrip())


def restructured(text: str) -> Content:
    """A text in reStructuredText."""
    return sectioned(text, list(_adorned(text)))


def plain(text: str) -> Content:
    """A text without markup; underlined lines are headings, and the title if one comes first."""
    return sectioned(text, list(_adorned(text)), title_first=True)


def _adorned(text: str) -> Iterator[Heading]:
    """Lines that are underlined, and perhaps overlined, by one character again and again.

    Each kind of line is a level, in the order in which they come.
    """
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    levels: dict[tuple[str, bool], int] = {}
    for place in range(1, len(lines)):
        mark = _ADORNMENT.match(lines[place])
        if mark is None or not _is_heading(lines, place):
            continue
        over = place > 1 and lines[place - 2].rstrip() == lines[place].rstrip()
        first = place - 2 if over else place - 1
        level = levels.setdefault((mark[1], over), len(levels) + 1)
        end = starts[place] + len(lines[place].rstrip())
        yield Heading(starts[first], end, level, lines[place - 1].strip())


def _is_heading(lines: Sequence[str], place: int) -> bool:
    """Whether line `place` underlines the one before, and that one stands alone."""
    title = lines[place - 1].rstrip()
    if not title.strip() or _ADORNMENT.match(title) or len(lines[place].rstrip()) < len(title):
        return False
    over = place > 1 and lines[place - 2].rstrip() == lines[place].rstrip()
    before = place - 3 if over else place - 2
    alone = before < 0 or not lines[before].strip()
    return alone and (over or not title[:1].isspace())
