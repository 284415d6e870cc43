"""Stage 1 of LinearRAG: entities are activated through the sentences that mention them.

Paper: LinearRAG, arXiv 2510.10114, eqs. 3 to 5. The entities that a question names are seeds
(eq. 3). An entity passes its activation through a sentence that mentions it to the other entities
of that sentence, times the similarity sigma of sentence and question (eq. 4). Activations of at
least delta are passed on.

Eq. 5 is implemented as in the official code: an entity spreads only through its `top_k_sentence`
best sentences that no other entity used before. Its node weight is the sum of all it received; the
passage prior uses the level and value of its last activation. Literal sums of products over all
sentences would activate thousands of entities (2WikiMultiHopQA: recall@5 40).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.rag.config.modes import LinearRAGConfig
from graphagg.rag.modes.linearrag.trigraph import TriGraph

Sigma = Callable[[Ints], Doubles]
"""Returns the similarity of the question to each of some sentences, at most 1."""


@dataclass(frozen=True)
class Seed:
    """An entity of the corpus that a question names (eq. 3).

    Attributes:
        mention: the name in the question.
        entity: id of the entity.
        score: 1 if mention and entity have the same key, else the cosine of their vectors.
    """

    mention: str
    entity: int
    score: float


@dataclass(frozen=True)
class ActivationStep:
    """How an entity was reached: from `entity` through `sentence`, with its activation."""

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
        steps: the strongest step to each entity that is not a seed.
    """

    weight: dict[int, float] = field(default_factory=dict)
    value: dict[int, float] = field(default_factory=dict)
    level: dict[int, int] = field(default_factory=dict)
    steps: dict[int, ActivationStep] = field(default_factory=dict)


def activate(
    graph: TriGraph, seeds: Sequence[Seed], sigma: Sigma, config: LinearRAGConfig
) -> Activation:
    """Activate entities from the seeds."""
    state = Activation()
    for seed in seeds:  # of two mentions of one entity, the last counts (official code)
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
            best = _best_unused(graph, entity, used, sigma, config.top_k_sentence)
            for sentence, similarity in best:
                used.add(sentence)
                step = ActivationStep(entity, sentence, similarity, activation * similarity)
                if step.activation >= config.threshold:
                    _pass_on(state, step, graph, roots, reached)
        if not reached:
            break
        for other, activation in reached.items():
            state.value[other], state.level[other] = activation, level
        frontier = reached
    return state


def _best_unused(
    graph: TriGraph, entity: int, used: set[int], sigma: Sigma, count: int
) -> list[tuple[int, float]]:
    """Return the `count` unused sentences of an entity that are closest to the question."""
    listed = [s for s in graph.sentences_of(entity).tolist() if s not in used]
    sentences = np.array(listed, dtype=np.int64)
    if not len(sentences):
        return []
    similarities = sigma(sentences)
    best = np.argsort(-similarities, kind="stable")[:count]
    return list(zip(sentences[best].tolist(), similarities[best].tolist(), strict=True))


def _pass_on(
    state: Activation,
    step: ActivationStep,
    graph: TriGraph,
    roots: frozenset[int],
    reached: dict[int, float],
) -> None:
    """Activate each entity of the step's sentence, its source included."""
    for entity in graph.entities_of(step.sentence).tolist():
        state.weight[entity] = state.weight.get(entity, 0.0) + step.activation
        reached[entity] = step.activation
        before = state.steps.get(entity)
        if entity not in roots and (before is None or step.activation > before.activation):
            state.steps[entity] = step
