"""HTML to text: blocks become paragraphs, headings begin sections, navigation is left out.

libxml2's parser (lxml) reports tags one by one and builds no tree, so that memory does not grow
with the depth of a page. Python's own `html.parser` takes 8 seconds for 80 kB of `<!--`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Composer, Content

_STEP = 2**16  # characters that the parser takes at once
_HIDDEN = frozenset(
    "script style noscript template nav footer form button select iframe object svg math".split()
)
_ROLES = frozenset(("navigation", "search", "contentinfo"))
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption "
    "figure header hr html li main ol p pre section summary table tbody tfoot thead tr ul".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_TIGHT = frozenset(("li", "tr", "dd", "dt"))  # follow the block before without a blank line
_SPACE = re.compile(r"[^\S\xa0]+")


def html(text: str) -> Content:
    """Convert a page. Its title is an h1 that begins the title in its head, else the latter."""
    composer = Composer()
    page = HtmlText(composer)
    read_html(text, page)
    title = " ".join(page.title.split())
    tops = (heading.text for heading in composer.headings if heading.level == 1)
    # Sites add their name to the title, and some write it as an h1 on every page.
    folded = title.casefold()
    return composer.content(next((h for h in tops if folded.startswith(h.casefold())), title))


def read_html(text: str, target: HtmlText) -> None:
    """Feed the tags and texts of a page to a target; `MissingExtra` if lxml is not installed."""
    try:
        from lxml import etree
    except ModuleNotFoundError:
        raise MissingExtra("lxml", "documents") from None
    parser = etree.HTMLParser(
        target=target, encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True
    )
    for start in range(0, len(text), _STEP):
        parser.feed(text[start : start + _STEP].encode("utf-8", "replace"))
    if text:
        parser.close()


class HtmlText:
    """A target of the parser, called tag by tag; writes to a composer.

    Attributes:
        title: the text of the element `title`.
    """

    def __init__(self, composer: Composer) -> None:
        self.title = ""
        self._composer = composer
        self._texts: list[str] = []  # of the block so far
        self._heading = 0  # level of the heading that is open
        self._pre = 0  # elements pre that are open
        self._hidden: tuple[str, int] = ("", 0)  # name of the hiding element, and its open count
        self._in_title = False
        self._gap = "\n\n"

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """A tag begins an element."""
        name, depth = self._hidden
        if depth:
            self._hidden = (name, depth + (tag == name))
        elif tag in _HIDDEN or _is_hidden(tag, attributes):
            self._hidden = (tag, 1)
        elif tag in _HEADINGS:
            self._flush("\n\n")
            self._heading = _HEADINGS[tag]
        elif tag == "br":
            self._texts.append("\n")
        elif tag in ("td", "th"):
            self._texts.append(" | " if "".join(self._texts).strip() else "")
        elif tag in _BLOCKS:
            self._flush("\n" if tag in _TIGHT else "\n\n")
            self._texts += ["- "] if tag == "li" else []
            self._pre += tag == "pre"
        elif tag == "title" and not self.title:
            self._in_title = True

    def end(self, tag: str) -> None:
        """An element ends; the parser also reports the end of elements that are never closed."""
        name, depth = self._hidden
        if depth:
            self._hidden = (name, depth - (tag == name))
        elif tag in _HEADINGS or tag in _BLOCKS:
            self._flush("\n" if tag in _TIGHT else "\n\n")
            self._pre -= tag == "pre"
        elif tag == "title":
            self._in_title = False

    def data(self, text: str) -> None:
        """Text between tags, in pieces."""
        if self._in_title:
            self.title += text
        elif not self._hidden[1]:
            self._texts.append(text if self._pre else _SPACE.sub(" ", text))

    def close(self) -> None:
        """The page ends."""
        self._flush("\n\n")

    def _flush(self, gap: str) -> None:
        """End the block; `gap` stands before the next one."""
        text = "".join(self._texts)
        self._texts = []
        if not self._pre:
            text = "\n".join(line.strip() for line in re.sub(r" +", " ", text).split("\n"))
        if text.strip() not in ("", "-", "|"):
            if self._heading:
                self._composer.heading(self._heading, text)
            else:
                self._composer.block(text, self._gap)
            self._gap = gap
        elif gap == "\n\n":
            self._gap = gap
        self._heading = 0


def _is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    if tag == "a":  # the sign beside a heading that Sphinx and others write
        return "headerlink" in attributes.get("class", "")
    return attributes.get("role") in _ROLES
