"""Evaluation of retrieval: recall of the gold passages, and where the time goes.

Intervals are 95 % percentile bootstrap intervals over questions: 1,000 draws with replacement,
seeded by `random_state`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidParameter, InvalidQuestion, UnreadableFile
from graphagg.progress import Progress, silent
from graphagg.rag.documents.rows import read_json_lines
from graphagg.rag.index import PassageIndex
from graphagg.rag.requests import check_question
from graphagg.rag.results import Hit
from graphagg.rag.settings import Config, Mode

RECALL_AT = (2, 5, 10)
ALL_GOLD_AT = (2, 5)
METRICS = (*(f"recall@{k}" for k in RECALL_AT), *(f"all_gold@{k}" for k in ALL_GOLD_AT))
STAGES = ("entities", "encode", "retrieve")
DRAWS = 1_000
Half = Literal["tune", "test"]
HALVES: tuple[Half, ...] = ("tune", "test")

Outcomes = npt.NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class GoldQuestion:
    """A question whose needed passages are known.

    Attributes:
        id: as in the file.
        text: the question.
        gold: ids of the passages that must be retrieved together, at least one.
        type: a label to group by; "" where there is none.
    """

    id: str
    text: str
    gold: frozenset[str]
    type: str = ""


@dataclass(frozen=True)
class Summary:
    """Means over questions, in percent (of two runs' difference: in percent points).

    Attributes:
        questions: how many.
        percent: by metric: `recall@k` is the mean share of gold passages among the first k,
            `all_gold@k` the share of questions with all of them there.
        intervals: the 95 % interval of each.
    """

    questions: int
    percent: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, outcomes: Outcomes, random_state: int = 0) -> Summary:
        """Summarize outcomes `[n, 5]`, a column for each of `METRICS`."""
        means = _percent(outcomes.mean(axis=0))
        low, high = map(_percent, bootstrap_intervals(outcomes, random_state))
        bounds = zip(low, high, strict=True)
        return cls(
            len(outcomes),
            dict(zip(METRICS, means, strict=True)),
            dict(zip(METRICS, bounds, strict=True)),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        intervals = {metric: list(bounds) for metric, bounds in self.intervals.items()}
        return {"questions": self.questions, **self.percent, "intervals": intervals}


def _percent(shares: Outcomes) -> list[float]:
    return [round(100 * share, 2) + 0.0 for share in shares.tolist()]  # + 0.0: no -0.0


def bootstrap_intervals(values: Outcomes, random_state: int = 0) -> tuple[Outcomes, Outcomes]:
    """The 95 % percentile intervals of the means of columns `[n, m]`, lower and upper, `[m]` each.

    Rows are drawn together, so that the columns of one row stay paired.
    """
    rng, n = np.random.default_rng(random_state), len(values)
    means = np.array([values[rng.integers(n, size=n)].mean(axis=0) for _ in range(DRAWS)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


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
        outcomes: `[n, 5]` of each question, a column for each of `METRICS`, 0 to 1.
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


# --- questions -----------------------------------------------------------------------------------


def read_questions(path: str | os.PathLike[str]) -> list[GoldQuestion]:
    """Read JSONL with `id`, `question`, `gold_passage_ids` and optionally `type`; gzip too.

    Raises:
        UnreadableFile: the file is missing, broken or holds no question.
        InvalidQuestion: a field is missing or of the wrong type.
    """
    questions = [_as_question(record, where) for record, where in read_json_lines(Path(path))]
    if not questions:
        raise UnreadableFile(f"{path}: holds no questions; give at least one")
    return questions


def _as_question(record: Mapping[str, Any], where: str) -> GoldQuestion:
    text, gold = record.get("question"), record.get("gold_passage_ids")
    try:
        question = check_question(text)
    except InvalidQuestion as error:
        raise InvalidQuestion(f"{where}: {error}") from None
    if not isinstance(gold, list) or not gold or not all(isinstance(g, str) for g in gold):
        raise InvalidQuestion(
            f"{where}: gold_passage_ids is {gold!r}, wanted a list of passage ids, at least one"
        )
    return GoldQuestion(
        str(record.get("id", where)), question, frozenset(gold), str(record.get("type") or "")
    )


def half(
    questions: Sequence[GoldQuestion], which: Half, random_state: int = 0
) -> list[GoldQuestion]:
    """One half of the questions, in their order, so that choosing and testing can be kept apart.

    The first half of `np.random.default_rng(random_state).permutation(n)` is `tune`, the rest
    `test`; the smaller one is `tune`.

    Raises:
        InvalidParameter: `which` is unknown, or that half is empty.
    """
    if which not in HALVES:
        raise InvalidParameter(f"half is {which!r}, wanted one of {HALVES}")
    order = np.random.default_rng(random_state).permutation(len(questions))
    middle = len(questions) // 2
    chosen = np.sort(order[:middle] if which == "tune" else order[middle:])
    if not len(chosen):
        raise InvalidParameter(
            f"the {which} half of {len(questions)} questions is empty; give at least 2"
        )
    return [questions[i] for i in chosen.tolist()]


# --- runs ----------------------------------------------------------------------------------------


def evaluate(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    *,
    mode: Mode = "best",
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
    k = max(RECALL_AT)
    retriever = index.retriever(mode, config)

    def ask(text: str) -> tuple[list[Hit], _Clock]:
        clock = _Clock()
        questions = clock.time(lambda: retriever.read([text], index.models))
        asked = clock.time(lambda: retriever.encode(questions, index.models), time.process_time)
        return clock.time(lambda: retriever.answer(asked, k)[0]), clock

    ask(questions[0].text)  # loads the models and compiles the kernels
    ranks: list[list[str]] = []
    wall: list[list[float]] = []
    cpu: list[list[float]] = []
    for number, question in enumerate(questions, start=1):
        hits, clock = ask(question.text)
        ranks.append([_counted(hit, question.gold) for hit in hits])
        wall.append(clock.wall)
        cpu.append(clock.cpu)
        progress("questions", number, len(questions))
    gold = {identifier for question in questions for identifier in question.gold}
    outcomes = outcomes_of(questions, ranks)
    return Evaluation(
        Summary.of(outcomes, random_state),
        _by_type(questions, outcomes, random_state),
        _percentiles(wall),
        _percentiles(cpu),
        sum(identifier not in index for identifier in gold),
        outcomes,
    )


def _counted(hit: Hit, gold: frozenset[str]) -> str:
    """The id that a hit counts for: its own, or that of a needed passage with the same text."""
    ids = (hit.passage.id, *hit.copies)
    return next((identifier for identifier in ids if identifier in gold), hit.passage.id)


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


def outcomes_of(questions: Sequence[GoldQuestion], ranks: Sequence[Sequence[str]]) -> Outcomes:
    """How each question fares, `[n, 5]`, a column for each of `METRICS`, 0 to 1.

    Args:
        questions: n of them.
        ranks: the ids of the passages found for each, best first.
    """
    shares = {
        k: np.array(
            [
                len(question.gold.intersection(ranked[:k])) / len(question.gold)
                for question, ranked in zip(questions, ranks, strict=True)
            ]
        )
        for k in RECALL_AT
    }
    whole = [(shares[k] == 1).astype(np.float64) for k in ALL_GOLD_AT]
    return np.stack([*(shares[k] for k in RECALL_AT), *whole], axis=1)


def _by_type(
    questions: Sequence[GoldQuestion], outcomes: Outcomes, random_state: int
) -> dict[str, Summary]:
    types = np.array([question.type for question in questions])
    kinds = sorted({question.type for question in questions if question.type})
    return {kind: Summary.of(outcomes[types == kind], random_state) for kind in kinds}
