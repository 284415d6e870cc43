"""Links between passages, and the terms of a question that a passage does not contain.

A link connects two passages through an entity that both are tied to, or by similarity. If the
encoder's vector of a text is the mean of its tokens' vectors, it returns vectors of the question's
words with the question's vector. The sum over the words that a passage does not contain (its open
terms) is the query for these, so nothing is encoded again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Array, distinct, members, ranges
from graphagg.nearest.vectors import Codes, Rows, Vectors, decode
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.multihop.candidates import Candidates, CandidateScorer, rank_shares
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.snapshot.search import is_among, lookup
from graphagg.rag.tables.gazetteer import DATE, REFERENCE, Speller
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.view import IN_TITLE, IS_TITLE, STARTS_TEXT, View

KINDS = ("page", "lead", "shared", "similar")
PAGE, LEAD, SHARED, SIMILAR = range(4)
_NO_LINK = -9.0  # below the strength of every link; kinds that are switched off have -10


@dataclass(frozen=True)
class Bridges:
    """The b entities that passages of the frontier mention, or contain in their titles.

    Attributes:
        parent: `[b]` position of the passage in the frontier.
        entity: `[b]` entity ids.
        sentence: `[b]` index of the passage's sentence with the entity that is closest to the
            question; -1 for an entity that is only in the title.
        similarity: `[b]` cosine of that sentence and the question, at least 0.
        strength: `[b, 3]` total strength of a link to a passage of the first three `KINDS`.
    """

    parent: Array
    entity: Array
    sentence: Array
    similarity: Array
    strength: Array

    def of_chain(self, view: View, config: MultihopConfig) -> Bridges:
        """Return the bridges with the strengths for a chain question; file links keep theirs."""
        page, shared = config.link.chain
        by_name = (view.gazetteer.kind[self.entity] & REFERENCE) == 0
        return replace(self, strength=self.strength + np.outer(by_name, (page, 0.0, shared)))


class Frontier(NamedTuple):
    """The f passages whose links are followed in a round.

    Attributes:
        rows: `[f]` row numbers; -1 for a passage of another part.
        first: `[f, d]` the stored first vector of each.
        vectors: `[f, d]` sums over the open terms of each; None if open terms do not count.
    """

    rows: Rows
    first: Codes
    vectors: Vectors | None


class Edges(NamedTuple):
    """The m links to passages.

    Attributes:
        bridge: `[m]` position in the bridges; -1 for a link by similarity.
        parent: `[m]` position of the source passage in the frontier.
        row: `[m]` the target passage.
        kind: `[m]` position in `KINDS`.
        link: `[m]` strength of the link; see `of_titles`.
        near: `[m]` closeness to the open terms of the source; 0 for a link by similarity.
    """

    bridge: Array
    parent: Array
    row: Rows
    kind: Array
    link: Array
    near: Array

    def of_titles(self, bridges: Bridges, closeness: Array) -> Edges:
        """Lower the strength of links to passages that share a title, except to the closest.

        A page link is stronger than a link to a mention of the name. The r-th passage by
        `closeness` `[m]` gets 1 / r^2 of the difference: a link leads to a document, not to
        one of its chunks.
        """
        pages = np.flatnonzero(self.kind == PAGE)
        share = rank_shares(self.bridge[pages], closeness[pages])
        pages, share = pages[share < 1.0], share[share < 1.0]
        mention = bridges.strength[self.bridge[pages], SHARED]
        link = self.link.copy()
        is_tied = mention > _NO_LINK  # if a mention makes no link, only the first page has a link
        page = link[pages[is_tied]]
        link[pages[is_tied]] = mention[is_tied] + (page - mention[is_tied]) * share[is_tied]
        kept = np.delete(np.arange(len(link)), pages[~is_tied])
        return self._replace(link=link).kept(kept)

    def between_documents(self, corpus: StoredCorpus, frontier: Rows) -> Edges:
        """Return the links between different documents."""
        return self.kept(~corpus.same_document(self.row, frontier[self.parent]))

    def through(self, bridges: Bridges) -> Edges:
        """Return the links with the strengths of these bridges; links by similarity are kept."""
        link, named = self.link.copy(), self.kind != SIMILAR
        link[named] = bridges.strength[self.bridge[named], self.kind[named]]
        return self._replace(link=link)

    def kept(self, some: Array) -> Edges:
        """Select links by a mask or by their positions."""
        return Edges(*(column[some] for column in self))

    def joined(self, other: Edges) -> Edges:
        """Concatenate two lists of links."""
        return Edges(*map(np.concatenate, zip(self, other, strict=True)))


def find_bridges(
    corpus: StoredCorpus,
    view: View,
    frontier: Rows,
    question: QuestionScores,
    config: MultihopConfig,
) -> Bridges:
    """Find the entities through which the passages of a frontier link to others.

    Entities that the question names are left out.
    """
    g = view.gazetteer
    mention, lengths = members(g.bounds, frontier)
    parent = np.repeat(np.arange(len(frontier)), lengths)
    entity, ties, counts = g.entity[mention], view.ties(mention), view.counts_as(mention) > 0
    # No links through a page's own title, nor through entities that the question names.
    leads = (
        (counts | (ties == IN_TITLE)) & ((ties & IS_TITLE) == 0) & ~is_among(entity, question.named)
    )
    entity, parent, mention = entity[leads].astype(np.int64), parent[leads], mention[leads]
    sentence = np.where(counts[leads], g.sentence[mention].astype(np.int64), -1)
    similarity = np.zeros(len(entity))
    in_text = sentence >= 0
    sentences, lengths = members(corpus.sentence_bounds, frontier)
    products = corpus.sentence_vectors.dots_at(sentences, question.query)[:, 0]
    firsts = (np.cumsum(lengths) - lengths)[parent[in_text]]
    similarity[in_text] = np.maximum(products[firsts + sentence[in_text]], 0.0)
    # Keep the closest sentence of each entity; ties go to the first.
    order = np.lexsort((-similarity, entity, parent))
    entity, parent = entity[order], parent[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (entity[1:] != entity[:-1]) | (parent[1:] != parent[:-1])
    kept = order[is_first]
    entity, similarity = entity[is_first], similarity[kept]
    strength = _strengths(view, entity, similarity, config)
    return Bridges(parent[is_first], entity, sentence[kept], similarity, strength)


def _strengths(view: View, entity: Array, similarity: Array, config: MultihopConfig) -> Array:
    """Compute the strength `[b, 3]` of a link to a passage of each kind; -inf if there is none."""
    link = config.link
    of_files = (view.gazetteer.kind[entity] & REFERENCE) > 0
    weights = np.tile([link.page, link.lead, link.shared], (len(entity), 1, 1))
    weights[of_files, PAGE] = link.reference
    strength = weights[..., 0] + weights[..., 1] * view.idf(entity)[:, None]
    strength += (link.sentence * similarity)[:, None]
    is_date = (view.gazetteer.kind[entity] & DATE) > 0
    few = (view.df[entity] <= config.most_passages) & ~is_date & ~of_files
    strength[~few, 1:] = -np.inf
    return strength


def expand(view: View, bridges: Bridges, frontier: Rows) -> Edges:
    """Return all links through entities from the frontier, one per bridge and passage.

    For an entity that only links to its pages, only the pages are read.
    """
    g = view.gazetteer
    is_hub = bridges.strength[:, LEAD:].max(axis=1) <= _NO_LINK
    some, hubs = bridges.entity[~is_hub], bridges.entity[is_hub]
    of_some, lengths = members(g.pair_bounds, some)
    firsts, lasts = view.titled_range(hubs)
    sizes = np.empty(len(is_hub), np.int64)
    sizes[~is_hub], sizes[is_hub] = lengths, lasts - firsts
    bridge = np.repeat(np.arange(len(sizes)), sizes)
    pairs, of_hub = np.empty(len(bridge), np.int64), is_hub[bridge]
    pairs[~of_hub] = of_some
    pairs[of_hub] = view.titled[ranges(firsts, sizes[is_hub])]
    row, tie = g.row[pairs].astype(np.int64), view.tie[pairs]
    # The first kind of tie in the order of KINDS counts.
    kind = np.where((tie & IS_TITLE) > 0, PAGE, np.where((tie & STARTS_TEXT) > 0, LEAD, SHARED))
    tied = tie > 0  # other passages are hidden, or not tied
    bridge, row, kind = bridge[tied], row[tied], kind[tied]
    bridge, row, kind = _with_longer(view, bridges, bridge, row, kind)
    link = bridges.strength[bridge, kind]
    # A passage has no link to itself.
    leads = (row != frontier[bridges.parent][bridge]) & (link > _NO_LINK)
    bridge = bridge[leads]
    near = np.zeros(len(bridge))
    return Edges(bridge, bridges.parent[bridge], row[leads], kind[leads], link[leads], near)


def _with_longer(
    view: View, bridges: Bridges, bridge: Array, row: Rows, kind: Array
) -> tuple[Array, Rows, Array]:
    """Add the passages whose text or title is a longer form of the entity's name."""
    names, rows = view.gazetteer.longer, len(view.visible)
    pairs = {
        i * rows + end
        for i, entity in enumerate(bridges.entity.tolist())
        if bridges.strength[i, LEAD] > _NO_LINK
        for longer in names(entity)
        for end in view.passages_about(longer).tolist()
    }
    if not pairs:
        return bridge, row, kind
    linked, longer = bridge * rows + row, np.array(sorted(pairs))
    is_longer, _ = lookup(longer, linked)
    kind = np.where((kind == SHARED) & is_longer, LEAD, kind)
    more = longer[~is_among(longer, linked[is_longer])]
    return (
        np.concatenate([bridge, more // rows]),
        np.concatenate([row, more % rows]),
        np.concatenate([kind, np.full(len(more), LEAD)]),
    )


def similar_edges(
    corpus: StoredCorpus, frontier: Frontier, pool: Rows, config: MultihopConfig
) -> Edges:
    """Link each passage of the frontier to every other passage of a pool by similarity.

    Compares the first vector of the source with the vectors of the target; the best one counts.
    """
    kind, slope = config.link.similar
    near = corpus.similarity_at(pool, decode(frontier.first)).astype(np.float64)
    link = kind + slope * near  # [pool, frontier]
    target, parent = np.nonzero((link > _NO_LINK) & (pool[:, None] != frontier.rows))
    row = pool[target]
    no_bridge, kinds = np.full(len(row), -1), np.full(len(row), SIMILAR)
    return Edges(no_bridge, parent, row, kinds, link[target, parent], np.zeros(len(row)))


def open_vectors(covers: Array, vector: Vectors, words: Vectors | None) -> Vectors:
    """Sum the vectors of the words that each passage lacks, `[n, d]`, not normalized.

    `covers` `[n, t]` masks the terms in each passage; `vector` `[d]` of the question is used if
    no word is open; `words` `[t, d]` are vectors of the terms, None if the encoder has none.
    """
    whole = np.tile(vector.astype(np.float32), (len(covers), 1))
    if words is None:
        return whole
    # Sum term by term, so that the bits of a row do not depend on the other rows.
    sums: Vectors = np.zeros_like(whole)
    is_open = (1.0 - covers).astype(np.float32)
    for term, of_word in enumerate(words):
        sums += is_open[:, term, None] * of_word
    return np.where(sums.any(axis=1, keepdims=True), sums, whole)


def closeness_to_open_terms(
    corpus: StoredCorpus, view: View, row: Rows, entity: Array, parent: Array, vectors: Vectors
) -> Array:
    """Return the closeness `[m]` of linked passages to the terms that their parents leave open.

    It is the cosine of the closest sentence that mentions the entity, or of the closest of all
    sentences if only the title contains it. `parent` `[m]` are positions in `vectors` `[n, d]`,
    which come from `open_vectors`.
    """
    edge, sentence = _sentences(corpus, view, row, entity)
    compared, position = np.unique(sentence, return_inverse=True)
    products = corpus.sentence_vectors.dots_at(compared, vectors)
    best = np.full(len(row), -np.inf)
    np.maximum.at(best, edge, products[position, parent[edge]].astype(np.float64))
    exact = vectors.astype(np.float64)
    lengths = np.sqrt((exact * exact).sum(axis=1))  # 0 if the encoder does not read the question
    near: Array = best / np.maximum(lengths, 1e-12)[parent]
    return near


def _sentences(corpus: StoredCorpus, view: View, row: Rows, entity: Array) -> tuple[Array, Rows]:
    """Return the sentences of each row that mention its entity, or all if none does.

    Returns positions in `row`, and numbers of sentences in the corpus; `[n]` each.
    """
    entities = len(view.gazetteer.keys)
    rows, position = np.unique(row, return_inverse=True)
    keys, mentioning = _mentions(view, rows, entity)
    mentioning += corpus.sentence_bounds[rows[keys // entities]]
    pairs = position * entities + entity
    first, last = (np.searchsorted(keys, pairs, side) for side in ("left", "right"))
    others = np.flatnonzero(first == last)
    of_others, lengths = members(corpus.sentence_bounds, row[others])
    edge = [np.repeat(np.arange(len(row)), last - first), np.repeat(others, lengths)]
    sentence = [mentioning[ranges(first, last - first)], of_others]
    return np.concatenate(edge), np.concatenate(sentence)


def _mentions(view: View, rows: Rows, entities: Array) -> tuple[Array, Array]:
    """Return the mentions of some entities in the texts of some rows, by row and entity.

    Returns a key `position of the row * E + entity` per mention, ascending, and its sentence.
    """
    g = view.gazetteer
    mentions, lengths = members(g.bounds, rows)
    is_asked = np.zeros(len(g.keys), bool)
    is_asked[entities] = True
    kept = np.flatnonzero(is_asked[g.entity[mentions]])
    kept = kept[view.counts_as(mentions[kept]) > 0]
    mentions, row = mentions[kept], np.repeat(np.arange(len(rows)), lengths)[kept]
    keys = row * len(g.keys) + g.entity[mentions]
    order = np.argsort(keys, kind="stable")
    return keys[order], g.sentence[mentions].astype(np.int64)[order]


def above_mean(closeness: Array, edges: Edges, parents: int) -> Array:
    """Return the closeness `[m]` of each edge's passage minus the mean over its parent's passages.

    Only links through entities count; a link by similarity has 0.
    """
    through = edges.kind != SIMILAR
    parent = edges.parent[through]
    # Sum rounded values: the order then changes no bit, and equal passages get equal values.
    sums = np.bincount(parent, np.rint(closeness[through] * 2.0**32) / 2.0**32, parents)
    means = sums / np.maximum(np.bincount(parent, minlength=parents), 1)
    return np.where(through, closeness - means[edges.parent], 0.0)


class MultihopSource(CandidateScorer):
    """What `multihop` needs from an index: candidates, links, names and texts.

    `graphagg.rag.parts.source` has the same methods for several indices.
    """

    def bridges(self, frontier: Rows, question: QuestionScores) -> tuple[Bridges, Codes]:
        """Find the entities that link passages to others, and the first vector of each passage."""
        first = self.corpus.windows.rows(self.corpus.window_bounds[frontier])
        return find_bridges(self.corpus, self.view, frontier, question, self.config), first

    def follow(
        self, candidates: Candidates, frontier: Array, question: QuestionScores, pool: Rows | None
    ) -> tuple[Bridges, Edges, Candidates]:
        """Follow links from the candidates at some positions; also returns new candidates.

        With a `pool`, there are also links by similarity to its passages. There are no links
        within a document, since its chunks share names anyway.
        """
        rows, vectors = candidates.rows[frontier], None
        bridges, first = self.bridges(rows, question)
        if self.config.open_terms:
            vectors = open_vectors(candidates.covers[frontier], question.vector, question.words)
        known, pool = candidates.rows, rows[:0] if pool is None else pool
        found = self.linked(question, bridges, Frontier(rows, first, vectors), known, pool)
        return bridges, *found

    def linked(
        self, scores: QuestionScores, bridges: Bridges, frontier: Frontier, known: Rows, pool: Rows
    ) -> tuple[Edges, Candidates]:
        """Return all links from the frontier, and the linked passages that are not in `known`."""
        edges = expand(self.view, bridges, frontier.rows)
        if len(pool):
            edges = edges.joined(similar_edges(self.corpus, frontier, pool, self.config))
        edges = edges.between_documents(self.corpus, frontier.rows)
        through = np.flatnonzero(edges.kind != SIMILAR)
        if frontier.vectors is not None and len(through):
            row, entity = edges.row[through], bridges.entity[edges.bridge[through]]
            edges.near[through] = closeness_to_open_terms(
                self.corpus, self.view, row, entity, edges.parent[through], frontier.vectors
            )
        is_known, _ = lookup(np.sort(known), edges.row)
        return edges, self.candidates(distinct(edges.row[~is_known]), scores)

    def speller(self, question: QuestionScores) -> Speller:
        """Return an object that finds spellings of entities, for the hits of a question."""
        return Speller(self.corpus, self.view.gazetteer)
