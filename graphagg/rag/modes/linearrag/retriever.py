"""`mode="linearrag"`: LinearRAG, entity activation and then personalized PageRank.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 7. Departures: question entities are linked by their
key first and by the most similar entity vector else (the same entity whenever the key is known:
equal text has cosine 1); the passage prior counts N_ep in words (see `trigraph`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Floats, Mask
from graphagg.rag.config.linearrag import LinearRAGConfig
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.modes.linearrag.activation import Activation, Seed, Sigma, activate
from graphagg.rag.modes.linearrag.pagerank import PassageScores, Reset, personalized_pagerank
from graphagg.rag.modes.linearrag.trigraph import TriGraph
from graphagg.rag.question.results import Hit, Hop
from graphagg.rag.snapshot.dense import FLAT_LIMIT, DenseIndex, dense_hits
from graphagg.rag.snapshot.names import NameVectors
from graphagg.rag.snapshot.ranking import lookup, top_rows
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.spelling import Speller
from graphagg.rag.tables.vectors import Queries, Rows
from graphagg.rag.tables.view import View

_LARGE_PRIOR = 1_000  # passages that carry the prior above FLAT_LIMIT passages
_BLOCK = 32  # questions that share a pass over the links, or names one over all vectors of names

T = TypeVar("T")


@dataclass(frozen=True)
class Mention:
    """An entity named in a question.

    Attributes:
        text: as the question writes it.
        target: the corpus entity of the same key, or where there is none the mention's vector
            `[d]`.
    """

    text: str
    target: int | Floats


@dataclass(frozen=True)
class Question:
    """A question, encoded and annotated.

    Attributes:
        text: as it was asked.
        vector: `[d]` float32, unit length.
        mentions: its named entities, in order.
    """

    text: str
    vector: Floats
    mentions: tuple[Mention, ...]


@dataclass(frozen=True)
class _Activated:
    """A question after the first stage.

    Attributes:
        seeds: the entities that it names.
        activation: the active entities.
        rows: `[m]` int64 ascending, the passages of the reset.
        prior: `[m]` the dense part of their reset.
        bonus: `[m]` the entities' part of it.
    """

    seeds: Sequence[Seed]
    activation: Activation
    rows: Rows
    prior: Array
    bonus: Array

    @property
    def reset(self) -> Reset:
        """The reset of the second stage."""
        return Reset(self.rows, self.prior + self.bonus, self.activation.weight)


class LinearRAGSearch:
    """Answers encoded questions over one view of a corpus.

    Args:
        corpus: texts and vectors.
        view: what is visible.
        dense: search by similarity.
        names: gives the vectors of entity names, which only a question with a name that no passage
            holds needs; None: those of the corpus.
    """

    def __init__(
        self,
        corpus: Corpus,
        view: View,
        dense: DenseIndex,
        names: Callable[[], NameVectors] | None = None,
    ) -> None:
        self.corpus, self.view, self.dense = corpus, view, dense
        self._names = names or (lambda: NameVectors.stored(corpus, view.gazetteer))
        self.graph = TriGraph(view, corpus.sentence_bounds)

    def known(self, name: str) -> int | None:
        """The visible entity that a mention spells, if the extractor found it in a passage."""
        entity = self.view.gazetteer.find(entity_key(name))
        return None if entity is None or not len(self.graph.found_in(entity)) else entity

    def retrieve_batch(
        self,
        questions: Sequence[Question],
        k: int,
        config: LinearRAGConfig,
        allowed: Mask | None = None,
    ) -> list[list[Hit]]:
        """The `k` best passages of each question; those that name no entity by similarity alone."""
        seeds = self._link(questions)
        answers = {}
        for block in _batched(seeds, _BLOCK):
            activated = [self._activated(questions[i], seeds[i], config) for i in block]
            pageranks = personalized_pagerank(
                self.graph,
                [one.reset for one in activated],
                damping=config.damping,
                weighted=config.semantics == "official",
                exact=self.view.passages <= FLAT_LIMIT,
            )
            for i, one, pagerank in zip(block, activated, pageranks, strict=True):
                answers[i] = self._hits(one, pagerank, k, allowed)
        return [
            answers[i]
            if i in answers
            else dense_hits(self.dense, self.view, question.vector, k, allowed)
            for i, question in enumerate(questions)
        ]

    def _activated(
        self, question: Question, seeds: Sequence[Seed], config: LinearRAGConfig
    ) -> _Activated:
        """The first stage for a question that names entities, and the reset of the second."""
        activation = activate(self.graph, seeds, self._sigma(question), config)
        prior_rows, prior = self._prior(question, config)
        bonus_rows, bonus = self._bonus(activation)
        # Where all visible passages have a prior, those of the bonus are among them.
        is_all = len(prior_rows) == self.view.passages
        rows = self.view.rows if is_all else np.union1d(prior_rows, bonus_rows)
        priors, bonuses = np.zeros(len(rows)), np.zeros(len(rows))
        priors[np.searchsorted(rows, prior_rows)] = prior
        bonuses[np.searchsorted(rows, bonus_rows)] = config.passage_node_weight * bonus
        return _Activated(seeds, activation, rows, priors, bonuses)

    # --- stage 1 ---------------------------------------------------------------------------------

    def _link(self, questions: Sequence[Question]) -> dict[int, list[Seed]]:
        """Seeds of each question that names an entity (eq. 3), by the question's position."""
        vectors = {
            id(mention.target): mention.target  # equal names share one vector
            for question in questions
            for mention in question.mentions
            if not isinstance(mention.target, int)
        }
        if vectors and not len(self.graph.entities):
            return {}
        nearest = dict(zip(vectors, self._most_similar(vectors.values()), strict=True))

        def seed(mention: Mention) -> Seed:
            target = mention.target
            entity, score = (target, 1.0) if isinstance(target, int) else nearest[id(target)]
            return Seed(mention.text, entity, score)

        return {
            i: [seed(mention) for mention in question.mentions]
            for i, question in enumerate(questions)
            if question.mentions
        }

    def _most_similar(self, vectors: Iterable[Floats]) -> Iterator[tuple[int, float]]:
        """The visible entity of greatest similarity to each vector; compares every one."""
        vectors = list(vectors)
        if not vectors:
            return
        entities, names = self.graph.entities, self._names()
        for block in _batched(vectors, _BLOCK):
            for similarities in names.dots(entities, np.stack(block)).T:
                best = int(similarities.argmax())
                yield int(entities[best]), float(similarities[best])

    def _sigma(self, question: Question) -> Sigma:
        def sigma(sentences: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
            rows = sentences.astype(np.int64)
            products = self.corpus.sentence_vectors.dots_at(rows, question.vector[None])[:, 0]
            return np.minimum(products.astype(np.float64), 1.0)

        return sigma

    # --- stage 2 ---------------------------------------------------------------------------------

    def _prior(self, question: Question, config: LinearRAGConfig) -> tuple[Rows, Array]:
        """The dense part of the passages' reset (eq. 7): similarities scaled to 0..1.

        Returns:
            `[n]` visible passages and the prior of each: all up to `FLAT_LIMIT`, the best above.
        """
        top, visible = config.prior_top, self.view.row_set
        if top is None and visible.count > FLAT_LIMIT:
            top = _LARGE_PRIOR
        if top is None:
            query = Queries(question.vector[None])
            rows, similar = visible.rows, self.dense.similarities(query, visible)
        else:
            rows, similar = self.dense.search(question.vector, top, visible)
        low, high = similar.min(), similar.max()
        scaled = (similar - low) / (high - low if high > low else np.float32(1.0))
        return rows, scaled.astype(np.float64) * (config.passage_ratio * config.passage_node_weight)

    def _bonus(self, activation: Activation) -> tuple[Rows, Array]:
        """The passages that hold an active entity, and the bonus of each (eq. 7).

        ln(1 + sum over active e of a_e ln(1 + N_ep) / L_e).
        """
        rows, shares = [np.zeros(0, np.int64)], [np.zeros(0)]
        for entity, value in activation.value.items():
            share = max(value, 0.0) / activation.level[entity]
            holders, counts = self.graph.occurrences(entity)
            rows.append(holders.astype(np.int64))
            shares.append(share * np.log1p(counts))
        distinct, place = np.unique(np.concatenate(rows), return_inverse=True)
        return distinct, np.log1p(np.bincount(place, np.concatenate(shares), len(distinct)))

    # --- hits ------------------------------------------------------------------------------------

    def _hits(
        self, question: _Activated, pagerank: PassageScores, k: int, allowed: Mask | None
    ) -> list[Hit]:
        rows, scores = top_rows(
            pagerank.rows, pagerank.scores, k, self.dense.ranks, self.view, allowed
        )
        in_reset, place = lookup(question.rows, rows)
        dense, entity = (
            pagerank.unit * np.where(in_reset, part[place], 0.0)
            for part in (question.prior, question.bonus)
        )
        paths = self._paths(rows, question.seeds, question.activation)
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
        self, rows: npt.NDArray[np.int64], seeds: Sequence[Seed], activation: Activation
    ) -> list[tuple[Hop, ...]]:
        """For each passage the way to it through the active entity that gives it most."""
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

    def _share(
        self, entity: int, rows: npt.NDArray[np.int64], activation: Activation
    ) -> npt.NDArray[np.float64]:
        """The entity's term a_e ln(1 + N_ep) / L_e in the bonus of each passage, `[k]`."""
        holders, counts = self.graph.occurrences(entity)
        is_holder, place = lookup(holders, rows)
        shares = np.zeros(len(rows))
        value = max(activation.value[entity], 0.0) / activation.level[entity]
        shares[is_holder] = value * np.log1p(counts[place[is_holder]])
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
        """Question entity -> entity (-> sentence -> entity)* -> passage, back from the passage."""
        hops = [Hop("passage", self.corpus.id(row), share)]
        seed_of = {seed.entity: seed for seed in seeds}
        while entity not in seed_of:
            bridge = activation.bridges[entity]
            owner = int(np.searchsorted(self.graph.sentence_bounds, bridge.sentence, "right")) - 1
            number = bridge.sentence - int(self.graph.sentence_bounds[owner])
            hops.append(Hop("entity", speller.spelling(entity, owner), bridge.activation))
            hops.append(Hop("sentence", self.corpus.sentence(owner, number), bridge.similarity))
            entity = bridge.entity
        seed = seed_of[entity]
        owner = int(self.graph.found_in(entity)[0])
        hops.append(Hop("entity", speller.spelling(entity, owner), seed.score))
        hops.append(Hop("question_entity", seed.mention, seed.score))
        return tuple(reversed(hops))


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block
