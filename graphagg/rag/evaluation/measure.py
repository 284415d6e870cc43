"""Evaluation of retrieval: recall, time per stage, and paired differences of two runs.

Intervals are 95 % percentile bootstrap intervals over questions: 1,000 draws with replacement,
seeded by `random_state`. A paired difference is the mean gain over questions, so the difficulty of
a question for both runs cancels out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.checks import number
from graphagg.errors import InvalidParameter, InvalidQuestion
from graphagg.fields import Brief
from graphagg.progress import Progress, silent
from graphagg.rag.config.modes import DEFAULT_MODE, Config, Mode
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.evaluation.questions import GoldQuestion, check_gold
from graphagg.rag.operations.answering import answer
from graphagg.rag.question.request import Request
from graphagg.rag.question.results import Hit
from graphagg.rag.snapshot.snapshot import PassageSnapshot

if TYPE_CHECKING:
    from graphagg.rag.index import PassageIndex

RECALL_AT = (2, 5, 10)
ALL_GOLD_AT = (2, 5)
METRICS = (*(f"recall@{k}" for k in RECALL_AT), *(f"all_gold@{k}" for k in ALL_GOLD_AT))
CONTAIN = tuple(f"contain@{k}" for k in RECALL_AT)
"""Metrics for questions with answers; `METRICS` are for questions with gold passages."""
DRAWS = 1_000

Outcomes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Means over questions with intervals, in percent; percentage points for a paired difference.

    `recall@k` is the mean share of gold passages among the first k hits, `all_gold@k` the share of
    questions with all of them there, `contain@k` the share of questions with an answer in the text
    or title of these hits.
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
    """Return 95 % intervals of the means of columns `[n, m]`, `[m]` each; resamples whole rows."""
    rng, n = np.random.default_rng(random_state), len(values)
    means = np.array([values[rng.integers(n, size=n)].mean(axis=0) for _ in range(DRAWS)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def metrics_of(questions: Sequence[GoldQuestion]) -> tuple[str, ...]:
    """Return the metrics that apply: `METRICS` if all have gold, `CONTAIN` if all have answers."""
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
    """Compute the metrics of one answer, 0 to 1; a hit also counts for its document and copies."""
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
    """Return the normal forms of words, separated by spaces, so that only whole words match."""
    return f" {' '.join(tokenize(text))} "


STAGES = ("entities", "encode", "retrieve")


@dataclass(frozen=True, repr=False)
class RetrievalEvaluation(Brief):
    """Retrieval quality over a set of questions, and latency one question at a time.

    Attributes:
        overall: metrics of all questions.
        by_type: metrics of the questions of each type.
        latency_ms: wall time by stage (and `total`), `p50` and `p99`.
        gold_missing: number of gold ids that are not in the index; they count as not found.
        outcomes: `[n, m]` 0 to 1, a row per question and a column per metric of `quality`.

    Examples:
        >>> nothing = Summary.from_outcomes(np.zeros((3, 5)))
        >>> RetrievalEvaluation(nothing, {}, {}, 0, np.zeros((3, 5))).quality["recall@5"]
        0.0
    """

    overall: Summary
    by_type: Mapping[str, Summary]
    latency_ms: Mapping[str, Mapping[str, float]]
    gold_missing: int
    outcomes: Outcomes = field(repr=False, compare=False)

    @property
    def questions(self) -> int:
        """The number of questions."""
        return self.overall.questions

    @property
    def quality(self) -> Mapping[str, float]:
        """Percent by metric, over all questions."""
        return self.overall.percent

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with the keys of `rag eval --json`."""
        return {
            **self.overall.to_json(),
            "by_type": {kind: summary.to_json() for kind, summary in self.by_type.items()},
            "latency_ms": {stage: dict(times) for stage, times in self.latency_ms.items()},
            "gold_missing": self.gold_missing,
        }


def evaluate(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    *,
    mode: Mode = "multihop",
    config: Config | None = None,
    random_state: int = 0,
    progress: Progress = silent,
) -> RetrievalEvaluation:
    """Run the questions one at a time, as a user would, and compare the hits with the gold.

    Meanwhile, the linear algebra of retrieval uses one thread; the encoder keeps its threads.

    Examples:
        >>> import tempfile
        >>> from graphagg.rag import PassageIndex, read_questions
        >>> passages = [{"id": "ada", "text": "Ada Lovelace was born in London."}]
        >>> rows = [{"question": "Where was Ada born?", "gold_passage_ids": "ada"}]
        >>> with PassageIndex.build(passages, tempfile.mkdtemp(), profile="fast") as index:
        ...     print(evaluate(index, read_questions(rows)).quality["recall@2"])
        100.0
    """
    from threadpoolctl import threadpool_limits

    metrics, missing = metrics_of(questions), check_gold(index.snapshot, questions)
    ask = _timed_answers(index, mode, config)
    answers = list[list[float]]()
    times = list[list[float]]()
    with threadpool_limits(limits=1, user_api="blas"):
        ask(questions[0].text)  # loads the models and compiles the kernels
        for done, question in enumerate(questions, start=1):
            hits, of_stages = ask(question.text)
            outcome = outcome_of(index.snapshot, question, hits)
            answers.append([outcome[metric] for metric in metrics])
            times.append(of_stages)
            progress("questions", done, len(questions))
    outcomes = np.array(answers)
    types = np.array([question.type for question in questions])
    return RetrievalEvaluation(
        Summary.from_outcomes(outcomes, random_state, metrics),
        {
            kind: Summary.from_outcomes(outcomes[types == kind], random_state, metrics)
            for kind in sorted(set(types.tolist()) - {""})
        },
        _percentiles(np.array(times)),
        missing,
        outcomes,
    )


