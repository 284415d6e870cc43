"""Themes of a corpus, and the map that contains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Ints
from graphagg.errors import UnknownPassage, UnknownTheme
from graphagg.fields import Brief
from graphagg.tables import Exportable

if TYPE_CHECKING:
    import pyarrow

GIANT = 0.6
"""A theme with at least this share of the passages gets a note."""


@dataclass(frozen=True)
class NamedEntity:
    """An entity of a theme: its key, its spelling in a passage, and its weight in the theme."""

    key: str
    name: str
    weight: float


@dataclass(frozen=True)
class NamedPassage:
    """A passage of a theme, and how typical it is."""

    id: str
    title: str
    score: float


@dataclass(frozen=True)
class NearTheme:
    """A linked theme: the share of the other's outward ties that lead to it, and its label."""

    id: str
    weight: float
    label: str


@dataclass(frozen=True)
class DateRange:
    """The first and the last date of a theme's passages, and the number of dated ones."""

    first: str
    last: str
    dated: int


@dataclass(frozen=True, repr=False)
class Theme(Brief):
    """Passages that belong together.

    Attributes:
        id: its number in each level, such as `3.1`: the largest theme inside the third largest.
        level: 0 for the coarsest.
        label: some words for people: its most distinctive ones.
        words: its distinctive words, the most distinctive first.
        entities: those with the greatest weight in its passages.
        typical: the passages closest to the mean of its vectors, by cosine.
        passages: number of its passages.
        members: number of entities that belong to it more than to any other theme of its level.
        span: dates of its passages; None where none has one.
        neighbors: the themes of its level that it is tied to most.
        children: ids of the themes inside it.

    Examples:
        >>> theme = Theme("1", 0, "abbeys", ("abbey",), (), (), 2, 0, None, (), ())
        >>> Theme.of_json(theme.to_json()) == theme
        True
    """

    id: str
    level: int
    label: str
    words: tuple[str, ...]
    entities: tuple[NamedEntity, ...]
    typical: tuple[NamedPassage, ...]
    passages: int
    members: int
    span: DateRange | None
    neighbors: tuple[NearTheme, ...]
    children: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in plain.items()}

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> Theme:
        """Read the result of `to_json`; raises `ValueError` for other values."""
        theme: Theme = _adapter().validate_python(plain)
        return theme


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # takes 0.1 s: only where a map is read

    return TypeAdapter(Theme)


