"""Rules from `.cfg` files that rewrite texts: a pattern and its replacement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from configparser import RawConfigParser
from functools import cache
from importlib.resources import files

NOWHERE = "(?!)"
Rules = list[tuple[re.Pattern[str], str]]


@cache
def _parsed(file: str) -> RawConfigParser:
    parser = RawConfigParser(delimiters="=", comment_prefixes=("# ",))
    parser.read_string(files(__package__).joinpath(f"{file}.cfg").read_text("utf-8"))
    return parser


def section(file: str, name: str) -> Mapping[str, str]:
    """Return a section of `FILE.cfg`."""
    return _parsed(file)[name]


@cache
def rules_of(file: str, name: str, key: str = "rules") -> Rules:
    """Return the rules under a key, each a pattern and its replacement."""
    lines = section(file, name).get(key, "").split("\n")[1:]
    rules = (line.partition(" =>") for line in lines)
    return [(re.compile(rule, re.M), text.strip().replace("␣", " ")) for rule, _, text in rules]


@cache
def pattern_of(file: str, name: str, key: str) -> re.Pattern[str]:
    """Return the pattern under a key; if there is none, a pattern that matches nothing."""
    return re.compile(section(file, name).get(key, NOWHERE), re.M)


def applied(rules: Rules, text: str) -> str:
    """Apply rules to a text, one after the other."""
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text
