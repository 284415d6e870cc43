"""Evaluation of retrieval: recall of the gold passages, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from graphagg.progress import Progress, silent
from graphagg.rag.config.modes import Config, Mode
from graphagg.rag.evaluation.outcomes import CONTAIN as CONTAIN
from graphagg.rag.evaluation.outcomes import METRICS as METRICS
from graphagg.rag.evaluation.outcomes import RECALL_AT as RECALL_AT
from graphagg.rag.evaluation.outcomes import Found as Found
from graphagg.rag.evaluation.outcomes import Outcomes as Outcomes
from graphagg.rag.evaluation.outcomes import Summary as Summary
from graphagg.rag.evaluation.outcomes import bootstrap_intervals as bootstrap_intervals
from graphagg.rag.evaluation.outcomes import found_of as found_of
from graphagg.rag.evaluation.outcomes import metrics_of as metrics_of
from graphagg.rag.evaluation.outcomes import outcomes_of as outcomes_of
from graphagg.rag.evaluation.questions import GoldQuestion as GoldQuestion
from graphagg.rag.evaluation.questions import Half as Half
from graphagg.rag.evaluation.questions import check_gold as check_gold
from graphagg.rag.evaluation.questions import half as half
from graphagg.rag.evaluation.questions import read_questions as read_questions
from graphagg.rag.index import PassageIndex
from graphagg.rag.question.results import Hit

STAGES = ("entities", "encode", "retrieve")

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """Retrieval quality over a set of questions, and latency one question at a time.

    Attributes:
        overall: of all questions.
        by_type: of the questions of each type.
        latency_ms: wall time by stage (and `total`), `p50` and `p99`.
        cpu_ms: the same in CPU time: of the calling thread, for `encode` of the process, since the
            encoder works in a thread of its own; the `total` is their sum.
        gold_missing: gold ids that the index does not hold; they count as not found.
        outcomes: `[n, m]` of each question, a column for each metric of `quality`, 0 to 1.
    """

    overall: Summary
    by_type: Mapping[str, Summary]
    latency_ms: Mapping[str, Mapping[str, float]]
    cpu_ms: Mapping[str, Mapping[str, float]]
    gold_missing: int
    outcomes: Outcomes = field(repr=False, compare=False)

    @property
    def questions(self) -> int:
        """How many."""
        return self.overall.questions

    @property
    def quality(self) -> Mapping[str, float]:
        """Percent by metric, over all questions."""
        return self.overall.percent

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of `rag eval --json`."""
        return {
            **self.overall.to_json(),
            "by_type": {kind: part.to_json() for kind, part in self.by_type.items()},
            "latency_ms": {stage: dict(part) for stage, part in self.latency_ms.items()},
            "cpu_ms": {stage: dict(part) for stage, part in self.cpu_ms.items()},
            "gold_missing": self.gold_missing,
        }


# --- runs ----------------------------------------------------------------------------------------


def evaluate(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    *,
    mode: Mode = "multihop",
    config: Config | None = None,
    random_state: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Ask every question alone, as a user would, and compare with its gold passages.

    The linear algebra of retrieval runs on one thread meanwhile, so that CPU times are those of a
    single core; the encoder keeps its threads.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return _evaluate(index, questions, mode, config, random_state, progress)


def _evaluate(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    mode: Mode,
    config: Config | None,
    random_state: int,
    progress: Progress,
) -> Evaluation:
    k, metrics = max(RECALL_AT), metrics_of(questions)
    missing = check_gold(index.snapshot, questions)
    retriever = index.retriever(mode=mode, config=config)

    def ask(text: str) -> tuple[list[Hit], _Clock]:
        clock = _Clock()
        questions = clock.time(lambda: retriever.read([text], index.models))
        asked = clock.time(lambda: retriever.encode(questions, index.models), time.process_time)
        return clock.time(lambda: retriever.answer(asked, k)[0]), clock

    ask(questions[0].text)  # loads the models and compiles the kernels
    found: list[list[Found]] = []
    wall: list[list[float]] = []
    cpu: list[list[float]] = []
    for number, question in enumerate(questions, start=1):
        hits, clock = ask(question.text)
        found.append(found_of(index.snapshot, hits))
        wall.append(clock.wall)
        cpu.append(clock.cpu)
        progress("questions", number, len(questions))
    outcomes = outcomes_of(questions, found)
    return Evaluation(
        Summary.of(outcomes, random_state, metrics),
        _by_type(questions, outcomes, random_state, metrics),
        _percentiles(wall),
        _percentiles(cpu),
        missing,
        outcomes,
    )


class _Clock:
    """Wall and CPU milliseconds of calls made one after another."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def time(self, call: Callable[[], T], clock: Callable[[], float] = time.thread_time) -> T:
        wall, cpu = time.perf_counter(), clock()
        result = call()
        self.wall.append(1e3 * (time.perf_counter() - wall))
        self.cpu.append(1e3 * (clock() - cpu))
        return result


def _percentiles(times: Sequence[Sequence[float]]) -> dict[str, dict[str, float]]:
    table = np.array(times)
    columns = {**dict(zip(STAGES, table.T, strict=True)), "total": table.sum(axis=1)}
    return {
        stage: {f"p{p}": round(float(np.percentile(column, p)), 3) for p in (50, 99)}
        for stage, column in columns.items()
    }


def _by_type(
    questions: Sequence[GoldQuestion],
    outcomes: Outcomes,
    random_state: int,
    metrics: Sequence[str],
) -> dict[str, Summary]:
    types = np.array([question.type for question in questions])
    kinds = sorted({question.type for question in questions if question.type})
    return {kind: Summary.of(outcomes[types == kind], random_state, metrics) for kind in kinds}
