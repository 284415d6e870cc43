"""Evaluation of retrieval: recall of the gold passages, and where the time goes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from graphagg.errors import InvalidQuestion, UnreadableFile
from graphagg.progress import Progress, silent
from graphagg.rag.config import Mode, RetrievalConfig
from graphagg.rag.index import PassageIndex
from graphagg.rag.passages import read_json_lines

RECALL_AT = (2, 5, 10)
ALL_GOLD_AT = (2, 5)
STAGES = ("entities", "encode", "retrieve")

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
class Evaluation:
    """Retrieval quality over a set of questions, and latency one question at a time.

    Attributes:
        questions: how many.
        quality: percent, by metric: `recall@k` is the mean share of gold passages among the first
            k, `all_gold@k` the share of questions with all of them there.
        by_type: the same by question type, with the number of `questions`.
        latency_ms: wall time by stage (and `total`), `p50` and `p99`.
        cpu_ms: the same in CPU time: of the calling thread, for `encode` of the process, since the
            encoder works in a thread of its own; the `total` is their sum.
        gold_missing: gold ids that the index does not hold; they count as not found.
    """

    questions: int
    quality: Mapping[str, float]
    by_type: Mapping[str, Mapping[str, float]]
    latency_ms: Mapping[str, Mapping[str, float]]
    cpu_ms: Mapping[str, Mapping[str, float]]
    gold_missing: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of `rag eval --json`."""
        return {
            "questions": self.questions,
            **self.quality,
            "by_type": {kind: dict(part) for kind, part in self.by_type.items()},
            "latency_ms": {stage: dict(part) for stage, part in self.latency_ms.items()},
            "cpu_ms": {stage: dict(part) for stage, part in self.cpu_ms.items()},
            "gold_missing": self.gold_missing,
        }


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
    if not isinstance(text, str) or not text.strip():
        raise InvalidQuestion(f"{where}: question is {text!r}, wanted a string with text")
    if not isinstance(gold, list) or not gold or not all(isinstance(g, str) for g in gold):
        raise InvalidQuestion(
            f"{where}: gold_passage_ids is {gold!r}, wanted a list of passage ids, at least one"
        )
    return GoldQuestion(
        str(record.get("id", where)), text, frozenset(gold), str(record.get("type") or "")
    )


def evaluate(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    *,
    mode: Mode = "faithful",
    config: RetrievalConfig | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Ask every question alone, as a user would, and compare with its gold passages.

    The linear algebra of retrieval runs on one thread meanwhile, so that CPU times are those of a
    single core; the encoder keeps its threads.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return _evaluate(index, questions, mode, config or RetrievalConfig(), progress)


def _evaluate(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    mode: Mode,
    config: RetrievalConfig,
    progress: Progress,
) -> Evaluation:
    k = max(RECALL_AT)
    warm = index.prepare([questions[0].text])  # loads the models and compiles the kernels
    index.retriever.retrieve_batch(warm, k, mode, config)
    ranks: list[list[str]] = []
    wall: list[list[float]] = []
    cpu: list[list[float]] = []
    for number, question in enumerate(questions, start=1):
        clock = _Clock()
        mentions = clock.time(lambda text: index.mentions([text]), question.text)
        prepared = clock.time(
            lambda both: index.encode([both[0]], both[1])[0],
            (question.text, mentions),
            time.process_time,
        )
        hits = clock.time(lambda q: index.retriever.retrieve(q, k, mode, config), prepared)
        ranks.append([hit.passage.id for hit in hits])
        wall.append(clock.wall)
        cpu.append(clock.cpu)
        progress("questions", number, len(questions))
    known = set(index.retriever.passages.ids)
    return Evaluation(
        len(questions),
        _quality(questions, ranks),
        _by_type(questions, ranks),
        _percentiles(wall),
        _percentiles(cpu),
        len({gold for question in questions for gold in question.gold} - known),
    )


class _Clock:
    """Wall and CPU milliseconds of calls made one after another."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def time(
        self,
        call: Callable[[Any], T],
        argument: object,
        clock: Callable[[], float] = time.thread_time,
    ) -> T:
        wall, cpu = time.perf_counter(), clock()
        result = call(argument)
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


def _quality(questions: Iterable[GoldQuestion], ranks: Iterable[Sequence[str]]) -> dict[str, float]:
    found = {
        k: np.array(
            [
                len(question.gold.intersection(ranked[:k])) / len(question.gold)
                for question, ranked in zip(questions, ranks, strict=True)
            ]
        )
        for k in RECALL_AT
    }
    recall = {f"recall@{k}": round(100 * float(found[k].mean()), 2) for k in RECALL_AT}
    whole = {f"all_gold@{k}": round(100 * float((found[k] == 1).mean()), 2) for k in ALL_GOLD_AT}
    return recall | whole


def _by_type(
    questions: Sequence[GoldQuestion], ranks: Sequence[Sequence[str]]
) -> dict[str, dict[str, float]]:
    report: dict[str, dict[str, float]] = {}
    for kind in sorted({question.type for question in questions if question.type}):
        members = [i for i, question in enumerate(questions) if question.type == kind]
        quality = _quality([questions[i] for i in members], [ranks[i] for i in members])
        report[kind] = {"questions": len(members), **quality}
    return report
