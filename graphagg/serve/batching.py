"""Questions that arrive together are encoded together.

A model encodes eight short questions in little more time than one. While it is busy with one batch,
what arrives waits and forms the next; nothing waits for company, so a lone question loses no time.
The encoder works in full precision and without padding across lengths, so an answer does not depend
on which questions share its batch.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphagg.errors import Overloaded
from graphagg.serve.observe.stages import Stage, Trace

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex
    from graphagg.rag.build.opening import IndexModels
    from graphagg.rag.config.modes import Mode
    from graphagg.rag.modes.protocol import Asked, QuestionModels
    from graphagg.rag.modes.registry import AnyRetriever
    from graphagg.serve.vectors import QuestionVectors


@dataclass(frozen=True)
class Encoded:
    """Questions ready to be answered.

    Attributes:
        asked: one a question.
        cpu_ms: their share of the thread time of the batch.
        stages: how long they waited, and the stages of their batch.
    """

    asked: list[Asked]
    cpu_ms: float
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class _Job:
    index: PassageIndex
    retriever: AnyRetriever
    mode: Mode
    scope: str
    questions: Sequence[str]
    future: Future[Encoded] = field(default_factory=Future)
    queued: int = field(default_factory=time.time_ns)

    @property
    def group(self) -> tuple[int, Mode, str]:
        """Jobs of one group can be encoded by one call."""
        return id(self.index), self.mode, self.scope


class Batcher:
    """The one thread that uses the models.

    Args:
        most: questions of a batch at most, unless one request brings more.
        capacity: requests that may wait; the next is refused.
        observe: told the number of questions of each batch.
        vectors: of questions that were asked before; None: none are kept.
    """

    def __init__(
        self,
        most: int = 64,
        capacity: int = 256,
        observe: Callable[[int], None] = lambda questions: None,
        vectors: QuestionVectors | None = None,
    ) -> None:
        self._most, self._capacity, self._observe = most, capacity, observe
        self._vectors = vectors
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(
        self,
        index: PassageIndex,
        retriever: AnyRetriever,
        mode: Mode,
        filter: Mapping[str, Any] | None,
        questions: Sequence[str],
    ) -> Future[Encoded]:
        """Queue checked questions; a future that is cancelled before its batch is dropped.

        Raises:
            Overloaded: `capacity` requests wait.
        """
        if self._jobs.qsize() >= self._capacity:
            raise Overloaded(
                f"{self._capacity} requests wait to be encoded already; try again in a second"
            )
        scope = json.dumps(filter, sort_keys=True)
        job = _Job(index, retriever, mode, scope, questions)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
                self._thread.start()
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """End the thread after what is queued."""
        with self._lock:
            if self._thread is not None:
                self._jobs.put(None)

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            if not self._work_on(first):
                return

    def _work_on(self, first: _Job) -> bool:
        """Encode a job and what waits behind it; False where the end is among it."""
        batch, more = [first], True
        while more and sum(len(job.questions) for job in batch) < self._most:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                more = False
            else:
                batch.append(job)
        groups: dict[tuple[int, Mode, str], list[_Job]] = {}
        for job in batch:
            if job.future.set_running_or_notify_cancel():
                groups.setdefault(job.group, []).append(job)
        for jobs in groups.values():
            self._encode(jobs)
        return more

    def _encode(self, jobs: Sequence[_Job]) -> None:
        begin, begun, trace = time.thread_time(), time.time_ns(), Trace()
        try:
            questions = [question for job in jobs for question in job.questions]
            models, retriever = jobs[0].index.models, jobs[0].retriever
            with trace.stage("read", len(questions)):
                read = retriever.read(questions, models)
            with trace.stage("encode", len(questions)):
                asked = retriever.encode(read, self._remembered(models))
        except BaseException as error:
            for job in jobs:
                job.future.set_exception(error)
            return
        self._observe(len(questions))
        each = (time.thread_time() - begin) * 1000 / len(questions)
        start = 0
        for job in jobs:
            end, waited = start + len(job.questions), Stage("wait", job.queued, begun)
            job.future.set_result(
                Encoded(asked[start:end], each * len(job.questions), (waited, *trace.stages))
            )
            start = end

    def _remembered(self, models: IndexModels) -> QuestionModels:
        return models if self._vectors is None else self._vectors.before(models)
