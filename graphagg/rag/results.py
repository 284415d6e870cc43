"""What a retrieval returns: frozen, small, able to say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from graphagg.rag.passages import Passage


@dataclass(frozen=True)
class Hop:
    """One step of a hop path.

    Attributes:
        kind: `question_entity`, `sentence`, `entity` or `passage`.
        text: the mention in the question, the sentence, the entity's name, or the passage's id.
        score: activation of an entity; similarity of a sentence to the question; for the
            `question_entity` its similarity to the corpus entity that follows; for the `passage`
            the last entity's share of its prior.
    """

    kind: Literal["question_entity", "sentence", "entity", "passage"]
    text: str
    score: float


@dataclass(frozen=True)
class Components:
    """The parts of a score.

    Attributes:
        dense: cosine of question and passage (the best window of a long passage).
        entity: ln(1 + sum over active entities of a_e ln(1 + N_ep) / L_e), before W_p.
        pagerank: the passage's share of the personalised PageRank; None in dense retrieval.
    """

    dense: float
    entity: float
    pagerank: float | None


@dataclass(frozen=True)
class Hit:
    """A retrieved passage.

    Attributes:
        passage: id, title, text and metadata.
        score: what the hits are ranked by: the PageRank, or the cosine in dense retrieval.
        components: the parts of the score.
        path: question entity -> entity (-> sentence -> entity)* -> passage, through the active
            entity that gives this passage most; empty where no active entity occurs in it.
        method: `graph`, or `dense` where the question named no entity (or dense was asked for).
    """

    passage: Passage
    score: float
    components: Components
    path: tuple[Hop, ...]
    method: Literal["graph", "dense"]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`."""
        return {
            "id": self.passage.id,
            "title": self.passage.title,
            "text": self.passage.text,
            "score": self.score,
            "method": self.method,
            "components": vars(self.components),
            "path": [vars(hop) for hop in self.path],
            "metadata": dict(self.passage.metadata),
        }
