"""AsciiDoc, Org, manual pages, LaTeX and MediaWiki, by rules, to Markdown.

No maintained Python library with a permissive license reads the first three, and none of those for
the others keeps headings. `markups.cfg` contains the rules; what a text includes is not read.
"""

from __future__ import annotations

import re
from functools import partial

from graphagg.rag.documents.reading.content import Content
from graphagg.rag.documents.reading.converters.markup import markdown
from graphagg.rag.documents.reading.rules import NOWHERE, applied, pattern_of, rules_of

_FENCE = "~~~~~~"


def convert(name: str, text: str) -> Content:
    """Convert a text in a markup of `markups.cfg`."""
    title, body = (pattern_of("markups", name, key).search(text) for key in ("title", "body"))
    text, pieces, start = body[1] if body else text, [], 0
    for block in (*pattern_of("markups", name, "code").finditer(text), None):
        pieces.append(_prose(name, text[start : block.start() if block else len(text)]))
        if block:
            start, code = block.end(), _without_macros(name, block["code"]).strip("\n")
            pieces.append(f"\n\n{_FENCE}\n{code}\n{_FENCE}\n\n")
    return markdown("".join(pieces), _without_macros(name, title[1]).strip() if title else "")


def _prose(name: str, text: str) -> str:
    text = pattern_of("markups", name, "table").sub(partial(_table, name), text)
    text = applied(rules_of("markups", name), _without_macros(name, text))
    return pattern_of("markups", name, "plain").sub(r"\\\g<0>", text)


def _without_macros(name: str, text: str) -> str:
    """The text of lines that are macros, and without the escapes of a markup with macros."""
    macros, escapes = (rules_of("markups", name, key) for key in ("macros", "escapes"))
    text = pattern_of("markups", name, "macro").sub(lambda line: applied(macros, line[0]), text)
    return applied(escapes, text)


def _table(name: str, table: re.Match[str]) -> str:
    """A table in Markdown, which no rule changes; its first row names the columns."""
    row, cell = pattern_of("markups", name, "row"), pattern_of("markups", name, "cell")
    rows = (each.strip().removesuffix("|") for each in row.split(table["rows"]))
    cells = [cell.split(each)[each[0] in "|!" :] for each in rows if each]
    if row.pattern == NOWHERE and cells:
        width = max(1, table["rows"].strip().partition("\n")[0].count("|"))
        cells = [cells[0][i : i + width] for i in range(0, len(cells[0]), width)]
    lines = [" | " + " | ".join(" ".join(each.split()) for each in row) + " |" for row in cells]
    lines[1:1] = [" |" + " :-: |" * len(cells[0])] if cells else []
    return "\n\n" + "\n".join(lines) + "\n\n"
