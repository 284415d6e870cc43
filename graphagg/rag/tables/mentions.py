"""The tokens of one passage, and the keys of its title, entities and links.

The metadata key `links` of a passage maps targets to the offsets of their labels, or lists targets:
the id of a document, `ID#ANCHOR`, or `#ANCHOR` in any document. `anchors` are names of places in
the text of the passage. A link and its target passages share a key that does not occur in texts.
Paths are compared without suffix and letter case; `index` and `README` mean their folder, and a
name without folder and suffix, as in wikis, means a file with this name in any folder.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphagg.rag.documents.codes import Code, code_key, codes
from graphagg.rag.documents.passages import TRAIL, Passage
from graphagg.rag.documents.tokens import (
    code_blocks,
    entity_key,
    inner_words,
    name_words,
    scan,
    tokenize,
    transcribed,
    without_article,
)
from graphagg.rag.documents.user_names import ListedNames

CAPITAL, FOUND, TITLE, FULL_TITLE, BASE_TITLE, INITIAL, LINK, TARGET = 1, 2, 4, 8, 16, 32, 64, 128
"""Flags of a mention: begins like a name; found by the extractor; in the title; is the full title;
is the title without its last parentheses; its case has no meaning, at the start of a sentence,
after `openers` or in code; a link to the key's target; the passage is the target of a link."""
_MOST_TOKENS = 100
_SUFFIX = re.compile(r"\.[A-Za-z]\w*$")
_OPENS = re.compile(r"[\n\t|:;]|\s\s")


@dataclass(frozen=True)
class RowTokens:
    """The tokens of one passage.

    Attributes:
        words: words of the title, then of the text.
        spans: `(start, end)` of each word in characters of the full text.
        titles: number of title tokens.
        inner: parts of words of title and text; used only for search by words.
        context: the distinct words of the title, without headings, and path of the passage's file;
            empty for a passage that is not from a file.
        headings: the words in the headings above such a passage and in its table header, each with
            the number of words of the shortest heading that contains it.
        codes: codes and listed names of title and text, in characters of the full text.
    """

    words: list[str]
    spans: list[tuple[int, int]]
    titles: int
    inner: Sequence[str] = ()
    context: Sequence[str] = ()
    headings: Mapping[str, int] = field(default_factory=dict)
    codes: tuple[Code, ...] = ()

    @classmethod
    def of(cls, passage: Passage, listed: ListedNames | None = None) -> RowTokens:
        """Tokenize a passage, and find the names of a user's list in it."""
        title, text = scan(passage.title), scan(passage.text)
        moved = passage.in_full_text(text.spans)
        of_title, of_text = [*codes(passage.title)], [*codes(passage.text)]
        inner = inner_words(passage.title, of_title) + inner_words(passage.text, of_text)
        if listed:
            of_parts = (passage.title, title, of_title), (passage.text, text, of_text)
            for part, tokens, codes_of_part in of_parts:
                names = list(listed.find(part, tokens))
                codes_of_part += names
                inner += listed.other_words(part, names)
        shift = len(passage.full_text) - len(passage.text)
        every = of_title + [
            Code(code.start + shift, code.end + shift, code.key, code.defines) for code in of_text
        ]
        words, spans = title.words + text.words, title.spans + moved
        context, (_, *trail) = document_words(passage), passage.title.split(TRAIL)
        above = sorted((set(tokenize(heading)) for heading in trail), key=len, reverse=True)
        headings = {word: len(words) for words in above for word in words} if context else {}
        return cls(words, spans, len(title), inner, context, headings, tuple(every))


def document_words(passage: Passage) -> Sequence[str]:
    """Return the distinct words in the path and title (without headings) of a passage's file.

    Empty for a passage that is not from a file, so its metadata has no `path`.
    """
    path, (title, _, _) = passage.metadata.get("path"), passage.title.partition(TRAIL)
    return name_words(f"{_SUFFIX.sub('', path)} {title}") if isinstance(path, str) else ()


def openers(text: str, starts: Sequence[int]) -> set[int]:
    """Find tokens after a line break, a colon or semicolon, a table cell, or a wide space.

    There a capital has no meaning, as at the beginning of a sentence. `starts` are the offsets
    of the tokens, ascending.
    """
    return {bisect_left(starts, match.end()) for match in _OPENS.finditer(text)} - {len(starts)}


def tokens_of_code(text: str, starts: Sequence[int]) -> Iterator[int]:
    """Yield the tokens in lines of code; `starts` are the offsets of the tokens, ascending."""
    for block in code_blocks(text):
        yield from range(*(bisect_left(starts, edge) for edge in block))


def title_keys(title: str) -> dict[str, int]:
    """Return the keys of a title: the whole title, and the part before parentheses.

    Section headings after the title are not keys: such a name would link to every section with
    this heading.
    """
    title, _, _ = title.partition(TRAIL)
    key = entity_key(title)
    keys = {key: FULL_TITLE} if key else {}
    head, _, tail = title.rpartition("(")
    if head.strip() and tail.rstrip().endswith(")"):
        base = entity_key(head)
        if base:
            keys.setdefault(base, BASE_TITLE)
    return keys


