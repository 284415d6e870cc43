"""`mode="linearrag"`: LinearRAG, entity activation and then personalized PageRank.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 7. Departures: question entities are linked by their
key first and by the most similar entity vector else (the same entity whenever the key is known:
equal text has cosine 1); the passage prior counts N_ep in words (see `trigraph`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphagg.arrays import Array, Doubles, Ints
from graphagg.rag.config.linearrag import PASSAGE_NODE_WEIGHT, LinearRAGConfig
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.modes.linearrag.activation import Activation, Seed, Sigma, activate
from graphagg.rag.modes.linearrag.pagerank import PassageScores, personalized_pagerank
from graphagg.rag.modes.linearrag.trigraph import TriGraph
from graphagg.rag.modes.protocol import EncodedReading
from graphagg.rag.question.results import Hit, Hop
from graphagg.rag.snapshot.ranking import lookup, top_rows
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.spelling import Speller
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import View


@dataclass(frozen=True)
class SeededQuestion(EncodedReading):
    """A question, its vector, and the entities that it names, in order."""

    seeds: tuple[Seed, ...] = ()


@dataclass(frozen=True)
class PassageWalk:
    """The ranking of a question.

    Attributes:
        seeds: the entities that it names.
        activation: the active entities.
        rows: `[m]` int64 ascending, the passages of the reset.
        prior: `[m]` the dense part of their reset.
        bonus: `[m]` the entities' part of it.
        scores: PageRank of the passages.
    """

    seeds: Sequence[Seed]
    activation: Activation
    rows: Rows
    prior: Array
    bonus: Array
    scores: PassageScores


class LinearRAGSearch:
    """Ranks passages over one view; `ranks` `[R]` of ids break ties."""

    def __init__(self, corpus: StoredCorpus, view: View, ranks: Array) -> None:
        self.corpus, self.view, self.ranks = corpus, view, ranks
        self.graph = TriGraph(view, corpus.sentence_bounds)

    def entity_named(self, name: str) -> int | None:
        """The visible entity with a mention's key, if the extractor found it in a passage."""
        entity = self.view.gazetteer.find(entity_key(name))
        return None if entity is None or not len(self.graph.found_in(entity)) else entity

    def rank(
        self, question: SeededQuestion, similarities: Array, config: LinearRAGConfig
    ) -> PassageWalk:
        """Activation and PageRank, given the `similarities` to each visible passage."""
        activation = activate(self.graph, question.seeds, self._sigma(question), config)
        # The passage prior of eq. 7: similarities are scaled to 0..1.
        low, high = similarities.min(), similarities.max()
        scaled = (similarities - low) / (high - low if high > low else np.float32(1.0))
        prior = scaled.astype(np.float64) * (config.passage_ratio * PASSAGE_NODE_WEIGHT)
        rows = self.view.rows
        holders, shares = self._bonus(activation)
        bonus = np.zeros(len(rows))
        bonus[np.searchsorted(rows, holders)] = PASSAGE_NODE_WEIGHT * shares
        weights = prior + bonus
        scores = personalized_pagerank(self.graph, rows, weights, activation.weight, config.damping)
        return PassageWalk(question.seeds, activation, rows, prior, bonus, scores)

    def _sigma(self, question: SeededQuestion) -> Sigma:
        def sigma(sentences: Ints) -> Doubles:
            products = self.corpus.sentence_vectors.dots_at(sentences, question.query)[:, 0]
            return np.minimum(products.astype(np.float64), 1.0)

        return sigma

    def _bonus(self, activation: Activation) -> tuple[Rows, Array]:
        """The passages that contain an active entity, and the bonus of each (eq. 7).

        ln(1 + sum over active e of a_e ln(1 + N_ep) / L_e).
        """
        rows, shares = [np.zeros(0, np.int64)], [np.zeros(0)]
        for entity, value in activation.value.items():
            share = max(value, 0.0) / activation.level[entity]
            holders, counts = self.graph.occurrences(entity)
            rows.append(holders.astype(np.int64))
            shares.append(share * np.log1p(counts))
        distinct, position = np.unique(np.concatenate(rows), return_inverse=True)
        return distinct, np.log1p(np.bincount(position, np.concatenate(shares), len(distinct)))

    def hits(self, walk: PassageWalk, k: int) -> list[Hit]:
        """The `k` best passages."""
        reached = walk.scores
        rows, scores = top_rows(reached.rows, reached.scores, k, self.ranks, self.view)
        in_reset, position = lookup(walk.rows, rows)
        dense, entity = (
            reached.unit * np.where(in_reset, weights[position], 0.0)
            for weights in (walk.prior, walk.bonus)
        )
        paths = self._paths(rows, walk.seeds, walk.activation)
        columns = (rows.tolist(), scores.tolist(), dense.tolist(), entity.tolist(), paths)
        return [self._hit(*column) for column in zip(*columns, strict=True)]

    def _hit(
        self, row: int, score: float, dense: float, entity: float, path: tuple[Hop, ...]
    ) -> Hit:
        walk = score - dense - entity
        components = {"dense": dense, "entity": entity, "walk": walk}
        if not path:
            path = (Hop("passage", self.corpus.id(row), 0.0, score),)
        else:  # the walk comes through entities, the last of the path among them
            path = (
                *path[:-2],
                replace(path[-2], contribution=walk),
                replace(path[-1], contribution=dense + entity),
            )
        return Hit(self.corpus[row], score, components, path, "linearrag")

    def _paths(
        self, rows: Ints, seeds: Sequence[Seed], activation: Activation
    ) -> list[tuple[Hop, ...]]:
        """The path to each passage through the active entity with the largest share."""
        entities, speller = list(activation.value), Speller(self.corpus, self.view.gazetteer)
        shares = np.stack([self._share(entity, rows, activation) for entity in entities])
        strongest = shares.argmax(axis=0)
        return [
            self._path(row, entities[best], float(share), seeds, activation, speller)
            if share > 0
            else ()
            for row, best, share in zip(
                rows.tolist(), strongest.tolist(), shares.max(axis=0).tolist(), strict=True
            )
        ]

    def _share(self, entity: int, rows: Ints, activation: Activation) -> Doubles:
        """The entity's term a_e ln(1 + N_ep) / L_e in the bonus of each passage, `[k]`."""
        holders, counts = self.graph.occurrences(entity)
        is_holder, position = lookup(holders, rows)
        shares = np.zeros(len(rows))
        value = max(activation.value[entity], 0.0) / activation.level[entity]
        shares[is_holder] = value * np.log1p(counts[position[is_holder]])
        return shares

    def _path(
        self,
        row: int,
        entity: int,
        share: float,
        seeds: Sequence[Seed],
        activation: Activation,
        speller: Speller,
    ) -> tuple[Hop, ...]:
        """Question entity -> entity (-> sentence -> entity)* -> passage, built backwards."""
        hops = [Hop("passage", self.corpus.id(row), share)]
        seed_of = {seed.entity: seed for seed in seeds}
        while entity not in seed_of:
            bridge = activation.steps[entity]
            owner = int(np.searchsorted(self.graph.sentence_bounds, bridge.sentence, "right")) - 1
            sentence = bridge.sentence - int(self.graph.sentence_bounds[owner])
            hops.append(Hop("entity", speller.spelling(entity, owner), bridge.activation))
            hops.append(Hop("sentence", self.corpus.sentence(owner, sentence), bridge.similarity))
            entity = bridge.entity
        seed = seed_of[entity]
        owner = int(self.graph.found_in(entity)[0])
        hops.append(Hop("entity", speller.spelling(entity, owner), seed.score))
        hops.append(Hop("question_entity", seed.mention, seed.score))
        return tuple(reversed(hops))
