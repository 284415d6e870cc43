"""Markdown, notebooks and plain text; AsciiDoc, Org, manual pages, LaTeX and MediaWiki.

pulldown-cmark (pyromark, in linear time) converts Markdown to HTML. Before that, the extensions of
Jekyll, MkDocs, Docusaurus, GitBook and MyST are rewritten line by line. A Jupyter notebook is read
as Markdown, with its code between fences and without outputs. The rules of `markups.cfg` turn the
other markups into Markdown; files that a text includes are not read.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import accumulate
from typing import Any

from graphagg.errors import needs
from graphagg.rag.documents.reading.content import Composer, Content, Heading, Unread
from graphagg.rag.documents.reading.converters.structure import read_html
from graphagg.rag.documents.reading.rules import NOWHERE, applied, pattern_of, rules_of
from graphagg.rag.documents.reading.wiki_exports import read_properties

_FRONT = re.compile(
    r"\A(?:\s*+\n)?(---|\+\+\+)[^\S\n]*+\n(.*?)(?:\n\1|\n\.\.\.)[^\S\n]*+(?:\n|\Z)", re.S
)
_LONGEST_FRONT, _LONGEST_TOML = 2**16, 2**13  # Python reads long keys in quadratic time
_KEY = re.compile(r"^[\w-]+\s*[:=]", re.M)
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}+[^\S\n]*\Z")
_FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)\s*+(.{0,200})")
# An admonition or a tab, whose lines are indented: `!!! note "Title"`, `=== "Linux"`.
_INDENTED = re.compile(r"( {0,12})(?:!!!|\?\?\?\+?|===\+?)\s+(?!=)(.{1,200})\Z")
_MYST = re.compile(r"\{([\w:-]{1,40})\}\s*(.{0,200})\Z")
_OF_CODE = re.compile("code|math|mermaid|literalinclude|figure|image|toctree|raw|eval-rst|include")
_QUOTED = re.compile(r"\"([^\"\n]{1,200})\"")
_MAY_HOLD = re.compile(
    r"\{[%:.#/ ]|\[!|==|%%|\s\^|:[a-z]|^\s*(?:::|<|\[|-{1,2}8)", re.I
)  # a quick test: the rules may apply to a line
_SCRIPT = re.compile(r"(?:import|export)\s")  # a line of MDX, before all text


def markdown(
    text: str, title: str = "", metadata: Mapping[str, Any] | None = None, *, is_sheet: bool = False
) -> Content:
    """Convert a Markdown text with or without front matter; `metadata` are more file properties."""
    with needs("pyromark", "fast"):
        import pyromark
    stated, text, refused = front_matter(text)
    text, properties = read_properties(text)
    metadata = dict(metadata or {}) | properties | stated
    title = str(metadata.pop("title", None) or title)
    kinds = pyromark.Options
    options = (
        kinds.ENABLE_TABLES | kinds.ENABLE_FOOTNOTES | kinds.ENABLE_STRIKETHROUGH
        | kinds.ENABLE_TASKLISTS | kinds.ENABLE_HEADING_ATTRIBUTES | kinds.ENABLE_DEFINITION_LIST
        | kinds.ENABLE_WIKILINKS | kinds.ENABLE_GFM
    )  # fmt: skip
    composer = Composer()
    page = pyromark.html("\n".join(_plain_blocks(text.split("\n"))), options=options)
    read_html(page, composer, is_sheet=is_sheet)
    return composer.content(title, metadata, refused)


def _plain_blocks(lines: list[str]) -> Iterator[str]:
    """Rewrite the blocks of site generators as plain Markdown; code stays unchanged."""
    fences, has_text = _Fences(), False
    indents: list[int] = []  # indents of the open admonitions
    for line in lines:
        if line.startswith("\t"):
            words = line.lstrip("\t")
            line = " " * 4 * (len(line) - len(words)) + words
        indent = len(line) - len(line.lstrip(" "))
        while indents and line.strip() and indent < indents[-1] + 4:
            indents.pop()
        line = line[min(indent, 4 * len(indents)) :]
        fenced = fences.read(line)
        if fenced is not None:
            yield fenced
        elif has_text or not _SCRIPT.match(line):
            has_text = has_text or (bool(line.strip()) and not line.startswith("#"))
            if block := _INDENTED.match(line):
                indents.append(len(block[1]) + 4 * len(indents))
                title = _QUOTED.search(block[2])
                line = f"\n{block[1]}{title[1] if title else ''}\n"
            elif _MAY_HOLD.search(line):
                line = applied(rules_of("markups", "markdown"), line)
            yield line


class _Fences:
    """Tracks fences of code, and of MyST directives, whose content is Markdown."""

    def __init__(self) -> None:
        self._code = ""  # the fence of the open code block
        self._directives: list[str] = []  # the fences of open directives

    def read(self, line: str) -> str | None:
        """Return the line as Markdown if it is a fence or code; None for any other line."""
        mark = _FENCE.match(line)
        marks, name = (mark[1], mark[2].strip()) if mark else ("", "")
        if self._code:
            self._code = "" if marks.startswith(self._code) and not name else self._code
            return line
        if mark is None:
            return None
        directive = _MYST.match(name)
        if self._directives and marks == self._directives[-1] and not name:
            self._directives.pop()
            return ""
        if directive and not _OF_CODE.match(directive[1]):
            self._directives.append(marks)
            return f"{directive[2]}\n"
        self._code = marks
        return line


def front_matter(text: str) -> tuple[dict[str, Any], str, tuple[Unread, ...]]:
    """Split off YAML (`---`) or TOML (`+++`) front matter; return values, rest and errors."""
    match = _FRONT.match(text, 0, _LONGEST_FRONT)
    if match is None:
        return {}, text, ()
    try:
        values = _yaml(match[2]) if match[1] == "---" else _toml(match[2])
    except ValueError as error:
        rule = match[1] == "---" and not _KEY.search(match[2])  # a horizontal rule
        reason = " ".join(str(error).split())
        if rule:
            return {}, text, ()
        return {}, text[match.end() :], (Unread("bad front matter", f"front matter: {reason}"),)
    if not isinstance(values, Mapping):
        return {}, text, ()
    return {str(key): value for key, value in values.items()}, text[match.end() :], ()


def _toml(text: str) -> object:
    if len(text) > _LONGEST_TOML:
        raise ValueError(f"the TOML has {len(text):,} characters, more than {_LONGEST_TOML:,}")
    return tomllib.loads(text)


def _yaml(text: str) -> object:
    """Parse YAML with the scalar values of JSON; raise `ValueError` if it is invalid.

    PyYAML reads YAML 1.1, in which `no` and `on` are booleans and 12:30 is a number. Aliases are
    rejected: a few lines of them expand to gigabytes.
    """
    with needs("PyYAML", "fast"):
        import yaml

    class Loader(yaml.BaseLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise yaml.YAMLError("aliases of YAML are not supported")
            return super().compose_node(parent, index)

        def construct_scalar(self, node: Any) -> Any:
            is_plain = node.style is None and isinstance(node, yaml.ScalarNode)
            return _value(node.value) if is_plain else super().construct_scalar(node)

    try:
        value: object = yaml.load(text, Loader)  # a BaseLoader creates no Python objects
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"the YAML cannot be parsed ({error})") from None
    return value


def _value(text: str) -> object:
    """Return the value of an unquoted scalar: as in JSON, else the text."""
    try:
        return None if text in ("", "~") else json.loads(text.lower(), parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(name: str) -> None:
    raise ValueError(name)


def plain(text: str) -> Content:
    """Convert plain text; underlined lines are headings, and the title if one comes first."""
    composer = Composer(text)
    composer.headings = list(_adorned(text))
    return composer.content(title_first=True)


def _adorned(text: str) -> Iterator[Heading]:
    """Yield underlined lines as headings; a new style of underline is one level deeper."""
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
    """Convert a notebook of format 3 or 4; raise `Unread` for any other text."""
    try:
        content = json.loads(text)
        sheets = content.get("worksheets") or [content]
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        return markdown("\n\n".join(_notebook_blocks(cells)))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise Unread("broken", f"not a notebook ({error!r})") from None


def _notebook_blocks(cells: list[dict[str, Any]]) -> Iterator[str]:
    for cell in cells:
        source = cell.get("source", cell.get("input", ""))
        text = (source if isinstance(source, str) else "".join(source)).strip("\n")
        if not text.strip():
            continue
        if cell["cell_type"] == "heading":  # only in format 3
            yield f"{'#' * int(cell.get('level', 1))} {text}"
        else:
            yield f"~~~~~~\n{text}\n~~~~~~" if cell["cell_type"] == "code" else text


_TILDES = "~~~~~~"


def convert(name: str, text: str) -> Content:
    """Convert a text in a markup of `markups.cfg`."""
    title, body = (pattern_of("markups", name, key).search(text) for key in ("title", "body"))
    text, pieces, start = body[1] if body else text, [], 0
    for block in (*pattern_of("markups", name, "code").finditer(text), None):
        pieces.append(_prose(name, text[start : block.start() if block else len(text)]))
        if block:
            start, code = block.end(), _without_macros(name, block["code"]).strip("\n")
            pieces.append(f"\n\n{_TILDES}\n{code}\n{_TILDES}\n\n")
    return markdown("".join(pieces), _without_macros(name, title[1]).strip() if title else "")


def _prose(name: str, text: str) -> str:
    text = pattern_of("markups", name, "table").sub(partial(_table, name), text)
    text = applied(rules_of("markups", name), _without_macros(name, text))
    return pattern_of("markups", name, "plain").sub(r"\\\g<0>", text)


def _without_macros(name: str, text: str) -> str:
    """Replace macro lines by their text, and remove the escapes of a markup with macros."""
    macros, escapes = (rules_of("markups", name, key) for key in ("macros", "escapes"))
    text = pattern_of("markups", name, "macro").sub(lambda line: applied(macros, line[0]), text)
    return applied(escapes, text)


def _table(name: str, table: re.Match[str]) -> str:
    """Convert a table to Markdown that no rule changes; its first row has the column names."""
    row, cell = pattern_of("markups", name, "row"), pattern_of("markups", name, "cell")
    rows = (each.strip().removesuffix("|") for each in row.split(table["rows"]))
    cells = [cell.split(each)[each[0] in "|!" :] for each in rows if each]
    if row.pattern == NOWHERE and cells:
        width = max(1, table["rows"].strip().partition("\n")[0].count("|"))
        cells = [cells[0][i : i + width] for i in range(0, len(cells[0]), width)]
    lines = [" | " + " | ".join(" ".join(each.split()) for each in row) + " |" for row in cells]
    lines[1:1] = [" |" + " :-: |" * len(cells[0])] if cells else []
    return "\n\n" + "\n".join(lines) + "\n\n"
