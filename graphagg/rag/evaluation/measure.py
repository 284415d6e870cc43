"""Evaluation of retrieval: recall of the gold passages, and where the time goes.

Intervals are 95 % percentile bootstrap intervals over questions: 1,000 draws with replacement,
seeded by `random_state`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidParameter, InvalidQuestion, UnreadableFile
from graphagg.progress import Progress, silent
from graphagg.rag.documents.passages import iterable
from graphagg.rag.documents.rows import RowConfig, read_rows
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.index import PassageIndex
from graphagg.rag.requests import check_question
from graphagg.rag.results import Hit
from graphagg.rag.settings import Config, Mode

RECALL_AT = (2, 5, 10)
ALL_GOLD_AT = (2, 5)
METRICS = (*(f"recall@{k}" for k in RECALL_AT), *(f"all_gold@{k}" for k in ALL_GOLD_AT))
CONTAIN = tuple(f"contain@{k}" for k in RECALL_AT)
"""Metrics of answers; `METRICS` are those of gold passages."""
STAGES = ("entities", "encode", "retrieve")
DRAWS = 1_000
Half = Literal["tune", "test"]
HALVES: tuple[Half, ...] = ("tune", "test")

_GOLD = ("gold_passage_ids", "gold_document_ids")
_COLUMNS = RowConfig("id", "question", "answers")  # of CSV: these stay as they are written

Outcomes = npt.NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class GoldQuestion:
    """A question of which is known what should be found.

    Attributes:
        id: as in the file.
        text: the question.
        gold: ids of the passages, or of the documents, that must be retrieved together; a chunk
            counts for its document.
        type: a label to group by; "" where there is none.
        answers: strings, one of which a passage should contain. Gold or answers: one at least.
    """

    id: str
    text: str
    gold: frozenset[str]
    type: str = ""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """Means over questions, in percent (of two runs' difference: in percent points).

    Attributes:
        questions: how many.
        percent: by metric: `recall@k` is the mean share of gold passages among the first k,
            `all_gold@k` the share of questions with all of them there, `contain@k` the share of
            those with an answer in the text or title of one of the first k.
        intervals: the 95 % interval of each.
    """

    questions: int
    percent: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    @classmethod
    def of(
        cls, outcomes: Outcomes, random_state: int = 0, metrics: Sequence[str] = METRICS
    ) -> Summary:
        """Summarize outcomes `[n, m]`, a column a metric."""
        means = _percent(outcomes.mean(axis=0))
        low, high = map(_percent, bootstrap_intervals(outcomes, random_state))
        bounds = zip(low, high, strict=True)
        return cls(
            len(outcomes),
            dict(zip(metrics, means, strict=True)),
            dict(zip(metrics, bounds, strict=True)),
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


# --- questions -----------------------------------------------------------------------------------


def read_questions(source: str | os.PathLike[str] | Iterable[Any]) -> list[GoldQuestion]:
    """Read questions with what should be found for each.

    Fields: `question`; `gold_passage_ids` or `gold_document_ids` (an id, or a list of ids), or
    `answers` (a string, or a list); optionally `id` and `type`. Other fields are not read.

    Args:
        source: JSON lines (also gzip), a JSON list, CSV or Parquet; or rows: mappings, a data frame
            or an Arrow table. In CSV a list is written as in JSON.

    Raises:
        UnreadableFile: the file is missing, broken or holds no question.
        InvalidQuestion: a field is missing or of the wrong type.
    """
    if isinstance(source, str | os.PathLike):
        rows: Iterable[tuple[Mapping[str, Any], str]] = read_rows(Path(source), _COLUMNS)
        name = str(source)
    else:
        rows = ((row, f"question {number}") for number, row in enumerate(iterable(source)))
        name = "the questions"
    questions = [_as_question(record, where) for record, where in rows]
    if not questions:
        raise UnreadableFile(f"{name}: holds no questions; give at least one")
    return questions


def _as_question(record: Mapping[str, Any], where: str) -> GoldQuestion:
    try:
        question = check_question(record.get("question"))
    except InvalidQuestion as error:
        raise InvalidQuestion(f"{where}: {error}") from None
    gold = {text for name in _GOLD for text in _strings(record, name, where)}
    answers = _strings(record, "answers", where)
    if not gold and not answers:
        raise InvalidQuestion(
            f"{where}: no gold_passage_ids, gold_document_ids or answers among {sorted(record)}; "
            "wanted a list of ids, or of answers, at least one"
        )
    identifier = record.get("id")
    name = where if identifier is None else str(identifier)
    return GoldQuestion(
        name, question, frozenset(gold), str(record.get("type") or ""), tuple(answers)
    )


def _strings(record: Mapping[str, Any], name: str, where: str) -> list[str]:
    """The strings of a field: one, or a list of them; a list may be written as JSON."""
    value = record.get(name)
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):
            value = json.loads(value)
    values = list(value) if isinstance(value, list | tuple | np.ndarray) else [value]
    plain = [str(each) if isinstance(each, Integral) else each for each in values]
    found = [each for each in plain if each is not None]
    if not all(isinstance(each, str) and each.strip() for each in found):
        raise InvalidQuestion(f"{where}: {name} is {value!r}, wanted a string or a list of strings")
    return found


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
    k, metrics = max(RECALL_AT), metrics_of(questions)
    missing = check_gold(index, questions)
    retriever = index.retriever(mode, config)

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
        found.append(found_of(index, hits))
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


class Found(NamedTuple):
    """A hit, as it counts: the ids that it has and its text.

    Attributes:
        names: of the passage, of its document, and of passages with the same text and theirs.
        text: title and text.
    """

    names: frozenset[str]
    text: str


def found_of(index: PassageIndex, hits: Iterable[Hit]) -> list[Found]:
    """What hits count as."""
    found = []
    for hit in hits:
        same = [hit.passage, *(index[copy] for copy in hit.copies)]
        names = frozenset(name for p in same for name in (p.id, p.document) if name)
        found.append(Found(names, hit.passage.full_text))
    return found


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


def metrics_of(questions: Sequence[GoldQuestion]) -> tuple[str, ...]:
    """What can be measured: `METRICS` where all have gold, `CONTAIN` where all have answers.

    Raises:
        InvalidQuestion: neither all have gold nor all have answers.
    """
    without = {
        "gold ids": sum(not question.gold for question in questions),
        "answers": sum(not question.answers for question in questions),
    }
    if all(without.values()):
        raise InvalidQuestion(
            f"of {len(questions)} questions {without['gold ids']} have no gold ids and "
            f"{without['answers']} no answers; give all of them the one or the other"
        )
    return (*(() if without["gold ids"] else METRICS), *(() if without["answers"] else CONTAIN))


def check_gold(index: PassageIndex, questions: Sequence[GoldQuestion]) -> int:
    """How many gold ids are neither of a passage nor of a document of the index.

    Raises:
        InvalidQuestion: all of them.
    """
    gold = sorted({identifier for question in questions for identifier in question.gold})
    missing = [name for name in gold if not index.snapshot.rows_named(name)]
    if gold and len(missing) == len(gold):
        passage = next(iter(index))
        document = f" of document {passage.document!r}" if passage.document else ""
        raise InvalidQuestion(
            f"none of the {len(gold)} gold ids is in the index ({missing[0]!r}, ...), whose "
            f"passages have ids such as {passage.id!r}{document}; give ids of passages or documents"
        )
    return len(missing)


def outcomes_of(questions: Sequence[GoldQuestion], found: Sequence[Sequence[Found]]) -> Outcomes:
    """How each question fares, `[n, m]`, a column for each of `metrics_of`, 0 to 1.

    Args:
        questions: n of them.
        found: what was found for each, best first.
    """
    metrics = metrics_of(questions)
    rows = [_fares(question, hits) for question, hits in zip(questions, found, strict=True)]
    return np.array([[row[metric] for metric in metrics] for row in rows], np.float64)


def _fares(question: GoldQuestion, found: Sequence[Found]) -> dict[str, float]:
    outcomes = {}
    if question.gold:
        shares = {}
        for k in RECALL_AT:
            names = {name for each in found[:k] for name in each.names}
            shares[k] = len(question.gold & names) / len(question.gold)
        outcomes = {f"recall@{k}": share for k, share in shares.items()}
        outcomes |= {f"all_gold@{k}": float(shares[k] == 1) for k in ALL_GOLD_AT}
    if question.answers:
        answers = [_words(answer) for answer in question.answers]
        texts = [_words(each.text) for each in found]
        holds = [any(answer in text for answer in answers) for text in texts]
        outcomes |= {f"contain@{k}": float(any(holds[:k])) for k in RECALL_AT}
    return outcomes


def _words(text: str) -> str:
    """The words of a text, folded, with a blank around each: whole words are found in it."""
    return f" {' '.join(tokenize(text))} "


def _by_type(
    questions: Sequence[GoldQuestion],
    outcomes: Outcomes,
    random_state: int,
    metrics: Sequence[str],
) -> dict[str, Summary]:
    types = np.array([question.type for question in questions])
    kinds = sorted({question.type for question in questions if question.type})
    return {kind: Summary.of(outcomes[types == kind], random_state, metrics) for kind in kinds}
