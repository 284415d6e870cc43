"""A linter of regular expressions: it refuses those whose time may grow faster than the text.

- nested: an unbounded repeat of what holds an unbounded repeat;
- adjacent: two unbounded repeats of common characters, with nothing required between them;
- rescanned: an unbounded repeat that is followed by something required, in a pattern that is
  searched for and may begin at each character of the repeat.

Possessive repeats are never tried again, so that they count for the last rule alone. A lookbehind
or an anchor at the beginning says that the author thought of where a match begins.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

_MANY = 1_000  # repeats that count as unbounded
_SAMPLE = [chr(n) for n in range(128)] + list("é\u0301日กß\u2028\xa0")
_REPEATS = (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT)


def faults(pattern: re.Pattern[Any], is_searched: bool = True) -> list[str]:
    """The rules that a pattern breaks."""
    text = (
        pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    )
    tree = list(parser.parse(text, pattern.flags & ~re.UNICODE))
    broken = [*_nested(tree, False), *_adjacent(tree, pattern.flags)]
    if is_searched:
        for each in _flat(tree):
            if each and each[0][0] not in (c.AT, c.ASSERT_NOT, c.ASSERT):
                broken += _rescanned(each, pattern.flags)
    return broken


def _flat(tree: list[Any]) -> Iterator[list[Any]]:
    """The alternatives of a pattern, without groups; of the first alternation alone."""
    flat: list[Any] = []
    for position, node in enumerate(tree):
        if node[0] in (c.SUBPATTERN, c.ATOMIC_GROUP):
            yield from _flat([*flat, *next(_parts(node)), *tree[position + 1 :]])
            return
        if node[0] is c.BRANCH:
            for part in _parts(node):
                yield from _flat([*flat, *part, *tree[position + 1 :]])
            return
        flat.append(node)
    yield flat


def _parts(node: Any) -> Iterator[list[Any]]:
    """The sequences inside a node."""
    kind, value = node
    if kind in _REPEATS:
        yield list(value[2])
    elif kind is c.SUBPATTERN:
        yield list(value[3])
    elif kind is c.BRANCH:
        yield from (list(branch) for branch in value[1])
    elif kind is c.ATOMIC_GROUP:
        yield list(value)


def _is_unbounded(node: Any) -> bool:
    return node[0] in _REPEATS and node[1][1] >= _MANY


def _nested(sequence: list[Any], inside: bool) -> Iterator[str]:
    for node in sequence:
        is_greedy = _is_unbounded(node) and node[0] is not c.POSSESSIVE_REPEAT
        if is_greedy and inside:
            yield "nested"
        for part in _parts(node):
            yield from _nested(part, inside or is_greedy)


def _adjacent(sequence: list[Any], flags: int) -> Iterator[str]:
    before: frozenset[str] = frozenset()
    for node in sequence:
        for part in _parts(node):
            yield from _adjacent(part, flags)
        is_greedy = _is_unbounded(node) and node[0] is not c.POSSESSIVE_REPEAT
        if is_greedy and len(_parts_of(node)) == 1:
            characters = _first(list(node[1][2]), flags)
            if before & characters:
                yield "adjacent"
            before = before | characters if node[1][0] == 0 else characters
        elif not _is_nullable(node):
            before = frozenset()


def _parts_of(node: Any) -> list[Any]:
    return list(node[1][2])


def _rescanned(tree: list[Any], flags: int) -> Iterator[str]:
    begins = _first(tree, flags)
    for position, node in enumerate(tree):
        if _is_unbounded(node) and not all(map(_is_nullable, tree[position + 1 :])):
            if _first(list(node[1][2]), flags) & begins:
                yield "rescanned"


def _is_nullable(node: Any) -> bool:
    kind, value = node
    if kind in _REPEATS:
        return value[0] == 0
    if kind in (c.AT, c.ASSERT, c.ASSERT_NOT):
        return True
    parts = list(_parts(node))
    return bool(parts) and any(all(map(_is_nullable, part)) for part in parts)


@cache
def _matching(source: str, flags: int) -> frozenset[str]:
    single = re.compile(source, flags)
    return frozenset(character for character in _SAMPLE if single.fullmatch(character))


def _first(sequence: list[Any], flags: int) -> frozenset[str]:
    """Characters of the sample with which a match may begin."""
    characters: frozenset[str] = frozenset()
    for node in sequence:
        kind, value = node
        if kind is c.LITERAL:
            characters |= {chr(value)}
        elif kind is c.NOT_LITERAL:
            characters |= frozenset(_SAMPLE) - {chr(value)}
        elif kind is c.ANY:
            characters |= frozenset(_SAMPLE) - ({"\n"} if not flags & re.S else set())
        elif kind is c.IN:
            characters |= _class(value)
        for part in _parts(node):
            characters |= _first(part, flags)
        if not _is_nullable(node):
            break
    return characters


_CATEGORIES = {
    c.CATEGORY_DIGIT: r"\d", c.CATEGORY_NOT_DIGIT: r"\D", c.CATEGORY_SPACE: r"\s",
    c.CATEGORY_NOT_SPACE: r"\S", c.CATEGORY_WORD: r"\w", c.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip


def _class(items: Any) -> frozenset[str]:
    characters: frozenset[str] = frozenset()
    negated = False
    for kind, value in items:
        if kind is c.NEGATE:
            negated = True
        elif kind is c.LITERAL:
            characters |= {chr(value)}
        elif kind is c.RANGE:
            characters |= {each for each in _SAMPLE if value[0] <= ord(each) <= value[1]}
        elif kind is c.CATEGORY:
            characters |= _matching(_CATEGORIES[value], 0)
    return frozenset(_SAMPLE) - characters if negated else characters


def patterns_of(module: ModuleType) -> Iterator[tuple[str, re.Pattern[Any], bool]]:
    """Name and pattern of each that a module defines, and whether it is searched for."""
    source = inspect.getsource(module)
    for name, value in vars(module).items():
        each = [value] if isinstance(value, re.Pattern) else []
        if isinstance(value, tuple):
            each = [
                p
                for item in value
                if isinstance(item, tuple)
                for p in item
                if isinstance(p, re.Pattern)
            ]
        searched = re.search(rf"\b{name}\.(?:search|finditer|findall|sub|split)\(", source)
        for pattern in each:
            yield f"{module.__name__}.{name}", pattern, bool(searched) or isinstance(value, tuple)


def modules_below(package: str) -> Iterator[ModuleType]:
    """The modules of a package."""
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}."):
        yield importlib.import_module(found.name)
