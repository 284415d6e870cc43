"""Markdown, notebooks, reStructuredText and plain text: keep the text and find its headings.

Markdown is parsed by markdown-it. The headings of reStructuredText are found by their adornment:
docutils would need every directive and role of the project that a file was written for. A Jupyter
notebook is read as Markdown, with its code between fences and without outputs.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from graphagg.rag.documents.reading.content import Content, Heading, Unread, sectioned

_FRONT = re.compile(
    r"\A(?:\s*\n)?(---|\+\+\+)[^\S\n]*\n(.*?)(?:\n\1|\n\.\.\.)[^\S\n]*(?:\n|\Z)", re.S
)
_LONGEST_FRONT = 2**16
_KEY = re.compile(r"^[\w-]+\s*[:=]", re.M)
_HTML_HEADING = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.S | re.I)
_WORDS = ("text", "code_inline", "text_special")
_TAG = re.compile(r"<[^>]*>")
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[^\S\n]*\Z")


def markdown(text: str, title: str = "", metadata: Mapping[str, Any] | None = None) -> Content:
    """Convert a Markdown text, with or without front matter, and what else its file states."""
    stated, text, refused = front_matter(text)
    metadata = dict(metadata or {}) | stated
    title = " ".join(str(metadata.pop("title", None) or title).split())
    headings = list(_markdown_headings(text))
    return sectioned(text, headings, title=title, metadata=metadata, refused=refused)


def front_matter(text: str) -> tuple[dict[str, Any], str, tuple[Unread, ...]]:
    """Split off the YAML (between `---`) or TOML (`+++`) at the head of a text.

    Returns:
        Its values, the text without it, and an error if it cannot be read and stays in the text.
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
    """Read a YAML text with the values of JSON; raise `ValueError` for any other.

    YAML 1.1, which PyYAML reads, takes `no` and `on` for booleans and 12:30 for a number. Aliases
    are refused: a few lines of them expand to gigabytes.
    """
    import yaml

    class Loader(yaml.BaseLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise yaml.YAMLError("an alias")
            return super().compose_node(parent, index)

        def construct_scalar(self, node: Any) -> Any:
            is_plain = node.style is None and isinstance(node, yaml.ScalarNode)
            return _plain(node.value) if is_plain else super().construct_scalar(node)

    try:
        value: object = yaml.load(text, Loader)  # a BaseLoader makes no objects
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not YAML that can be read ({error})") from None
    return value


def _plain(text: str) -> object:
    """The value of a scalar without quotation marks: as in JSON, else the text."""
    try:
        return None if text in ("", "~") else json.loads(text.lower(), parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(name: str) -> None:
    raise ValueError(name)


def _markdown_headings(text: str) -> Iterator[Heading]:
    from markdown_it import MarkdownIt

    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    tokens = MarkdownIt("commonmark").disable("inline").parse(text)  # without inline: 10x as fast
    for index, token in enumerate(tokens):
        if token.map is None:
            continue
        start, end = starts[token.map[0]], starts[token.map[1]]
        if token.type == "heading_open" and token.level == 0:  # not in a list or a quotation
            words = _words(tokens[index + 1].content)
            if words:
                yield Heading(start, _line_end(text, start, end), int(token.tag[1]), words)
        elif token.type == "html_block" and (match := _HTML_HEADING.search(token.content)):
            words = " ".join(_TAG.sub(" ", match[2]).split())
            if words:  # only the first: offsets inside a block are not offsets of the text
                yield Heading(start, _line_end(text, start, end), int(match[1]), words)


def _words(content: str) -> str:
    """The words of a heading, without emphasis, links, pictures and code marks."""
    from markdown_it import MarkdownIt

    (token,) = MarkdownIt("commonmark").parseInline(content)
    texts = (c.content if c.type in _WORDS else " " for c in token.children or ())
    return " ".join("".join(texts).split())


def _line_end(text: str, start: int, end: int) -> int:
    return start + len(text[start:end].rstrip())


def restructured(text: str) -> Content:
    """Convert a text in reStructuredText."""
    return sectioned(text, list(_adorned(text)))


def plain(text: str) -> Content:
    """Convert plain text; underlined lines are headings, the title too if it comes first."""
    return sectioned(text, list(_adorned(text)), title_first=True)


def _adorned(text: str) -> Iterator[Heading]:
    """Find lines that are underlined, and perhaps overlined, by a row of one character.

    Each style of lines is a level, in the order in which they occur.
    """
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    levels: dict[tuple[str, bool], int] = {}
    for i in range(1, len(lines)):
        underline, title = lines[i].rstrip(), lines[i - 1].rstrip()
        mark = _ADORNMENT.match(underline)
        if mark is None or not title.strip() or _ADORNMENT.match(title):
            continue
        over = i > 1 and lines[i - 2].rstrip() == underline
        first = i - 2 if over else i - 1
        is_alone = first == 0 or not lines[first - 1].strip()
        is_indented = title[0].isspace() and not over
        if is_alone and not is_indented and len(underline) >= len(title):
            level = levels.setdefault((mark[1], over), len(levels) + 1)
            yield Heading(starts[first], starts[i] + len(underline), level, title.strip())


def notebook(text: str) -> Content:
    """Convert a notebook of format 3 or 4.

    Raises:
        Unread: the text is not a notebook.
    """
    try:
        content = json.loads(text)
        sheets = content.get("worksheets") or [content]
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        language = content.get("metadata", {}).get("kernelspec", {}).get("language", "")
        return markdown("\n\n".join(_notebook_blocks(cells, str(language))))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise Unread("broken", f"not a notebook ({error!r})") from None


def _notebook_blocks(cells: list[dict[str, Any]], language: str) -> Iterator[str]:
    for cell in cells:
        source = cell.get("source", cell.get("input", ""))
        text = (source if isinstance(source, str) else "".join(source)).strip("\n")
        if not text.strip():
            continue
        if cell["cell_type"] == "heading":  # of format 3
            yield f"{'#' * int(cell.get('level', 1))} {text}"
        else:
            yield f"```{language}\n{text}\n```" if cell["cell_type"] == "code" else text
