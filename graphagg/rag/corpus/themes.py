"""The map of a corpus: its themes, without a language model.

Leiden (`graphagg.graph.leiden`) partitions the network of passages and entities once; the passages
of a community are a theme, labeled by its most distinctive words. Vertices are visited in the order
of a hash of their names, so the map after a change equals that of a rebuild.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphagg.arrays import Ints, offsets
from graphagg.errors import InvalidParameter, UnknownPassage, UnknownTheme
from graphagg.fields import Brief
from graphagg.graph.adjacency import expand_rows
from graphagg.graph.csr import Csr
from graphagg.graph.leiden import by_size, leiden
from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import MapConfig
from graphagg.rag.corpus.network import CorpusNetwork, name_hashes, network, random_bits, symmetric
from graphagg.rag.corpus.theme_words import ThemeWords, first_of_each
from graphagg.rag.documents.value_types import parse_instant
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import Speller
from graphagg.rag.tables.view import View
from graphagg.tables import Exportable

if TYPE_CHECKING:
    import pyarrow

_IN_LABEL = 4  # maximum number of words of a label
_DIGITS = 6  # decimal places of scores and weights
KEYS = ("when", "date", "published", "created", "year", "modified")
"""Keys of metadata that may contain dates; the first one with a date is used."""
_YEARS = range(1, 10_000)


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
class DateRange:
    """The first and the last date of a theme's passages, and the number of dated passages."""

    first: str
    last: str
    dated: int


@dataclass(frozen=True, repr=False)
class Theme(Brief):
    """A theme: passages that belong together.

    Attributes:
        id: number of the theme, by size: `1` is the largest.
        label: readable name: the most distinctive words of the theme.
        words: distinctive words, the most distinctive first.
        entities: entities with the greatest weight in its passages.
        typical: passages closest to the mean of its vectors, by cosine.
        passages: number of passages.
        span: range of the passages' dates; None if no passage has a date.

    Examples:
        >>> Theme("1", "abbeys", ("abbey",), (), (), 2, None).label
        'abbeys'
    """

    id: str
    label: str
    words: tuple[str, ...]
    entities: tuple[NamedEntity, ...]
    typical: tuple[NamedPassage, ...]
    passages: int
    span: DateRange | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in plain.items()}


@dataclass(frozen=True, repr=False)
class ThemeMap(Brief, Exportable):
    """The themes of a corpus.

    Attributes:
        themes: all themes, the largest first.
        passages: `[P]` ids, in the order of the index.
        theme_of: `[P]` int64, the position of each passage's theme.
        when: metadata key of the dates; None if no passage has a date.

    Examples:
        >>> theme = Theme("1", "abbeys", ("abbey",), (), (), 2, None)
        >>> themes = ThemeMap((theme,), ["p1", "p2"], np.zeros(2, np.int64), None)
        >>> themes["1"].label, themes.passages_of("1"), themes.theme_of_passage("p2").id
        ('abbeys', ['p1', 'p2'], '1')
        >>> themes.to_arrow().num_rows, len(themes.to_json()["themes"])
        (2, 1)
        >>> from tempfile import mkdtemp
        >>> themes.save(mkdtemp() + "/themes.json")
    """

    themes: tuple[Theme, ...]
    passages: Sequence[str]
    theme_of: Ints
    when: str | None

    def __len__(self) -> int:
        return len(self.themes)

    def __iter__(self) -> Iterator[Theme]:
        """Iterate over the themes, the largest first."""
        return iter(self.themes)

    def __getitem__(self, identifier: str) -> Theme:
        """Return the theme with an id; raises `UnknownTheme`."""
        return self.themes[self._position(identifier)]

    def _position(self, identifier: str) -> int:
        for position, theme in enumerate(self.themes):
            if theme.id == identifier:
                return position
        raise UnknownTheme(
            f"theme {identifier!r} is not on the map, which has {len(self)} themes; expected an id "
            "such as '1' (`graphagg rag map`)"
        )

    def passages_of(self, identifier: str) -> list[str]:
        """Return the ids of a theme's passages, in index order; raises `UnknownTheme`."""
        inside = np.flatnonzero(self.theme_of == self._position(identifier)).tolist()
        return [self.passages[i] for i in inside]

    def theme_of_passage(self, passage_id: str) -> Theme:
        """Return the theme of a passage; raises `UnknownPassage`."""
        if passage_id not in self._places:
            raise UnknownPassage(f"passage {passage_id!r} is not on the map; check its id")
        return self.themes[int(self.theme_of[self._places[passage_id]])]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {identifier: place for place, identifier in enumerate(self.passages)}

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with the keys of the command line's `--json`."""
        themes = [theme.to_json() for theme in self.themes]
        return {"passages": len(self.passages), "when": self.when, "themes": themes}

    def to_arrow(self) -> pyarrow.Table:
        """Return a table with one row per passage: its id `passage`, and its theme's id `theme`."""
        import pyarrow as pa

        ids = [self.themes[theme].id for theme in self.theme_of.tolist()]
        columns = {"passage": list(self.passages), "theme": ids}
        return pa.table({name: pa.array(ids, pa.string()) for name, ids in columns.items()})


