"""Names from a user's list, with aliases; they are found in every text.

A name and its aliases are one entity, found in any letter case; an alias in capitals ("SRE", "US")
only in capitals. A file of names has one name per line, followed by its aliases, separated by `=`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from graphagg.errors import InvalidParameter
from graphagg.rag.documents.codes import Code
from graphagg.rag.documents.tokens import TextTokens, entity_key, scan, tokenize

_LONGEST = 10  # words


@dataclass(frozen=True)
class ListedName:
    """A name from a user's list, with its aliases."""

    name: str
    aliases: tuple[str, ...] = ()


class ListedNames:
    """A validated list of names.

    Raises `InvalidParameter` for a name or alias without a letter or digit, longer than 10 words or
    listed twice.
    """

    def __init__(self, names: Sequence[ListedName]) -> None:
        self.names = tuple(names)
        self._by_word: dict[str, list[tuple[tuple[str, ...], str, bool]]] = {}
        self._name_of: dict[str, str] = {}
        name_of: dict[tuple[tuple[str, ...], bool], str] = {}
        for entry in self.names:
            if "##" in entry.name:
                raise InvalidParameter(
                    f"names: {entry.name!r} is a pattern, expected a name; leave it out, since "
                    "codes such as WO-2231 are recognized without a list"
                )
            key = entity_key(entry.name)
            self._name_of[key] = entry.name
            for spelling in dict.fromkeys((entry.name, *entry.aliases)):
                words = tuple(tokenize(spelling))
                if not 0 < len(words) <= _LONGEST or not key:
                    raise InvalidParameter(
                        f"names: {spelling!r} has {len(words)} words, expected 1 to {_LONGEST}"
                    )
                variant = words, spelling.isupper()
                if variant in name_of:
                    raise InvalidParameter(
                        f"names: {spelling!r} is listed for {name_of[variant]!r} and for "
                        f"{entry.name!r}; keep one of them"
                    )
                name_of[variant] = entry.name
                self._by_word.setdefault(words[0], []).append((words, key, spelling.isupper()))

    @classmethod
    def from_source(cls, names: Any) -> ListedNames | None:
        """Read names from a file, or from a list of `ListedName`, mappings or lines."""
        if names is None or isinstance(names, ListedNames):
            return names
        if isinstance(names, str | Path):
            return cls(list(_read(Path(names))))
        return cls([n if isinstance(n, ListedName) else _entry(n, "names") for n in names])

    @cached_property
    def digest(self) -> str:
        """The sha256 of all names."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain JSON values, as stored in a manifest."""
        return [{**asdict(entry), "aliases": list(entry.aliases)} for entry in self.names]

    def resolve_aliases(self, text: str) -> str:
        """Replace each alias in a text with its name."""
        pieces, end = list[str](), 0
        for place in sorted(self.find(text, scan(text)), key=lambda each: (each.start, -each.end)):
            if place.start >= end:
                spelling = text[place.start : place.end]
                is_alias = " ".join(tokenize(spelling)) != place.key
                name = self._name_of.get(place.key, spelling) if is_alias else spelling
                pieces, end = [*pieces, text[end : place.start], name], place.end
        return "".join([*pieces, text[end:]])

    def other_words(self, text: str, names: Iterable[Code]) -> Iterator[str]:
        """Yield the words of listed names that are missing from the aliases in a text."""
        for place in names:
            if place.key in self._name_of:
                words = tokenize(text[place.start : place.end])
                yield from (word for word in place.key.split(" ") if word not in words)

    def find(self, text: str, tokens: TextTokens) -> Iterator[Code]:
        """Find the names in a text with these tokens; they may overlap."""
        for start, word in enumerate(tokens.words):
            for words, key, in_capitals in self._by_word.get(word, ()):
                end = start + len(words)
                if tuple(tokens.words[start:end]) == words:
                    first, last = tokens.spans[start][0], tokens.spans[end - 1][1]
                    if not in_capitals or text[first:last].isupper():
                        yield Code(first, last, key, True)


def _read(path: Path) -> Iterator[ListedName]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidParameter(f"names: {path} cannot be read as UTF-8: {error}") from error
    for line_number, line in enumerate(lines, 1):
        yield _entry(line, f"{path}:{line_number}")


def _entry(value: Any, where: str) -> ListedName:
    """Convert a line or a mapping to a listed name; `InvalidParameter` names the place."""
    if isinstance(value, str):
        first, *others = map(str.strip, value.split("="))
        value = {"name": first, "aliases": others}
    fields = value if isinstance(value, Mapping) else {}
    name, aliases = fields.get("name"), fields.get("aliases", ())
    texts = [name, *aliases] if isinstance(aliases, list | tuple) else [None]
    if not all(isinstance(text, str) and text for text in texts) or {*fields} - {"name", "aliases"}:
        raise InvalidParameter(
            f"{where}: {value!r} is not a name, expected a text `name` and a list of texts "
            "`aliases`, none of them empty, or a line such as 'Name = Alias'"
        )
    return ListedName(str(name), tuple(aliases))
