"""Links from passage to passage through the entities that both are tied to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from graphagg.arrays import Array
from graphagg.rag.best.formula import BestConfig
from graphagg.rag.best.reading import PREFIX, Reading
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.tables.gazetteer import DATE
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, Vectors, ranges
from graphagg.rag.tables.view import IN_TITLE, LEADS, NESTED, OWN, View

KINDS = ("page", "lead", "title part", "shared")
_NEAR = 4  # words beside a mention that are read for a relation
_PER_WORD = 0.2
_NO_LINK = -9.0  # below any strength of a link; parts that are switched off are at -10


@dataclass(frozen=True)
class Bridges:
    """Entities that passages of the front mention; b of them.

    Attributes:
        front: `[b]` which passage of the front.
        entity: `[b]`.
        nested: `[b]` whether it is only found inside a longer name, or in the title.
        sentence: `[b]` the sentence of the passage, from 0, that is closest to the question; -1 for
            one that is in the title alone.
        similarity: `[b]` cosine of that sentence and the question, at least 0.
        relation: `[b]` how near a word of the question is, 0 to 1.
        strength: `[b, 4]` of a link to a passage tied as in `KINDS`, everything added.
    """

    front: Array
    entity: Array
    nested: Array
    sentence: Array
    similarity: Array
    relation: Array
    strength: Array


@dataclass(frozen=True)
class Edges:
    """Links to passages; m of them.

    Attributes:
        bridge: `[m]` position in the bridges.
        front: `[m]` which passage of the front it comes from.
        row: `[m]` the passage it leads to.
        kind: `[m]` position in `KINDS`.
        link: `[m]` its strength.
    """

    bridge: Array
    front: Array
    row: Rows
    kind: Array
    link: Array


def find_bridges(
    corpus: Corpus,
    view: View,
    front: Rows,
    reading: Reading,
    question: Vectors,
    config: BestConfig,
) -> Bridges:
    """The entities through which the passages of a front lead on."""
    bounds = corpus.sentence_bounds
    lengths = bounds[front + 1] - bounds[front]
    products = corpus.sentence_vectors.dots_at(ranges(bounds[front], lengths), question[None])
    similar = np.split(np.maximum(products[:, 0], 0.0), np.cumsum(lengths)[:-1])
    rows = [
        (number, *bridge)
        for number, row in enumerate(front.tolist())
        for bridge in _bridges_of(corpus, view, row, similar[number], reading)
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    front_of, entity, nested, sentence = columns[:4].astype(np.int64)
    similarity, relation = columns[4:]
    return Bridges(
        front_of,
        entity,
        nested,
        sentence,
        similarity,
        relation,
        _strengths(view, entity, nested, similarity, relation, config),
    )


def _bridges_of(
    corpus: Corpus, view: View, row: int, similar: Array, reading: Reading
) -> Iterator[tuple[int, int, int, float, float]]:
    """Of one passage: `(entity, nested, sentence, similarity, relation)` of each bridge."""
    g = view.gazetteer
    place = g.mentions(row)
    counted = place.start + np.flatnonzero(view.counts_as[place])
    near = _NearWords(corpus, row, reading) if reading.relations and len(counted) else None
    best: dict[tuple[int, int], tuple[int, float, float]] = {}  # by entity and nested
    ties = view.tie[g.pair[place]]
    own = set(g.entity[place][(ties & OWN) > 0].tolist())
    for i in counted.tolist():
        entity, sentence = int(g.entity[i]), int(g.sentence[i])
        if entity in own:  # a page does not lead on through its own title
            continue
        nested = int(view.counts_as[i] == NESTED)
        relation = near.relation(int(g.start[i]), int(g.length[i])) if near else 0.0
        value = float(similar[sentence])
        known = best.get((entity, nested))
        if known is None:
            best[entity, nested] = sentence, value, relation
        else:
            closer = (sentence, value) if value > known[1] else known[:2]
            best[entity, nested] = (*closer, max(relation, known[2]))
    mentioned = {entity for entity, _ in best}
    for entity in g.entity[place][ties == IN_TITLE].tolist():
        if entity not in mentioned:
            best[entity, 1] = -1, 0.0, 0.0
    for (entity, nested), rest in best.items():
        yield entity, nested, *rest


class _NearWords:
    """The places of the question's words in a passage."""

    def __init__(self, corpus: Corpus, row: int, reading: Reading) -> None:
        segment, inside = corpus.locate(row)
        table = segment.passages
        words = tokenize(table.titles[inside]) + tokenize(table.texts[inside])
        self._places = [i for i, word in enumerate(words) if word[:PREFIX] in reading.relations]

    def relation(self, start: int, length: int) -> float:
        """1 for a word beside the mention, .2 less for each word between; 0 for none near."""
        after = bisect_left(self._places, start + length)
        before = bisect_left(self._places, start) - 1
        distances = [
            *([self._places[after] - (start + length) + 1] if after < len(self._places) else []),
            *([start - self._places[before]] if before >= 0 else []),
        ]
        nearest = min(distances, default=_NEAR + 1)
        return 1.0 - _PER_WORD * (nearest - 1) if nearest <= _NEAR else 0.0


