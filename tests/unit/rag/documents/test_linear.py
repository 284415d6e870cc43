# ruff: noqa: E501
"""Work grows with the length of a text, whatever the text: for each function that reads one."""

from __future__ import annotations

import gc
import json
import re
import time
from collections.abc import Callable
from configparser import RawConfigParser
from contextlib import suppress
from functools import partial
from importlib import resources
from itertools import count
from typing import Any

import pytest

from graphagg.errors import GraphAggError
from graphagg.rag.documents.analyzer import Analyzer
from graphagg.rag.documents.codes import codes
from graphagg.rag.documents.filters import compile_filter, parse_cli
from graphagg.rag.documents.languages import language_of_text
from graphagg.rag.documents.passages import as_passage
from graphagg.rag.documents.reading.content import Unread
from graphagg.rag.documents.reading.converters import line_formats, markup, tables
from graphagg.rag.documents.reading.converters.chats import whatsapp
from graphagg.rag.documents.reading.converters.markup import convert
from graphagg.rag.documents.reading.converters.structure import html
from graphagg.rag.documents.reading.converters.text import decode
from graphagg.rag.documents.reading.files import ReadFile
from graphagg.rag.documents.reading.folder import converted
from graphagg.rag.documents.reading.rules import pattern_of, rules_of
from graphagg.rag.documents.tokens import (
    code_blocks,
    entity_key,
    inner_words,
    scan,
    tokenize,
    word_spans,
)
from graphagg.rag.models.by_rule.extractor import RuleExtractor, sentences
from graphagg.rag.models.chunking import DEFAULT_CHUNKING, split
from graphagg.rag.models.extractor import SpacyExtractor, _chunks
from graphagg.rag.models.table_heads import tables_of
from tests.patterns import faults, modules_below, patterns_of

STAMP = "31/12/2026, 21:41 - Ann: "
SHAPES = {
    "letter": "x", "digit": "1", "capital": "X", "humps": "aB", "stop": ".", "marks": "?!",
    "comma": ",", "dash": "-", "dashes": "--a ", "underscore": "_a", "slash": "/a", "dots": "a.",
    "equals": "=", "hashes": "#", "stars": "*a ", "ticks": "`a", "pipes": "|a", "table": "| . ",
    "brackets": "[", "links": "[a](", "braces": "{%", "angles": "<a ", "tags": "<b>", "ends": "</",
    "quotes": '"', "apostrophes": "'s", "closers": '."', "parens": "a (", "newline": "\n",
    "space": " ", "tabs": "\tx\n", "lines": "a\n", "items": "- a\n", "rules": "===\n",
    "titles": "A\n=\n", "combining": "e\u0301", "marks of two classes": "\u0327\u0301",
    "emoji": "\U0001f600", "han": "日", "bracketed han": "「日」", "thai": "กิ", "base64": "aGVsbG8r",
    "minified": "a=b(c){d};", "hex": "00ff 1a2b ", "csv": "a,b;c\t", "log": "12:00:01 ERROR x.y(1)\n",
    "comment": "<!--", "roles": ":a:`b` ", "directive": ".. a:: b\n", "entity": "&#", "colons": "a::b ",
    "backslash": "\\", "versions": "1.2.3-", "mail": "a@b.c ", "codes": "AB-1_", "control": "\x0b",
    "quarters": "first quarter of ", "rows": "Net 1 (2) - %\n", "cells": "1 - ",
}  # fmt: skip

