"""Links from passage to passage: through the entities that both are tied to, and by similarity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.best.formula import BestConfig
from graphagg.rag.tables.gazetteer import DATE
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, Vectors, ranges
from graphagg.rag.tables.view import IN_TITLE, LEADS, OWN, View

KINDS = ("page", "lead", "shared", "similar")
PAGE, LEAD, SHARED, SIMILAR = range(4)
_NO_LINK = -9.0  # below any strength of a link; parts that are switched off are at -10


@dataclass(frozen=True)
class Bridges:
    """Entities that passages of the front mention, or hold in their titles; b of them.

    Attributes:
        front: `[b]` which passage of the front.
        entity: `[b]`.
        sentence: `[b]` the sentence of the passage, from 0, that is closest to the question; -1 for
            an entity that is in the title alone.
        similarity: `[b]` cosine of that sentence and the question, at least 0.
        strength: `[b, 3]` of a link to a passage tied as in `KINDS`, everything added.
    """

    front: Array
    entity: Array
    sentence: Array
    similarity: Array
    strength: Array


@dataclass(frozen=True)
class Edges:
    """Links to passages; m of them.

    Attributes:
        bridge: `[m]` position in the bridges; -1 for a link by similarity.
        front: `[m]` which passage of the front it comes from.
        row: `[m]` the passage it leads to.
        kind: `[m]` position in `KINDS`.
        link: `[m]` its strength; see `of_titles`.
    """

    bridge: Array
    front: Array
    row: Rows
    kind: Array
    link: Array

    def of_titles(self, bridges: Bridges, closeness: Array) -> Edges:
        """The same, where a title that several passages have is given to the best of them.

        The r-th of them has the share 1 / r^2 of what a page has more than a passage that mentions
        its name: a link names a document, and not which of its chunks.

        Args:
            bridges: the entities.
            closeness: `[m]` to the question, of the row of each edge; see `closeness_of`.
        """
        pages = np.flatnonzero(self.kind == PAGE)
        share = shares(self.bridge[pages], closeness[pages])
        pages, share = pages[share < 1.0], share[share < 1.0]
        mention = bridges.strength[self.bridge[pages], SHARED]
        link = self.link.copy()
        is_tied = mention > _NO_LINK  # where a mention leads nowhere, only the first page is a link
        page = link[pages[is_tied]]
        link[pages[is_tied]] = mention[is_tied] + (page - mention[is_tied]) * share[is_tied]
        kept = np.delete(np.arange(len(link)), pages[~is_tied])
        columns = (self.bridge, self.front, self.row, self.kind, link)
        return Edges(*(column[kept] for column in columns))

    def joined(self, other: Edges) -> Edges:
        """These and those."""
        pairs = (
            (getattr(self, n), getattr(other, n))
            for n in ("bridge", "front", "row", "kind", "link")
        )
        return Edges(*(np.concatenate(pair) for pair in pairs))


def shares(group: Array, closeness: Array) -> Array:
    """1 / r^2 of each, where it is the r-th closest of its group; equals have the same r."""
    order = np.lexsort((-closeness, group))
    groups, values = group[order], closeness[order]
    begins = np.ones(len(order), bool)
    begins[1:] = groups[1:] != groups[:-1]
    is_less = begins.copy()
    is_less[1:] |= values[1:] != values[:-1]
    place = np.cumsum(is_less)
    first = place[begins][np.cumsum(begins) - 1]  # of the group
    found = np.empty(len(order))
    found[order] = 1.0 / (1.0 + place - first) ** 2
    return found


def find_bridges(
    corpus: Corpus,
    view: View,
    front: Rows,
    named: Rows,
    question: Vectors,
    config: BestConfig,
) -> Bridges:
    """The entities through which the passages of a front lead on.

    Args:
        corpus: holds the sentences' vectors.
        view: what is visible.
        front: the passages.
        named: the entities that the question names; they lead nowhere.
        question: `[d]`, its vector.
        config: strengths of links.
    """
    bounds = corpus.sentence_bounds
    lengths = bounds[front + 1] - bounds[front]
    products = corpus.sentence_vectors.dots_at(ranges(bounds[front], lengths), question[None])
    closeness = np.maximum(products[:, 0], 0.0).astype(np.float64)
    similar = np.split(closeness, np.cumsum(lengths)[:-1])
    found = [_bridges_of(view, row, similar[i], named) for i, row in enumerate(front.tolist())]
    numbers = np.repeat(np.arange(len(front)), [len(entity) for entity, _, _ in found])
    entity, sentence, similarity = (np.concatenate(column) for column in zip(*found, strict=True))
    strength = _strengths(view, entity, similarity, config)
    return Bridges(numbers, entity, sentence, similarity, strength)


def _bridges_of(view: View, row: int, similar: Array, named: Rows) -> tuple[Array, Array, Array]:
    """Of one passage: entities, their sentences closest to the question, and how close those are.

    Args:
        view: what is visible.
        row: the passage.
        similar: similarity of each of its sentences to the question.
        named: entities that lead nowhere.
    """
    g = view.gazetteer
    place = g.mentions(row)
    entity, ties = g.entity[place].astype(np.int64), view.ties(place)
    counts = view.counts_as(place) > 0
    in_title = ties == IN_TITLE  # nowhere but in the title
    sentence = np.where(counts, g.sentence[place].astype(np.int64), -1)
    similarity = np.where(sentence >= 0, similar[np.maximum(sentence, 0)], 0.0)
    # A page does not lead on through its own title, nor what the question names anywhere.
    is_named = (entity[:, None] == named).any(axis=1)  # few are: `isin` would sort
    leads = (counts | in_title) & ((ties & OWN) == 0) & ~is_named
    entity, sentence, similarity = entity[leads], sentence[leads], similarity[leads]
    # Of each entity the closest sentence, of equally close ones the first.
    order = np.lexsort((-similarity, entity))
    entity, sentence, similarity = entity[order], sentence[order], similarity[order]
    is_first = np.ones(len(entity), bool)
    is_first[1:] = entity[1:] != entity[:-1]
    return entity[is_first], sentence[is_first], similarity[is_first]


def _strengths(view: View, entity: Array, similarity: Array, config: BestConfig) -> Array:
    """Strength of a link to a passage of each kind, `[b, 3]`; -inf where there is none."""
    link = config.link
    kinds = np.array([link.page, link.lead, link.shared])
    strength = kinds[:, 0] + kinds[:, 1] * view.idf(entity)[:, None]
    strength += (link.sentence * similarity)[:, None]
    is_date = (view.gazetteer.kind[entity] & DATE) > 0
    few = (view.df[entity] <= config.most_passages) & ~is_date
    strength[~few, 1:] = -np.inf
    return strength


def expand(view: View, bridges: Bridges, front: Rows) -> Edges:
    """Every link through an entity from the front, one for each bridge and passage."""
    g = view.gazetteer
    sizes = g.pair_bounds[bridges.entity + 1] - g.pair_bounds[bridges.entity]
    places = ranges(g.pair_bounds[bridges.entity], sizes)
    bridge = np.repeat(np.arange(len(bridges.entity)), sizes)
    row, tie = g.row[places].astype(np.int64), view.tie[places]
    # The strongest of the ties counts, in the order of KINDS.
    kind = np.where((tie & OWN) > 0, PAGE, np.where((tie & LEADS) > 0, LEAD, SHARED))
    tied = tie > 0  # the others are hidden, or not tied
    bridge, row, kind = bridge[tied], row[tied], kind[tied]
    bridge, row, kind = _with_longer(view, bridges, bridge, row, kind)
    link = bridges.strength[bridge, kind]
    # Not to the passage itself.
    leads = (row != front[bridges.front][bridge]) & (link > _NO_LINK)
    bridge = bridge[leads]
    return Edges(bridge, bridges.front[bridge], row[leads], kind[leads], link[leads])


def _with_longer(
    view: View, bridges: Bridges, bridge: Array, row: Rows, kind: Array
) -> tuple[Array, Rows, Array]:
    """The ends of links, with those whose text or title is a longer form of the entity's name."""
    named = view.gazetteer.longer
    found = [
        (number, end)
        for number, entity in enumerate(bridges.entity.tolist())
        for longer in named.of(entity)
        for end in view.told_of(longer).tolist()
    ]
    if not found:
        return bridge, row, kind
    rows = len(view.visible)
    known = bridge * rows + row
    more = np.unique([number * rows + end for number, end in found])
    kind = np.where((kind == SHARED) & np.isin(known, more), LEAD, kind)
    more = more[~np.isin(more, known)]
    return (
        np.concatenate([bridge, more // rows]),
        np.concatenate([row, more % rows]),
        np.concatenate([kind, np.full(len(more), LEAD)]),
    )


def similar_edges(corpus: Corpus, front: Rows, pool: Rows, config: BestConfig) -> Edges:
    """A link by similarity from each passage of the front to every other one of a pool.

    Of a passage longer than the encoder's window the first vector leads on, and the best of its
    vectors is reached.
    """
    kind, slope = config.link.similar
    first = corpus.windows.take(corpus.window_bounds[front]).astype(np.float32)
    link = kind + slope * corpus.similarity_at(pool, first).astype(np.float64)  # [pool, front]
    target, number = np.nonzero((link > _NO_LINK) & (pool[:, None] != front))
    row = pool[target]
    no_bridge, kinds = np.full(len(row), -1), np.full(len(row), SIMILAR)
    return Edges(no_bridge, number, row, kinds, link[target, number])
