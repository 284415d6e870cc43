"""Decode files: recognize the encoding, and end every line with a line feed.

We try, in this order: a byte-order mark; UTF-8, perhaps with a few bad bytes; UTF-16 by its zero
bytes; the encoding that the text declares; the encoding that the user set; cp1252. Encodings of
Central Europe, Turkey and the Baltics come before cp1252 only if the text is in such a language and
all of its letters belong to one. We use chardet only if much of the text is beyond ASCII.
"""

from __future__ import annotations

import codecs
import re
import string
import unicodedata
from collections import Counter
from typing import NamedTuple

from graphagg.errors import needs
from graphagg.rag.documents.languages import code_of_text
from graphagg.rag.documents.reading.content import Unread
from graphagg.rag.documents.reading.rules import section

# UTF-32 first: its mark begins with the mark of UTF-16.
_MARKS = {
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-8-sig": (codecs.BOM_UTF8,),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
SAMPLE = 2**16
"""Bytes from which binary files and encodings are recognized."""
_CONTROLS = bytes({*range(32)} - {*b"\t\n\r\f\b\x1b"})
_MOST_CONTROLS = 0.05
_GOOD_PER_BAD = 4  # minimum multi-byte characters per bad byte in a text in UTF-8
_STATED = re.compile(rb"(?:charset|encoding|coding)\s{0,3}[=:]\s{0,3}[\"']?([\w.:-]{2,40})", re.I)
_HEAD = 1024  # leading bytes that may declare the encoding
_WIDER, _EUROPEAN, _LETTERS = (
    section("languages", name) for name in ("wider encodings", "encodings", "letters")
)
_SIGNS = frozenset("«»„“”‚‘’–—…€§°•©®™·¡¿ºª²³½¼¾±×µ£\xa0‹›")  # noqa: RUF001
_MOST_ACCENTED = 0.6  # of all letters


_BEYOND, _LETTER_BYTES = bytes(range(0x80, 0x100)), string.ascii_letters.encode()
_MUCH = 0.25  # share of bytes beyond ASCII, of these and ASCII letters, in another script
_FOREIGN_WORD = re.compile(rb"[\x80-\xff]{4,}")  # not a word in Latin script
_INSIDE = re.compile("(?<=[^\\W\\d_])[^\x00-\x7f\xad\xb7\u2018\u2019](?=[^\\W\\d_])")


class Decoded(NamedTuple):
    """A text, and its encoding if that was guessed or bytes were replaced; else ""."""

    text: str
    guess: str = ""


def decode(content: bytes, encoding: str | None = None) -> Decoded:
    """Decode a file; `encoding` is for files that are not UTF-8 and declare no encoding."""
    marked = next((name for name, marks in _MARKS.items() if content.startswith(marks)), None)
    if marked is not None:
        text = _decoded(content, marked)
        if text is None:
            name = marked.removesuffix("-sig").upper()
            raise Unread("unknown encoding", f"invalid {name}, which its byte-order mark declares")
        return Decoded(_lines(text))
    text, guess = _decoded(content, "utf-8"), ""
    is_wide = text is None or "\0" in text[:SAMPLE]
    if is_wide and (name := _wide(content)):
        text, guess = content.decode(name, "replace"), name
    elif is_binary(content[:SAMPLE]):
        raise Unread("binary")
    elif text is None:
        text, guess = _unmarked(content, encoding)
    return Decoded(_lines(text or ""), guess)


def _unmarked(content: bytes, encoding: str | None) -> tuple[str, str]:
    """Decode a text that is not UTF-8, and name the encoding if it is a guess."""
    text = content.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if (
        sum(map(text.count, set(text[:SAMPLE]) - set(map(chr, range(128))))) - bad
        >= _GOOD_PER_BAD * bad
    ):
        return text, f"utf-8, {bad:,} bad bytes replaced"
    stated = _STATED.search(content, 0, _HEAD)
    for name in (stated[1].decode("ascii") if stated else "", encoding or ""):
        if (text_as_stated := _decoded(content, name)) is not None:
            return text_as_stated, ""
    name = _recognized(content)
    return content.decode(name, "replace"), name


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode_as(content: bytes, encoding: str) -> str:
    """Decode a text in a declared encoding, such as that of a mail; if it fails, use `decode`."""
    text = _decoded(content, encoding)
    return decode(content.replace(b"\0", b"")).text if text is None else text


def _decoded(content: bytes, encoding: str) -> str | None:
    """Decode as browsers do; None if that fails or the encoding is unknown."""
    try:
        name = codecs.lookup(encoding).name
        return content.decode(_WIDER.get(name, name))
    except (UnicodeDecodeError, LookupError):
        return None


def _wide(content: bytes) -> str:
    """Recognize UTF-16 without a mark: every second byte of spaces and line ends is zero."""
    sample = content[: SAMPLE - SAMPLE % 2]
    if len(content) % 2 or b"\0" not in sample:
        return ""
    names = ("utf-16-le", "utf-16-be")
    texts = [sample.decode(name, "replace") for name in names]
    plain = [sum(map(str.isascii, text)) for text in texts]
    name, text = max(zip(plain, names, texts, strict=True))[1:]
    categories = Counter(map(unicodedata.category, text))
    strange = sum(categories[kind] for kind in ("Cc", "Cn", "Co", "Cs"))
    strange -= sum(map(text.count, "\t\n\r"))
    return name if strange + text.count("\ufffd") <= len(text) / 50 else ""


def _recognized(content: bytes) -> str:
    """Return the likeliest single-byte or multi-byte encoding."""
    sample = content
    if len(content) > SAMPLE:  # a cut inside a character would exclude the right encoding
        sample = content[: content.rfind(b"\n", 0, SAMPLE) + 1] or content[:SAMPLE]
    costs = {name: _strangeness(sample, name) for name in _EUROPEAN}
    for name in sorted(costs, key=costs.__getitem__):
        if costs[name] < 1 and (name == "cp1252" or _is_likely(sample, name)):
            return name
    beyond = len(sample) - len(sample.translate(None, _BEYOND))
    letters = len(sample) - len(sample.translate(None, _LETTER_BYTES))
    if beyond < _MUCH * (beyond + letters) and len(_FOREIGN_WORD.findall(sample)) < 3:
        return "cp1252"
    with needs("chardet", "fast"):
        import chardet
    detected = chardet.detect(sample)["encoding"]
    if detected is None or _decoded(sample, detected) is None:
        return "cp1252"
    detected = codecs.lookup(detected).name
    return _WIDER.get(detected, detected)


def _is_likely(sample: bytes, encoding: str) -> bool:
    """Return whether a text is in a language of an encoding, or has signs in words as cp1252.

    All letters that cp1252 decodes differently must belong to one language.
    """
    text, plain = (sample.decode(name, "replace") for name in (encoding, "cp1252"))
    own = {a.lower() for a, b in zip(text, plain, strict=True) if a != b and a.isalpha()}
    if not any(all(each in alphabet for each in own) for alphabet in _LETTERS.values()):
        return False
    signs = sum(1 for each in _INSIDE.findall(plain) if not each.isalpha())
    return signs > 1 or code_of_text(text) in _EUROPEAN[encoding].split()


def _strangeness(sample: bytes, encoding: str) -> float:
    """Return the cost of an encoding: 0 for text in a European language, above 1 for other text.

    It counts letters that the closest language does not have, and signs inside of words.
    """
    text = sample.decode(encoding, "replace")
    beyond = Counter(character for character in text if character > "\x7f")
    letters = {each: count for each, count in beyond.items() if each.isalpha()}
    total, accented = sum(map(str.isalpha, text)), sum(letters.values())
    if accented > max(2, _MOST_ACCENTED * total):
        return 2.0
    signs = sum(beyond[each] for each in beyond.keys() - letters.keys() - _SIGNS)
    inside = sum(1 for sign in _INSIDE.findall(text) if not sign.isalpha())
    covered = {
        code: sum(count for each, count in letters.items() if each.lower() in alphabet)
        for code, alphabet in _LETTERS.items()
    }
    is_of_its_language = covered.get(code_of_text(text)) == accented
    every = max(1, beyond.total())
    strange = accented - max(covered.values()) + 2 * signs + 2 * inside
    return 1.5 * strange / every - 0.1 * is_of_its_language


def is_binary(sample: bytes) -> bool:
    """Return whether the head of a file is not text: a zero byte, or many control characters."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        return False
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return b"\0" in sample or controls > _MOST_CONTROLS * len(sample)
