"""Encodes questions that arrive together in one batch, and caches the last ones.

A model encodes eight short questions in little more time than one. Questions that arrive while it
is busy form the next batch, and a single question never waits for others. A vector depends on the
model and the text only, so batching and caching change no answer. The cache serves the next page of
hits, the themes of an answer and the answer in words, which repeat a question.
"""

from __future__ import annotations

import json
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphagg.errors import Overloaded

if TYPE_CHECKING:  # a service of graphs loads no library of passages
    from graphagg.rag.config.modes import Mode
    from graphagg.rag.modes.protocol import EncodedQuestion, Retriever

_MOST = 64  # questions of a batch
_CACHED = 256  # questions; with the default encoder about 5 MiB
_LAST_SECONDS = 5.0  # that `close` waits for the thread


@dataclass(frozen=True)
class _EncodingJob:
    retriever: Retriever
    scope: str
    question: str
    future: Future[EncodedQuestion] = field(default_factory=Future)

    @property
    def group(self) -> tuple[int, Mode, str]:
        """Jobs of one group can be encoded by one call."""
        return id(self.retriever.snapshot), self.retriever.mode, self.scope


class Batcher:
    """The one thread that uses the models.

    At most `capacity` requests may wait. `observe` is called with the number of questions of each
    batch.
    """

    def __init__(
        self, capacity: int = 256, observe: Callable[[int], None] = lambda questions: None
    ) -> None:
        self._capacity, self._observe = capacity, observe
        self._cache: OrderedDict[tuple[str, Mode, str, str], EncodedQuestion] = OrderedDict()
        self._jobs: queue.SimpleQueue[_EncodingJob | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, retriever: Retriever, scope: object, question: str) -> Future[EncodedQuestion]:
        """Queue a checked question; raises `Overloaded`.

        `scope` is the filters that chose the retriever's passages, as JSON values. A future that
        is canceled before its batch is dropped.
        """
        if self._jobs.qsize() >= self._capacity:
            raise Overloaded(
                f"{self._capacity} requests wait to be encoded already; try again in a second"
            )
        text = json.dumps(scope, sort_keys=True)
        job = _EncodingJob(retriever, text, question)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
                self._thread.start()
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """End the thread after the queued questions, and wait some seconds for it.

        The end of the interpreter may abort a thread that is inside compiled code.
        """
        with self._lock:
            if self._thread is None:
                return
            self._jobs.put(None)
        self._thread.join(_LAST_SECONDS)

    def _work(self) -> None:
        ended = False
        while not ended and (first := self._jobs.get()) is not None:
            batch = [first]
            while len(batch) < _MOST:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if ended := job is None:
                    break
                batch.append(job)
            groups: dict[tuple[int, Mode, str], list[_EncodingJob]] = {}
            for job in batch:
                if job.future.set_running_or_notify_cancel():
                    groups.setdefault(job.group, []).append(job)
            for jobs in groups.values():
                self._encode(jobs)

    def _encode(self, jobs: Sequence[_EncodingJob]) -> None:
        try:
            encoded = self._encode_group(jobs[0], [job.question for job in jobs])
        except BaseException as error:
            for job in jobs:
                job.future.set_exception(error)
            return
        for job, question in zip(jobs, encoded, strict=True):
            job.future.set_result(question)

    def _encode_group(self, job: _EncodingJob, questions: Sequence[str]) -> list[EncodedQuestion]:
        """The encoded questions of a group; questions outside the cache are encoded."""
        snapshot = job.retriever.snapshot
        about = snapshot.artifact.manifest.data, job.retriever.mode, job.scope
        keys = [(*about, question) for question in questions]
        encoded = {key: self._cache[key] for key in keys if key in self._cache}
        missing = [key for key in dict.fromkeys(keys) if key not in encoded]
        if missing:
            read = job.retriever.read([key[-1] for key in missing], snapshot.models)
            encoded |= zip(missing, job.retriever.encode(read, snapshot.models), strict=True)
            self._observe(len(missing))
        for key in dict.fromkeys(keys):
            self._cache[key] = encoded[key]
            self._cache.move_to_end(key)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return [encoded[key] for key in keys]
