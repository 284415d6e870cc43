"""Theme map of a view: each theme with its words, entities and passages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import MapConfig
from graphagg.rag.corpus.themes.clustering import Assignment, assign, weights_in
from graphagg.rag.corpus.themes.labels import Words
from graphagg.rag.corpus.themes.results import (
    DateRange,
    NamedEntity,
    NamedPassage,
    NearTheme,
    Theme,
    ThemeMap,
)
from graphagg.rag.documents.value_types import parse_instant
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.spelling import Speller
from graphagg.rag.tables.view import View

_IN_LABEL = 4  # words of a label
_DIGITS = 6  # of scores and weights
KEYS = ("when", "date", "published", "created", "year", "modified")
"""Keys of metadata that may contain dates; the first one with a date is used."""
_YEARS = range(1, 10_000)


def theme_map(
    snapshot: PassageSnapshot, view: View, config: MapConfig, progress: Progress = silent
) -> ThemeMap:
    """Cluster the visible passages into themes, and describe each theme.

    Raises:
        InvalidParameter: no passage has a date under the key of `config.when`.
        MissingExtra: SciPy is not installed.
    """
    snapshot.artifact.check_values()
    rows = view.rows.tolist()
    when, dates = dates_of(snapshot.corpus, rows, config.when)
    assignment = assign(snapshot, view, config, progress)
    portraits = _Portraits(snapshot, view, config.shown, assignment, dates)
    return ThemeMap(
        tuple(tuple(portraits.themes(level)) for level in range(len(assignment.passage))),
        [snapshot.corpus.id(row) for row in rows],
        assignment.passage.astype(np.int32),
        list(view.gazetteer.keys.take(assignment.net.entities)),
        assignment.entity.astype(np.int32),
        when,
        assignment.modularity,
    )


class _Portraits:
    """Describes themes level by level; `dates` `[P]` are of the passages."""

    def __init__(
        self,
        snapshot: PassageSnapshot,
        view: View,
        shown: int,
        assignment: Assignment,
        dates: Sequence[Date | None],
    ) -> None:
        self._snapshot, self._view, self._shown = snapshot, view, shown
        self._assignment, self._dates = assignment, dates
        self._words = Words(snapshot, view)
        self._speller = Speller(snapshot.corpus, view.gazetteer)
        self._names: dict[int, str] = {}
        self._ids = assignment.identifiers()

    def themes(self, level: int) -> list[Theme]:
        """The themes of a level, in order."""
        theme, ids = self._assignment.passage[level], self._ids[level]
        count, shown = len(ids), self._shown
        of_row = np.zeros(len(self._view.visible), np.int64)
        of_row[self._assignment.net.rows] = theme
        words = self._words.distinctive(of_row, count, shown)
        entities = self._entities(theme, count)
        typical = self._passages(theme, count, self._typical(theme, count))
        labels = list(map(_label, words, entities, typical))
        columns = (
            ids,
            labels,
            map(tuple, words),
            entities,
            typical,
            np.bincount(theme, minlength=count).tolist(),
            np.bincount(self._assignment.entity[level], minlength=count).tolist(),
            self._spans(theme, count),
            self._neighbors(level, ids, labels),
            self._children(level),
        )
        return [Theme(i, level, *rest) for i, *rest in zip(*columns, strict=True)]

    def _children(self, level: int) -> list[tuple[str, ...]]:
        """Ids of each theme's children on the next level."""
        children: list[list[str]] = [[] for _ in self._ids[level]]
        if level + 1 < len(self._ids):
            parents = self._assignment.parent[level + 1].tolist()
            for parent, identifier in zip(parents, self._ids[level + 1], strict=True):
                children[parent].append(identifier)
        return [tuple(ids) for ids in children]

    def _entities(self, theme: Ints, count: int) -> list[tuple[NamedEntity, ...]]:
        """The entities of greatest weight in each theme."""
        net = self._assignment.net
        position, of_theme, weight = weights_in(net, theme)

        def named(i: int) -> NamedEntity:
            entity = int(net.entities[position[i]])
            key, name = self._view.gazetteer.keys[entity], self._name(entity)
            return NamedEntity(key, name, round(float(weight[i]), _DIGITS))

        best = _first_of_each(of_theme, (position, -weight), count, self._shown)
        return [tuple(map(named, positions)) for positions in best]

    def _name(self, entity: int) -> str:
        """The spelling of an entity in the first passage, by ids, that is tied to it."""
        if entity not in self._names:
            rows, _ = self._view.tied(entity)
            row = int(rows[np.argmin(self._snapshot.ranks[rows])])
            self._names[entity] = self._speller.spelling(entity, row)
        return self._names[entity]

    def _typical(self, theme: Ints, count: int) -> Doubles:
        """`[P]` cosine of each passage with the mean of its theme's vectors."""
        vectors, cosines = self._assignment.net.vectors, np.zeros(len(theme))
        order = np.argsort(theme, kind="stable")
        for inside in np.split(order, np.searchsorted(theme[order], np.arange(1, count))):
            block = vectors[inside].astype(np.float64)  # whole numbers: sums are exact in any order
            total = block.sum(axis=0)
            lengths = np.sqrt(np.einsum("pd,pd->p", block, block)) * np.sqrt(total @ total)
            cosines[inside] = block @ total / np.maximum(lengths, 1e-12)
        return cosines

    def _passages(self, theme: Ints, count: int, score: Doubles) -> list[tuple[NamedPassage, ...]]:
        """The passages of each theme with the highest scores; ties go to the lower id."""
        net, corpus = self._assignment.net, self._snapshot.corpus
        ranks = self._snapshot.ranks[net.rows]
        rounded = np.round(score, _DIGITS)  # so that the last bit decides no order

        def named(i: int) -> NamedPassage:
            passage = corpus.read(int(net.rows[i]))
            return NamedPassage(passage.id, passage.title, float(rounded[i]))

        best = _first_of_each(theme, (ranks, -rounded), count, self._shown)
        return [tuple(map(named, positions)) for positions in best]

    def _spans(self, theme: Ints, count: int) -> list[DateRange | None]:
        dated: list[list[Date]] = [[] for _ in range(count)]
        for of_theme, date in zip(theme.tolist(), self._dates, strict=True):
            if date is not None:
                dated[of_theme].append(date)
        return [DateRange(min(d).text, max(d).text, len(d)) if d else None for d in dated]

    def _neighbors(
        self, level: int, ids: Sequence[str], labels: Sequence[str]
    ) -> list[tuple[NearTheme, ...]]:
        """The themes with the strongest ties to each, by edges of the network."""
        first, second, weight = _ties_between(self._assignment, level, len(ids))
        outward = np.bincount(first, weight, len(ids))
        share = np.round(weight / outward[first], _DIGITS)
        return [
            tuple(NearTheme(ids[second[i]], float(share[i]), labels[second[i]]) for i in positions)
            for positions in _first_of_each(first, (second, -share), len(ids), self._shown)
        ]