def cached_map(
    snapshot: PassageSnapshot, view: View, config: MapConfig, progress: Progress = silent
) -> ThemeMap:
    """Return the cached map of a view, or compute it."""
    # The cached value holds its view, so that no other view can get the same id.
    make = lambda: (view, theme_map(snapshot, view, config, progress))  # noqa: E731
    return snapshot.cached("map", f"{id(view)} {config!r}", make)[1]


def theme_map(
    snapshot: PassageSnapshot, view: View, config: MapConfig, progress: Progress = silent
) -> ThemeMap:
    """Cluster the visible passages into themes, and describe each theme.

    Raises:
        InvalidParameter: no passage has a date under the key of `config.when`.
    """
    snapshot.artifact.check_values()
    rows, corpus = view.rows.tolist(), snapshot.corpus
    metadata = [segment.passages.metadata_of(i) for segment, i in map(corpus.locate, rows)]
    when, dates = dates_of(metadata, config.when)
    net = network(corpus, view, config.graph, config.nearest_passages, progress)
    ids = [corpus.id(row) for row in rows]
    keys = view.gazetteer.keys.take(net.entities[net.shared])
    theme = partition(net, name_hashes(ids, keys), config.resolution)
    count, shown = int(theme.max(initial=-1)) + 1, config.shown
    words = ThemeWords(snapshot, view).distinctive(theme, count, shown)
    entities = _entities(snapshot, view, net, theme, count, shown)
    typical = _typical(snapshot, net, theme, count, shown)
    sizes, spans = np.bincount(theme, minlength=count).tolist(), _spans(theme, count, dates)
    names = map(str, range(1, count + 1))
    labels = [
        ", ".join(own[:_IN_LABEL]) or (named[0].name if named else best[0].title or best[0].id)
        for own, named, best in zip(words, entities, typical, strict=True)
    ]  # the first words; for a theme without words, its first entity or passage
    columns = zip(names, labels, map(tuple, words), entities, typical, sizes, spans, strict=True)
    return ThemeMap(tuple(Theme(*column) for column in columns), ids, theme, when)


def partition(net: CorpusNetwork, names: Ints, resolution: float) -> Ints:
    """Return the theme of each passage, `[P]`; themes are numbered by size, then first passage."""
    adjacency, weights = symmetric(net.size, net.edges)
    rows = expand_rows(adjacency)
    degrees = np.bincount(rows, weights, adjacency.rows).astype(np.float64, copy=False)
    ties = np.flatnonzero((weights > 0) & (rows != adjacency.indices))
    bounds = offsets(np.bincount(rows[ties], minlength=adjacency.rows))
    graph = Csr(bounds, adjacency.indices[ties], weights[ties], adjacency.rows)
    gamma = resolution / 2 / max(float(degrees.sum()), 1e-300)
    order = np.argsort(random_bits(names), kind="stable")
    masses = np.stack([degrees, degrees], axis=1)
    return by_size(leiden(graph, masses, gamma, order=order)[: len(net.rows)])


