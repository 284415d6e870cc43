"""Codes in a text: part numbers, errors, tickets, standards, versions, flags, identifiers, paths.

A code is a name in any language. Its key has neither case nor separators, so that "IM-22", "im-22"
and "IM22" are one code, and `--dry-run`, `dry_run` and `dryRun` are one option. A version keeps its
dots, since 2.3.1 is not 23.1. An option that would become a plain word keeps its marks: `--force`.

Kinds are the groups of the pattern below, mail addresses, and words after "login: " or "ticket". A
lowercase part number ("top-10", "im-22") does not define a name; it only mentions a name that is
written with capitals elsewhere. The same is true of a decimal, which may be the version v2.9, and
of a word after "by", "for" or "user" in a log line, which may be a login. A number with a unit
(5GB, 10km) begins with a digit and is not a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_LONGEST = 80  # maximum characters of a code; longer runs are data
_STANDARDS = "ISO/IEC|ISO|IEC|IEEE|RFC|CVE|CWE|DIN|EN|BS|ANSI|ASTM|PEP|NIST"
# No alternative begins inside of a word; `_` and digits are parts of words.
_CODE = re.compile(
    r"(?<![\w.#/\\-])(?:"
    rf"(?P<standard>(?:{_STANDARDS})[ -]\d[\d:.-]*)"
    r"|(?P<option>--[A-Za-z][\w-]*)"
    r"|(?P<number>0x[0-9A-Fa-f]{2,16}|\#\d{2,10})"
    r"|(?P<path>(?:[A-Za-z]:)?[/\\][\w.-]+[/\\][\w./\\-]*|\.{0,2}[\w-][\w.-]*+/[\w./-]*\.\w+)"
    r"|(?P<version>[vV]\d+\.[\d.]*\d[\w.+-]*|\d+\.\d+\.\d[\w.+-]*)"
    r"|(?P<decimal>(?<!\d,)\d{1,3}\.\d{1,3})"
    r"|(?P<part>[A-Za-z]{1,8}+-?\d[\w-]*|\d++[A-Z]\w*\d[\w-]*)"
    r"|(?P<identifier>[A-Za-z][^\W_]*+_\w+|_+[A-Za-z]\w*_\w*|[a-z]\w++(?:\.[a-z]\w++)++"
    r"|[a-z]++[A-Z]\w*)"
    r")(?!\w)"
)
LOG_TIME = (
    r"[<\[(]?\d{4}[-/]\d\d[-/]\d\d[T ]|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d|\[?\d\d:\d\d:\d\d[\],. ]"
)
"""The timestamp at the beginning of a log line."""
_LOG_LINE = re.compile(rf"^(?:{LOG_TIME}).*$", re.M)
_MAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,20}")
_WORD = r"[a-z][a-z0-9._-]{0,30}[a-z0-9]"
_LOGIN = re.compile(
    r"(?:^|[-;|] )(?i:login|log-in|user[ _-]?(?:name|id)?|uid|account|benutzer(?:name)?|kennung"
    rf"|anmeldename|identifiant|usuario|utente): (?P<login>{_WORD})(?=\s*(?:[;|]|$))",
    re.M,
)
_ACTOR = re.compile(
    rf"(?i:\b(?:by|for|user|login|account|uid|owner))[ =:]{{1,2}}(?P<actor>{_WORD})\b"
)
_TICKET = re.compile(
    r"(?i)\b(?:ticket|incident|case|issue)(?:[ _-]?(?:no|nr|number|id))?\.?[ :=]{1,2}"
    r"(?P<ticket>\d{3,10})\b"
)
_MAY_NUMBER = re.compile(r"[ :=]\d{3}")
_MAY_HOLD = re.compile(r"[\d_/\\@]|--|[a-z][A-Z]|\w\.\w|[a-z]: [a-z]")  # most words contain none
_DATE = re.compile(r"\d{1,2}\.\d{1,2}\.\d{2,4}")
_ENDING = re.compile(r"[.:+-]+$|[/\\]+$")
_SEPARATORS = re.compile(r"[\W_]+")
_OUTSIDE_VERSION = re.compile(r"[^\w.]+")


@dataclass(frozen=True)
class Code:
    """A code, or a user's name, in `text[start:end]`."""

    start: int
    end: int
    key: str  # without case and separators
    defines: bool  # whether it defines a name; lowercase part numbers and decimals do not


def codes(text: str) -> Iterator[Code]:
    """Yield the codes of a text in order; they do not overlap.

    Examples:
        >>> [code.key for code in codes("The P300 takes IM-22 since v2.3; see `--dry-run`.")]
        ['p300', 'im22', '2.3', 'dryrun']
        >>> [(code.key, code.defines) for code in codes("im-22 weighs 5kg")]
        [('im22', False)]
    """
    if not _MAY_HOLD.search(text):
        return
    end = 0
    every = (*_named(text), *_shaped(text))
    for code in sorted(every, key=lambda code: (code.start, -code.end, not code.defines)):
        if code.start >= end:
            yield code
            end = code.end


def _named(text: str) -> Iterator[Code]:
    """Yield mail addresses, and codes that the words before them mark as such."""
    if "@" in text:
        for match in _MAIL.finditer(text):
            yield Code(*match.span(), match[0].casefold(), True)
    if ": " in text:
        for match in _LOGIN.finditer(text):
            yield Code(*match.span("login"), match["login"], True)
    for match in _TICKET.finditer(text) if _MAY_NUMBER.search(text) else ():
        yield Code(*match.span("ticket"), "#" + match["ticket"], True)
    for line in _LOG_LINE.finditer(text):
        for match in _ACTOR.finditer(text, *line.span()):
            yield Code(*match.span("actor"), match["actor"], False)


def _shaped(text: str) -> Iterator[Code]:
    for match in _CODE.finditer(text):
        kind, code = str(match.lastgroup), match[0]
        code = _ENDING.sub("", code)
        key = _key_of(kind, code)
        if key:
            defines = kind != "decimal" and (kind != "part" or not code.islower())
            yield Code(match.start(), match.start() + len(code), key, defines)


@lru_cache(maxsize=65_536)
def code_key(text: str) -> str:
    """Return the key of a text that is exactly one code ("IM-22": im22), "" otherwise."""
    if len(text) > _LONGEST:
        return ""
    code = next(codes(text), None)
    return code.key if code and (code.start, code.end) == (0, len(text)) and code.defines else ""


def _key_of(kind: str, code: str) -> str:
    """Return the key of a code; "" for a date, a long text, or one without letters and digits."""
    if len(code) > _LONGEST or _DATE.fullmatch(code):
        return ""
    lower = code.casefold()
    if kind in ("version", "decimal"):
        return _OUTSIDE_VERSION.sub("", lower.lstrip("v"))
    key = _SEPARATORS.sub("", lower)
    has_marks_outside = kind in ("option", "identifier", "number") and key in lower
    return lower if has_marks_outside else key
