"""Questions that arrive together are encoded together, and the last ones are kept encoded.

A model encodes eight short questions in little more time than one. While it is busy with one batch,
arriving questions wait and form the next; nothing waits for company, so a lone question loses no
time. A vector depends on the model and the text alone: an answer does not depend on which questions
share its batch, nor on whether the question was kept. The next page of hits, the themes of an
answer and the answer in words ask the same question again.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from graphagg.errors import Overloaded
from graphagg.rag.config.modes import Mode
from graphagg.rag.modes.protocol import EncodedQuestion
from graphagg.rag.operations.retrieval import AnyRetriever
from graphagg.rag.operations.version import PassageVersion
from graphagg.serve.observe.stages import Stage, Trace

_Key = tuple[str, Mode, str, str]
"""PassageVersion, mode, scope and text of a question."""
_KEPT = 256  # encoded questions that are kept: of the default encoder some 5 MiB


@dataclass(frozen=True)
class EncodedQuestions:
    """Questions ready to be answered.

    Attributes:
        asked: the encoded questions.
        cpu_ms: their share of the thread time of the batch.
        stages: the time they waited, and the stages of their batch.
    """

    asked: list[EncodedQuestion]
    cpu_ms: float
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class _EncodingJob:
    version: PassageVersion
    retriever: AnyRetriever
    mode: Mode
    scope: str
    questions: Sequence[str]
    future: Future[EncodedQuestions] = field(default_factory=Future)
    queued: int = field(default_factory=time.time_ns)

    @property
    def group(self) -> tuple[int, Mode, str]:
        """Jobs of one group can be encoded by one call."""
        return id(self.version.snapshot), self.mode, self.scope


_PATIENCE = 5.0  # seconds


class Batcher:
    """The one thread that uses the models.

    Args:
        most: maximum number of questions of a batch, unless one request brings more.
        capacity: requests that may wait; the next is refused.
        observe: told the number of questions of each batch.
    """

    def __init__(
        self,
        most: int = 64,
        capacity: int = 256,
        observe: Callable[[int], None] = lambda questions: None,
    ) -> None:
        self._most, self._capacity, self._observe = most, capacity, observe
        self._kept: OrderedDict[_Key, EncodedQuestion] = OrderedDict()
        self._jobs: queue.SimpleQueue[_EncodingJob | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(
        self,
        version: PassageVersion,
        retriever: AnyRetriever,
        mode: Mode,
        scope: object,
        questions: Sequence[str],
    ) -> Future[EncodedQuestions]:
        """Queue checked questions; a future that is cancelled before its batch is dropped.

        Raises:
            Overloaded: `capacity` requests wait.
        """
        if self._jobs.qsize() >= self._capacity:
            raise Overloaded(
                f"{self._capacity} requests wait to be encoded already; try again in a second"
            )
        job = _EncodingJob(version, retriever, mode, json.dumps(scope, sort_keys=True), questions)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
                self._thread.start()
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """End the thread after the queued questions, and wait some seconds for it.

        The interpreter's end may abort a thread that is still inside of compiled code.
        """
        with self._lock:
            if self._thread is None:
                return
            self._jobs.put(None)
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            if not self._work_on(first):
                return

    def _work_on(self, first: _EncodingJob) -> bool:
        """Encode a job and the jobs that wait behind it; False where the end is among them."""
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
        groups: dict[tuple[int, Mode, str], list[_EncodingJob]] = {}
        for job in batch:
            if job.future.set_running_or_notify_cancel():
                groups.setdefault(job.group, []).append(job)
        for jobs in groups.values():
            self._encode(jobs)
        return more

    def _encode(self, jobs: Sequence[_EncodingJob]) -> None:
        begin, begun, trace = time.thread_time(), time.time_ns(), Trace()
        questions = [question for job in jobs for question in job.questions]
        try:
            asked = self._asked(jobs[0], questions, trace)
        except BaseException as error:
            for job in jobs:
                job.future.set_exception(error)
            return
        each = (time.thread_time() - begin) * 1000 / len(questions)
        start = 0
        for job in jobs:
            end, waited = start + len(job.questions), Stage("wait", job.queued, begun)
            job.future.set_result(
                EncodedQuestions(
                    asked[start:end], each * len(job.questions), (waited, *trace.stages)
                )
            )
            start = end

    def _asked(
        self, job: _EncodingJob, questions: Sequence[str], trace: Trace
    ) -> list[EncodedQuestion]:
        """The encoded questions of a group; only those that are not kept are encoded."""
        about = job.version.artifact.manifest.data, job.mode, job.scope
        keys = [(*about, question) for question in questions]
        encoded = {key: self._kept[key] for key in keys if key in self._kept}
        lacking = [key for key in dict.fromkeys(keys) if key not in encoded]
        if lacking:
            models = job.version.models
            with trace.stage("read", len(lacking)):
                read = job.retriever.read([key[-1] for key in lacking], models)
            with trace.stage("encode", len(lacking)):
                encoded |= zip(lacking, job.retriever.encode(read, models), strict=True)
            self._observe(len(lacking))
        for key in dict.fromkeys(keys):
            self._kept[key] = encoded[key]
            self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return [encoded[key] for key in keys]