def _entities(
    snapshot: PassageSnapshot, view: View, net: CorpusNetwork, theme: Ints, count: int, shown: int
) -> list[tuple[NamedEntity, ...]]:
    """Return the entities with the greatest weight in each theme."""
    entity, passage, weight = net.contains
    codes, position = np.unique(entity * max(count, 1) + theme[passage], return_inverse=True)
    weights = np.bincount(position, weight, len(codes)).astype(np.float64, copy=False)
    place, of_theme = np.divmod(codes, max(count, 1))
    speller = Speller(snapshot.corpus, view.gazetteer)

    def named(i: int) -> NamedEntity:
        number = int(net.entities[place[i]])
        rows, _ = view.tied(number)  # spelled as in the first passage by id
        name = speller.spelling(number, int(rows[np.argmin(snapshot.ranks[rows])]))
        return NamedEntity(view.gazetteer.keys[number], name, round(float(weights[i]), _DIGITS))

    best = first_of_each(of_theme, (place, -weights), count, shown)
    return [tuple(map(named, positions)) for positions in best]


def _typical(
    snapshot: PassageSnapshot, net: CorpusNetwork, theme: Ints, count: int, shown: int
) -> list[tuple[NamedPassage, ...]]:
    """Return the passages closest to the mean of a theme's vectors; ties go to the lower id."""
    cosines, corpus = np.zeros(len(theme)), snapshot.corpus
    for inside in _members(theme, count):
        block = net.vectors[inside].astype(np.float64)  # whole numbers: sums are exact in any order
        total = block.sum(axis=0)
        lengths = np.sqrt(np.einsum("pd,pd->p", block, block)) * np.sqrt(total @ total)
        cosines[inside] = block @ total / np.maximum(lengths, 1e-12)
    cosines = np.round(cosines, _DIGITS)  # so that rounding errors do not affect the order

    def named(i: int) -> NamedPassage:
        row = int(net.rows[i])
        return NamedPassage(corpus.id(row), corpus.title(row), float(cosines[i]))

    best = first_of_each(theme, (snapshot.ranks[net.rows], -cosines), count, shown)
    return [tuple(map(named, positions)) for positions in best]


def _spans(theme: Ints, count: int, dates: Sequence[Date | None]) -> list[DateRange | None]:
    spans: list[DateRange | None] = []
    for inside in _members(theme, count):
        dated = [date for i in inside.tolist() if (date := dates[i]) is not None]
        spans.append(DateRange(min(dated).text, max(dated).text, len(dated)) if dated else None)
    return spans


def _members(theme: Ints, count: int) -> list[Ints]:
    """Return the passages of each theme."""
    order = np.argsort(theme, kind="stable")
    return np.split(order, np.searchsorted(theme[order], np.arange(1, count))) if count else []


class Date(NamedTuple):
    """The date of a passage: microseconds since 1970, and its text in the metadata."""

    instant: int
    text: str


def dates_of(
    metadata: Sequence[Mapping[str, Any]], when: str | None
) -> tuple[str | None, list[Date | None]]:
    """Return a metadata key, `when` or the first of `KEYS` with dates, and each passage's date.

    Raises `InvalidParameter` if no passage has a date under `when`.
    """
    for key in KEYS if when is None else (when,):
        dates = [_date(values.get(key)) for values in metadata]
        if any(date is not None for date in dates):
            return key, dates
    if when is not None and metadata:
        raise InvalidParameter(
            f"when is {when!r}, but no passage has a date there; expected a key of the metadata "
            "with ISO 8601 dates such as 2024-05-31, or with years"
        )
    return None, [None] * len(metadata)


def _date(value: object) -> Date | None:
    is_year = isinstance(value, int) and not isinstance(value, bool) and value in _YEARS
    text = f"{value:04}-01-01" if is_year else value
    instant = parse_instant(text) if isinstance(text, str) else None
    return None if instant is None else Date(instant, str(value))
