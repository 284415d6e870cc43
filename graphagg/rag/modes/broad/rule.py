"""The rule of mode `auto`: whether a question is about a corpus as a whole, and why.

A question is broad if it asks for more than one thing: it has a word that asks for a survey
("main", "overview", "themes", "kinds", ...), or begins with words that ask for a list ("what are",
"which packages", "summarize", ...). What it names does not matter then: in a folder of documents
nearly every question names something ("Python", "licenses"). Else it is broad if it names no entity
of the corpus and does not begin with words that ask for one thing ("who", "when", "is", ...).
Everything is read from the question alone, so that the choice costs nothing and can be said in a
sentence.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from graphagg.rag.question.reading import Reading

SURVEY = frozenset(
    "main major various different overall general typical common overview summary summarize "
    "summarise themes theme topics topic trends trend kinds kind types type sorts ways areas area "
    "aspects approaches conflicts challenges differences similarities compare landscape survey "
    "list outline describe discuss".split()
)
"""Words that ask for more than one thing."""
_LIST = re.compile(
    r"(what are|what were|which are|which were|how do|how are|list|name (some|all|the)|"
    r"give (me )?(an|some|examples)|tell me about|in (what|which) ways)\b",
    re.IGNORECASE,
)
_PLURAL = re.compile(
    r"(what|which)(\s+\w+){0,2}?\s+(?!(does|was|has|is|this|his|its)\b)\w+[^siu\W]s\b",
    re.IGNORECASE,
)
_ONE = re.compile(
    r"(who|whom|whose|when|where|how (many|much|old|long|far)|is|are|was|were|do|does|did|has|have|"
    r"had|can|could|will|would|should)\b",
    re.IGNORECASE,
)


class Decision(NamedTuple):
    """Whether a question is broad, and why, in a sentence."""

    is_broad: bool
    why: str


def decide(reading: Reading) -> Decision:
    """Choose between `broad` and `multihop` for a question that was read."""
    text = reading.text.strip()
    words = re.findall(r"\w+", text.casefold())
    asked = next((word for word in words if word in SURVEY), None)
    if asked is not None:
        return Decision(True, f"the question asks for a survey: {asked!r}")
    begins = _LIST.match(text) or _PLURAL.match(text)
    if begins is not None:
        return Decision(True, f"the question asks for many: {begins[0]!r}")
    if reading.names:
        named = ", ".join(map(repr, reading.names[:3]))
        return Decision(False, f"the question names {named}")
    if _ONE.match(text):
        return Decision(False, "the question asks for one thing")
    return Decision(True, "the question names nothing and does not ask for one thing")
