"""Links from passage to passage: through the entities that both are tied to, and by similarity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.asked import Asked
from graphagg.rag.snapshot.ranking import is_among, lookup
from graphagg.rag.tables.gazetteer import DATE
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, ranges
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
    asked: Asked,
    config: MultihopConfig,
) -> Bridges:
    """The entities through which the passages of a front lead on.

    Args:
        corpus: holds the sentences' vectors.
        view: what is visible.
        front: the passages.
        asked: the question; the entities that it names lead nowhere.
        config: strengths of links.
    """
    g, number = view.gazetteer, np.arange(len(front))
    mentions = g.bounds[front + 1] - g.bounds[front]
    place, number = ranges(g.bounds[front], mentions), np.repeat(number, mentions)
    entity, ties, counts = g.entity[place], view.ties(place), view.counts_as(place) > 0
    # A page does not lead on through its own title, nor what the question names anywhere.
    leads = (counts | (ties == IN_TITLE)) & ((ties & OWN) == 0) & ~is_among(entity, asked.named)
    entity, number, place = entity[leads].astype(np.int64), number[leads], place[leads]
    sentence = np.where(counts[leads], g.sentence[place].astype(np.int64), -1)
    similarity = np.zeros(len(entity))
    in_text = sentence >= 0
    similarity[in_text] = _closeness(corpus, front, asked, number[in_text], sentence[in_text])
    # Of each entity the closest sentence, of equally close ones the first.
    order = np.lexsort((-similarity, entity, number))
    entity, number = entity[order], number[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (entity[1:] != entity[:-1]) | (number[1:] != number[:-1])
    kept = order[is_first]
    entity, similarity = entity[is_first], similarity[kept]
    strength = _strengths(view, entity, similarity, config)
    return Bridges(number[is_first], entity, sentence[kept], similarity, strength)


def _closeness(corpus: Corpus, front: Rows, asked: Asked, number: Array, sentence: Array) -> Array:
    """Cosine of some sentences and the question, at least 0.

    Args:
        corpus: holds the sentences' vectors.
        front: passages.
        asked: the question.
        number: `[n]` which passage of the front each sentence is of.
        sentence: `[n]` the sentence of the passage, from 0.
    """
    begins = corpus.sentence_bounds[front]
    lengths = corpus.sentence_bounds[front + 1] - begins
    products = corpus.sentence_vectors.dots_at(ranges(begins, lengths), asked.query)[:, 0]
    closest: Array = np.maximum(products[(np.cumsum(lengths) - lengths)[number] + sentence], 0.0)
    return closest


def _strengths(view: View, entity: Array, similarity: Array, config: MultihopConfig) -> Array:
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
    rows = len(view.visible)
    found = {
        number * rows + end
        for number, entity in enumerate(bridges.entity.tolist())
        for longer in named.of(entity)
        for end in view.told_of(longer).tolist()
    }
    if not found:
        return bridge, row, kind
    known, more = bridge * rows + row, np.array(sorted(found))
    is_told, _ = lookup(more, known)
    kind = np.where((kind == SHARED) & is_told, LEAD, kind)
    more = more[~is_among(more, known[is_told])]
    return (
        np.concatenate([bridge, more // rows]),
        np.concatenate([row, more % rows]),
        np.concatenate([kind, np.full(len(more), LEAD)]),
    )


def similar_edges(corpus: Corpus, front: Rows, pool: Rows, config: MultihopConfig) -> Edges:
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
