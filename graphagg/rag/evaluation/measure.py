"""Evaluation of retrieval: recall, time per stage, and paired differences of two runs.

A paired difference is the mean gain over questions; its interval comes from drawing questions, so
what makes a question hard for both runs cancels out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphagg.checks import number
from graphagg.errors import InvalidParameter
from graphagg.fields import Brief
from graphagg.progress import Progress, silent
from graphagg.rag.config.modes import DEFAULT_MODE, Config, Mode
from graphagg.rag.evaluation.questions import GoldQuestion, check_gold
from graphagg.rag.evaluation.recall import RECALL_AT, Outcomes, Summary, metrics_of, outcome_of
from graphagg.rag.operations.answering import answer
from graphagg.rag.question.request import Request
from graphagg.rag.question.results import Hit

if TYPE_CHECKING:
    from graphagg.rag.index import PassageIndex

STAGES = ("entities", "encode", "retrieve")


@dataclass(frozen=True, repr=False)
class RetrievalEvaluation(Brief):
    """Retrieval quality over a set of questions, and latency one question at a time.

    Attributes:
        overall: of all questions.
        by_type: of the questions of each type.
        latency_ms: wall time by stage (and `total`), `p50` and `p99`.
        gold_missing: number of gold ids that are not in the index; they count as not found.
        outcomes: `[n, m]` of each question, a column for each metric of `quality`, 0 to 1.

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
    """Ask every question alone, as a user would, and compare the hits with its gold passages.

    The linear algebra of retrieval runs on one thread meanwhile; the encoder keeps its threads.

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
    """A function from a question to its hits, and milliseconds of each stage."""
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
    """Percentiles of milliseconds `[n, stages]`, by stage."""
    columns = {**dict(zip(STAGES, times.T, strict=True)), "total": times.sum(axis=1)}
    return {
        stage: {f"p{p}": round(float(np.percentile(column, p)), 3) for p in (50, 99)}
        for stage, column in columns.items()
    }


def difference(
    run: RetrievalEvaluation, base: RetrievalEvaluation, random_state: int = 0
) -> Summary:
    """The gain of `run` over `base`, question by question, in percent points."""
    if len(run.outcomes) != len(base.outcomes):
        raise InvalidParameter(
            f"runs over {len(run.outcomes)} and {len(base.outcomes)} questions cannot be paired; "
            "evaluate both on the same ones"
        )
    return Summary.from_outcomes(run.outcomes - base.outcomes, random_state, tuple(run.quality))


class ConfidenceThreshold(NamedTuple):
    """A threshold of confidence, below which a share of wrong answers is.

    Attributes:
        value: the threshold; an answer of exactly this confidence is not refused.
        wrong: number of wrong answers, and `refused`, of those that it refuses.
        right: number of right answers, and `lost`, of those that it refuses.

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
    """Find the `min_confidence` that a share `refuse` of wrong answers of five hits does not reach.

    A question with gold ids is asked a second time with its gold passages hidden; that answer is
    wrong.

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
            "that the passages do not answer, and another mode than bm25"
        )
    last = math.ceil(refuse * len(wrong)) - 1
    value = float(np.nextafter(sorted(wrong)[last], 1.0)) if last >= 0 else 0.0
    refused, lost = (sum(each < value for each in answers) for answers in (wrong, right))
    return ConfidenceThreshold(value, len(wrong), refused, len(right), lost)
