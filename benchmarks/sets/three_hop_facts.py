"""What a passage of 2wiki says of its subject: dates of birth and death, places, spouses."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.sets.three_hop_links import Titles, Triple
from benchmarks.sets.wording import mentions
from graphagg.rag.documents.passages import Passage

_DATE = r"(?:\d{1,2} [A-Z][a-z]+ \d{3,4}|[A-Z][a-z]+ \d{1,2}, \d{4}|\b[1-9]\d{2,3}\b)"
_DASH = "\N{EN DASH}"
_NAME = r"[A-Z][\w'-]*(?:(?: of| de| von)? [A-Z][\w'-]*)*"
_RANK = r"(?:(?:the|his|her|King|Queen|Duke|Count|Prince|Emperor|Sir|Lord|Archduke|Baron) )*"
_OWN = r"(?:^|[.)] )(?:He|She|Born)\b[^.;,]*?"
_LIFE = re.compile(r"\(([^()]*\d{3}[^()]*)\)")
_NO_LIFE = re.compile(r"\b(?:r\.|reign|ruled|fl\.|Lord|film|novel)")
_PATTERNS = (
    ("place of birth", re.compile(rf"{_OWN}\b(?:born|Born) (?:in|at) (?:the )?({_NAME})")),
    ("place of death", re.compile(rf"{_OWN}\bdied (?:in|at) (?:the )?({_NAME})")),
    ("place of burial", re.compile(rf"{_OWN}\bburied (?:in|at) (?:the )?({_NAME}(?: {_NAME})*)")),
    ("spouse", re.compile(rf"(?:^|[.)] )(?:He|She) (?:first )?married {_RANK}({_NAME} {_NAME})")),
    ("parent", re.compile(rf"^[^.]{{0,200}}?\b(?:son|daughter) of {_RANK}({_NAME})")),
    ("parent", re.compile(rf"{_OWN}\b(?:son|daughter) of {_RANK}({_NAME})")),
)
ASKED = (
    "place of birth", "spouse", "place of burial", "father", "mother", "parent", "place of death",
    "date of death", "date of birth", "educated at", "employer", "award received",
    "cause of death", "country of citizenship",
)  # fmt: skip
_MONTHS = {month: number for number, month in enumerate(
    ("january", "february", "march", "april", "may", "june", "july", "august", "september",
     "october", "november", "december"), start=1)}  # fmt: skip


def facts(passages: Sequence[Passage], triples: Sequence[Triple]) -> dict[str, dict[str, str]]:
    """By passage id and relation; evidence goes before what patterns find in the text."""
    titles = Titles(passages)
    found = {passage.id: _of_text(passage.text) for passage in passages}
    for subject, relation, object_ in triples:
        about = titles.find(subject)
        if about and mentions(about.text, object_):
            found[about.id][relation] = object_
            if relation == "father":
                found[about.id].pop("parent", None)
    return found


def _of_text(text: str) -> dict[str, str]:
    found = _life(text[:220])
    for relation, pattern in _PATTERNS:
        match = pattern.search(text)
        if match:
            found.setdefault(relation, match.group(1))
    return {relation: object_ for relation, object_ in found.items() if mentions(text, object_)}


def _life(head: str) -> dict[str, str]:
    """Dates of birth and death in the first parenthesis with a year."""
    given = _LIFE.search(head)
    if not given or _NO_LIFE.search(given.group(1)):
        return {}
    left, dash, right = re.sub(rf"{_DASH}| -(?=\s)", "|", given.group(1)).partition("|")
    if not dash and re.search(r"\b(?:died|d\.)|†", left):
        left, right = "", left
    elif not dash and "born" not in left:
        return {}
    dates = {"date of birth": re.search(_DATE, left), "date of death": re.search(_DATE, right)}
    return {relation: date.group() for relation, date in dates.items() if date}


def day(date: str) -> tuple[int, int, int] | None:
    """Year, month, day, or None where the date says less."""
    tokens = re.findall(r"\w+", date.lower())
    month = [_MONTHS[token] for token in tokens if token in _MONTHS]
    numbers = sorted((int(token) for token in tokens if token.isdigit()), reverse=True)
    return (numbers[0], month[0], numbers[1]) if month and len(numbers) == 2 else None
