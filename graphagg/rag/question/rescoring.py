"""Additions to the scores of hits: recency and a reranker. Both are off by default.

Each is a component of the score and a part of the last hop's contribution.

Recency adds `weight 2^(-age / half_life)` to a passage with a date; ages are counted back from
`as_of` or from the newest visible passage. It adds `weight` at most, so the ranking is exact once
the remaining hits score lower than the k-th by more than that. The reranker then reads the first
hits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from graphagg.checks import integer, number
from graphagg.errors import InvalidParameter
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.value_types import parse_instant
from graphagg.rag.models.reranker import Reranker, check_reranker, scores_of
from graphagg.rag.question.results import Hit

RERANKED = 50
"""Default number of hits that a reranker sees."""
_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Recency:
    """A preference for newer passages: `weight * 2^(-age / half_life)` is added to their scores.

    Attributes:
        weight: gain of the newest passages; scores of mode multihop run from 0 to about 4. 0: age
            changes nothing.
        half_life: days after which a passage gains half as much.

    Examples:
        >>> from graphagg.rag.documents.value_types import parse_instant
        >>> recency = Recency(weight=1.0, half_life=10.0)
        >>> recency.gain("2024-05-01", parse_instant("2024-05-11"))
        0.5
    """

    weight: float
    half_life: float = 30.0

    def __post_init__(self) -> None:
        number("recency", self.weight, least=0.0)
        number("half_life", self.half_life, above=0.0)

    def gain(self, when: object, now: int) -> float:
        """Gain of a passage by its `when`, 0 without one; `now` is in microseconds since 1970."""
        instant = parse_instant(when) if isinstance(when, str) else None
        if instant is None:
            return 0.0
        age = max(now - instant, 0) / _DAY
        return float(self.weight * 2.0 ** (-age / self.half_life))


@dataclass(frozen=True)
class Rescoring:
    """Additions to scores; none by default.

    Attributes:
        recency: preference for newer passages; None: none.
        reranker: reads question and passage; None: none.
        first: number of hits that the reranker reads, at least `k`.
        as_of: ages are counted back from it, in microseconds since 1970; None: from the newest
            visible passage.
    """

    recency: Recency | None = None
    reranker: Reranker | None = None
    first: int = RERANKED
    as_of: int | None = None

    def __post_init__(self) -> None:
        if self.recency is not None and not isinstance(self.recency, Recency):
            raise InvalidParameter(
                f"recency is a {type(self.recency).__name__}, wanted a Recency(weight, half_life)"
            )
        check_reranker(self.reranker)
        integer("rerank_first", self.first, 1)

    @property
    def names(self) -> str:
        """The names of the additions, for explanations; "": scores stay as they are."""
        parts = ("recency", "reranker")
        return " and ".join(name for name in parts if getattr(self, name) is not None)

    def hits(
        self, question: str, k: int, now: int | None, ranked: Callable[[int], Sequence[Hit]]
    ) -> list[Hit]:
        """The `k` best hits.

        `now` is the moment that ages are counted back from; None: no passage has a date.
        `ranked(n)` returns the n best hits of the mode, best first; fewer if there are not
        n.
        """
        hits = self._recent(k if self.reranker is None else max(k, self.first), now, ranked)
        if self.reranker is not None:
            texts = [hit.passage.full_text for hit in hits]
            scores = scores_of(self.reranker, question, texts).tolist()
            hits = _ordered(
                hit.with_part("reranker", score) for hit, score in zip(hits, scores, strict=True)
            )
        return hits[:k]

    def _recent(
        self, count: int, now: int | None, ranked: Callable[[int], Sequence[Hit]]
    ) -> list[Hit]:
        """The `count` best hits by score and recency."""
        if self.recency is None or now is None:
            return list(ranked(count))
        limit = 2 * count
        while True:
            before = ranked(limit)
            hits = _ordered(
                hit.with_part("recency", self.recency.gain(hit.passage.metadata.get(WHEN), now))
                for hit in before
            )[:count]
            # Hits beyond `limit` score at most as the last, and gain the weight at most.
            is_all = len(before) < limit
            if is_all or hits[-1].score >= before[-1].score + self.recency.weight:
                return hits
            limit *= 2


def _ordered(hits: Iterable[Hit]) -> list[Hit]:
    """Sort hits, best first; ties go to the lower id."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage.id.encode()))
