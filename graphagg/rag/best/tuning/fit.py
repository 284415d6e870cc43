"""Fitting a few weights of `best` to questions with known answers, checked by cross-validation.

A handful of constants is tried at a few multiples of the defaults, since some dozens of questions
tell no more. The fit begins at the defaults and leaves one only for a gain of a whole point of what
is maximized, the mean of recall@1 to recall@8. Weights that were fitted without a fold answer its
questions: what they gain there over today's weights is what the fit is judged by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints
from graphagg.errors import InvalidParameter, InvalidQuestion
from graphagg.progress import Progress, silent
from graphagg.rag.best.formula import BestConfig
from graphagg.rag.best.tuning.frozen import FrozenSet, weights_from
from graphagg.rag.best.tuning.search import one_at_a_time, value_of
from graphagg.rag.documents.tokens import entity_key
from graphagg.rag.evaluation.outcomes import Outcomes, Summary, found_of, outcomes_of
from graphagg.rag.evaluation.questions import GoldQuestion, check_gold
from graphagg.rag.modes.best import Best
from graphagg.rag.modes.protocol import EncodedReading
from graphagg.rag.profile import STORAGE
from graphagg.rag.version.snapshot import Selection, Snapshot

LEAST_QUESTIONS = 30
FOLDS = 5
TUNED = (
    "passage.lexical", "passage.similarity", "passage.sentence", "passage.title",
    "passage.entities", "carry", "coverage",
)  # fmt: skip
"""The constants that are fitted; the others stay."""
_FACTORS = (0.75, 1.5, 0.5, 2.0, 0.25, 3.0)  # of the defaults, the nearest first
_GRID = {
    name: tuple(round(factor * value_of(BestConfig(), name), 4) for factor in _FACTORS)
    for name in TUNED
}
_LEAST_GAIN = 0.01
_DEEPEST = 8  # the last k of the recall@k that is maximized
_JUDGED = ("recall@2", "recall@5")


@dataclass(frozen=True)
class TuneReport:
    """What a fit gives, on questions that it did not see.

    Attributes:
        questions: how many.
        gold_missing: gold ids that the index does not hold; they count as not found.
        today: recall@2 and @5 of the weights of today.
        tuned: the same of weights fitted without the fold that is asked.
        gain: of the tuned ones, with the paired interval.
        weights: fitted to all questions.
        changes: by the name of a constant, today's value and the fitted one.
        is_gain: whether the gain of recall@5 is beyond chance: its interval begins above 0. Only
            then are the weights written.
    """

    questions: int
    gold_missing: int
    today: Summary
    tuned: Summary
    gain: Summary
    weights: BestConfig = field(repr=False)
    changes: dict[str, tuple[float, float]]

    @property
    def is_gain(self) -> bool:
        """See the class."""
        return bool(self.changes) and self.gain.intervals["recall@5"][0] > 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "questions": self.questions,
            "gold_missing": self.gold_missing,
            "today": self.today.to_json(),
            "tuned": self.tuned.to_json(),
            "gain": self.gain.to_json(),
            "changes": {name: list(pair) for name, pair in self.changes.items()},
            "is_gain": self.is_gain,
        }


def check_labeled(snapshot: Snapshot, questions: Sequence[GoldQuestion]) -> int:
    """How many gold ids are not in the index.

    Raises:
        InvalidQuestion: a question has no gold ids, the index holds none of all, or all questions
            are titles of the index.
        InvalidParameter: there are too few different questions with gold in the index.
    """
    without = [question.id for question in questions if not question.gold]
    if without:
        raise InvalidQuestion(
            f"{len(without)} of {len(questions)} questions have no gold ids ({without[0]!r}, ...); "
            "weights are fitted to gold_passage_ids or gold_document_ids, answers do not do: give "
            "them to each question, or leave it out"
        )
    _check_enough(len({question.text for question in questions}), "different questions")
    missing = check_gold(snapshot, questions)
    held = {q.text for q in questions if any(snapshot.rows_named(name) for name in q.gold)}
    _check_enough(len(held), "different questions with gold ids that the index holds")
    if all(_is_title(snapshot, question.text) for question in questions):
        raise InvalidQuestion(
            f"all {len(questions)} questions are titles of passages in the index "
            f"({questions[0].text!r}, ...): they tell that titles match, and nothing of words, "
            "similarity and links; give questions as they are asked"
        )
    return missing


def _is_title(snapshot: Snapshot, text: str) -> bool:
    """Whether a question is no more than the title of a passage."""
    entity = snapshot.gazetteer.find(entity_key(text))
    return entity is not None and bool(snapshot.view(None).title[entity])


def _check_enough(count: int, what: str) -> None:
    if count < LEAST_QUESTIONS:
        raise InvalidParameter(
            f"{count} {what}, wanted at least {LEAST_QUESTIONS}: fewer do not tell a gain from "
            "chance; give more"
        )


def tune(
    snapshot: Snapshot,
    questions: Sequence[GoldQuestion],
    asked: Sequence[EncodedReading],
    random_state: int = 0,
    progress: Progress = silent,
) -> TuneReport:
    """Fit weights to questions that `check_labeled` accepts; deterministic.

    Args:
        snapshot: the version.
        questions: n of them.
        asked: the same, read and encoded.
        random_state: of the folds and the intervals.
        progress: called with stage, done, total.
    """
    missing = check_labeled(snapshot, questions)
    today = snapshot.best_weights
    folds = _folds([question.text for question in questions], random_state)
    frozen = FrozenSet(snapshot, asked, [question.gold for question in questions])
    fit = _Fit(frozen, STORAGE[snapshot.profile].weights)
    before = _outcomes(snapshot, questions, asked, today)
    after = np.empty_like(before)
    for fold in range(FOLDS):
        held_out = np.flatnonzero(folds == fold)
        weights = fit.weights(np.flatnonzero(folds != fold))
        places = held_out.tolist()
        some = [questions[i] for i in places], [asked[i] for i in places]
        after[held_out] = _outcomes(snapshot, *some, weights)
        progress("folds", fold + 1, FOLDS)
    weights = fit.weights(np.arange(len(questions)))
    pairs = {name: (value_of(today, name), value_of(weights, name)) for name in TUNED}
    was, now, gain = (
        Summary.of(each, random_state, _JUDGED) for each in (before, after, after - before)
    )
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return TuneReport(len(questions), missing, was, now, gain, weights, changed)


class _Fit:
    """Fits weights to some of the questions, from a start; keeps what is known of each."""

    def __init__(self, frozen: FrozenSet, start: BestConfig) -> None:
        self._frozen, self._start = frozen, start
        self._known: dict[BestConfig, Array] = {}

    def weights(self, among: Ints) -> BestConfig:
        """The weights that do best on the questions of some positions."""

        def value(config: BestConfig) -> float:
            return float(self._values(config)[among].mean())

        first = one_at_a_time(self._start, _GRID, value, _LEAST_GAIN)
        return one_at_a_time(first, _GRID, value, _LEAST_GAIN)

    def _values(self, config: BestConfig) -> Array:
        """`[n]` what is maximized, of each question."""
        if config not in self._known:
            shares = self._frozen.shares(weights_from(config), _DEEPEST)
            self._known[config] = shares.mean(axis=1)
        return self._known[config]


def _folds(texts: Sequence[str], random_state: int) -> Ints:
    """`[n]` the fold of each question; equal texts are in one fold."""
    _, number = np.unique(np.array(texts, dtype=object), return_inverse=True)
    order = np.random.default_rng(random_state).permutation(int(number.max()) + 1)
    folds: Ints = (order % FOLDS)[number]
    return folds


def _outcomes(
    snapshot: Snapshot,
    questions: Sequence[GoldQuestion],
    asked: Sequence[EncodedReading],
    config: BestConfig,
) -> Outcomes:
    """`[n, 2]` recall@2 and @5 of the retriever itself, as `rag eval` measures them."""
    best = Best(snapshot, snapshot.scope(Selection()), config)
    found = [found_of(snapshot, hits) for hits in best.answer(asked, 5)]
    gold = [GoldQuestion(q.id, q.text, q.gold) for q in questions]  # answers have other columns
    return outcomes_of(gold, found)[:, :2]
