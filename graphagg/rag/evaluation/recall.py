"""Recall of gold passages and answers among the first hits, per question and as means.

Intervals are 95 % percentile bootstrap intervals over questions: 1,000 draws with replacement,
seeded by `random_state`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidQuestion
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.question.results import Hit
from graphagg.rag.snapshot.snapshot import PassageSnapshot

RECALL_AT = (2, 5, 10)
ALL_GOLD_AT = (2, 5)
METRICS = (*(f"recall@{k}" for k in RECALL_AT), *(f"all_gold@{k}" for k in ALL_GOLD_AT))
CONTAIN = tuple(f"contain@{k}" for k in RECALL_AT)
"""Metrics of answers; `METRICS` measure gold passages."""
DRAWS = 1_000

Outcomes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Means over questions with intervals, in percent; of a difference of runs in percent points.

    `recall@k` is the mean share of gold passages among the first k hits, `all_gold@k` the share of
    questions with all of them there, `contain@k` the share with an answer in text or title of a
    hit.
    """

    questions: int
    percent: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    @classmethod
    def from_outcomes(
        cls, outcomes: Outcomes, random_state: int = 0, metrics: Sequence[str] = METRICS
    ) -> Summary:
        """Summarize outcomes `[n, m]`, one column per metric."""
        means = _percent(outcomes.mean(axis=0))
        low, high = map(_percent, bootstrap_intervals(outcomes, random_state))
        bounds = zip(low, high, strict=True)
        return cls(
            len(outcomes),
            dict(zip(metrics, means, strict=True)),
            dict(zip(metrics, bounds, strict=True)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        intervals = {metric: list(bounds) for metric, bounds in self.intervals.items()}
        return {"questions": self.questions, **self.percent, "intervals": intervals}


def _percent(shares: Outcomes) -> list[float]:
    return [round(100 * share, 2) + 0.0 for share in shares.tolist()]  # + 0.0: no -0.0


def bootstrap_intervals(values: Outcomes, random_state: int = 0) -> tuple[Outcomes, Outcomes]:
    """The 95 % intervals of the means of columns `[n, m]`, `[m]` each; whole rows are drawn."""
    rng, n = np.random.default_rng(random_state), len(values)
    means = np.array([values[rng.integers(n, size=n)].mean(axis=0) for _ in range(DRAWS)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def metrics_of(questions: Sequence[GoldQuestion]) -> tuple[str, ...]:
    """The metrics of some questions: `METRICS` if all have gold, `CONTAIN` if all have answers."""
    without = {
        "gold ids": sum(not question.gold for question in questions),
        "answers": sum(not question.answers for question in questions),
    }
    if all(without.values()):
        raise InvalidQuestion(
            f"of {len(questions)} questions {without['gold ids']} have no gold ids and "
            f"{without['answers']} no answers; give all of them gold ids, or all of them answers"
        )
    return (*(() if without["gold ids"] else METRICS), *(() if without["answers"] else CONTAIN))


def outcome_of(
    snapshot: PassageSnapshot, question: GoldQuestion, hits: Sequence[Hit]
) -> dict[str, float]:
    """The metrics of one answer, 0 to 1; a hit also counts for its document and its copies."""
    outcomes = {}
    copies = ([snapshot.corpus[snapshot.known_row(copy)] for copy in hit.copies] for hit in hits)
    same = [[hit.passage, *others] for hit, others in zip(hits, copies, strict=True)]
    if question.gold:
        shares = {}
        for k in RECALL_AT:
            names = {name for every in same[:k] for p in every for name in (p.id, p.document)}
            shares[k] = len(question.gold & names) / len(question.gold)
        outcomes = {f"recall@{k}": share for k, share in shares.items()}
        outcomes |= {f"all_gold@{k}": float(shares[k] == 1) for k in ALL_GOLD_AT}
    if question.answers:
        answers = [_words(answer) for answer in question.answers]
        texts = [_words(hit.passage.full_text) for hit in hits]
        holds = [any(answer in text for answer in answers) for text in texts]
        outcomes |= {f"contain@{k}": float(any(holds[:k])) for k in RECALL_AT}
    return outcomes


def _words(text: str) -> str:
    """The folded words of a text with a blank around each, so that only whole words match."""
    return f" {' '.join(tokenize(text))} "
