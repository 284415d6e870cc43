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

NEAR = 50
"""Passages of greatest similarity whose spread is looked at."""
FEATURES = {
    "similarity": "largest similarity of a passage",
    "spread": "by how much it exceeds the similarity of the 50th passage",
    "sentence": "largest similarity of a sentence of the first k hits",
    "words": "largest share of the question's words that a passage matches (BM25 over idf)",
    "held": "share of the question's words that the first k hits hold together",
    "agreement": "similarity of the best passage by words, less the largest",
    "terms": "logarithm of 1 + the number of the question's terms",
    "linked": "share of the first k hits that a link led to",
    "k": "logarithm of k",
}
"""The features of the model, in words."""
_FAST: Mapping[str, float] = {
    "intercept": -6.22, "similarity": -0.63, "spread": -0.25, "sentence": 2.15, "words": 3.23,
    "held": 2.93, "agreement": 1.7, "terms": 0.39, "linked": 2.94, "k": -0.78,
}  # fmt: skip
_STANDARD: Mapping[str, float] = {"intercept": 0.0}
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
    near, lexical = question.nearest(NEAR), question.lexical
    at_hits = np.array(rows, np.int64)
    best = float(near[0])
    scored, scores = lexical.best(1)
    words, agreement = float(scores.max(initial=0.0)), 0.0
    if words > 0:  # of equal ones the most similar, so that no order of rows decides
        agreement = float(question.similarity_at(scored[scores == words]).max()) - best
    return {
        "similarity": best,
        "spread": best - float(near[-1]),
        "sentence": float(question.sentences_at(at_hits).max()),
        "words": words,
        "held": float((lexical.covers(at_hits).max(axis=0) * lexical.weights).sum()),
        "agreement": agreement,
        "terms": math.log(1.0 + len(lexical.weights)),
        "linked": float(np.mean([len(hit.path) > 1 and "link" in hit.components for hit in hits])),
        "k": math.log(k),
    }
