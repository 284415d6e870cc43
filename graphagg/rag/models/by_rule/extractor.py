"""Sentences and names by rule: no model, no library, any language.

Names are runs of capitalized words (`graphagg.rag.models.by_rule.names`), and the subject at the
beginning of a text: up to eight words before "(" or a form of "to be", with a capital or a digit. A
sentence ends at final punctuation before white space, unless a lower-case letter follows, at an
empty line, before a list item ("- ") and before a line of a log, which begins with a time; not
after an initial or a known abbreviation. Lines of code contain no sentences.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from graphagg.errors import InvalidParameter
from graphagg.rag.documents.analyzer import Analyzer
from graphagg.rag.documents.codes import LOG_TIME
from graphagg.rag.documents.tokens import prose
from graphagg.rag.models.by_rule.names import capitals, names_in, revision_of
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.models.spec import ModelSpec

PREFIX = "rule:"
"""Prefix of the names of these extractors, `rule:CODE` with the code of a language."""
_REVISION = 6  # raised when the rules find other sentences or names in the same text

_CODE = re.compile("[a-z]{2,3}")
_CLOSERS = "\"'\u2019\u201d\u00bb)\\]\u300d\u300f\uff09"
_STOPS = "[.!?\u2026\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4]"
# Stops, closing marks, and white space; or stops of a script without spaces; or a blank line.
# A run of stops is matched from its first character only; else the time is its length squared.
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
_IF = "if|wenn|falls|si|se|als|om|hvis"  # a condition has no subject at its beginning
_LEAD = (
    "[\\s\"'\u201c\u201e\u00ab\u2018-]{0,8}+"  # opening marks
    rf"(?!(?i:{_IF})\s)"
    r"(?P<name>\S(?:[^\n(]{0,80}?\S)?)"
    "[\\s\"'\u201d\u00bb\u2019]{0,8}(?:\\(|,?\\s(?:"
)
_MOST_WORDS = 8


class RuleExtractor:
    """Finds sentences and names by rule; stop words of the language begin no name; `xx` is any."""

    def __init__(self, language: str = "en") -> None:
        if not _CODE.fullmatch(language):
            raise InvalidParameter(
                f"entity rules {PREFIX + language!r}: {language!r} is no code of a language, "
                f"wanted two or three small letters, such as '{PREFIX}en'; "
                f"'{PREFIX}xx' is any language"
            )
        self._language = language
        self._lead = re.compile(f"{_LEAD}{_IS.get(language, _ANY)})\\s)")
        self._stop_words = Analyzer(language).stop_words
        words = " ".join(sorted(self._stop_words))
        digest = hashlib.sha256(
            f"rules {_REVISION} {revision_of(language)} {language} {words}".encode()
        ).hexdigest()
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
        """The span of the subject at the beginning of a text; None if it begins otherwise."""
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
    """Find the sentences of a text, `(start, end)`, without white space around, outside of code."""
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
