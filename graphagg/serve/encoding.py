"""Questions that arrive together are encoded together, and vectors of repeated ones are kept.

A model encodes eight short questions in little more time than one. While it is busy with one batch,
arriving questions wait and form the next; nothing waits for company, so a lone question loses no
time. The encoder works in full precision and without padding across lengths, and a vector depends
on the model and the text alone: an answer does not depend on which questions share its batch, nor
on whether its vector was kept.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from graphagg.errors import Overloaded
from graphagg.rag import PassageIndex
from graphagg.rag.config.modes import Mode
from graphagg.rag.models.encoder import Encoder, WordEncoder
from graphagg.rag.models.encoding.pooling import Spans
from graphagg.rag.models.extractor import EntityExtractor
from graphagg.rag.modes.protocol import Asked, QuestionModels
from graphagg.rag.opened.asking import AnyRetriever
from graphagg.serve.limits import KEPT
from graphagg.serve.observe.stages import Stage, Trace

Vectors = npt.NDArray[np.float32]
_Key = tuple[str, bool | bytes, str]
"""The model, whether a text was a question or where the words of a question are, and the text."""


class QuestionVectors:
    """A table of vectors of questions and names, least recently used out first. For one thread.

    Args:
        kept: maximum number of vectors; 0 keeps none.
        observe: told the number of kept vectors that were used, and of new ones.
    """

    def __init__(
        self,
        kept: int = KEPT,
        observe: Callable[[int, int], None] = lambda kept, made: None,
    ) -> None:
        self._kept, self._observe = kept, observe
        self._table: OrderedDict[_Key, Vectors] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        """Number of kept vectors."""
        return self._held

    def before(self, models: QuestionModels) -> QuestionModels:
        """The models, with this table before the encoder."""
        return _Models(models, self) if self._kept else models

    def encode(
        self, encoder: Encoder, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """Vectors as of `encoder.encode_query`; only texts that the table lacks are encoded."""
        model = encoder.spec.sha256
        keys: list[_Key] = [
            *((model, True, text) for text in questions),
            *((model, False, text) for text in names),
        ]

        def make(lacking: Sequence[_Key]) -> list[Vectors]:
            texts = [[text for _, kind, text in lacking if kind is each] for each in (True, False)]
            both = encoder.encode_query(*texts)
            return [row for vectors in both for row in vectors]  # questions come before names

        vectors = self._vectors(keys, make)
        stacked = np.array(vectors, np.float32).reshape(len(keys), encoder.dimension)
        return stacked[: len(questions)], stacked[len(questions) :]

    def encode_asked(
        self, encoder: WordEncoder, questions: Sequence[str], words: Sequence[Spans]
    ) -> list[tuple[Vectors, Vectors]]:
        """Vectors as of `encoder.encode_asked`; only questions that the table lacks are encoded."""
        model = encoder.spec.sha256
        pairs: dict[_Key, tuple[str, Spans]] = {}
        keys: list[_Key] = []
        for text, spans in zip(questions, words, strict=True):
            keys.append((model, spans.tobytes(), text))
            pairs[keys[-1]] = text, spans

        def make(lacking: Sequence[_Key]) -> list[Vectors]:
            texts, spans = zip(*(pairs[key] for key in lacking), strict=True)
            encoded = encoder.encode_asked(texts, spans)
            return [np.concatenate([vector[None], of_words]) for vector, of_words in encoded]

        return [(rows[0], rows[1:]) for rows in self._vectors(keys, make)]

    def _vectors(
        self, keys: Sequence[_Key], make: Callable[[Sequence[_Key]], Sequence[Vectors]]
    ) -> list[Vectors]:
        lacking = [key for key in dict.fromkeys(keys) if key not in self._table]
        made = dict(zip(lacking, make(lacking), strict=True)) if lacking else {}
        self._observe(len(keys) - len(lacking), len(lacking))
        vectors = [made[key] if key in made else self._table[key] for key in keys]
        for key, new in made.items():
            self._table[key] = new.copy()  # a row would hold its whole batch
            self._held += np.atleast_2d(new).shape[0]
        for key in keys:
            self._table.move_to_end(key)
        while self._held > self._kept:
            self._held -= np.atleast_2d(self._table.popitem(last=False)[1]).shape[0]
        return vectors


@dataclass(frozen=True)
class _Models:
    models: QuestionModels
    table: QuestionVectors

    def encoder(self) -> Encoder:
        return cast("Encoder", _TableEncoder(self.models.encoder(), self.table))

    def extractor(self) -> EntityExtractor:
        return self.models.extractor()


@dataclass(frozen=True)
class _TableEncoder:
    """An encoder behind the table; texts of the corpus pass it by."""

    inner: Any
    table: QuestionVectors

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        return self.table.encode(self.inner, questions, names)

    def encode_asked(
        self, questions: Sequence[str], words: Sequence[Spans]
    ) -> list[tuple[Vectors, Vectors]]:
        return self.table.encode_asked(self.inner, questions, words)


# --- batches -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Encoded:
    """Questions ready to be answered.

    Attributes:
        asked: the encoded questions.
        cpu_ms: their share of the thread time of the batch.
        stages: the time they waited, and the stages of their batch.
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
        most: maximum number of questions of a batch, unless one request brings more.
        capacity: requests that may wait; the next is refused.
        observe: told the number of questions of each batch.
        vectors: vectors of earlier questions; None: none are kept.
    """

    def __init__(
        self,
        most: int = 64,
        capacity: int = 256,
        observe: Callable[[int], None] = lambda questions: None,
        vectors: QuestionVectors | None = None,
    ) -> None:
        self._most, self._capacity, self._observe = most, capacity, observe
        self._vectors = QuestionVectors(0) if vectors is None else vectors
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
        """End the thread after the queued questions."""
        with self._lock:
            if self._thread is not None:
                self._jobs.put(None)

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            if not self._work_on(first):
                return

    def _work_on(self, first: _Job) -> bool:
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
                asked = retriever.encode(read, self._vectors.before(models))
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