def _strengths(
    view: View, entity: Array, nested: Array, similarity: Array, relation: Array, config: BestConfig
) -> Array:
    """Strength of a link to a passage of each kind, `[b, 4]`; -inf where there is none."""
    link = config.link
    outer_pairs = (link.page, link.lead, link.title_part, link.shared)
    nested_pairs = (link.page_nested, *(link.shared_nested,) * 3)
    kinds = np.where(nested[:, None, None] > 0, np.array(nested_pairs), np.array(outer_pairs))
    strength = kinds[:, :, 0] + kinds[:, :, 1] * view.idf(entity)[:, None]
    strength += (link.sentence * similarity + link.relation * relation)[:, None]
    is_date = (view.gazetteer.kind[entity] & DATE) > 0
    few = (view.df[entity] > 1) & (view.df[entity] <= config.most_passages) & ~is_date
    strength[~few, 1:] = -np.inf
    return strength


def expand(view: View, bridges: Bridges, front: Rows, config: BestConfig) -> Edges:
    """Every link from the front, one for each bridge and passage."""
    g = view.gazetteer
    sizes = g.pair_bounds[bridges.entity + 1] - g.pair_bounds[bridges.entity]
    total = int(sizes.sum())
    bridge, row, kind = (np.empty(total, np.int64) for _ in range(3))
    links = _Links(bridge, row, kind, np.empty(total))
    tied = _Ties(g.pair_bounds, g.row, view.tie)
    count = _links(tied, bridges.entity, bridges.strength, front[bridges.front], links)
    bridge, row, kind, link = (column[:count] for column in links)
    return Edges(bridge, bridges.front[bridge], row, kind, link)


class _Ties(NamedTuple):
    """The passages that each entity is tied to, and how; those of entity e from `bounds[e]` on."""

    bounds: Array
    rows: Array
    ties: Array


class _Links(NamedTuple):
    """The columns of `Edges`, to be filled."""

    bridge: Array
    row: Array
    kind: Array
    link: Array


@numba.njit(cache=True)
def _links(tied: _Ties, entities: Array, strengths: Array, sources: Array, links: _Links) -> int:
    """Link each bridge to the passages tied to its entity; returns how many links there are.

    Bridge b leads from passage `sources[b]` over `entities[b]`, with the strengths of row b.
    """
    bounds, rows, ties = tied
    bridge, row, kind, link = links
    count = 0
    for b in range(len(entities)):
        entity = entities[b]
        for i in range(bounds[entity], bounds[entity + 1]):
            if ties[i] == 0 or rows[i] == sources[b]:  # hidden, not tied, or the passage itself
                continue
            # The strongest of the ties counts, in the order of KINDS.
            k = 3
            if ties[i] & OWN:
                k = 0
            elif ties[i] & LEADS:
                k = 1
            elif ties[i] & IN_TITLE:
                k = 2
            if strengths[b, k] > _NO_LINK:
                bridge[count], row[count], kind[count], link[count] = b, rows[i], k, strengths[b, k]
                count += 1
    return count