READERS: dict[str, Callable[[str], Any]] = {
    "tokens": tokenize,
    "scan": scan,
    "word_spans": word_spans,
    "inner_words": inner_words,
    "entity_key": entity_key,
    "codes": lambda text: list(codes(text)),
    "sentences": lambda text: list(sentences(text)),
    "code": code_blocks,
    "names": lambda text: list(RuleExtractor("de").annotate([text])),
    "pieces for a pipeline": _chunks,
    "chunks": lambda text: split({"id": "d", "text": text}, DEFAULT_CHUNKING, "d"),
    "tables": tables_of,
    "language": language_of_text,
    "terms": lambda text: Analyzer("en").content(tokenize(text)),
    "passage": lambda text: as_passage({"id": "a", "text": text, "title": text}, "a"),
    "command line": parse_cli,
    "filter": lambda text: compile_filter({"a": {"eq": text}}, {"a": "date"}),
    "decode": lambda text: decode(text.encode("utf-16")[2:] + b"\n\xe9"),
    "plain": markup.plain,
    "markdown": markup.markdown,
    "html": html,
    **{name: partial(convert, name) for name in ("asciidoc", "org", "man", "latex", "wiki")},
    "whatsapp": lambda text: whatsapp(STAMP + STAMP.join([text] * 3)),
    "subtitles": line_formats.subtitles,
    "xml": lambda text: list(line_formats.xml(text)),
    "csv": lambda text: list(tables.csv_rows("a,b\n" + text)),
    "json lines": lambda text: list(tables.json_lines(text)),
    "eml": lambda text: list(converted("a.eml", ReadFile(f"To: a\n\n{text}".encode(), 0))),
}
NAMES = [f"a{i}" for i in range(10_000)]
FILES: dict[str, Callable[[int], str]] = {
    "attributes.xml": lambda n: "<a " + " ".join(f"{name}='1'" for name in NAMES[: n // 12]) + ">x</a>",
    "parts.eml": lambda n: "To: a\nContent-Type: multipart/mixed; boundary=b\n\n" + "--b\n\nx\n" * (n // 8),
    "words.eml": lambda n: f"To: a\nSubject: {'=?utf-8?q?a?= ' * (n // 14)}\n\nText.",
    "wide.csv": lambda n: ",".join("a" * (n // 4)) + "\nb" * (n // 4),
    "tables.csv": lambda n: "T t\nName,Value\nx,1\n" * (n // 18),
    "wide.html": lambda n: f"<table><tr>{'<td>a' * (n // 10)}{'<tr><td>b' * (n // 18)}",
    "name.html": lambda n: f"<table><tr><th>{'a' * (n // 2)}<th>b{'<tr><td>1<td>2' * (n // 32)}",
    "name.csv": lambda n: "a" * (n // 2) + ",b\n" + "1,2\n" * (n // 8),
    "key.json": lambda n: json.dumps([{"k" * (n // 2): dict.fromkeys(NAMES[: n // 16], 1)}]),
    "key.md": lambda n: f"+++\na{'.a' * (n // 2)} = 1\n+++\nText.",
}  # fmt: skip
"""Files whose parts multiply, by their name and size."""
FAULTS = (GraphAggError, Unread, ValueError, RecursionError)
"""What a reader may say of a text that is none of its kind."""


def seconds(read: Callable[[str], Any], unit: str, size: int) -> float:
    """CPU seconds of this thread for a text of `size` characters.

    The collector of garbage would walk through what other tests left, at some sizes and not others.
    """
    text = (unit * (size // len(unit) + 1))[:size]
    gc.disable()
    start = time.thread_time()
    try:
        with suppress(*FAULTS):
            read(text)
        return time.thread_time() - start
    finally:
        gc.enable()


def is_steep(read: Callable[[str], Any], unit: str, size: int) -> bool:
    """Whether four times the text take over nine times the time, in each of three tries.

    Sixteen times is what a quadratic step takes; differences below a tenth of a second are noise.
    """
    return all(
        (long := seconds(read, unit, 4 * size)) > 0.1 and long > 9 * seconds(read, unit, size) + 0.1
        for _ in range(3)
    )


@pytest.mark.parametrize("reader", READERS)
def test_time_grows_with_the_text(reader: str) -> None:
    steep = [name for name, unit in SHAPES.items() if is_steep(READERS[reader], unit, 4_000)]
    assert not steep


@pytest.mark.parametrize("name", FILES)
def test_time_grows_with_the_file(name: str) -> None:
    def read(text: str) -> None:
        list(converted(name, ReadFile(FILES[name](len(text)).encode(), 0)))

    assert not is_steep(read, "x", 12_500)


def test_names_by_a_pipeline_take_time_as_the_text_grows() -> None:
    extractor, number = SpacyExtractor(), count()

    def read(text: str) -> None:
        list(extractor.annotate([f"{text}{next(number)}"]))  # spaCy keeps what it has split

    read("Anna was here.")
    shapes = list(SHAPES.items())[::3]  # all are read by "pieces for a pipeline"
    steep = [name for name, unit in shapes if is_steep(read, unit, 1_000)]
    assert not steep


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_million_characters_of_each_shape(reader: str) -> None:
    steep = [name for name, unit in SHAPES.items() if is_steep(READERS[reader], unit, 250_000)]
    assert not steep


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        (r"[^\W_]*[a-z][A-Z][^\W_]*", "rescanned"),
        (r"(?P<word>\w*)(?P<stop>[.!?]+)\s+", "rescanned"),
        (r"<[^>]*>", "rescanned"),
        (r"x(a+)+b", "nested"),
        (r"^\w+\d+x", "adjacent"),
        (r"(?<!\w)\w++x", ""),
        (r"\w+", ""),
    ],
)
def test_the_linter_of_patterns(pattern: str, fault: str) -> None:
    assert (fault in faults(re.compile(pattern))) if fault else not faults(re.compile(pattern))


@pytest.mark.parametrize("package", ["documents", "models", "tables", "question"])
def test_no_pattern_may_take_more_than_linear_time(package: str) -> None:
    every = [
        f"{name}: {', '.join(broken)}: {pattern.pattern!r}"
        for module in modules_below(f"graphagg.rag.{package}")
        for name, pattern, is_searched in patterns_of(module)
        if (broken := faults(pattern, is_searched))
    ]
    assert not every, "\n".join(every)


def test_no_rule_may_take_more_than_linear_time() -> None:
    folder = resources.files("graphagg.rag.documents.reading")
    every = []
    for file in ("markups", "chats", "languages"):
        parser = RawConfigParser(delimiters="=", comment_prefixes=("# ",))
        parser.read_string(folder.joinpath(f"{file}.cfg").read_text("utf-8"))
        for name, stated in parser.items():
            rules = [p for key in stated for p, *_ in rules_of(file, name, key)]
            rules += [pattern_of(file, name, key) for key in ("stamp", "code", "table", "macro")]
            every += [f"{name}: {broken}: {p.pattern}" for p in rules if (broken := faults(p))]
    assert not every, "\n".join(every)
