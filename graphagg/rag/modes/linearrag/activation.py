"""Stage 1 of LinearRAG: entities are activated by semantic bridging through sentences.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 5. A question's entities are seeds (eq. 3); activation
passes from an entity through a sentence that mentions it to the other entities of that sentence,
damped by the similarity sigma of sentence and question (eq. 4); what exceeds delta goes on.

Eq. 5, a_t = MAX(M' (sigma * (M a_{t-1})), a_{t-1}), is read in two ways:

- `official` follows the official code: an entity passes its activation only through its
  `top_k_sentence` best sentences that no other entity used before, an entity's node weight is the
  sum of all it received, and the level and value of its last activation count in the passage prior.
- `paper` keeps the MAX and reads the products as max-products: the strongest entity of a sentence
  counts, the strongest sentence of an entity counts. Literal sums of products over all sentences
  would activate thousands of entities (2WikiMultiHopQA: recall@5 40) and are not offered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.rag.config.linearrag import LinearRAGConfig
from graphagg.rag.modes.linearrag.trigraph import TriGraph

Sigma = Callable[[npt.NDArray[np.int32]], npt.NDArray[np.float64]]
"""Similarity of the question to each of the given sentences, at most 1."""


@dataclass(frozen=True)
class Seed:
    """A question entity linked to its corpus entity (eq. 3)."""

    mention: str
    entity: int
    score: float


@dataclass(frozen=True)
class Bridge:
    """How an entity was reached: from `entity` through `sentence`, and with which activation."""

    entity: int
    sentence: int
    similarity: float
    activation: float


@dataclass
class Activation:
    """The active entities of a question, in order of activation.

    Attributes:
        weight: the entity's node weight in stage 2.
        value: a_e of the passage prior.
        level: L_e, 1 for seeds.
        bridges: the strongest bridge to each entity that is no seed.
    """

    weight: dict[int, float] = field(default_factory=dict)
    value: dict[int, float] = field(default_factory=dict)
    level: dict[int, int] = field(default_factory=dict)
    bridges: dict[int, Bridge] = field(default_factory=dict)


def activate(
    graph: TriGraph, seeds: Sequence[Seed], sigma: Sigma, config: LinearRAGConfig
) -> Activation:
    """Activate entities from the seeds, under `config.semantics`."""
    run = _activate_official if config.semantics == "official" else _activate_paper
    return run(graph, seeds, sigma, config)


def _activate_official(
    graph: TriGraph, seeds: Sequence[Seed], sigma: Sigma, config: LinearRAGConfig
) -> Activation:
    state = Activation()
    for seed in seeds:  # where two mentions mean one entity, the last counts, as in the code
        state.weight[seed.entity] = state.value[seed.entity] = seed.score
        state.level[seed.entity] = 1
    roots = frozenset(state.weight)
    used: set[int] = set()
    frontier = dict(state.value)
    for level in range(2, config.max_iterations + 1):
        reached: dict[int, float] = {}
        for entity, activation in frontier.items():
            if activation < config.threshold:
                continue
            for sentence, similarity in _best_unused(graph, entity, used, sigma, config):
                used.add(sentence)
                bridge = Bridge(entity, sentence, similarity, activation * similarity)
                if bridge.activation >= config.threshold:
                    _pass_on(state, bridge, _entities_of(graph, sentence), roots, reached)
        if not reached:
            break
        for other, passed in reached.items():
            state.value[other], state.level[other] = passed, level
        frontier = reached
    return state


def _best_unused(
    graph: TriGraph, entity: int, used: set[int], sigma: Sigma, config: LinearRAGConfig
) -> list[tuple[int, float]]:
    _, sentences = graph.sentences_of(np.array([entity]))
    if used:
        sentences = np.array([s for s in sentences.tolist() if s not in used], dtype=np.int32)
    if not len(sentences):
        return []
    similarities = sigma(sentences)
    best = np.argsort(-similarities, kind="stable")[: config.top_k_sentence]
    return list(zip(sentences[best].tolist(), similarities[best].tolist(), strict=True))


def _entities_of(graph: TriGraph, sentence: int) -> list[int]:
    _, entities = graph.entities_of(np.array([sentence]))
    listed: list[int] = entities.tolist()
    return listed


def _pass_on(
    state: Activation,
    bridge: Bridge,
    entities: Sequence[int],
    roots: frozenset[int],
    reached: dict[int, float],
) -> None:
    """Add what crosses a bridge to each entity of its sentence, its source included."""
    for entity in entities:
        state.weight[entity] = state.weight.get(entity, 0.0) + bridge.activation
        reached[entity] = bridge.activation
        known = state.bridges.get(entity)
        if entity not in roots and (known is None or bridge.activation > known.activation):
            state.bridges[entity] = bridge


def _activate_paper(
    graph: TriGraph, seeds: Sequence[Seed], sigma: Sigma, config: LinearRAGConfig
) -> Activation:
    state = Activation()
    for seed in seeds:
        state.value[seed.entity] = max(state.value.get(seed.entity, -np.inf), seed.score)
        state.level[seed.entity] = 1
    frontier = np.fromiter(state.value, np.int64, len(state.value))
    for level in range(2, config.max_iterations + 2):
        strength = np.array([state.value[e] for e in frontier.tolist()])
        owner, sentence = graph.sentences_of(frontier)
        owner, sentence, _ = _strongest(owner, sentence, strength[owner])
        similarity = np.maximum(sigma(sentence), 0.0)
        passed = similarity * strength[owner]
        over = passed > config.threshold
        via, other = graph.entities_of(sentence[over])
        via, other, activation = _strongest(via, other, passed[over][via])
        frontier_next = []
        for v, e, a in zip(via.tolist(), other.tolist(), activation.tolist(), strict=True):
            if a > state.value.get(e, config.threshold):
                source = int(frontier[owner[over][v]])
                bridge = Bridge(source, int(sentence[over][v]), float(similarity[over][v]), a)
                state.bridges[e] = bridge
                state.value[e], state.level[e] = a, level
                frontier_next.append(e)
        if not frontier_next:
            break
        frontier = np.array(frontier_next, dtype=np.int64)
    state.weight = dict(state.value)
    return state


def _strongest(
    source: npt.NDArray[np.int64], target: npt.NDArray[np.int32], value: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[Any]]:
    """For each distinct target the source of greatest value, first of equals; targets ascend."""
    order = np.lexsort((source, -value, target))
    first = np.ones(len(order), dtype=bool)
    first[1:] = target[order][1:] != target[order][:-1]
    kept = order[first]
    return source[kept], target[kept], value[kept]
