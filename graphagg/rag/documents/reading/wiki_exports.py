"""Pages exported by Confluence and Notion: properties become metadata, boilerplate is removed.

`markups.cfg` has the XPath of each.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import Any

from graphagg.rag.documents.reading.rules import section

_EXPORTS = ("confluence", "notion")
_LONGEST = 200  # characters of a property
_MOST = 40  # properties
_DAYS = ("%b %d, %Y", "%B %d, %Y", "%B %d, %Y %I:%M %p", "%b %d, %Y %H:%M")
_ON = re.compile(r"[A-Z][a-z]{2,8} \d{1,2}, \d{4}")
_PROPERTY = re.compile(r"([^\W\d_][\w /-]{0,40}): (\S.{0,199})")


def read_export(text: str) -> tuple[str, str, dict[str, Any]]:
    """Return the page without boilerplate, its title and metadata; other pages are unchanged."""
    for name in _EXPORTS:
        form = section("markups", name)
        if form["begins"] in text[:20_000]:
            return _read(text, form)
    return text, "", {}


def _read(text: str, form: Any) -> tuple[str, str, dict[str, Any]]:
    from lxml import etree, html

    page = html.document_fromstring(text.encode(), html.HTMLParser(encoding="utf-8"))

    def words(path: str) -> list[str]:
        texts = (" ".join("".join(each.itertext()).split()) for each in page.xpath(path))
        return [each.removeprefix("@") for each in texts if each]

    title, places = "".join(words(form["title"])[:1]), words(form["breadcrumb"])
    title = title.removeprefix(f"{places[0]} : ") if places else title
    metadata: dict[str, Any] = {"breadcrumb": places} if places else {}
    metadata |= {key: found[0] for key in ("author", "editor") if (found := words(form[key]))}
    if moment := _ON.search(" ".join(words(form["date"]))):
        metadata["date"] = as_day(moment[0])
    for row in page.xpath(form["properties"])[:_MOST]:
        name, *values = (" ".join("".join(cell.itertext()).split()) for cell in row)
        value = ", ".join(filter(None, values)).removeprefix("@")
        if name and value and len(name) <= _LONGEST and len(value) <= _LONGEST:
            metadata.setdefault(name, as_day(value))
        mark = row[0].makeelement("span")
        mark.text = ":"  # the reader of tables writes "Owner: Ann"
        row[0].append(mark)
    for element in page.xpath(form["dropped"]):
        element.drop_tree()
    return etree.tostring(page, encoding="unicode", method="html"), title, metadata


def read_properties(text: str) -> tuple[str, dict[str, Any]]:
    """Read lines such as `Owner: Ann` under the title of a Markdown page (Notion) as metadata.

    They stay in the text, each on a separate line.
    """
    head, _, rest = text.lstrip().partition("\n\n")
    block, _, body = rest.lstrip("\n").partition("\n\n")
    lines = block.rstrip().split("\n")
    pairs = [_PROPERTY.fullmatch(line.strip()) for line in lines]
    if not head.startswith("# ") or "\n" in head or not 1 < len(lines) <= _MOST or not all(pairs):
        return text, {}
    values = {pair[1]: as_day(pair[2]) for pair in pairs if pair}
    return "\n\n".join((head, "  \n".join(lines), body)), values


def as_day(text: str) -> str:
    """Convert a day or a time in English to ISO 8601; return any other text unchanged."""
    for form in _DAYS:
        with suppress(ValueError):
            moment = datetime.strptime(text, form)
            return moment.isoformat() if "%M" in form else moment.date().isoformat()
    return text
