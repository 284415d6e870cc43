"""The confidence of an answer: the chance that the gold passages are among its first k hits.

Gold passages are all that a question needs, or k of them if it needs more than k. The chance is a
logistic regression on features that need no labels,

    1 / (1 + exp(-(intercept + sum over features of coefficient * feature + .15 ln(k / 5)))),

with one table of coefficients per profile, and one for questions that the encoder does not read,
fitted on questions with and without their gold passages (docs/decisions/confidence.md). With an
encoder other than the profile's, the number only orders answers; it is not a chance. The features
describe the first five hits for every k, so a larger k never lowers the confidence:

    similarity   largest similarity of any passage
    words        largest share of the question's words that a passage matches (BM25 over idf)
    held         share of the question's words that the first five hits together contain
    open_names   share of its words that are names (a capital, a digit) and in none of these hits
    second       score of the second hit in mode multihop, minus the mean of the next three: if half
                 of the answer is missing, the second hit is no better than they are
    agreement    similarity of the best passage by words, minus the largest similarity
    spread       standard deviation of the ten largest scores in mode multihop, one per document
    linked       share of the first five hits that were reached by a link
    foreign      whether most visible passages are in languages that the encoder does not know
    small        ln(100 / visible passages), 0 from 100 on: fewer passages compete, so the same
                 scores are right more often; fitted on views of 6 to 30 passages

Words for the present do not count, nor do dates if a hit has other versions, since a text need not
contain them. If the encoder reads the question, a word that is in no visible passage has `ABSENT`
times its idf: in a small corpus it is often a synonym of a word in a text. Features depend only on
the visible passages, not on their order, so an update gives the same features as a rebuild.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from graphagg.rag.config.profile import Profile
from graphagg.rag.documents.dates import present_spans, time_spans
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.question.results import Hit

JUDGED = 5
"""Number of first hits that the features describe."""
SPREAD = 10
"""Number of scores in the feature `spread`; chunks of one document count once."""
SMALL = 100  # passages
ABSENT = 0.4
"""Factor on the weight of a word that is in no visible passage."""
_USUAL_SPREAD, _USUAL_SECOND = 0.2, 0.2  # for other modes, whose scores have another scale
RISE = 0.15
"""Coefficient of ln(k / `JUDGED`)."""
_STANDARD: Mapping[str, float] = {
    "intercept": -3.69, "similarity": 1.09, "words": 0.0, "held": 1.11, "open_names": -6.01,
    "agreement": 0.85, "spread": 4.00, "second": 0.77, "linked": 0.36, "foreign": 1.50,
    "small": 0.30,
}  # fmt: skip
_FAST: Mapping[str, float] = {
    "intercept": -4.80, "similarity": -0.50, "words": 2.81, "held": 1.78, "open_names": -6.65,
    "agreement": 1.41, "spread": 3.01, "second": 2.31, "linked": 2.18, "foreign": 0.0,
    "small": 0.30,
}  # fmt: skip
_UNREAD: Mapping[str, float] = {
    "intercept": -4.16, "words": 8.57, "held": 0.45, "spread": 22.04,
}  # fmt: skip
COEFFICIENTS: Mapping[Profile | None, Mapping[str, float]] = {
    "standard": _STANDARD, "fast": _FAST, None: _UNREAD,
}  # fmt: skip
"""Coefficients of the features by profile, and of questions without a vector (None)."""


def confidence_of(features: Mapping[str, float], profile: Profile | None, k: int) -> float:
    """Estimate the chance that the gold passages are among the first k hits, 0 to 1.

    `profile` is None if the encoder does not read the question.
    """
    weights = COEFFICIENTS[profile]
    total = weights["intercept"] + RISE * math.log(k / JUDGED)
    for name, value in features.items():
        total += weights.get(name, 0.0) * value
    return 1.0 / (1.0 + math.exp(-min(max(total, -50.0), 50.0)))


def features_of(
    question: QuestionScores,
    hits: Sequence[Hit],
    rows: Sequence[int],
    spread: float | None,
    foreign: bool,
    has_versions: bool,
    passages: int,
) -> dict[str, float]:
    """Compute the features of an answer.

    `hits` are the first five, or all if there are fewer; `spread` is None in modes other than
    `multihop`; `foreign` is `Snapshot.is_foreign`; `passages` is the number of visible ones.
    """
    lexical, reading = question.lexical, question.reading
    weights, is_name = lexical.weights.copy(), np.zeros(len(lexical.weights), np.bool_)
    if question.has_vector:
        weights[np.array(lexical.df, np.int64) == 0] *= ABSENT
    if reading.spans:  # not in mode `linearrag`
        is_name[:] = reading.capitals
        unheld = time_spans if has_versions else present_spans
        for first, last in unheld(reading.text):
            weights[[first < end <= last for _, end in reading.spans]] = 0.0
    counted = float(weights.sum()) or 1.0
    is_open = ~lexical.covers(np.array(rows, np.int64)).any(axis=0)
    best, words, of_words = question.strongest
    second = _USUAL_SECOND
    if spread is not None and len(hits) > 2:
        second = hits[1].score - float(np.mean([hit.score for hit in hits[2:]]))
    return {
        "similarity": best,
        "words": min(words / counted, 1.0),
        "held": float(weights[~is_open].sum()) / counted,
        "open_names": float(weights[is_open & is_name].sum()) / counted,
        "agreement": of_words - best if words > 0 else 0.0,
        "spread": _USUAL_SPREAD if spread is None else spread,
        "second": second,
        "linked": float(np.mean(["link" in hit.components for hit in hits])),
        "foreign": float(foreign),
        "small": max(math.log(SMALL / passages), 0.0),
    }