@dataclass(frozen=True, repr=False)
class ThemeMap(Brief, Exportable):
    """The themes of a corpus at several resolutions.

    Attributes:
        levels: the themes of each level, the coarsest first; children of one parent follow each
            other, the largest first.
        passages: `[P]` ids, in the order of the index.
        passage_theme: `[L, P]` int32, the position of each passage's theme in each level.
        entities: `[E]` keys, ascending by their UTF-8 bytes.
        entity_theme: `[L, E]` int32, likewise.
        when: the key of the metadata that dates come from; None where no passage has one.
        modularity: of each level: share of ties inside themes beyond the share by chance.

    Examples:
        >>> theme = Theme("1", 0, "abbeys", ("abbey",), (), (), 2, 0, None, (), ())
        >>> both, none = np.zeros((1, 2), np.int32), np.zeros((1, 0), np.int32)
        >>> themes = ThemeMap(((theme,),), ["p1", "p2"], both, [], none, None, (0.0,))
        >>> themes["1"].label, themes.passages_of("1")
        ('abbeys', ['p1', 'p2'])
        >>> themes.entities_of("1"), [theme.id for theme in themes.themes_of("p2")]
        ([], ['1'])
        >>> themes.to_arrow().num_rows, len(themes.to_json()["themes"])
        (2, 1)
        >>> from tempfile import mkdtemp
        >>> themes.save(mkdtemp() + "/themes.json")
    """

    levels: tuple[tuple[Theme, ...], ...]
    passages: Sequence[str]
    passage_theme: Ints
    entities: Sequence[str]
    entity_theme: Ints
    when: str | None
    modularity: tuple[float, ...]

    def __len__(self) -> int:
        return sum(map(len, self.levels))

    def __iter__(self) -> Iterator[Theme]:
        """All themes, level by level."""
        return (theme for level in self.levels for theme in level)

    def __getitem__(self, identifier: str) -> Theme:
        """The theme of an id; raises `UnknownTheme`."""
        if identifier not in self._positions:
            hint = (
                f"wanted an id such as {next(iter(self._positions))!r} (`graphagg rag map`)"
                if self._positions
                else "it has none, since no passage is visible"
            )
            raise UnknownTheme(f"theme {identifier!r} is not on the map; {hint}")
        level, position = self._positions[identifier]
        return self.levels[level][position]

    @cached_property
    def _positions(self) -> dict[str, tuple[int, int]]:
        return {
            theme.id: (level, position)
            for level, themes in enumerate(self.levels)
            for position, theme in enumerate(themes)
        }

    def passages_of(self, identifier: str) -> list[str]:
        """Ids of all passages of a theme, in the order of the index; raises `UnknownTheme`."""
        level, position = self._positions[self[identifier].id]
        inside = np.flatnonzero(self.passage_theme[level] == position).tolist()
        return [self.passages[i] for i in inside]

    def entities_of(self, identifier: str) -> list[str]:
        """Keys of all entities of a theme; raises `UnknownTheme`."""
        level, position = self._positions[self[identifier].id]
        inside = np.flatnonzero(self.entity_theme[level] == position).tolist()
        return [self.entities[i] for i in inside]

    def themes_of(self, passage_id: str) -> list[Theme]:
        """The themes of a passage, the coarsest first; raises `UnknownPassage`."""
        if passage_id not in self._column:
            raise UnknownPassage(f"passage {passage_id!r} is not on the map; check its id")
        column = self._column[passage_id]
        return [
            themes[int(self.passage_theme[level, column])]
            for level, themes in enumerate(self.levels)
        ]

    @cached_property
    def _column(self) -> dict[str, int]:
        return {identifier: column for column, identifier in enumerate(self.passages)}

    @property
    def level(self) -> int:
        """The level to show first: the coarsest one without a theme of nearly all passages."""
        return next(
            (level for level in range(len(self.levels)) if self._largest(level) < GIANT),
            len(self.levels) - 1,
        )

    def _largest(self, level: int) -> float:
        sizes = [theme.passages for theme in self.levels[level]]
        return max(sizes, default=0) / max(len(self.passages), 1)

    @property
    def notes(self) -> list[str]:
        """Notes on the map, in sentences."""
        notes = []
        if not self.entities:
            notes.append("no entity is named by any passage: themes follow from text vectors alone")
        share = self._largest(0) if len(self.passages) > 1 else 0.0
        if share >= GIANT:
            better = f" at the coarsest level; level {self.level} shows more" * (self.level > 0)
            notes.append(f"one theme holds {100 * share:.0f} % of the passages{better}")
        return notes

    def to_json(self, level: int | None = None) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`; None: all levels."""
        levels = range(len(self.levels)) if level is None else [level]
        return {
            "passages": len(self.passages),
            "entities": len(self.entities),
            "levels": [len(themes) for themes in self.levels],
            "level": self.level,
            "when": self.when,
            "modularity": list(self.modularity),
            "notes": self.notes,
            "themes": [theme.to_json() for each in levels for theme in self.levels[each]],
        }

    def to_arrow(self) -> pyarrow.Table:
        """One row per passage: `passage`, and the id of its theme by level (`theme_0`, ...)."""
        import pyarrow as pa

        columns: dict[str, list[str]] = {"passage": list(self.passages)}
        for level, themes in enumerate(self.levels):
            names = np.array([theme.id for theme in themes], dtype=object)
            columns[f"theme_{level}"] = names[self.passage_theme[level]].tolist()
        return pa.table({name: pa.array(v, pa.string()) for name, v in columns.items()})
