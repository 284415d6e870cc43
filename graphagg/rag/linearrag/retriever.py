"""`mode="faithful"`: LinearRAG retrieval, entity activation, then personalised PageRank.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 7. Departures: question entities are linked by their
key first and by the most similar entity vector else (the same entity whenever the key is known:
equal text has cosine 1); the passage prior counts N_ep in words (see `trigraph`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.linearrag.activation import Activation, Seed, Sigma, activate
from graphagg.rag.linearrag.config import RetrievalConfig, Semantics
from graphagg.rag.linearrag.local import LocalGraph
from graphagg.rag.linearrag.pagerank import EntityReset, Transitions, personalized_pagerank
from graphagg.rag.linearrag.push import local_pagerank
from graphagg.rag.linearrag.trigraph import TriGraph
from graphagg.rag.results import Hit, Hop
from graphagg.rag.search.dense import FLAT_LIMIT, DenseIndex
from graphagg.rag.search.ranking import best_rows, spread, top_k
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.spelling import Speller
from graphagg.rag.tables.vectors import RowSet, Vectors
from graphagg.rag.tables.view import View

_LARGE_PRIOR = 1_000  # passages that carry the prior above FLAT_LIMIT passages
_BLOCK = 32  # questions that share a pass over the edges

Vector = npt.NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class Mention:
    """An entity named in a question.

    Attributes:
        text: as it stands in the question.
        target: the corpus entity of the same key, or where there is none the mention's vector
            `[d]`.
    """

    text: str
    target: int | Vector


@dataclass(frozen=True)
class Question:
    """A question, encoded and annotated.

    Attributes:
        text: as it was asked.
        vector: `[d]` float32, unit length.
        mentions: its named entities, in order.
    """

    text: str
    vector: Vector
    mentions: tuple[Mention, ...]


@dataclass(frozen=True)
class _Scores:
    """Everything about one question that its hits show; `[R]` arrays, or read like them.

    `prior` is the dense part of the reset; `unit` is how much of a passage's reset is seen in its
    own PageRank.
    """

    prior: Array | _Sparse
    bonus: Array | _Sparse
    pagerank: Array | _Sparse
    unit: float
    seeds: Sequence[Seed]
    activation: Activation


class _Sparse(dict[int, float]):
    """Values of some rows; 0 of all others."""

    @classmethod
    def of(cls, rows: npt.NDArray[np.int64], values: Array) -> _Sparse:
        return cls(zip(rows.tolist(), values.tolist(), strict=True))

    def __missing__(self, row: int) -> float:
        return 0.0


class FaithfulRetriever:
    """Answers encoded questions over one view of a corpus.

    Args:
        corpus: texts and vectors.
        view: what is visible.
        dense: search by similarity.
    """

    def __init__(self, corpus: Corpus, view: View, dense: DenseIndex) -> None:
        self.corpus, self.view, self.dense = corpus, view, dense
        self.graph: TriGraph | LocalGraph = (
            TriGraph(view, corpus.sentence_bounds)
            if view.passages <= FLAT_LIMIT
            else LocalGraph(view, corpus.sentence_bounds)
        )
        self._transitions: dict[Semantics, Transitions] = {}

    def known(self, name: str) -> int | None:
        """The visible entity that a mention spells, if the extractor found it in a passage."""
        entity = self.view.gazetteer.find(entity_key(name))
        if entity is None or not len(self.graph.contained_in.row(entity)):
            return None
        return entity

    def retrieve_batch(
        self,
        questions: Sequence[Question],
        k: int,
        config: RetrievalConfig,
        allowed: npt.NDArray[np.bool_] | None = None,
    ) -> list[list[Hit]]:
        """The `k` best passages of each question; edges are read once a block."""
        seeds = self._link(questions)
        answers = [
            []
            if i in seeds
            else dense_hits(self.corpus, self.view, self.dense, q.vector, k, allowed)
            for i, q in enumerate(questions)
        ]
        if isinstance(self.graph, LocalGraph):
            for i, of_question in seeds.items():
                answers[i] = self._answer_locally(
                    self.graph, questions[i], of_question, k, config, allowed
                )
            return answers
        size = _BLOCK if self._prior_top(config) is None else 1  # sparse resets: push one by one
        for block in _batched(seeds, size):
            found = self._answer(
                [questions[i] for i in block], [seeds[i] for i in block], k, config, allowed
            )
            for i, hits in zip(block, found, strict=True):
                answers[i] = hits
        return answers

    def _answer(
        self,
        questions: Sequence[Question],
        seeds: Sequence[list[Seed]],
        k: int,
        config: RetrievalConfig,
        allowed: npt.NDArray[np.bool_] | None,
    ) -> list[list[Hit]]:
        """The paper's two stages for a block of questions that name entities."""
        activations = [
            activate(self.graph, s, self._sigma(q), config)
            for q, s in zip(questions, seeds, strict=True)
        ]
        bonuses = np.stack([self._bonus(activation) for activation in activations], axis=1)
        bonuses *= config.passage_node_weight
        priors = _dense_prior(self._similarities(questions, config), config)
        pagerank, units = personalized_pagerank(
            self._transitions_of(config.semantics),
            priors + bonuses,
            EntityReset.of([activation.weight for activation in activations]),
            config.damping,
        )
        arrays = (np.ascontiguousarray(array.T) for array in (priors, bonuses, pagerank))
        columns = zip(*arrays, units.tolist(), seeds, activations, strict=True)
        return [self._hits(_Scores(*column), k, allowed) for column in columns]

    def _answer_locally(
        self,
        graph: LocalGraph,
        question: Question,
        seeds: Sequence[Seed],
        k: int,
        config: RetrievalConfig,
        allowed: npt.NDArray[np.bool_] | None,
    ) -> list[Hit]:
        """Likewise for a question to a large index: only what it comes to is read."""
        activation = activate(graph, seeds, self._sigma(question), config)
        bonus_rows, bonus = self._sparse_bonus(activation)
        bonus *= config.passage_node_weight
        top = self._prior_top(config) or self.view.passages
        prior_rows, similar = self.dense.search(question.vector, top, self.view.row_set)
        prior = _dense_prior(similar[:, None], config)[:, 0]
        rows = np.union1d(prior_rows, bonus_rows)
        reset = np.zeros(len(rows))
        reset[np.searchsorted(rows, prior_rows)] = prior
        reset[np.searchsorted(rows, bonus_rows)] += bonus
        found = local_pagerank(
            graph, rows, reset, activation.weight, config.damping, config.semantics == "official"
        )
        scores = _Scores(
            _Sparse.of(prior_rows, prior),
            _Sparse.of(bonus_rows, bonus),
            _Sparse.of(found.rows, found.scores),
            found.unit,
            seeds,
            activation,
        )
        best = best_rows(found.rows, found.scores, k, self.dense.ranks, allowed)
        if best is None:  # passages that the walk never comes to are among them
            every = self.view.rows if allowed is None else np.flatnonzero(allowed)
            values = spread(found.rows, found.scores, graph.passages)[every]
            best = every[top_k(values, k, self.dense.ranks[every])], values
        return self._hits_of(best[0], scores)

    # --- stage 1 ---------------------------------------------------------------------------------

    def _link(self, questions: Sequence[Question]) -> dict[int, list[Seed]]:
        """Seeds of each question that names an entity (eq. 3), by the question's position."""
        if not len(self.corpus.name_vectors):
            return {}
        vectors = {
            id(mention.target): mention.target  # equal names share one vector
            for question in questions
            for mention in question.mentions
            if not isinstance(mention.target, int)
        }
        if vectors and not len(self.graph.found):
            return {}
        found = dict(zip(vectors, self._most_similar(vectors.values()), strict=True))

        def seed(mention: Mention) -> Seed:
            target = mention.target
            entity, score = (target, 1.0) if isinstance(target, int) else found[id(target)]
            return Seed(mention.text, entity, score)

        return {
            i: [seed(mention) for mention in question.mentions]
            for i, question in enumerate(questions)
            if question.mentions
        }

    def _most_similar(self, vectors: Iterable[Vector]) -> Iterator[tuple[int, float]]:
        """The visible entity of greatest similarity to each vector; compares every one."""
        vectors = list(vectors)
        if not vectors:
            return
        names, found = self.corpus.name_vectors, self.graph.found
        rows = self.view.gazetteer.name_row[found].astype(np.int64)
        for block in _batched(vectors, _BLOCK):
            for similarities in names.dots_at(rows, np.stack(block)).T:
                best = int(similarities.argmax())
                yield int(found[best]), float(similarities[best])

    def _sigma(self, question: Question) -> Sigma:
        def sigma(sentences: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
            rows = sentences.astype(np.int64)
            products = self.corpus.sentence_vectors.dots_at(rows, question.vector[None])[:, 0]
            return np.minimum(products.astype(np.float64), 1.0)

        return sigma

    # --- stage 2 ---------------------------------------------------------------------------------

    def _sparse_bonus(self, activation: Activation) -> tuple[npt.NDArray[np.int64], Array]:
        """The passages that hold an active entity, and the bonus of each; as `_bonus`."""
        rows, shares = [np.zeros(0, np.int64)], [np.zeros(0)]
        for entity, value in activation.value.items():
            share = max(value, 0.0) / activation.level[entity]
            rows.append(self.graph.occurrence.row(entity).astype(np.int64))
            shares.append(share * np.log1p(self.graph.occurrence.values(entity)))
        held, place = np.unique(np.concatenate(rows), return_inverse=True)
        return held, np.log1p(np.bincount(place, np.concatenate(shares), len(held)))

    def _bonus(self, activation: Activation) -> npt.NDArray[np.float64]:
        """ln(1 + sum over active e of a_e ln(1 + N_ep) / L_e) of every passage, `[R]` (eq. 7)."""
        bonus = np.zeros(len(self.view.visible))
        for entity, value in activation.value.items():
            counts = self.graph.occurrence.values(entity)
            share = max(value, 0.0) / activation.level[entity]
            bonus[self.graph.occurrence.row(entity)] += share * np.log1p(counts)
        return np.log1p(bonus)

    def _prior_top(self, config: RetrievalConfig) -> int | None:
        if config.prior_top is None and self.view.passages > FLAT_LIMIT:
            return _LARGE_PRIOR
        return config.prior_top

    def _similarities(
        self, questions: Sequence[Question], config: RetrievalConfig
    ) -> npt.NDArray[np.float32]:
        """Similarity of the visible passages, NaN outside the best `prior_top`; `[R, n]`."""
        top, rows = self._prior_top(config), self.view.row_set
        similarities = np.full((len(self.view.visible), len(questions)), np.nan, dtype=np.float32)
        if top is None:
            vectors = np.stack([question.vector for question in questions])
            similarities[rows.rows] = self.corpus.similarity_at(rows.rows, vectors)
            return similarities
        for i, question in enumerate(questions):
            best, scores = self.dense.search(question.vector, top, rows)
            similarities[best, i] = scores
        return similarities

    def _transitions_of(self, semantics: Semantics) -> Transitions:
        if semantics not in self._transitions:
            assert isinstance(self.graph, TriGraph)
            make = Transitions.frequency if semantics == "official" else Transitions.binary
            self._transitions[semantics] = make(self.graph)
        return self._transitions[semantics]

    # --- hits ------------------------------------------------------------------------------------

    def _hits(self, scores: _Scores, k: int, allowed: npt.NDArray[np.bool_] | None) -> list[Hit]:
        rows = self.view.rows if allowed is None else np.flatnonzero(allowed)
        assert isinstance(scores.pagerank, np.ndarray)
        rows = rows[top_k(scores.pagerank[rows], k, self.dense.ranks[rows])]
        return self._hits_of(rows, scores)

    def _hits_of(self, rows: npt.NDArray[np.int64], scores: _Scores) -> list[Hit]:
        paths = self._paths(rows, scores.seeds, scores.activation)
        return [
            self._hit(row, scores, path) for row, path in zip(rows.tolist(), paths, strict=True)
        ]

    def _hit(self, row: int, scores: _Scores, path: tuple[Hop, ...]) -> Hit:
        score = float(scores.pagerank[row])
        dense, entity = (scores.unit * float(part[row]) for part in (scores.prior, scores.bonus))
        components = {"dense": dense, "entity": entity, "walk": score - dense - entity}
        if not path:
            path = (Hop("passage", self.corpus.id(row), 0.0, score),)
        else:  # the walk comes through entities, the last of the path among them
            before, last = path[-2], path[-1]
            walked = replace(before, contribution=components["walk"])
            path = (*path[:-2], walked, replace(last, contribution=dense + entity))
        return Hit(self.corpus[row], score, components, path, "graph")

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
        columns, counts = self.graph.occurrence.row(entity), self.graph.occurrence.values(entity)
        place = np.searchsorted(columns, rows)
        there = place < len(columns)
        there[there] = columns[place[there]] == rows[there]
        shares = np.zeros(len(rows))
        value = max(activation.value[entity], 0.0) / activation.level[entity]
        shares[there] = value * np.log1p(counts[place[there]])
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
        owner = int(self.graph.contained_in.row(entity)[0])
        hops.append(Hop("entity", speller.spelling(entity, owner), seed.score))
        hops.append(Hop("question_entity", seed.mention, seed.score))
        return tuple(reversed(hops))


def dense_hits(
    corpus: Corpus,
    view: View,
    dense: DenseIndex,
    vector: Vectors,
    k: int,
    allowed: npt.NDArray[np.bool_] | None,
) -> list[Hit]:
    """The `k` passages most similar to a question `[d]`."""
    rows = view.row_set if allowed is None else RowSet(allowed, int(np.count_nonzero(allowed)))
    found, scores = dense.search(vector, k, rows)
    return [
        Hit(
            corpus[row],
            score,
            {"dense": score},
            (Hop("passage", corpus.id(row), score, score),),
            "dense",
        )
        for row, score in zip(found.tolist(), scores.tolist(), strict=True)
    ]


def _dense_prior(
    similarities: npt.NDArray[np.float32], config: RetrievalConfig
) -> npt.NDArray[np.float64]:
    """The dense part of the passages' reset, `[R, n]` (eq. 7): scaled to 0..1, NaN counts as 0."""
    low, high = np.nanmin(similarities, axis=0), np.nanmax(similarities, axis=0)
    scaled = (similarities - low) / np.where(high > low, high - low, 1.0)
    prior: npt.NDArray[np.float64] = np.nan_to_num(scaled).astype(np.float64)
    return prior * (config.passage_ratio * config.passage_node_weight)


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block
