"""LinearRAG retrieval: entity activation, then personalised PageRank.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 7. Departures: question entities are linked by their
key first and by the most similar entity vector else (the same entity whenever the key is known:
equal text has cosine 1); the passage prior counts N_ep in words (see `trigraph`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.graph.csr import Csr
from graphagg.rag.activation import Activation, Seed, activate
from graphagg.rag.config import Mode, RetrievalConfig, Semantics
from graphagg.rag.dense import FLAT_LIMIT, DenseIndex, top_k
from graphagg.rag.pagerank import Transitions, personalized_pagerank
from graphagg.rag.passages import Passage
from graphagg.rag.results import Components, Hit, Hop
from graphagg.rag.trigraph import TriGraph
from graphagg.strings import StringTable

_LARGE_PRIOR = 1_000  # passages that carry the prior above FLAT_LIMIT passages
_BLOCK = 32  # questions that share a pass over the edges

Vector = npt.NDArray[np.float32]


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
        if mode == "dense" or not self._can_activate(question):
            return self._dense_hits(question, k)
        dense = self._prior_similarities(question, config)
        seeds, activation, bonus = self._stage_one(question, config)
        passage_reset, entity_reset = self._reset(dense, bonus, activation, config)
        pagerank = personalized_pagerank(
            self.graph,
            self._transitions_of(config.semantics),
            passage_reset,
            entity_reset,
            config.damping,
        )
        return self._hits(_Scores(dense, bonus, pagerank, seeds, activation), question, k)

    def retrieve_batch(
        self, questions: Sequence[Question], k: int, mode: Mode, config: RetrievalConfig
    ) -> list[list[Hit]]:
        """`retrieve` for many questions; passage vectors and edges are read once a block."""
        answers: list[list[Hit]] = [[] for _ in questions]
        graphical: list[int] = []
        for i, question in enumerate(questions):
            if mode != "dense" and self._can_activate(question):
                graphical.append(i)
            else:
                answers[i] = self._dense_hits(question, k)
        for start in range(0, len(graphical), _BLOCK):
            block = graphical[start : start + _BLOCK]
            found = self._retrieve_block([questions[i] for i in block], k, config)
            for i, hits in zip(block, found, strict=True):
                answers[i] = hits
        return answers

    def _retrieve_block(
        self, questions: Sequence[Question], k: int, config: RetrievalConfig
    ) -> list[list[Hit]]:
        if self._prior_top(config) is not None:  # sparse resets reach little: push one by one
            return [self.retrieve(question, k, "faithful", config) for question in questions]
        similarities = self.dense.similarities(np.stack([q.vector for q in questions]))
        passage_reset = np.empty((len(self.passages), len(questions)))
        entity_reset = np.empty((self.graph.entities, len(questions)))
        stages = [self._stage_one(question, config) for question in questions]
        for i, (_, activation, bonus) in enumerate(stages):
            passage_reset[:, i], entity_reset[:, i] = self._reset(
                similarities[:, i], bonus, activation, config
            )
        pagerank = personalized_pagerank(
            self.graph,
            self._transitions_of(config.semantics),
            passage_reset,
            entity_reset,
            config.damping,
        )
        return [
            self._hits(
                _Scores(similarities[:, i], bonus, pagerank[:, i].copy(), seeds, activation),
                questions[i],
                k,
            )
            for i, (seeds, activation, bonus) in enumerate(stages)
        ]

    # --- stage 1 ---------------------------------------------------------------------------------

    def _can_activate(self, question: Question) -> bool:
        return bool(question.mentions) and self.graph.entities > 0

    def _stage_one(
        self, question: Question, config: RetrievalConfig
    ) -> tuple[list[Seed], Activation, npt.NDArray[np.float64]]:
        """Seeds, active entities, and ln(1 + sum_e a_e ln(1 + N_ep) / L_e) of every passage."""
        seeds = [self._link(mention) for mention in question.mentions]

        def sigma(sentences: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
            products = self.sentences[sentences] @ question.vector
            return np.minimum(products.astype(np.float64), 1.0)

        activation = activate(self.graph, seeds, sigma, config)
        bonus = np.zeros(len(self.passages))
        for entity, value in activation.value.items():
            counts = self.graph.occurrence.values(entity)
            share = max(value, 0.0) / activation.level[entity]
            bonus[self.graph.occurrence.row(entity)] += share * np.log1p(counts)
        return seeds, activation, np.log1p(bonus)

    def _link(self, mention: Mention) -> Seed:
        """The corpus entity a mention means (eq. 3)."""
        if isinstance(mention.target, int):
            return Seed(mention.text, mention.target, 1.0)
        similarities = self.entities @ mention.target
        best = int(similarities.argmax())
        return Seed(mention.text, best, float(similarities[best]))

    # --- stage 2 ---------------------------------------------------------------------------------

    def _prior_top(self, config: RetrievalConfig) -> int | None:
        if config.prior_top is None and len(self.passages) > FLAT_LIMIT:
            return _LARGE_PRIOR
        return config.prior_top

    def _prior_similarities(
        self, question: Question, config: RetrievalConfig
    ) -> npt.NDArray[np.float32]:
        """Similarity of every passage, or of the best `prior_top` and NaN for the rest; `[P]`."""
        top = self._prior_top(config)
        if top is None:
            return self.dense.similarities(question.vector)
        rows, scores = self.dense.search(question.vector, top)
        similarities = np.full(len(self.passages), np.nan, dtype=np.float32)
        similarities[rows] = scores
        return similarities

    def _reset(
        self,
        similarities: npt.NDArray[np.float32],
        bonus: npt.NDArray[np.float64],
        activation: Activation,
        config: RetrievalConfig,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Reset of passages (eq. 7, similarities scaled to 0..1) and of entities (their weight)."""
        low, high = np.nanmin(similarities), np.nanmax(similarities)
        scaled = (similarities - low) / (high - low) if high > low else np.zeros_like(similarities)
        prior = config.passage_ratio * np.nan_to_num(scaled).astype(np.float64) + bonus
        entities = np.zeros(self.graph.entities)
        for entity, weight in activation.weight.items():
            entities[entity] = max(weight, 0.0)
        return prior * config.passage_node_weight, entities

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
        hits = []
        for row in top_k(scores.pagerank, k).tolist():
            dense = float(scores.dense[row])
            if np.isnan(dense):
                dense = float(self.dense.exact(question.vector, np.array([row]))[0])
            score = float(scores.pagerank[row])
            components = Components(dense, float(scores.bonus[row]), score)
            path = self._path(row, scores.seeds, scores.activation)
            hits.append(Hit(self.passages[row], score, components, path, "graph"))
        return hits

    def _path(self, row: int, seeds: Sequence[Seed], activation: Activation) -> tuple[Hop, ...]:
        """The way from a question entity to the passage's strongest active entity."""
        share = {
            entity: max(value, 0.0) * np.log1p(count) / activation.level[entity]
            for entity, value in activation.value.items()
            if (count := _value(self.graph.occurrence, entity, row))
        }
        if not share:
            return ()
        entity = max(share, key=lambda e: (share[e], -e))
        hops = [Hop("passage", self.passages.ids[row], float(share[entity]))]
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


def _value(matrix: Csr, row: int, column: int) -> int:
    """One value of a matrix with sorted rows; 0 where there is none."""
    columns = matrix.row(row)
    position = int(np.searchsorted(columns, column))
    if position < len(columns) and columns[position] == column:
        return int(matrix.values(row)[position])
    return 0
