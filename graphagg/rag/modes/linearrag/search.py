"""`mode="linearrag"`: LinearRAG, entity activation and then personalized PageRank.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 7. Departures: a question entity is linked by its key,
or by the most similar entity vector if the key is unknown (a known key gives the same entity, since
equal texts have cosine 1); the passage prior counts N_ep in words (see `trigraph`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.rag.config.modes import PASSAGE_NODE_WEIGHT, LinearRAGConfig
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.modes.linearrag.activation import Activation, Seed, activate
from graphagg.rag.modes.linearrag.pagerank import personalized_pagerank
from graphagg.rag.modes.linearrag.trigraph import TriGraph
from graphagg.rag.modes.protocol import EncodedQuestion, Ranking
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.question.results import Hit, Hop
from graphagg.rag.snapshot.search import lookup, top_rows
from graphagg.rag.tables.gazetteer import Speller
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.view import View


@dataclass(frozen=True)
class SeededQuestion(EncodedQuestion):
    """A question, its vector, and the entities that it names, in order."""

    seeds: tuple[Seed, ...] = ()


@dataclass(frozen=True)
class PassageWalk:
    """The ranking of a question.

    Attributes:
        seeds: the entities that it names.
        activation: the active entities.
        prior: `[R]` the dense part of the passages' reset.
        bonus: `[R]` the entities' part of the reset.
        scores: `[R]` PageRank of the passages.
        unit: the part of a passage's reset that stays in its own score.
    """

    seeds: Sequence[Seed]
    activation: Activation
    prior: Doubles
    bonus: Doubles
    scores: Doubles
    unit: float


class LinearRAGSearch:
    """Ranks passages over one view; `ranks` `[R]` of ids break ties."""

    def __init__(self, corpus: StoredCorpus, view: View, ranks: Array) -> None:
        self.corpus, self.view, self.ranks = corpus, view, ranks
        self.graph = TriGraph(view, corpus.sentence_bounds, ranks)

    def entity_named(self, name: str) -> int | None:
        """Return the entity with a mention's key if the extractor found it in a visible passage."""
        entity = self.view.gazetteer.find(entity_key(name))
        return None if entity is None or not len(self.graph.found_in(entity)) else entity

    def rank(
        self, question: SeededQuestion, similarities: Array, config: LinearRAGConfig
    ) -> PassageWalk:
        """Run activation and PageRank, given the `similarities` to each visible passage."""

        def sigma(sentences: Ints) -> Doubles:
            products = self.corpus.sentence_vectors.dots_at(sentences, question.query)[:, 0]
            return np.minimum(products.astype(np.float64), 1.0)

        activation = activate(self.graph, question.seeds, sigma, config)
        # The passage prior of eq. 7: similarities are scaled to 0..1.
        low, high = similarities.min(), similarities.max()
        scaled = (similarities - low) / (high - low if high > low else np.float32(1.0))
        prior = np.zeros(len(self.view.visible))
        prior[self.view.rows] = scaled * (config.passage_ratio * PASSAGE_NODE_WEIGHT)
        bonus = PASSAGE_NODE_WEIGHT * self._bonus(activation)
        reset, entities = prior + bonus, activation.weight
        scores, unit = personalized_pagerank(self.graph, reset, entities, config.damping)
        return PassageWalk(question.seeds, activation, prior, bonus, scores, unit)

    def _bonus(self, activation: Activation) -> Doubles:
        """Return ln(1 + sum over active e of a_e ln(1 + N_ep) / L_e), `[R]`, for eq. 7."""
        sums = np.zeros(len(self.view.visible))
        for entity in activation.value:
            holders, shares = self._shares(entity, activation)
            sums[holders] += shares
        return np.log1p(sums)

    def _shares(self, entity: int, activation: Activation) -> tuple[Array, Doubles]:
        """Return the passages that contain an entity, and a_e ln(1 + N_ep) / L_e for each."""
        holders, counts = self.graph.occurrences(entity)
        value = max(activation.value[entity], 0.0) / activation.level[entity]
        return holders, value * np.log1p(counts)

    def hits(self, walk: PassageWalk, k: int) -> list[Hit]:
        """Return hits for the `k` best passages."""
        rows, scores = top_rows(
            self.view.rows, walk.scores[self.view.rows], k, self.ranks, self.view
        )
        dense, entity = walk.unit * walk.prior[rows], walk.unit * walk.bonus[rows]
        paths = self._paths(rows, walk.seeds, walk.activation)
        columns = (rows.tolist(), scores.tolist(), dense.tolist(), entity.tolist(), paths)
        return [self._hit(*column) for column in zip(*columns, strict=True)]

    def _hit(
        self, row: int, score: float, dense: float, entity: float, path: tuple[Hop, ...]
    ) -> Hit:
        walk = score - dense - entity
        components = {"dense": dense, "entity": entity, "walk": walk}
        if not path:
            path = (Hop.to_passage(self.corpus, row, 0.0, score),)
        else:  # the last entity of the path stands for the walk through all entities
            path = (
                *path[:-2],
                replace(path[-2], contribution=walk),
                replace(path[-1], contribution=dense + entity),
            )
        return Hit(self.corpus[row], score, components, path, "linearrag")

    def _paths(
        self, rows: Ints, seeds: Sequence[Seed], activation: Activation
    ) -> list[tuple[Hop, ...]]:
        """Return the path to each passage through the active entity with the largest share."""
        entities, speller = list(activation.value), Speller(self.corpus, self.view.gazetteer)
        shares = np.zeros((len(entities), len(rows)))
        for i, entity in enumerate(entities):
            holders, of_entity = self._shares(entity, activation)
            is_holder, position = lookup(holders, rows)
            shares[i, is_holder] = of_entity[position[is_holder]]
        strongest = shares.argmax(axis=0)
        return [
            self._path(row, entities[best], float(share), seeds, activation, speller)
            if share > 0
            else ()
            for row, best, share in zip(
                rows.tolist(), strongest.tolist(), shares.max(axis=0).tolist(), strict=True
            )
        ]

    def _path(
        self,
        row: int,
        entity: int,
        share: float,
        seeds: Sequence[Seed],
        activation: Activation,
        speller: Speller,
    ) -> tuple[Hop, ...]:
        """Build question entity -> entity (-> sentence -> entity)* -> passage, from the end."""
        hops = [Hop.to_passage(self.corpus, row, share)]
        seed_of = {seed.entity: seed for seed in seeds}
        while entity not in seed_of:
            bridge = activation.steps[entity]
            owner = int(np.searchsorted(self.graph.sentence_bounds, bridge.sentence, "right")) - 1
            sentence = bridge.sentence - int(self.graph.sentence_bounds[owner])
            hops.append(Hop("entity", speller.spelling(entity, owner), bridge.activation))
            hops.append(Hop("sentence", self.corpus.sentence(owner, sentence), bridge.similarity))
            entity = bridge.entity
        seed = seed_of[entity]
        rows = self.graph.found_in(entity)
        owner = int(rows[self.ranks[rows].argmin()])
        hops.append(Hop("entity", speller.spelling(entity, owner), seed.score))
        hops.append(Hop("question_entity", seed.mention, seed.score))
        return tuple(reversed(hops))


class WalkRanking(Ranking):
    """Passages by PageRank."""

    def __init__(
        self,
        search: LinearRAGSearch,
        question: SeededQuestion,
        scores: QuestionScores,
        config: LinearRAGConfig,
    ) -> None:
        self._search, self.scores = search, scores
        self._walk = search.rank(question, scores.similarities, config)

    def take(self, n: int) -> list[Hit]:
        """Return the first `n` hits."""
        return self._search.hits(self._walk, n)