def _ties_between(assignment: Assignment, level: int, count: int) -> tuple[Ints, Ints, Doubles]:
    """Symmetric list of the pairs of themes that edges join, with the sums of weights."""
    net = assignment.net
    theme = np.concatenate([assignment.passage[level], assignment.entity[level][net.shared]])
    first, second = theme[net.edges.source], theme[net.edges.target]
    differ = first != second
    first, second, weights = first[differ], second[differ], np.tile(net.edges.weight[differ], 2)
    both = np.concatenate([first * count + second, second * count + first])
    linked, position = np.unique(both, return_inverse=True)
    sums = np.bincount(position, weights, len(linked)).astype(np.float64, copy=False)
    return *np.divmod(linked, count), sums


def _first_of_each(group: Ints, keys: tuple[Array, ...], count: int, most: int) -> list[list[int]]:
    """The first `most` positions of each group, sorted by `keys` (the last key is primary)."""
    order = np.lexsort((*keys, group))
    bounds = np.searchsorted(group[order], np.arange(count + 1)).tolist()
    return [order[a:b][:most].tolist() for a, b in pairwise(bounds)]


def _label(
    words: Sequence[str], entities: Sequence[NamedEntity], typical: Sequence[NamedPassage]
) -> str:
    """The first words; of a theme without words its first entity or passage."""
    if words:
        return ", ".join(words[:_IN_LABEL])
    if entities:
        return entities[0].name
    return typical[0].title or typical[0].id


class Date(NamedTuple):
    """The date of a passage: microseconds since 1970, and its text in the metadata."""

    instant: int
    text: str


def dates_of(
    corpus: StoredCorpus, rows: Sequence[int], when: str | None
) -> tuple[str | None, list[Date | None]]:
    """The key of the dates, and the date of each row: `when`, or the first of `KEYS` with dates.

    Raises `InvalidParameter` if no row has a date under `when`.
    """
    located = map(corpus.locate, rows)
    metadata = [segment.passages.metadata_of(inside) for segment, inside in located]
    for key in KEYS if when is None else (when,):
        dates = [_date(values.get(key)) for values in metadata]
        if any(date is not None for date in dates):
            return key, dates
    if when is not None and metadata:
        raise InvalidParameter(
            f"when is {when!r}, but no passage has a date there; wanted a key of the metadata with "
            "ISO 8601 dates such as 2024-05-31, or with years"
        )
    return None, [None] * len(metadata)


def _date(value: object) -> Date | None:
    is_year = isinstance(value, int) and not isinstance(value, bool) and value in _YEARS
    text = f"{value:04}-01-01" if is_year else value
    instant = parse_instant(text) if isinstance(text, str) else None
    return None if instant is None else Date(instant, str(value))