@dataclass(frozen=True)
class FoundKey:
    """A name in a passage: its key, its tokens, and flags of the mention.

    An entity from the extractor defines a name (`FOUND`). A code is a name even in lower case
    (`CAPITAL`), and defines one unless it may be a plain word.
    """

    key: str
    start: int
    length: int
    flags: int


def found_keys(tokens: RowTokens, text: str, spans: Iterable[Sequence[int]]) -> list[FoundKey]:
    """Return the distinct keys of spans `(start, end)` of a full text, and of its codes.

    Spans without a word, or across table cells, have no keys.
    """
    starts = [start for start, _ in tokens.spans]
    ends = [end for _, end in tokens.spans]
    keys = [key for span in spans for key in _found_keys(tokens, starts, ends, text, *span)]
    for code in tokens.codes:
        first, last = bisect_right(ends, code.start), bisect_left(starts, code.end)
        flags = CAPITAL | FOUND if code.defines else CAPITAL
        keys.append(FoundKey(code.key, first, last - first, flags))
    flags_of: dict[tuple[str, int, int], int] = defaultdict(int)
    for key in keys:
        flags_of[key.key, key.start, key.length] |= key.flags
    return [FoundKey(*place, flags) for place, flags in flags_of.items()]


def linked_keys(passage: Passage, tokens: RowTokens) -> Iterator[FoundKey]:
    """Yield the keys of a passage's links (at the first token of the label) and of links to it."""
    if not tokens.words:
        return
    shift = len(passage.full_text) - len(passage.text)
    ends = [end for _, end in tokens.spans]
    for key, offset in sorted({*link_keys(passage.metadata)}):
        token = min(bisect_right(ends, offset + shift), len(ends) - 1)
        yield FoundKey(key, token, 1, LINK | CAPITAL)
    for key in target_keys(passage):
        yield FoundKey(key, 0, 1, TARGET | CAPITAL)


def _found_keys(
    tokens: RowTokens, starts: list[int], ends: list[int], text: str, begin: int, end: int
) -> Iterator[FoundKey]:
    """Yield the key of a span, and the key of its transcription if that differs."""
    first, last = bisect_right(ends, begin), bisect_left(starts, end)
    words = tokens.words[first:last]
    if words and (starts[first] < begin or ends[last - 1] > end):  # inside a run without spaces
        words = tokenize(text[begin:end])
        first += _position(words, tokens.words[first:last])
    spelling = text[begin:end].strip()
    if code := code_key(spelling):
        yield FoundKey(code, first, len(words), CAPITAL | FOUND)
        return
    key = without_article(words)
    if 0 < len(key) <= _MOST_TOKENS and "|" not in spelling and TRAIL not in spelling:
        start = first + len(words) - len(key)
        yield FoundKey(" ".join(key), start, len(key), FOUND)
        if (other := transcribed(spelling)) != spelling:
            yield FoundKey(entity_key(other), start, len(key), FOUND)


def _position(words: Sequence[str], among: Sequence[str]) -> int:
    """Return the position of consecutive words in a sequence; 0 if they are not in it."""
    for start in range(len(among) - len(words) + 1):
        if among[start : start + len(words)] == words:
            return start
    return 0


PREFIX = "link:"
"""Prefix of the keys of links; no token contains a colon."""
_SHORT_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}$")
_OF_FOLDER = re.compile(r"(?:^|/)(?:index|readme)$")
ANYWHERE = "*/"
"""Stands for any folder in the key of a link that is only a name."""


def link_keys(metadata: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the keys of link targets (`link:guide/setup#network`), with the label offsets."""
    links = metadata.get("links")
    if isinstance(links, list):
        links = {target: 0 for target in links if isinstance(target, str)}
    for target, offset in links.items() if isinstance(links, Mapping) else ():
        path, _, anchor = target.partition("#")
        at = offset if isinstance(offset, int) and offset > 0 else 0
        if path and "/" not in path and not _SHORT_SUFFIX.search(path):
            yield _key(ANYWHERE + _normal(path)), at
            continue
        if path:
            yield _key(_normal(path)), at
        if anchor:
            yield _key(_normal(path), anchor), at


def target_keys(passage: Passage) -> Iterator[str]:
    """Yield the keys of links to a passage: its path, its name in any folder, its anchors."""
    name = _normal(passage.document or passage.id)
    yield _key(name)
    yield _key(ANYWHERE + name.rpartition("/")[2])
    anchors = passage.metadata.get("anchors")
    for anchor in anchors if isinstance(anchors, list | Mapping) else ():
        if isinstance(anchor, str):
            yield _key(name, anchor)
            yield _key("", anchor)


def _normal(path: str) -> str:
    return _OF_FOLDER.sub("", _SHORT_SUFFIX.sub("", path.strip("/")).casefold())


def _key(name: str, anchor: str = "") -> str:
    key = f"{PREFIX}{name}#{anchor.casefold()}" if anchor else PREFIX + name
    return "_".join(key.split())
