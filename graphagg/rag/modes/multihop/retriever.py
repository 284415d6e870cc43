"""`mode="multihop"`: direct scores, paths over links, and a choice that covers the question.

The formula and its constants are at the head of `formula`. Everything is computed from a `View`,
so that hidden passages change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphagg.arrays import Array, Mask
from graphagg.rag.config.multihop import MultihopConfig, weights_of
from graphagg.rag.modes.multihop.asked import Asked
from graphagg.rag.modes.multihop.choice import choose, weighted
from graphagg.rag.modes.multihop.links import (
    Bridges,
    Edges,
    expand,
    find_bridges,
    shares,
    similar_edges,
)
from graphagg.rag.modes.multihop.open_terms import above_mean, closeness_to_rest, left_open
from graphagg.rag.modes.multihop.outcome import FEATURES, Candidates, Outcome, Round
from graphagg.rag.question.reading import Reading
from graphagg.rag.snapshot.dense import DenseIndex
from graphagg.rag.snapshot.lexical import Lexical
from graphagg.rag.snapshot.ranking import lookup, top_k, top_rows
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, RowSet, Vectors
from graphagg.rag.tables.view import LEADS, OWN, View

_MOST_TITLED = 20  # passages titled by an entity of the question that join the pool
MOST_CHUNKS = 8  # other chunks of the front's documents that lead on with it


class MultihopSearch:
    """Answers read and encoded questions over one view of a corpus.

    Args:
        corpus: texts and vectors.
        view: what is visible.
        dense: search by similarity.
        config: the settings.
    """

    def __init__(
        self, corpus: Corpus, view: View, dense: DenseIndex, config: MultihopConfig
    ) -> None:
        self.corpus, self.view, self.dense, self.config = corpus, view, dense, config
        self._weights = np.array(list(weights_of(config.passage).values()))

    def answer(
        self,
        reading: Reading,
        vector: Vectors,
        k: int,
        allowed: Mask | None = None,
        extra: Sequence[int] = (),
        words: Vectors | None = None,
    ) -> Outcome:
        """Choose the `k` best passages of a question.

        Args:
            reading: the question.
            vector: `[d]` of the question.
            k: how many.
            allowed: `[R]`, which passages may be chosen; None: all that are visible.
            extra: rows to compute everything for, whatever their similarity; not to choose.
            words: `[t, d]` of the question's terms; None where the encoder gives none.
        """
        # 1. The pool: the passages that F is computed for.
        asked = self.asked(reading, vector, words)
        pool = self.pool(asked, max(k, self.config.pool), allowed)
        others = np.setdiff1d(np.asarray(extra, dtype=np.int64), pool) if extra else pool[:0]
        candidates = self.candidates(np.concatenate([pool, others]), asked)
        pooled = ~self._are_in(candidates.rows, others)
        score, rounds = candidates.direct.copy(), list[Round]()
        # 2. Two rounds of paths: the best by F lead on, then the best of what they raised. `extra`
        # rows are scored and never lead on, so that they change no other score.
        front = _best(candidates.direct, pooled, self.config.beam)
        front = self._with_chunks(candidates, front, pooled)
        walked: set[int] = set()
        for _ in range(2):
            if not len(front):
                break
            walked |= set(candidates.rows[front].tolist())
            # Passages that a link leads to become candidates before their paths are compared.
            bridges, edges = self.links(candidates.rows[front], asked, None if rounds else pool)
            if not len(edges.row):
                break
            candidates, score, front = self._grown(candidates, score, front, edges, asked)
            # Named pages are leveled in the first round; in the second, path scores are handed on.
            handed = score if rounds else self._handed(candidates, front)
            edges = self._of_titles(candidates, bridges, edges)
            rest = self.rest(candidates.covers[front], bridges, edges, asked)
            rest = above_mean(rest, edges, len(front))
            followed, score = self._follow(
                candidates, score, handed, front, bridges, edges, rest, asked.lexical.weights
            )
            rounds.append(followed)
            # A passage leads on once: its links were followed with the score it had then.
            fresh = np.fromiter(followed.best.keys() - walked, np.int64)
            front = _best(score, self._are_in(candidates.rows, fresh), self.config.second_beam)
        # 3. The choice, one passage after another.
        eligible = ~self._are_in(candidates.rows, np.asarray(extra, dtype=np.int64))
        if allowed is not None:
            eligible &= allowed[candidates.rows]
        unchosen = Outcome(asked, candidates, score, rounds, eligible, [], [])
        return self.choosing(unchosen, k)

    def choosing(self, outcome: Outcome, k: int) -> Outcome:
        """The outcome with `k` chosen passages, the first ones of which are those of any fewer.

        That of `answer`, as long as `k` is no more than the pool.
        """
        chosen, gains = choose(outcome, self.config, k)
        return replace(outcome, chosen=chosen, gains=gains)

    def asked(self, reading: Reading, vector: Vectors, words: Vectors | None) -> Asked:
        """A question, to be compared with what is visible; see `answer`."""
        return Asked(reading, vector, words, self.view, self.dense)

    def links(self, front: Rows, asked: Asked, pool: Rows | None = None) -> tuple[Bridges, Edges]:
        """The entities through which the passages of a front lead on, and the links to passages.

        Args:
            front: the passages.
            asked: the question.
            pool: passages that the front leads to by similarity too; None: none.
        """
        bridges = find_bridges(self.corpus, self.view, front, asked, self.config)
        edges = expand(self.view, bridges, front)
        if pool is not None:
            edges = edges.joined(similar_edges(self.corpus, front, pool, self.config))
        return bridges, edges

    def rest(self, covers: Array, bridges: Bridges, edges: Edges, asked: Asked) -> Array:
        """How close the passage of each edge is to what that of the front leaves open.

        Args:
            covers: of the passages of the front, which of the question's terms each holds.
            bridges: the entities that they lead on through.
            edges: the links.
            asked: the question.
        """
        if not self.config.rest:
            return np.zeros(len(edges.row))
        rest = left_open(covers, asked.vector, asked.words)
        return closeness_to_rest(self.corpus, self.view, bridges, edges, rest)

    def _are_in(self, rows: Rows, some: Rows) -> Mask:
        """Which rows are among some others; both may be as many as there are."""
        return RowSet.of(some, len(self.corpus)).mask[rows]

    # --- candidates ------------------------------------------------------------------------------

    def pool(self, asked: Asked, size: int, allowed: Mask | None) -> Rows:
        """The rows that F is computed for: the best by similarity, words and title, and titles."""
        weights, visible, ranks = self.config.passage, self.view.row_set, self.dense.ranks
        named = np.unique(np.concatenate([np.zeros(0, np.int64), *asked.titled]))

        def prior(rows: Rows) -> Array:  # they ascend
            value = weights.lexical * asked.lexical.at(rows)
            is_among, place = lookup(rows, named)
            value[place[is_among]] += weights.title
            return value

        # Sentences are not compared yet: the similarity of the passage stands for its sentences'.
        strength = weights.similarity + weights.sentence
        if asked.is_compared:
            some, similar = visible.rows, asked.similarities
        else:
            nearest, _ = self.dense.search(asked.vector, 2 * size, visible)
            some = np.union1d(nearest, self._worded(asked.lexical, named, size))
            similar = asked.similarity_at(some)
        pool = some[top_k(prior(some) + strength * similar, size, ranks[some])]
        # A named page joins however little else of the question it holds.
        best_named = named[top_k(prior(named), _MOST_TITLED, ranks[named])]
        pool = np.union1d(pool, best_named)
        # Where hidden passages may lead on but not be chosen, enough of the others must be scored.
        if allowed is not None and allowed[pool].sum() < size:
            more = np.flatnonzero(allowed & self.view.visible)
            similar = asked.similarity_at(more)
            pool = np.union1d(pool, more[top_k(similar, size, ranks[more])])
        return pool

    def _worded(self, lexical: Lexical, named: Rows, size: int) -> Rows:
        """The visible rows of greatest prior, in any order; reads only rows that hold a term."""
        weights, ranks = self.config.passage, self.dense.ranks
        values = weights.lexical * lexical.scores
        has_words, place = lookup(lexical.rows, named)
        values[place[has_words]] += weights.title
        others = named[~has_words]
        scored = np.concatenate([lexical.rows, others])
        values = np.concatenate([values, np.full(len(others), weights.title)])
        return top_rows(scored, values, size, ranks, self.view, None)[0]

    def candidates(self, rows: Rows, asked: Asked) -> Candidates:
        """Features and F of some rows."""
        rows = rows[np.argsort(self.dense.ranks[rows])]  # so that of equals the lower id is first
        title, entities = np.zeros(len(rows)), np.zeros(len(rows))
        pages = np.zeros((len(rows), len(asked.named)))
        total = max(float(asked.rarity.sum()), 1e-12)
        for number, idf in enumerate(asked.rarity.tolist()):
            tied_rows, ties = asked.tied[number]
            is_tied, place = lookup(tied_rows, rows)
            tie = np.where(is_tied, ties[place] if len(ties) else 0, 0)
            own = (tie & OWN) > 0
            title[own] = np.maximum(
                title[own], self._title_shares(asked.titled[number], rows[own], asked)
            )
            pages[(tie & (OWN | LEADS)) > 0, number] = 1.0
            entities[is_tied] += idf / total
        features = np.empty((len(rows), len(FEATURES)))
        features[:, 0] = asked.similarity_at(rows)
        features[:, 1] = self.corpus.sentence_similarity_at(rows, asked.query)[:, 0]
        features[:, 2] = asked.lexical.at(rows)
        features[:, 3], features[:, 4] = title, entities
        direct = weighted(features, self._weights)
        return Candidates(rows, features, asked.lexical.covers(rows), pages, direct)

    def _title_shares(self, titled: Rows, rows: Rows, asked: Asked) -> Array:
        """`shares` of some passages of a title, among all that are visible: `titled`."""
        if not len(rows) or len(titled) < 2:
            return np.ones(len(rows))
        near = closeness_of(asked.similarity_at(titled), asked.lexical.at(titled))
        share = shares(np.zeros(len(titled), np.int64), near)
        return share[np.searchsorted(titled, rows)]

    def _grown(
        self,
        candidates: Candidates,
        score: Array,
        front: Array,
        edges: Edges,
        asked: Asked,
    ) -> tuple[Candidates, Array, Array]:
        """The candidates with the passages that links lead to; scores and front in their order."""
        is_known, _ = lookup(candidates.rows, edges.row, self.dense.ranks)
        new = np.unique(edges.row[~is_known])
        if not len(new):
            return candidates, score, front
        more = self.candidates(new, asked)
        rows = np.concatenate([candidates.rows, more.rows])
        order = np.argsort(self.dense.ranks[rows])
        place = np.empty(len(order), np.int64)  # where each candidate moves to
        place[order] = np.arange(len(order))
        grown = Candidates(
            rows[order],
            np.concatenate([candidates.features, more.features])[order],
            np.concatenate([candidates.covers, more.covers])[order],
            np.concatenate([candidates.pages, more.pages])[order],
            np.concatenate([candidates.direct, more.direct])[order],
        )
        return grown, np.concatenate([score, more.direct])[order], place[front]

    def _of_titles(self, candidates: Candidates, bridges: Bridges, edges: Edges) -> Edges:
        """The links with the share of each passage in its title."""
        _, target = lookup(candidates.rows, edges.row, self.dense.ranks)
        similarity, lexical = (FEATURES.index(name) for name in ("similarity", "lexical"))
        features = candidates.features[target]
        near = closeness_of(features[:, similarity], features[:, lexical])
        return edges.of_titles(bridges, near)

    def _with_chunks(self, candidates: Candidates, front: Array, pooled: Mask) -> Array:
        """The front and, of each of its documents, other chunks of the pool, the best by F first.

        A document leads on as one: what its best chunk is found by may stand in another chunk than
        the name that leads on.
        """
        rows = candidates.rows
        documents = {self.corpus.document(row) for row in rows[front].tolist()} - {""}
        if not documents:
            return front
        others = pooled.copy()
        others[front] = False
        of_one = [self.corpus.document(row) in documents for row in rows[others].tolist()]
        others[others] = of_one
        return np.concatenate([front, _best(candidates.direct, others, MOST_CHUNKS)])

    def _handed(self, candidates: Candidates, front: Array) -> Array:
        """What each candidate hands on: F, for some that of the best one of the front.

        A named page has that of the best such page, so that the sides of a comparison are followed
        alike, also where one is closer to the question; a chunk that of the best of its document.
        """
        handed = candidates.direct.copy()
        pages = front[candidates.pages[front].any(axis=1)]
        if self.config.level and len(pages):
            handed[pages] = handed[pages].max()
        documents = [self.corpus.document(row) for row in candidates.rows[front].tolist()]
        for document in {*documents} - {""}:
            chunks = front[[name == document for name in documents]]
            handed[chunks] = handed[chunks].max()
        return handed

    # --- paths -----------------------------------------------------------------------------------

    def _follow(
        self,
        candidates: Candidates,
        score: Array,
        handed: Array,
        front: Array,
        bridges: Bridges,
        edges: Edges,
        rest: Array,
        weights: Array,
    ) -> tuple[Round, Array]:
        """Raise scores to those of the best paths.

        Args:
            candidates: n passages, all that edges lead to among them.
            score: `[n]` their scores so far.
            handed: `[n]` what each of them hands on.
            front: positions of the passages that lead on.
            bridges: the entities that they lead on through.
            edges: the links.
            rest: `[m]`, see `rest`.
            weights: `[t]` of the question's terms.
        """
        c = self.config
        parent = front[edges.front]
        _, target = lookup(candidates.rows, edges.row, self.dense.ranks)
        held = weighted(candidates.covers, weights)
        both = weighted(np.maximum(candidates.covers[parent], candidates.covers[target]), weights)
        joint = both - np.maximum(held[parent], held[target])
        value = (
            handed[parent] * (c.carry + edges.link)
            + c.own * candidates.direct[target]
            + c.joint * joint
            + c.rest * rest
        )
        # Of the paths to a passage the best, of equals the one from the lower id.
        order = np.lexsort((parent, -value, target))
        is_first = np.ones(len(order), bool)
        is_first[1:] = target[order][1:] != target[order][:-1]
        top = order[is_first]
        top = top[value[top] > score[target[top]]]
        raised = score.copy()
        raised[target[top]] = value[top]
        best = dict(zip(edges.row[top].tolist(), top.tolist(), strict=True))
        rows = candidates.rows[parent]
        return Round(bridges, edges, rows, handed[parent], joint, rest, best), raised


def closeness_of(similarity: Array, lexical: Array) -> Array:
    """How close passages are to the question, without any weight: orders those of one title."""
    near: Array = similarity.astype(np.float64) + lexical
    return near


def _best(score: Array, among: Mask, count: int) -> Array:
    """Positions of the `count` largest of some scores, largest first."""
    positions = np.flatnonzero(among)
    return positions[top_k(score[positions], count)]
