"""What a retrieval returns: frozen, small, able to say why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graphagg.rag.passages import Passage

HopKind = Literal["question_entity", "sentence", "entity", "passage"]
Method = Literal["best", "graph", "dense", "bm25"]


@dataclass(frozen=True)
class Hop:
    """One step of a hop path.

    Attributes:
        kind: `question_entity`, `sentence`, `entity` or `passage`.
        text: the mention in the question, the sentence, the entity's name, or the passage's id.
        score: of a sentence its cosine with the question. In `best`, of a passage its direct
            score F and of an entity its idf. In `faithful`, of an
            entity its activation, for the `question_entity` its similarity to the entity that
            follows, and for the passage the last entity's share of its prior.
        contribution: its part of the hit's score; those of a path add up to the score.
    """

    kind: HopKind
    text: str
    score: float
    contribution: float = 0.0


@dataclass(frozen=True)
class Hit:
    """A retrieved passage.

    Attributes:
        passage: id, title, text, metadata, and its place in a document.
        score: what the hits are ranked by.
        components: the parts of the score, by name; they add up to it. In `best` those of the
            formula in `best_config`: of the passage itself (`similarity`, `sentence`, `lexical`,
            `title_words`, `title`, `entities`), from where the path comes (`carried`, `link`,
            `joint`), and of the choice (`coverage`, `side`). In `faithful`: `dense` and `entity`,
            the passage's own share of the prior, and `walk`, what PageRank brings. In `dense` and
            `bm25` the one of that name.
        path: from what the question names, or the passage where the path begins, to this passage.
        method: how the hit was found; `graph` is `faithful`'s PageRank. `dense` also where
            `faithful` was asked and the question names no entity.
        neighbours: with `window`, the chunks around it in its document, in order.
    """

    passage: Passage
    score: float
    components: Mapping[str, float]
    path: tuple[Hop, ...]
    method: Method
    neighbours: tuple[Passage, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`."""
        place = {"document": self.passage.document, "position": self.passage.position}
        around = [{"id": p.id, "position": p.position, "text": p.text} for p in self.neighbours]
        return {
            "id": self.passage.id,
            "title": self.passage.title,
            "text": self.passage.text,
            "score": self.score,
            "method": self.method,
            "components": dict(self.components),
            "path": [vars(hop) for hop in self.path],
            "metadata": dict(self.passage.metadata),
            **(place if self.passage.document else {}),
            **({"neighbours": around} if around else {}),
        }


@dataclass(frozen=True)
class DocumentHit:
    """A document found through its chunks.

    Attributes:
        document: its id; the passage's own id where a passage stands alone.
        score: of its best chunk.
        hits: its chunks among the hits, best first.
    """

    document: str
    score: float
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Explanation:
    """Why a passage is where it is in the ranking of a question.

    Attributes:
        question: as it was asked.
        rank: its place, from 1; None if it is not among the first `k`.
        k: how many hits were asked for.
        reason: in a sentence.
        hit: the passage with its score, components and path; None where it has none, since it is
            hidden. Beyond the first `k` the score is what it would be if it were chosen next.
        threshold: the score of the last of the first `k` hits; None if there are no hits.
    """

    question: str
    rank: int | None
    k: int
    reason: str
    hit: Hit | None
    threshold: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "question": self.question,
            "rank": self.rank,
            "k": self.k,
            "reason": self.reason,
            "threshold": self.threshold,
            "hit": None if self.hit is None else self.hit.to_json(),
        }
