"""The confidence of an answer: the chance that the gold passages are among its first k hits.

Gold here are all passages that a question needs, or k of them where it needs more. The chance is an
additive model of what any index shows without labels (logistic regression),

    1 / (1 + exp(-(intercept + sum over features of coefficient * feature))),

with one table of coefficients per profile, fitted on questions whose gold was there and questions
whose gold was hidden by `exclude`; docs/decisions/confidence.md says how, and how well it holds on
sets that it was not fitted on. Cosines of another encoder than the profile's own lie elsewhere: the
order of answers then still tells something, the number does not.

Features depend on the visible passages alone, and on no order of them: a change equals a rebuild.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from graphagg.rag.config.profile import Profile
from graphagg.rag.modes.multihop.candidates import QuestionScores
from graphagg.rag.question.results import Hit

FEATURES = {
    "similarity": "largest similarity of a passage",
    "words": "largest share of the question's words that a passage matches (BM25 over idf)",
    "held": "share of the question's words that the first k hits hold together",
    "agreement": "similarity of the best passage by words, less the largest",
    "linked": "share of the first k hits that a link led to",
    "k": "logarithm of k",
}
"""The features of the model, in words."""
_STANDARD: Mapping[str, float] = {
    "intercept": -6.68, "similarity": 6.24, "words": 2.7, "held": 2.92, "agreement": 3.59,
    "linked": 2.11, "k": -0.31,
}  # fmt: skip
_FAST: Mapping[str, float] = {
    "intercept": -4.68, "similarity": 0.96, "words": 2.81, "held": 3.14, "agreement": 2.07,
    "linked": 2.44, "k": -0.68,
}  # fmt: skip
COEFFICIENTS: Mapping[Profile, Mapping[str, float]] = {
    "standard": _STANDARD, "exact": _STANDARD, "fast": _FAST,
}  # fmt: skip
"""The coefficients of the features by profile."""


def confidence_of(
    question: QuestionScores, hits: Sequence[Hit], rows: Sequence[int], profile: Profile, k: int
) -> float:
    """Estimate the chance that the gold passages are among the first k hits, 0 to 1.

    Args:
        question: beside the corpus.
        hits: the first `k`, or all there are.
        rows: of the hits.
        profile: of the index.
        k: number of hits that were asked for.
    """
    if not hits:
        return 0.0
    weights, features = COEFFICIENTS[profile], features_of(question, hits, rows, k)
    total = weights["intercept"]
    for name, value in features.items():
        total += weights.get(name, 0.0) * value
    return 1.0 / (1.0 + math.exp(-min(max(total, -50.0), 50.0)))


def features_of(
    question: QuestionScores, hits: Sequence[Hit], rows: Sequence[int], k: int
) -> dict[str, float]:
    """Compute `FEATURES`; arguments as for `confidence_of`."""
    lexical, at_hits = question.lexical, np.array(rows, np.int64)
    best, (scored, scores) = question.largest_similarity, lexical.best(1)
    words, agreement = float(scores.max(initial=0.0)), 0.0
    if words > 0:  # of equal ones the most similar, so that no order of rows decides
        agreement = float(question.similarity_at(scored[scores == words]).max()) - best
    return {
        "similarity": best,
        "words": words,
        "held": float((lexical.covers(at_hits).max(axis=0) * lexical.weights).sum()),
        "agreement": agreement,
        "linked": float(np.mean(["link" in hit.components for hit in hits])),
        "k": math.log(k),
    }
