"""Tokenization of texts in any script, with the position of each token.

A token is a run of letters, their marks and digits, case-folded, without accents. A run in a script
without spaces, or in Korean, is split into overlapping pairs of characters (bigrams), so that a
name is found inside a run. Lines of code in a text begin with a tab; they have no sentences, and no
names except codes (`graphagg.rag.documents.codes`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice, pairwise

from graphagg.rag.documents.codes import Code, code_key, codes

CODE = "\t"
"""The prefix of lines of code."""
_BLOCK = re.compile(r"^\t.*+(?:\n\t.*+)*+", re.MULTILINE)


def code_blocks(text: str) -> list[tuple[int, int]]:
    """Find the blocks of code lines, as spans `(start, end)`."""
    return [match.span() for match in _BLOCK.finditer(text)] if CODE in text else []


def prose(text: str) -> Iterator[tuple[int, int]]:
    """Find the text between the blocks of code, as spans `(start, end)`."""
    start = 0
    for begin, end in code_blocks(text):
        if text[start:begin].strip():
            yield start, begin
        start = end
    if text[start:].strip():
        yield start, len(text)


# Scripts that write words without spaces, as the inside of a character class: Thai, Lao, Burmese,
# Khmer, kana (also of half width), bopomofo, Han.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_BIGRAMS = UNSPACED + "\uac00-\ud7a3"  # Korean attaches particles to words
_BEYOND = re.compile("[\u0700-\u1cff\u2e80-\U0010ffff]")  # words may have marks, or no spaces
_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['\u2019][sS]\b")
_ASCII_WORD = re.compile("[a-z0-9]+")  # in lower case; a third faster than `_WORD`
_PLAIN = re.compile(r"(?<![a-z0-9])(?<!'(?=s\b))[a-z0-9]+")
_INSIDE = r"[^\s!-/:-@\[-`{-~]++|'(?=[sS]\b)"
_PIECE = re.compile(f"(?:{_INSIDE})++")
_PIECE_OR_WORD = re.compile(f"([A-Za-z0-9]++)(?!{_INSIDE})|(?:{_INSIDE})++")  # group 1: one token
_LONG, _MOST_MARKS = 256, 30
_FISCAL = re.compile(r"fy(?:19|20)?\d\d")
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_QUARTER = re.compile(
    r"\b(?:((?:19|20)\d\d)[\s_-]?q([1-4])|(?:q([1-4])|([1-4])q|(first|second|third|fourth)\s+quarter)"
    r"(?:\s+of)?(?:\s+fiscal)?(?:\s+year)?(?:[\s,-]*(?:fy)?(?=(?:19|20)\d\d)|\s?['\u2019]|\s?fy|"
    r"(?<=[1-4q]))((?:19|20)?\d\d))\b",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?<!\d)(?:(\d{4})[-_./]\d\d?[-_./]\d\d?|\d\d?[-_./]\d\d?[-_./](\d{4}))(?!\d)")
_SEPARATORS = re.compile(r"[\W_]+")
_ARTICLES = ("the", "a", "an")
_LOWER, _UPPER = "a-z\u00df-\u00f6\u00f8-\u00ff", "A-Z\u00c0-\u00d6\u00d8-\u00de"
_HUMP = re.compile(f"[{_LOWER}][{_UPPER}]")
_PIECE_OF_COMPOUND = re.compile(rf"[{_UPPER}]+(?![{_LOWER}])|[{_UPPER}]?[{_LOWER}]+|\d+")

# Marks that people often omit or cannot see: accents of Latin, Greek and Cyrillic (but not in the
# letters \u0439, \u045e and \u0457), Hebrew points, Arabic vowels and hamza seats, the tatweel,
# joiners, soft hyphens, marks of direction and of variation.
_OPTIONAL = re.compile(
    "(?<![\u0438\u0443])\u0306|(?<!\u0456)\u0308|[\u0300-\u0305\u0307\u0309-\u036f\u0483-\u0489"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08ca-\u08ff\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\u2cef-\u2cf1\u2d7f\u2de0-\u2dff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef"
    "\u180b-\u180d\u00ad\u200c-\u200f\u2060\ufeff]"
)


# Letters whose mark is not a separable accent, as they are typed on most keyboards.
_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
_TRANSCRIPTIONS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue",
     "Ø": "Oe", "Å": "Aa"}
)  # fmt: skip


@dataclass(frozen=True)
class TextTokens:
    """The tokens of one text, in order."""

    words: list[str]  # normal forms
    spans: list[tuple[int, int]]  # character offsets; the bigrams of one run share its span

    def __len__(self) -> int:
        return len(self.words)


def scan(text: str) -> TextTokens:
    """Find the tokens of a text; a possessive s after an apostrophe is not a token."""
    if text.isascii():
        matches = list(_pattern(text).finditer(text.lower()))
        words = _with_years([match[0] for match in matches], text)
        return TextTokens(words, [match.span() for match in matches])
    words, spans = list[str](), list[tuple[int, int]]()
    for piece in _PIECE.finditer(text):
        for word in _normal(piece[0]):
            words.append(word)
            spans.append(piece.span())
    return TextTokens(_with_years(words, text), spans)


def word_spans(text: str, begin: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Compute `scan(text).spans[begin:end]` without reading the text after these tokens."""
    if text.isascii():
        matches = _pattern(text).finditer(text.lower())
        return [match.span() for match in islice(matches, begin, end)]
    spans: list[tuple[int, int]] = []
    for piece in _PIECE_OR_WORD.finditer(text):
        if end is not None and len(spans) >= end:
            break
        if piece.lastindex:
            spans.append(piece.span())
        else:
            spans += [piece.span()] * len(_normal(piece[0]))
    return spans[begin:end]