def _timed_answers(
    index: PassageIndex, mode: Mode, config: Config | None
) -> Callable[[str], tuple[list[Hit], list[float]]]:
    """Return a function that answers a question: the hits, and the milliseconds of each stage."""
    request = Request(mode=mode, config=config)
    retriever = index.retriever(request)

    def ask(text: str) -> tuple[list[Hit], list[float]]:
        clock = [time.perf_counter()]
        read = retriever.read([text], index.models)
        clock.append(time.perf_counter())
        encoded = retriever.encode(read, index.models)
        clock.append(time.perf_counter())
        hits = answer(retriever, encoded, max(RECALL_AT), request)
        return hits, (1e3 * np.diff([*clock, time.perf_counter()])).tolist()

    return ask


def _percentiles(times: Outcomes) -> dict[str, dict[str, float]]:
    """Compute percentiles of milliseconds `[n, stages]`, by stage."""
    columns = {**dict(zip(STAGES, times.T, strict=True)), "total": times.sum(axis=1)}
    return {
        stage: {f"p{p}": round(float(np.percentile(column, p)), 3) for p in (50, 99)}
        for stage, column in columns.items()
    }


def difference(
    run: RetrievalEvaluation, base: RetrievalEvaluation, random_state: int = 0
) -> Summary:
    """Compute the mean gain of `run` over `base`, paired by question, in percentage points."""
    if len(run.outcomes) != len(base.outcomes):
        raise InvalidParameter(
            f"runs over {len(run.outcomes)} and {len(base.outcomes)} questions cannot be paired; "
            "evaluate both on the same questions"
        )
    return Summary.from_outcomes(run.outcomes - base.outcomes, random_state, tuple(run.quality))


class ConfidenceThreshold(NamedTuple):
    """A threshold of confidence that refuses a share of wrong answers.

    Attributes:
        value: the threshold; an answer of exactly this confidence is not refused.
        wrong: number of wrong answers; the threshold refuses `refused` of them.
        right: number of right answers; the threshold refuses `lost` of them.

    Examples:
        >>> ConfidenceThreshold(0.2, wrong=100, refused=90, right=80, lost=4).refused
        90
    """

    value: float
    wrong: int
    refused: int
    right: int
    lost: int


def confidence_threshold(
    index: PassageIndex, questions: Sequence[GoldQuestion], refuse: float = 0.9, *,
    mode: Mode = DEFAULT_MODE, progress: Progress = silent,
) -> ConfidenceThreshold:  # fmt: skip
    """Find the `min_confidence` that refuses a share `refuse` of the wrong answers of five hits.

    Each question with gold ids runs a second time with its gold passages excluded; that answer
    counts as wrong.

    Raises:
        InvalidParameter: `refuse` is not between 0 and 1, the mode has no confidence, or no answer
            is wrong.

    Examples:
        >>> import tempfile
        >>> from graphagg.rag import PassageIndex, read_questions
        >>> texts = {"Ada": "Ada was born in London.", "Al": "Al was born in Rome."}
        >>> passages = [{"id": name, "text": text} for name, text in texts.items()]
        >>> rows = [{"question": "Where was Ada born?", "gold_passage_ids": "Ada"}]
        >>> with PassageIndex.build(passages, tempfile.mkdtemp(), profile="fast") as index:
        ...     found = confidence_threshold(index, read_questions(rows))
        ...     len(index.retrieve("Where was Ada born?", min_confidence=found.value))
        2
    """
    number("refuse", refuse, least=0, most=1)
    metric = next(name for name in ("all_gold@5", "contain@5") if name in metrics_of(questions))
    check_gold(index.snapshot, questions)
    right, wrong = list[float](), list[float]()
    for done, question in enumerate(questions, start=1):
        hits = index.retrieve(question.text, 5, mode=mode)
        is_right = outcome_of(index.snapshot, question, hits)[metric] == 1
        (right if is_right else wrong).append(hits.confidence or 0.0)
        if question.gold:
            hidden = index.retrieve(question.text, 5, mode=mode, exclude=question.gold)
            wrong.append(hidden.confidence or 0.0)
        progress("questions", done, len(questions))
    if not wrong or mode == "bm25":
        raise InvalidParameter(
            f"no wrong answer of mode {mode!r} has a confidence; give questions with gold ids, or "
            "questions without an answer in the passages, and a mode other than bm25"
        )
    last = math.ceil(refuse * len(wrong)) - 1
    value = float(np.nextafter(sorted(wrong)[last], 1.0)) if last >= 0 else 0.0
    refused, lost = (sum(each < value for each in answers) for answers in (wrong, right))
    return ConfidenceThreshold(value, len(wrong), refused, len(right), lost)
