"""Where capitals do not tell names: languages that capitalize nouns, scripts without capitals.

- German and Luxembourgish: a single capitalized word is a common noun, and no name, if it follows
  an indefinite article, a possessive, a quantifier or a number, with at most two words in lower
  case between, or if it ends as only derived nouns do (-ung, -heit, -schaft, ...). A polite pronoun
  is no name either.
- Chinese, Japanese and Korean: what stands in the brackets that these scripts put around titles and
  names is one. Where no language is known (`xx`) the same brackets tell it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_CAPITALIZED_NOUNS = ("de", "lb")
_BRACKETED = ("ja", "ko", "xx", "zh")
_REVISION = 2  # of these rules; raised when they find other names in the same text

_DETERMINER = re.compile(
    r"(?:\b(?:(?:k?ein|mein|dein|sein|ihr|unser|euer|eur|dies|jen|jed|jeglich|manch|solch|welch)"
    r"(?:e[mnrs]?)?|viele?[nr]?|wenige?[nr]?|einige[nrs]?|mehrere[nr]?|alle[nr]?|beide[nr]?|etwas|"
    r"zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|\d[\d.,]*)"
    r"(?:\s+[a-zäöüß]+){0,2}\s+)$",
    re.IGNORECASE,
)
_DERIVED = re.compile(r".{2,}(?:ung|heit|keit|schaft|ität|ismus|nis|tion|ling)(?:e[nrs]?|s)?")
_PRONOUNS = frozenset("sie ihr ihre ihrem ihren ihrer ihres ihnen".split())
_BEFORE = 60  # characters before a word that its determiner is looked for in
_BRACKETS = re.compile(
    r"《([^《》\n]{1,40})》|〈([^〈〉\n]{1,40})〉|「([^「」\n]{1,20})」|『([^『』\n]{1,40})』"
)


def revision_of(language: str) -> int:
    """The revision of the rules for a language: 1 for those of capitals alone."""
    return _REVISION if language in (*_CAPITALIZED_NOUNS, *_BRACKETED) else 1


def names_in(
    text: str, capitalized: Iterable[tuple[int, int]], language: str
) -> Iterator[tuple[int, int]]:
    """The names of a text, `(start, end)` in characters, ascending.

    Args:
        text: one text.
        capitalized: its runs of capitalized words, ascending.
        language: its code.
    """
    if language in _CAPITALIZED_NOUNS:
        yield from (run for run in capitalized if not _is_common_noun(text, *run))
    elif language in _BRACKETED:
        marked = [found.span(found.lastindex or 0) for found in _BRACKETS.finditer(text)]
        yield from sorted({*capitalized, *marked})
    else:
        yield from capitalized


def _is_common_noun(text: str, start: int, end: int) -> bool:
    word = text[start:end]
    if any(character.isspace() or character == "-" for character in word):
        return False
    if word.casefold() in _PRONOUNS or _DERIVED.fullmatch(word):
        return True
    return _DETERMINER.search(text[max(start - _BEFORE, 0) : start]) is not None
