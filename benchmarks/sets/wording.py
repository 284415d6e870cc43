"""Small grammar for hand-written text: alternatives, slots, and paragraphs of a set length."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"\b([Aa]) (?=[AEIO])")  # a name with a vowel in front
_WORD = re.compile(r"[^\W_]+")


def texts(name: str) -> SimpleNamespace:
    """Tables of the file `NAME.toml` beside this one, as attributes."""
    path = Path(__file__).with_name(f"{name}.toml")
    return SimpleNamespace(**tomllib.loads(path.read_text(encoding="utf-8")))


def expand(template: str, rng: random.Random, **slots: object) -> str:
    """Choose one of every `[a|b|c]` (innermost first) and fill `{slot}`; a value may hold choices.

    A slot is also there with its first letter in upper case: `{Who}` for the slot `who`.
    """
    texts = {name: str(value) for name, value in slots.items()}
    texts |= {upper_first(name): upper_first(text) for name, text in texts.items()}
    text = _choose(_choose(template, rng).format(**texts), rng)
    return _ARTICLE.sub(r"\1n ", " ".join(text.split()))


def _choose(template: str, rng: random.Random) -> str:
    while found := _CHOICE.search(template):
        choice = rng.choice(found.group(1).split("|"))
        template = template[: found.start()] + choice + template[found.end() :]
    return template


def ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number // 10 != 1 else "th"
    return f"{number}{ending}"


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def compose(
    rng: random.Random,
    core: Iterable[str],
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    *,
    between: tuple[int, int] = (44, 74),
    most: int = 88,
) -> str:
    """Put sentences before and after the core until the paragraph has enough words."""
    parts = list(core)
    target = rng.randint(*between)
    extra = [(True, sentence) for sentence in before] + [(False, sentence) for sentence in after]
    rng.shuffle(extra)
    for leading, sentence in extra:
        length = sum(len(part.split()) for part in parts)
        if length >= target:
            break
        if length + len(sentence.split()) <= most:
            parts.insert(0 if leading else len(parts), sentence)
    return " ".join(parts)


def words(text: str) -> str:
    """Words and numbers in lower case between single blanks, with a blank at both ends."""
    return " " + " ".join(_WORD.findall(text.lower())) + " "


def mentions(text: str, name: str) -> bool:
    """Whether the words of `name` stand in `text` one after another."""
    return words(name) in words(text)


def cycle(rng: random.Random, values: Sequence[str], count: int) -> list[str]:
    """`count` values, each equally often but for the remainder, in random order."""
    drawn = [values[i % len(values)] for i in range(count)]
    rng.shuffle(drawn)
    return drawn
