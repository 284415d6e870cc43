"""The names of one passage: its tokens, the keys that its title and its entities give."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from graphagg.rag.documents.code import code_blocks
from graphagg.rag.documents.codes import Code, code_key, codes
from graphagg.rag.documents.links import link_keys, target_keys
from graphagg.rag.documents.passages import TRAIL, Passage
from graphagg.rag.documents.tokens import (
    entity_key,
    inner_words,
    scan,
    tokenize,
    transcribed,
    without_article,
    word_spans,
)
from graphagg.rag.documents.user_names import ListedNames

CAPITAL, FOUND, TITLE, FULL_TITLE, BASE_TITLE, INITIAL, LINK, TARGET = 1, 2, 4, 8, 16, 32, 64, 128
"""Flags of a mention: begins like a name; found by the extractor; is in the title; is the whole
title; is the title without its last parentheses; its case tells nothing, as a capital that begins a
sentence or follows what `openers` looks for, and any token of code; is a link to what the key
names; the passage is what the key of a link names."""
_MOST_TOKENS = 100
_OPENS = re.compile(r"[\n\t|:;]|\s\s")


@dataclass(frozen=True)
class RowTokens:
    """The tokens of one passage.

    Attributes:
        words: of the title, then of the text.
        spans: `(start, end)` of each in characters of the full text.
        titles: number of tokens of the title.
        inner: words inside words of the title, and of the text; for search by words alone.
        codes: the codes and listed names of the title, and of the text, by characters of the full
            text.
    """

    words: list[str]
    spans: list[tuple[int, int]]
    titles: int
    inner: tuple[list[str], list[str]] = ([], [])
    codes: tuple[Code, ...] = ()

    @classmethod
    def of(cls, passage: Passage, listed: ListedNames | None = None) -> RowTokens:
        """Tokenize a passage, and find the names of a user's list in it."""
        title, text = scan(passage.title), scan(passage.text)
        moved = _moved(passage, text.spans)
        of_title, of_text = [*codes(passage.title)], [*codes(passage.text)]
        inner = inner_words(passage.title, of_title), inner_words(passage.text, of_text)
        if listed:
            of_title += listed.find(passage.title, title)
            of_text += listed.find(passage.text, text)
        shift = len(passage.full_text) - len(passage.text)
        every = of_title + [
            Code(code.start + shift, code.end + shift, code.key, code.defines) for code in of_text
        ]
        return cls(title.words + text.words, title.spans + moved, len(title), inner, tuple(every))


def spans_of(passage: Passage, begin: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """`RowTokens.spans[begin:end]` of a passage, alone; what comes after `end` is not read."""
    titled = word_spans(passage.title)
    first, last = (None if n is None else max(n - len(titled), 0) for n in (begin, end))
    return titled[begin:end] + _moved(passage, word_spans(passage.text, first or 0, last))


def openers(text: str, starts: Sequence[int]) -> set[int]:
    """The tokens behind a line break, a colon or semicolon, a cell of a table, or a wide space.

    A capital tells nothing there, as at the beginning of a sentence.

    Args:
        text: full text of a passage.
        starts: where its tokens begin, ascending.
    """
    return {bisect_left(starts, match.end()) for match in _OPENS.finditer(text)} - {len(starts)}


def tokens_of_code(text: str, starts: Sequence[int]) -> Iterator[int]:
    """The tokens in lines of code, which write commands and modules in lower case.

    Args:
        text: full text of a passage.
        starts: where its tokens begin, ascending.
    """
    for block in code_blocks(text):
        yield from range(*(bisect_left(starts, edge) for edge in block))


def _moved(passage: Passage, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in the text of a passage as spans in its full text."""
    shift = len(passage.full_text) - len(passage.text)
    return [(start + shift, end + shift) for start, end in spans] if shift else spans


def title_keys(title: str) -> dict[str, int]:
    """The keys that a title gives, and whether each is all of it or what parentheses leave.

    Headings behind the title give none: a name would lead to every section that is called so.
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
    """A name in a passage: its key, the tokens that it covers, and flags of the mention.

    What the extractor found defines an entity (`FOUND`); a code is a name in small letters too
    (`CAPITAL`), and defines one unless it may be a plain word.
    """

    key: str
    start: int
    length: int
    flags: int


def found_keys(tokens: RowTokens, text: str, spans: Iterable[Sequence[int]]) -> list[FoundKey]:
    """The keys of spans `(start, end)` of a full text, and of its codes, each once.

    Spans without a word, and across the cells of a table, give none.
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
    return [FoundKey(*key_and_tokens, flags) for key_and_tokens, flags in flags_of.items()]


def linked_keys(passage: Passage, tokens: RowTokens) -> Iterator[FoundKey]:
    """The keys of a passage's links, at the first token of their labels, and of links to it."""
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
    """The key of a span, and the one of its transcription where that is another."""
    first, last = bisect_right(ends, begin), bisect_left(starts, end)
    words = tokens.words[first:last]
    if words and (starts[first] < begin or ends[last - 1] > end):  # inside a run without spaces
        words = tokenize(text[begin:end])
        first += _position(words, tokens.words[first:last])
    written = text[begin:end].strip()
    if code := code_key(written):
        yield FoundKey(code, first, len(words), CAPITAL | FOUND)
        return
    key = without_article(words)
    if 0 < len(key) <= _MOST_TOKENS and "|" not in written and TRAIL not in written:
        start = first + len(words) - len(key)
        yield FoundKey(" ".join(key), start, len(key), FOUND)
        if (other := transcribed(written)) != written:
            yield FoundKey(entity_key(other), start, len(key), FOUND)


def _position(words: Sequence[str], among: Sequence[str]) -> int:
    """Position at which some words follow each other among others; 0 if they do not."""
    for start in range(len(among) - len(words) + 1):
        if among[start : start + len(words)] == words:
            return start
    return 0
