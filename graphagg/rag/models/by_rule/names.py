"""Rules that find names by capitals, and exceptions where capitals are no sign of a name.

A name is a maximal run of capitalized words, longer than one letter. The first word of a sentence
belongs to it if it is not a stop word of the language and one of these holds: the next word is
capitalized too, it is capitalized elsewhere inside a sentence of the text, the sentence has no
final punctuation (a title), or it is a question in a language with stop words. A stop word behind a
colon, a line break or a cell belongs to no name, and a sentence in capitals has none. Exceptions:

- German and Luxembourgish capitalize nouns: a single capitalized word is a common noun if it
  follows an indefinite article, a possessive, a quantifier or a number, with at most two words in
  lower case between, or if it has an ending of derived nouns (-ung, -heit, -schaft, ...). A polite
  pronoun is not a name either.
- Chinese, Japanese and Korean, and texts of an unknown language (`xx`): a name also stands in the
  brackets that these scripts put around titles and names.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence

from graphagg.rag.documents.tokens import tokenize

_CAPITALIZED_NOUNS = ("de", "lb")
_BRACKETED = ("ja", "ko", "xx", "zh")
_REVISION = 2  # of the exceptions; increase it when they find other names in a text

_SHORTEST_IN_CAPITALS = 6  # words; fewer may be one name
_LETTERS = re.compile(r"[\w\u0300-\u036f]+")
_JOIN = re.compile(r"\s|['\u2019\u2010-]")  # between the words of one name
_OPENERS = (":", ";", "|", "\n")
_CLOSERS = " \n\t\r\"')]\u00bb\u2019\u201d"
_QUESTION = ("?", ";", "\u037e", "\u055e")  # Greek, Armenian; ";" is typed for the Greek one

_DETERMINER = re.compile(
    r"(?:\b(?:(?:k?ein|mein|dein|sein|ihr|unser|euer|eur|dies|jen|jed|jeglich|manch|solch|welch)"
    r"(?:e[mnrs]?)?|viele?[nr]?|wenige?[nr]?|einige[nrs]?|mehrere[nr]?|alle[nr]?|beide[nr]?|etwas|"
    r"zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|\d[\d.,]*)"
    r"(?:\s+[a-zäöüß]+){0,2}\s+)$",
    re.IGNORECASE,
)
_DERIVED = re.compile(r".{2,}(?:ung|heit|keit|schaft|ität|ismus|nis|tion|ling)(?:e[nrs]?|s)?")
_PRONOUNS = frozenset("sie ihr ihre ihrem ihren ihrer ihres ihnen".split())
_BEFORE = 60  # characters before a word in which its determiner is looked for
_BRACKETS = re.compile(
    r"《([^《》\n]{1,40})》|〈([^〈〉\n]{1,40})〉|「([^「」\n]{1,20})」|『([^『』\n]{1,40})』"
)


def revision_of(language: str) -> int:
    """The revision of the rules for a language; 1 without exceptions."""
    return _REVISION if language in (*_CAPITALIZED_NOUNS, *_BRACKETED) else 1


def capitals(
    text: str, sentences: Iterable[tuple[int, int]], stop_words: Container[str]
) -> Iterator[tuple[int, int]]:
    """Find runs of capitalized words, by the rule above."""
    sentence_words = [list(_LETTERS.finditer(text, start, end)) for start, end in sentences]
    inside = {word[0] for words in sentence_words for word in words[1:] if word[0][0].isupper()}
    for words, (start, end) in zip(sentence_words, sentences, strict=True):
        if len(words) >= _SHORTEST_IN_CAPITALS and text[start:end].isupper():
            continue
        names = [word for word in words if word[0][0].isupper()]
        names = [word for word in names if not _opens_part(text, word, stop_words)]
        if names and names[0] is words[0] and not _may_open(text, names, end, inside, stop_words):
            del names[0]
        yield from (run for run in _runs(text, names) if run[1] - run[0] > 1)


def _opens_part(text: str, word: re.Match[str], stop_words: Container[str]) -> bool:
    """Whether a word is a stop word behind a colon, a line break or a cell of a table."""
    before = text[max(word.start() - 2, 0) : word.start()].strip(" ")
    return before in _OPENERS and word[0].casefold() in stop_words


def _may_open(
    text: str,
    names: Sequence[re.Match[str]],
    end: int,
    inside: Container[str],
    stop_words: Container[str],
) -> bool:
    """Whether the first word of a sentence is part of a name; the sentence ends at `end`."""
    first = names[0]
    word, rest = first[0].casefold(), text[first.end() : end].rstrip(_CLOSERS)
    if any(form in stop_words for form in tokenize(word)):
        return False
    is_run = len(names) > 1 and _joined(text, first, names[1])
    is_title = not rest.endswith((*_QUESTION, *".!:…"))
    is_question = rest.endswith(_QUESTION) and bool(stop_words)
    return is_run or is_title or is_question or first[0] in inside


def _joined(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    """Whether a blank, hyphen, apostrophe or the stop of an initial joins two words."""
    between = text[left.end() : right.start()]
    if len(left[0]) == 1:
        between = between.removeprefix(".") or " "
    return _JOIN.fullmatch(between) is not None


def _runs(text: str, names: Iterable[re.Match[str]]) -> Iterator[tuple[int, int]]:
    runs: list[list[re.Match[str]]] = []
    for name in names:
        if runs and _joined(text, runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return ((run[0].start(), run[-1].end()) for run in runs)


def names_in(
    text: str, capitalized: Iterable[tuple[int, int]], language: str
) -> Iterator[tuple[int, int]]:
    """Find the names of a text, ascending, from the result of `capitals`."""
    if language in _CAPITALIZED_NOUNS:
        yield from (run for run in capitalized if not _is_common_noun(text, *run))
    elif language in _BRACKETED:
        marked = [match.span(match.lastindex or 0) for match in _BRACKETS.finditer(text)]
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
