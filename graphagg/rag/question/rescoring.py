"""What is added to the scores of a mode's hits when asked for: recency, and a reranker's opinion.

Both are off by default, and both are components of the score and part of the last hop of the path,
so that components and contributions still add up.

Recency adds `weight 2^(-age / half_life)` to a passage with a date, where its age runs to `as_of`
or, without one, to the newest visible passage: no clock decides an answer. It adds `weight` at
most, so the ranking is exact once the mode's own hits score lower than the k-th by more than that.
A reranker then sees the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from graphagg.checks import integer, number
from graphagg.errors import InvalidParameter
from graphagg.rag.documents.metadata import WHEN, parse_instant
from graphagg.rag.models.reranker import Reranker, check_reranker, scores_of
from graphagg.rag.question.results import Hit

RERANKED = 50
"""Hits that a reranker sees, unless another number is given."""
_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Recency:
    """A preference for newer passages: `weight * 2^(-age / half_life)` is added to their scores.

    Example:
        >>> Recency(0.5, half_life=10).gain("2024-01-01", 1704067200_000_000 + 864_000_000_000)
        0.25

    Attributes:
        weight: gain of the newest passages; scores of mode multihop run from 0 to about 4. 0: age
            changes nothing.
        half_life: days after which a passage gains half as much.
    """

    weight: float
    half_life: float = 30.0

    def __post_init__(self) -> None:
        number("recency", self.weight, least=0.0)
        number("half_life", self.half_life, above=0.0)

    def gain(self, when: object, now: int) -> float:
        """What a passage gains.

        Args:
            when: its `when`; 0 is gained without a date.
            now: microseconds since 1970; what is later gains no more than what is of now.
        """
        instant = parse_instant(when) if isinstance(when, str) else None
        if instant is None:
            return 0.0
        age = max(now - instant, 0) / _DAY
        gain: float = self.weight * 2.0 ** (-age / self.half_life)
        return gain


@dataclass(frozen=True)
class Rescoring:
    """What is added to scores; nothing by default.

    Attributes:
        recency: how much newer passages are preferred; None: not at all.
        reranker: reads question and passage; None: none.
        first: hits that the reranker sees, `k` at least.
        as_of: to when ages run, microseconds since 1970; None: to the newest visible passage.
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
    def is_none(self) -> bool:
        """Whether scores stay as they are."""
        return self.recency is None and self.reranker is None

    @property
    def names(self) -> str:
        """What is added, for a reason in words."""
        parts = {"recency": self.recency, "reranker": self.reranker}
        return " and ".join(name for name, part in parts.items() if part is not None)

    def hits(
        self, question: str, k: int, now: int | None, ranked: Callable[[int], Sequence[Hit]]
    ) -> list[Hit]:
        """The `k` best hits.

        Args:
            question: what was asked.
            k: how many.
            now: to when ages run; None: no passage has a date.
            ranked: gives the n best hits of the mode, scores descending; fewer if there are not n.
        """
        wanted = k if self.reranker is None else max(k, self.first)
        found = self._recent(wanted, now, ranked)
        if self.reranker is not None:
            texts = [hit.passage.full_text for hit in found]
            scores = scores_of(self.reranker, question, texts).tolist()
            found = _ordered(
                _added(hit, "reranker", score) for hit, score in zip(found, scores, strict=True)
            )
        return found[:k]

    def _recent(
        self, wanted: int, now: int | None, ranked: Callable[[int], Sequence[Hit]]
    ) -> list[Hit]:
        """The `wanted` best hits by score and recency."""
        if self.recency is None or now is None:
            return list(ranked(wanted))
        asked = 2 * wanted
        while True:
            before = ranked(asked)
            found = _ordered(
                _added(hit, "recency", self.recency.gain(hit.passage.metadata.get(WHEN), now))
                for hit in before
            )[:wanted]
            # What was not asked for scores at most as the last, and gains the weight at most.
            is_all = len(before) < asked
            if is_all or found[-1].score >= before[-1].score + self.recency.weight:
                return found
            asked *= 2


def _ordered(hits: Iterable[Hit]) -> list[Hit]:
    """Best first; of equals the lower id."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage.id.encode()))


def _added(hit: Hit, name: str, gain: float) -> Hit:
    """A hit whose score has one part more."""
    if not gain:
        return hit
    *before, last = hit.path
    last = replace(last, contribution=last.contribution + gain)
    return replace(
        hit,
        score=hit.score + gain,
        components={**hit.components, name: gain},
        path=(*before, last),
    )
