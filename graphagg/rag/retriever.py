"""LinearRAG retrieval: entity activation, then personalised PageRank.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 7. Departures: question entities are linked by their
key first and by the most similar entity vector else (the same entity whenever the key is known:
equal text has cosine 1); the passage prior counts N_ep in words (see `trigraph`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from graphagg.rag.activation import Activation, Seed, Sigma, activate
from graphagg.rag.config import Mode, RetrievalConfig, Semantics
from graphagg.rag.dense import FLAT_LIMIT, DenseIndex, top_k
from graphagg.rag.pagerank import EntityReset, Transitions, personalized_pagerank
from graphagg.rag.passages import Passage
from graphagg.rag.results import Components, Hit, Hop
from graphagg.rag.trigraph import TriGraph
from graphagg.strings import StringTable

_LARGE_PRIOR = 1_000  # passages that carry the prior above FLAT_LIMIT passages
_BLOCK = 32  # questions that share a pass over the edges
_FEW = 5  # vectors up to which a product each is faster than one for all

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


class PassageTable:
    """The passages as they were given, by row."""

    def __init__(
        self, ids: StringTable, titles: StringTable, texts: StringTable, metadata: StringTable
    ) -> None:
        self.ids, self.titles, self.texts, self.metadata = ids, titles, texts, metadata

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> Passage:
        metadata = json.loads(self.metadata[row])
        return Passage(self.ids[row], self.texts[row], self.titles[row], metadata)


@dataclass(frozen=True)
class _Scores:
    """Everything about one question that its hits show; `[P]` arrays."""

    dense: npt.NDArray[Any]
    bonus: npt.NDArray[Any]
    pagerank: npt.NDArray[Any]
    seeds: Sequence[Seed]
    activation: Activation


class Retriever:
    """Answers encoded questions over an opened index.

    Args:
        passages: the passages by row.
        graph: the Tri-Graph.
        dense: the passage vectors.
        sentences: `[S, d]` float32 unit rows.
        entities: `[E, d]` float32 unit rows.
    """

    def __init__(
        self,
        passages: PassageTable,
        graph: TriGraph,
        dense: DenseIndex,
        sentences: Vector,
        entities: Vector,
    ) -> None:
        self.passages, self.graph, self.dense = passages, graph, dense
        self.sentences, self.entities = sentences, entities
        self._transitions: dict[Semantics, Transitions] = {}

    def retrieve(
        self, question: Question, k: int, mode: Mode, config: RetrievalConfig
    ) -> list[Hit]:
        """The `k` best passages of one question, best first."""
        return self.retrieve_batch([question], k, mode, config)[0]

    def retrieve_batch(
        self, questions: Sequence[Question], k: int, mode: Mode, config: RetrievalConfig
    ) -> list[list[Hit]]:
        """The `k` best passages of each question; vectors and edges are read once a block."""
        seeds = self._link([] if mode == "dense" else questions)
        answers = [[] if i in seeds else self._dense_hits(q, k) for i, q in enumerate(questions)]
        size = _BLOCK if self._prior_top(config) is None else 1  # sparse resets: push one by one
        for block in _batched(seeds, size):
            found = self._answer(
                [questions[i] for i in block], [seeds[i] for i in block], k, config
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
    ) -> list[list[Hit]]:
        """The paper's two stages for a block of questions that name entities."""
        activations = [
            activate(self.graph, s, self._sigma(q), config)
            for q, s in zip(questions, seeds, strict=True)
        ]
        bonuses = [self._bonus(activation) for activation in activations]
        similarities = self._similarities(questions, config)
        pagerank = personalized_pagerank(
            self._transitions_of(config.semantics),
            _passage_prior(similarities, np.stack(bonuses, axis=1), config),
            EntityReset.of([activation.weight for activation in activations]),
            config.damping,
        )
        columns = zip(
            similarities.T,
            bonuses,
            np.ascontiguousarray(pagerank.T),
            seeds,
            activations,
            strict=True,
        )
        return [
            self._hits(_Scores(*column), question, k)
            for question, column in zip(questions, columns, strict=True)
        ]

    # --- stage 1 ---------------------------------------------------------------------------------

    def _link(self, questions: Sequence[Question]) -> dict[int, list[Seed]]:
        """Seeds of each question that names an entity (eq. 3), by the question's position."""
        if self.graph.entities == 0:
            return {}
        vectors = {
            id(mention.target): mention.target  # equal names share one vector
            for question in questions
            for mention in question.mentions
            if not isinstance(mention.target, int)
        }
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
        """The corpus entity of greatest similarity to each vector."""
        for block in _batched(vectors, _BLOCK):
            if len(block) < _FEW:
                columns = [self.entities @ vector for vector in block]
            else:
                columns = list((self.entities @ np.stack(block).T).T)
            for similarities in columns:
                best = int(similarities.argmax())
                yield best, float(similarities[best])

    def _sigma(self, question: Question) -> Sigma:
        def sigma(sentences: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
            products = self.sentences[sentences] @ question.vector
            return np.minimum(products.astype(np.float64), 1.0)

        return sigma

    # --- stage 2 ---------------------------------------------------------------------------------

    def _bonus(self, activation: Activation) -> npt.NDArray[np.float64]:
        """ln(1 + sum over active e of a_e ln(1 + N_ep) / L_e) of every passage, `[P]` (eq. 7)."""
        bonus = np.zeros(len(self.passages))
        for entity, value in activation.value.items():
            counts = self.graph.occurrence.values(entity)
            share = max(value, 0.0) / activation.level[entity]
            bonus[self.graph.occurrence.row(entity)] += share * np.log1p(counts)
        return np.log1p(bonus)

    def _prior_top(self, config: RetrievalConfig) -> int | None:
        if config.prior_top is None and len(self.passages) > FLAT_LIMIT:
            return _LARGE_PRIOR
        return config.prior_top

    def _similarities(
        self, questions: Sequence[Question], config: RetrievalConfig
    ) -> npt.NDArray[np.float32]:
        """Similarity of every passage, NaN outside the best `prior_top`; `[P, n]`."""
        top = self._prior_top(config)
        if top is None:
            vectors = [question.vector for question in questions]
            return self.dense.similarities(vectors[0] if len(vectors) == 1 else np.stack(vectors))
        similarities = np.full((len(self.passages), len(questions)), np.nan, dtype=np.float32)
        for i, question in enumerate(questions):
            rows, scores = self.dense.search(question.vector, top)
            similarities[rows, i] = scores
        return similarities

    def _transitions_of(self, semantics: Semantics) -> Transitions:
        if semantics not in self._transitions:
            make = Transitions.frequency if semantics == "official" else Transitions.binary
            self._transitions[semantics] = make(self.graph)
        return self._transitions[semantics]

    # --- hits ------------------------------------------------------------------------------------

    def _dense_hits(self, question: Question, k: int) -> list[Hit]:
        rows, scores = self.dense.search(question.vector, k)
        return [
            Hit(self.passages[row], score, Components(score, 0.0, None), (), "dense")
            for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
        ]

    def _hits(self, scores: _Scores, question: Question, k: int) -> list[Hit]:
        rows = top_k(scores.pagerank, k)
        dense = scores.dense[rows]
        missing = np.isnan(dense)
        dense[missing] = self.dense.exact(question.vector, rows[missing])
        paths = self._paths(rows, scores.seeds, scores.activation)
        return [
            Hit(self.passages[row], rank, Components(similarity, bonus, rank), path, "graph")
            for row, similarity, bonus, rank, path in zip(
                rows.tolist(),
                dense.tolist(),
                scores.bonus[rows].tolist(),
                scores.pagerank[rows].tolist(),
                paths,
                strict=True,
            )
        ]

    def _paths(
        self, rows: npt.NDArray[np.int64], seeds: Sequence[Seed], activation: Activation
    ) -> list[tuple[Hop, ...]]:
        """For each passage the way to it through the active entity that gives it most."""
        entities = list(activation.value)
        shares = np.stack([self._share(entity, rows, activation) for entity in entities])
        strongest = shares.argmax(axis=0)
        return [
            self._path(row, entities[best], float(share), seeds, activation) if share > 0 else ()
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
        self, row: int, entity: int, share: float, seeds: Sequence[Seed], activation: Activation
    ) -> tuple[Hop, ...]:
        """Question entity -> entity (-> sentence -> entity)* -> passage, back from the passage."""
        hops = [Hop("passage", self.passages.ids[row], share)]
        seed_of = {seed.entity: seed for seed in seeds}
        while entity not in seed_of:
            bridge = activation.bridges[entity]
            hops.append(Hop("entity", self.graph.names[entity], bridge.activation))
            hops.append(Hop("sentence", self.graph.sentences[bridge.sentence], bridge.similarity))
            entity = bridge.entity
        seed = seed_of[entity]
        hops.append(Hop("entity", self.graph.names[entity], seed.score))
        hops.append(Hop("question_entity", seed.mention, seed.score))
        return tuple(reversed(hops))


def _passage_prior(
    similarities: npt.NDArray[np.float32],
    bonuses: npt.NDArray[np.float64],
    config: RetrievalConfig,
) -> npt.NDArray[np.float64]:
    """Reset of the passages, `[P, n]` (eq. 7); similarities are scaled to 0..1, NaN counts as 0."""
    low, high = np.nanmin(similarities, axis=0), np.nanmax(similarities, axis=0)
    scaled = (similarities - low) / np.where(high > low, high - low, 1.0)
    prior: npt.NDArray[np.float64] = config.passage_ratio * np.nan_to_num(scaled) + bonuses
    return prior * config.passage_node_weight


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while block := list(islice(iterator, size)):
        yield block