def tokenize(text: str) -> list[str]:
    """Split a text into the normal forms of its tokens."""
    if text.isascii():
        return _with_years(_pattern(text).findall(text.lower()), text)
    words: list[str] = []
    for piece in _PIECE.findall(text):
        if piece.isascii() and piece.isalnum():  # a fast path for most pieces
            words.append(piece.lower())
        else:
            words += _normal(piece)
    return _with_years(words, text)


def _with_years(words: list[str], text: str) -> list[str]:
    """Replace fiscal years by years: FY2018 and FY18 become 2018."""
    if "FY" not in text and "fy" not in text:
        return words
    return [_year(word[2:]) if _FISCAL.fullmatch(word) else word for word in words]


def _year(digits: str) -> str:
    return digits if len(digits) > 2 else ("20" if digits < "70" else "19") + digits


def _quarters(text: str) -> Iterator[str]:
    """Yield quarters: "Q2 2022", "2Q22" and "second quarter of 2022" become 2022q2.

    Also yields the year if it is not a separate token.
    """
    for match in _QUARTER.finditer(text):
        year_before, *numbers, year_behind = match.groups()
        number, year = next(filter(None, numbers)).lower(), _year(year_before or year_behind)
        yield f"{year}q{_ORDINALS.get(number, number)}"
        if year not in tokenize(match[0]):
            yield year


@lru_cache(maxsize=256)  # the chunks of a document have one name
def name_words(name: str) -> Sequence[str]:
    """Return the distinct words of a document name, also inside compounds, and its quarters.

    Only the year of a date is a word.

    Examples:
        >>> name_words("reports/ACME_annualReport-2019Q1")
        ['reports', 'acme', 'annualreport', 'annual', 'report', '2019q1', '2019']
    """
    plain = _SEPARATORS.sub(" ", _DATE.sub(r" \1\2 ", name))
    pieces = (each for word in plain.split() for each in (word, *_PIECE_OF_COMPOUND.findall(word)))
    words = tokenize(" ".join(piece for piece in pieces if len(piece) > 1))
    return list(dict.fromkeys([*words, *_quarters(plain)]))


def inner_words(text: str, of_text: Iterable[Code] | None = None) -> list[str]:
    """Find the words inside compounds in camel case, Latin letters only, and quarters of years.

    `AdamSmith` has adam and smith, `parseHTTPHeader` has parse, http and header. Word search
    indexes them in addition to the whole word. The result also has the keys of codes that consist
    of several tokens: im22 for IM-22. Pass the codes of the text as `of_text` if you have them.
    """
    words = _WORD.findall(text) if _HUMP.search(text) else ()
    compounds = (word for word in words if _HUMP.search(word))
    pieces = (piece for word in compounds for piece in _PIECE_OF_COMPOUND.findall(word))
    joined = (
        code.key
        for code in (codes(text) if of_text is None else of_text)
        if not code.key.isalnum() or code.key != text[code.start : code.end].casefold()
    )
    return [*(token for piece in pieces for token in _normal(piece)), *joined, *_quarters(text)]


def _pattern(text: str) -> re.Pattern[str]:
    return _PLAIN if "'" in text else _ASCII_WORD


def entity_key(text: str) -> str:
    """Normalize a mention: its tokens without a leading article, joined by spaces.

    Mentions with equal keys are one entity. A code has its own key
    (`graphagg.rag.documents.codes`).
    """
    return code_key(text.strip()) or " ".join(without_article(tokenize(text)))


def transcribed(text: str) -> str:
    """Write out umlauts (Müller: Mueller); the number of tokens stays the same."""
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(_TRANSCRIPTIONS)


def without_article(words: list[str]) -> list[str]:
    """Drop a leading article, unless it is the only word."""
    return words[1:] if len(words) > 1 and words[0] in _ARTICLES else words


def _normal(piece: str) -> list[str]:
    """Split a piece of text without white space and ASCII punctuation into tokens."""
    if piece.isascii() and piece.isalnum():  # most pieces
        return [piece.lower()]
    piece = _POSSESSIVE.sub("", piece)
    if len(piece) > _LONG:
        piece = _few_marks(piece)
    folded = unicodedata.normalize("NFKD", piece).casefold()
    plain = unicodedata.normalize("NFC", _OPTIONAL.sub("", folded)).translate(_LETTERS)
    if not _BEYOND.search(plain):
        return _WORD.findall(plain)
    word, unit, run_of = _with_marks()
    runs = (run for marked in word.findall(plain) for run in run_of.finditer(marked))
    return [token for run in runs for token in (_pairs(run[0], unit) if run[1] else [run[0]])]


def _few_marks(piece: str) -> str:
    """Cut runs of combining marks after the 30th; Python sorts them in quadratic time."""
    characters, run = [], 0
    for character in piece:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _MOST_MARKS:
            characters.append(character)
    return "".join(characters)


@cache
def _with_marks() -> tuple[re.Pattern[str], ...]:
    """Return patterns of a word and of a character, with marks; `re` has no class for marks.

    The third pattern matches a run of characters; group 1 is set if it is split into bigrams.
    """
    every = map(chr, range(0x300, 0x20000))
    marks = "".join(c for c in every if unicodedata.category(c).startswith("M"))
    words = re.compile(rf"[^\W_](?:[^\W_]|[{marks}])*"), re.compile(f".[{marks}]*")
    return *words, re.compile(f"([{_BIGRAMS}]+)|[^{_BIGRAMS}]+")


def _pairs(run: str, unit: re.Pattern[str]) -> list[str]:
    units = unit.findall(run)
    return [a + b for a, b in pairwise(units)] or units


def is_capital(character: str) -> bool:
    """Return whether a token that begins with this character may be a name (not lower case)."""
    return not character.islower()
