"""Rule-based sentences and names for any language, without a model or library.

A sentence ends at final punctuation before white space, unless a lower-case letter follows; at an
empty line; and before a list item ("- ") or a log line (it begins with a time). It does not end
after an initial or a known abbreviation. Lines of code contain no sentences.

A name is a maximal run of capitalized words, longer than one letter, or the subject at the
beginning of a text: up to eight words before "(" or a form of "to be", with a capital or a digit.
The first word of a sentence belongs to a run if it is not a stop word of the language and one of
these holds: the next word is capitalized too, it is capitalized elsewhere inside a sentence of the
text, the sentence has no final punctuation (a title), or it is a question in a language with stop
words. A stop word after a colon, a line break or a table cell is never part of a name, and a
sentence in capitals has no names. Exceptions:

- German and Luxembourgish capitalize nouns: a single capitalized word is a common noun if it
  follows an indefinite article, a possessive, a quantifier or a number, with at most two words in
  lower case between, or if it has an ending of derived nouns (-ung, -heit, -schaft, ...). A polite
  pronoun is not a name either.
- Chinese, Japanese, Korean and unknown languages (`xx`): text in the brackets that these scripts
  use for titles and names is a name too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Sequence

from graphagg.errors import InvalidParameter
from graphagg.rag.documents.analyzer import Analyzer
from graphagg.rag.documents.codes import LOG_TIME
from graphagg.rag.documents.tokens import prose, tokenize
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.models.spec import ModelSpec

PREFIX = "rule:"
"""Prefix of the names of these extractors: `rule:CODE`, where CODE is a language code."""
_REVISION = 6  # increase it when the rules find different sentences or names in the same text

_CODE = re.compile("[a-z]{2,3}")
_CLOSERS = "\"'\u2019\u201d\u00bb)\\]\u300d\u300f\uff09"
_STOPS = "[.!?\u2026\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4]"
# Stops, closing marks, and white space; or stops of a script without spaces; or a blank line.
# A run of stops matches only from its first character; else matching takes quadratic time.
_END = re.compile(
    rf"(?<!{_STOPS})(?P<stop>{_STOPS}++)[{_CLOSERS}]*+\s++"
    rf"|[\u3002\uff01\uff1f\uff61]++[{_CLOSERS}]*+\s*+|\n[^\S\n]*+\n\s*+|\n(?=- |{LOG_TIME})"
)
_LAST_WORD = re.compile(r"[^\W_]*\Z")
_LONGEST_ABBREVIATION = 8
_EMPTY_LINE = re.compile(r"\n[^\S\n]*+\n")
# English, German, French, Spanish, Italian, Portuguese and Dutch.
_ABBREVIATIONS = frozenset(
    "adm aug av bros bzw ca capt cf cia co col corp dec dept dr dra ed eds eg esp est etc exc feb "
    "fr ft gen gov hon hrsg ie inc jan jr lt ltd maj mgr mlle mm mme mr mrs ms mt mts nov oct pres "
    "prof prov pt rep rev sen sept sgt sig sr sra sta st ste str tel univ usw vgl viz vs zb".split()
)
_BEFORE_NUMBERS = frozenset("fig figs no nos nr op pp vol vols".split())


_IS = {
    "da": "er|var", "de": "ist|war|sind|waren", "en": "is|was|are|were", "es": "es|fue|era|son",
    "fr": "est|était|sont", "it": "è|fu|sono", "nb": "er|var", "nl": "is|was|zijn|waren",
    "pt": "é|foi|são", "sv": "är|var",
}  # fmt: skip
_ANY = "|".join(_IS.values())
_IF = "if|wenn|falls|si|se|als|om|hvis"  # a text that begins with a condition has no subject
_LEAD = (
    "[\\s\"'\u201c\u201e\u00ab\u2018-]{0,8}+"  # opening marks
    rf"(?!(?i:{_IF})\s)"
    r"(?P<name>\S(?:[^\n(]{0,80}?\S)?)"
    "[\\s\"'\u201d\u00bb\u2019]{0,8}(?:\\(|,?\\s(?:"
)
_MOST_WORDS = 8


class RuleExtractor:
    """Finds sentences and names with rules and stop words of a language; `xx`: any language."""

    def __init__(self, language: str = "en") -> None:
        if not _CODE.fullmatch(language):
            raise InvalidParameter(
                f"entity rules {PREFIX + language!r}: {language!r} is not a language code, "
                f"expected two or three lower-case letters, such as '{PREFIX}en'; '{PREFIX}xx' is "
                "any language"
            )
        self._language = language
        self._lead = re.compile(f"{_LEAD}{_IS.get(language, _ANY)})\\s)")
        self._stop_words = Analyzer(language).stop_words
        words = " ".join(sorted(self._stop_words))
        has_exceptions = language in (*_CAPITALIZED_NOUNS, *_BRACKETED)
        revision = f"{_REVISION} {_NAMES_REVISION if has_exceptions else 1}"
        digest = hashlib.sha256(f"rules {revision} {language} {words}".encode()).hexdigest()
        settings = {"dropped_labels": [], "language": language, "sentences": "rules"}
        self.spec = ModelSpec(PREFIX + language, digest, settings)

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation per text, in order; each depends on its own text only."""
        for text in texts:
            spans = tuple(sentences(text))
            capitalized = capitals(text, spans, self._stop_words)
            names = list(names_in(text, capitalized, self._language))
            subject = self._subject(text, spans)
            if subject is not None and subject not in names:
                names.insert(0, subject)
            yield Annotation(spans, tuple(names))

    def _subject(self, text: str, sentences: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        """Return the span of the subject at the start of a text; None if there is none."""
        match = self._lead.match(text)
        start, end = sentences[0] if sentences else (0, 0)
        if match is None or not start <= match.start("name") < match.end("name") <= end:
            return None
        words = match["name"].split()
        begins_with_stop_word = words[0].casefold().strip(".,") in self._stop_words
        named = words[1:] if begins_with_stop_word else words
        is_name = any(word[0].isupper() or word[0].isdigit() for word in named)
        return match.span("name") if is_name and len(words) <= _MOST_WORDS else None


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the sentences of a text outside code, `(start, end)`, without outer white space."""
    for start, end in prose(text):
        yield from ((a + start, b + start) for a, b in _sentences(text[start:end]))


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = len(text) - len(text.lstrip())
    for match in _END.finditer(text, start):
        if _ends_sentence(text, match):
            end = start + len(text[start : match.end()].rstrip())
            if end > start:
                yield start, end
            start = match.end()
    end = len(text.rstrip())
    if end > start:
        yield start, end


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    stop, after = match["stop"], match.end()
    if stop is None or after >= len(text) or _EMPTY_LINE.search(match[0]):
        return True
    if text[after].islower():
        return False
    if stop != ".":
        return True
    before = _LAST_WORD.search(text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()])
    word = before[0] if before else ""
    is_initial = len(word) == 1 and word.isupper()
    word = word.lower()
    is_short = word in _ABBREVIATIONS or (word in _BEFORE_NUMBERS and text[after].isdigit())
    return not (is_initial or is_short)


_CAPITALIZED_NOUNS = ("de", "lb")
_BRACKETED = ("ja", "ko", "xx", "zh")
_NAMES_REVISION = 2  # of the exceptions; increase it when they find different names in a text

_SHORTEST_IN_CAPITALS = 6  # words; fewer may be one name
_LETTERS = re.compile(r"[\w\u0300-\u036f]+")
_JOIN = re.compile(r"\s|['\u2019\u2010-]")  # between the words of one name
_OPENERS = (":", ";", "|", "\n")
_AFTER = " \n\t\r\"')]\u00bb\u2019\u201d"
_QUESTION = ("?", ";", "\u037e", "\u055e")  # the last two: Greek, Armenian; Greeks often type ";"

_DETERMINER = re.compile(
    r"(?:\b(?:(?:k?ein|mein|dein|sein|ihr|unser|euer|eur|dies|jen|jed|jeglich|manch|solch|welch)"
    r"(?:e[mnrs]?)?|viele?[nr]?|wenige?[nr]?|einige[nrs]?|mehrere[nr]?|alle[nr]?|beide[nr]?|etwas|"
    r"zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|\d[\d.,]*)"
    r"(?:\s+[a-zäöüß]+){0,2}\s+)$",
    re.IGNORECASE,
)
_DERIVED = re.compile(r".{2,}(?:ung|heit|keit|schaft|ität|ismus|nis|tion|ling)(?:e[nrs]?|s)?")
_PRONOUNS = frozenset("sie ihr ihre ihrem ihren ihrer ihres ihnen".split())
_BEFORE = 60  # number of characters before a word that are searched for a determiner
_BRACKETS = re.compile(
    r"《([^《》\n]{1,40})》|〈([^〈〉\n]{1,40})〉|「([^「」\n]{1,20})」|『([^『』\n]{1,40})』"
)


def capitals(
    text: str, sentences: Iterable[tuple[int, int]], stop_words: Container[str]
) -> Iterator[tuple[int, int]]:
    """Yield runs of capitalized words; see the module docstring."""
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
    """Whether a word is a stop word after a colon, a line break or a cell of a table."""
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
    word, rest = first[0].casefold(), text[first.end() : end].rstrip(_AFTER)
    if any(form in stop_words for form in tokenize(word)):
        return False
    is_run = len(names) > 1 and _joined(text, first, names[1])
    is_title = not rest.endswith((*_QUESTION, *".!:…"))
    is_question = rest.endswith(_QUESTION) and bool(stop_words)
    return is_run or is_title or is_question or first[0] in inside


def _joined(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    """Whether two words are joined by a blank, hyphen, apostrophe or the stop of an initial."""
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
    """Yield the names of a text in order, from the result of `capitals`."""
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
