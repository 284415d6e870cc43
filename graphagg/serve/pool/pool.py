"""The pool: starts workers, gives each question to the least busy one, and replaces lost ones.

A question that a lost worker held goes to another one: answering changes nothing, so it may be done
twice. One that loses worker after worker is refused, so that it does not take the service down. The
front process keeps the indices open too, mapped and without models: for their description, for new
versions and for type-ahead.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import os
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from typing import Any

from graphagg.checks import integer
from graphagg.errors import Overloaded, WorkerLost
from graphagg.serve.observe.metrics import Metrics
from graphagg.serve.observe.stages import current_trace
from graphagg.serve.pool.worker import Job, Message, error_of, read_frame, work, write_frame
from graphagg.serve.service import Service

_TRIES = 3  # workers that one question may lose
_SOON = 5.0  # seconds: a worker that ends so soon after its start is not replaced at once
_LONGEST_PAUSE = 10.0
_CLOSE_SECONDS = 0.5  # that a worker has to end once the front process hangs up
_THREADS = 2  # of a worker: a question is answered while others are encoded
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_MIB = 1 << 20

_log = logging.getLogger("graphagg.serve")


@dataclass
class _Question:
    """A call that waits for its answer; `lost` counts the workers that ended with it."""

    message: Message
    future: asyncio.Future[Message]
    lost: int = 0


@dataclass
class _Worker:
    """One worker process, as the front sees it."""

    slot: int
    process: BaseProcess
    writer: asyncio.StreamWriter
    begun: float
    is_ready: bool = False
    pending: dict[int, _Question] = field(default_factory=dict)
    answered: int = 0
    peak: int = 0


def pooled_service(workers: int, job: Job) -> Service:
    """Make a service with worker processes, which `start` starts.

    Args:
        workers: number of processes; each has two threads.
        job: their settings; the service has the same indices, limits and `lazy`.

    Raises:
        InvalidParameter: there is no worker.
        GraphAggError: as of `Service`.
    """
    metrics = Metrics()
    of_workers = replace(job, limits=replace(job.limits, threads=_THREADS))
    pool = Pool(workers, of_workers, job.limits.waiting, metrics)
    return Service(job.sources, job.limits, lazy=job.lazy, metrics=metrics, pool=pool)


class Pool:
    """Worker processes over the same indices; each has one thread for its models.

    Args:
        count: number of workers.
        job: the settings of each.
        capacity: questions that are answered or wait; the next is refused.
        metrics: of the service.
    """

    def __init__(self, count: int, job: Job, capacity: int, metrics: Metrics) -> None:
        self.count = integer("workers", count, 1)
        self._job, self._capacity, self._metrics = job, capacity, metrics
        self._workers: dict[int, _Worker] = {}
        self._ids = itertools.count(1)
        self._open = 0
        self._some_ready = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._failure: Exception | None = None
        self._settled = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether at least one worker can answer now."""
        return any(each.is_ready for each in list(self._workers.values()))

    async def start(self) -> None:
        """Start the workers; they load their models side by side."""
        for name in _ONE_THREAD:  # what a new process reads when it loads its libraries
            os.environ.setdefault(name, "1")
        for slot in range(1, self.count + 1):
            self._keep(self._filled(slot))

    def wait_until_ready(self) -> None:
        """Wait until each worker has loaded its models; for a thread beside the event loop.

        Raises:
            GraphAggError: a worker cannot start.
        """
        self._settled.wait()
        if self._failure is not None:
            raise self._failure

    async def ask(self, call: str, **arguments: Any) -> Any:
        """The answer of a worker.

        Args:
            call: one of `graphagg.serve.pool.worker.CALLS`.
            arguments: JSON values.

        Raises:
            GraphAggError: the error of the call; `Overloaded` beyond the capacity, `WorkerLost`
                where workers ended one after the other on it.
        """
        if self._open >= self._capacity:
            raise Overloaded(
                f"{self._open} requests wait for answers already; try again in a second"
            )
        self._open += 1
        identifier = next(self._ids)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        question = _Question({"id": identifier, "call": call, "arguments": arguments}, future)
        try:
            await self._send(question)
            reply = await future
        except asyncio.CancelledError:
            self._forget(identifier)
            raise
        finally:
            self._open -= 1
        current_trace().add_json(reply["trace"])
        if "error" in reply:
            raise error_of(*reply["error"])
        return reply["answer"]

    async def close(self) -> None:
        """Hang up; workers that do not end at once are ended."""
        self._closing = True
        self._settled.set()
        for task in self._tasks:
            task.cancel()
        workers = list(self._workers.values())
        for worker in workers:
            worker.writer.close()
        await asyncio.to_thread(_end, workers)

    # --- questions -------------------------------------------------------------------------------

    async def _send(self, question: _Question) -> None:
        """Give a question to the least busy worker; wait for one where none is ready."""
        while not (ready := [each for each in self._workers.values() if each.is_ready]):
            self._some_ready.clear()
            await self._some_ready.wait()
        if question.future.done():  # its client has left meanwhile
            return
        worker = min(ready, key=lambda each: len(each.pending))
        worker.pending[question.message["id"]] = question
        write_frame(worker.writer, question.message)

    def _forget(self, identifier: int) -> None:
        for worker in self._workers.values():
            if worker.pending.pop(identifier, None) is not None:
                write_frame(worker.writer, {"cancel": identifier})

    def _received(self, worker: _Worker, message: Message) -> None:
        if "id" in message:
            question = worker.pending.pop(message["id"], None)  # None: it was cancelled
            worker.answered += 1
            if question is not None and not question.future.done():
                question.future.set_result(message)
        if message.get("memory") is not None:
            worker.peak = max(worker.peak, message["memory"])
            self._metrics.worker_bytes.labels(str(worker.slot)).set(message["memory"])
        if "tally" in message:
            for questions in message["tally"]["batches"]:
                self._metrics.encoded(questions)
            self._metrics.question_vectors(message["tally"]["kept"], message["tally"]["made"])
        if "ready" in message:
            self._became_ready(worker, message["ready"])

    # --- workers ---------------------------------------------------------------------------------

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _filled(self, slot: int) -> None:
        """Keep a slot of the pool filled: when a worker ends, start the next."""
        pause = 0.0
        while not self._closing:
            try:
                worker, reader = await self._started(slot)
            except OSError as error:  # no memory, no files left
                _log.error("a worker cannot be started: %s", error)
                await asyncio.sleep(_LONGEST_PAUSE)
                continue
            failed = await self._serve(worker, reader)
            self._lost(worker)
            if failed is not None and not self._settled.is_set():
                self._failure = error_of(*failed)
                self._settled.set()
                return
            soon = time.monotonic() - worker.begun < _SOON
            pause = min(max(2 * pause, 0.1), _LONGEST_PAUSE) if soon else 0.0
            await asyncio.sleep(pause)

    async def _started(self, slot: int) -> tuple[_Worker, asyncio.StreamReader]:
        ours, theirs = socket.socketpair()
        process = multiprocessing.get_context("spawn").Process(
            target=work, args=(theirs, self._job), name=f"graphagg worker {slot}", daemon=True
        )
        await asyncio.to_thread(process.start)
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = _Worker(slot, process, writer, time.monotonic())
        self._workers[slot] = worker
        return worker, reader

    async def _serve(self, worker: _Worker, reader: asyncio.StreamReader) -> list[str] | None:
        """Take a worker's messages until it ends; returns the error if it cannot start."""
        while (message := await read_frame(reader)) is not None:
            if "failed" in message:
                return list(message["failed"])
            self._received(worker, message)
        return None

    def _became_ready(self, worker: _Worker, seconds: float) -> None:
        worker.is_ready = True
        self._some_ready.set()
        ready = sum(each.is_ready for each in self._workers.values())
        self._metrics.workers.set(ready)
        _log.info(
            "worker %d (process %s): ready in %.1f s, own memory %s",
            worker.slot, worker.process.pid, seconds, _mib(worker.peak),
        )  # fmt: skip
        if ready == self.count:
            self._settled.set()

    def _lost(self, worker: _Worker) -> None:
        """Note that a worker has ended, and give its questions to the others."""
        if self._closing:
            return
        self._workers.pop(worker.slot, None)
        worker.writer.close()
        self._metrics.workers.set(sum(each.is_ready for each in self._workers.values()))
        self._metrics.workers_lost.inc()
        _log.error(
            "worker %d (process %s) ended after %s answers, own memory %s; %d questions go to "
            "another one, a new one starts",
            worker.slot, worker.process.pid, f"{worker.answered:,}", _mib(worker.peak),
            len(worker.pending),
        )  # fmt: skip
        for question in worker.pending.values():
            question.lost += 1
            if question.future.done():
                continue
            if question.lost < _TRIES:
                self._keep(self._send(question))
            else:
                question.future.set_exception(
                    WorkerLost(
                        f"{_TRIES} workers ended while they answered this request; the log of the "
                        "service says more"
                    )
                )


def _end(workers: list[_Worker]) -> None:
    end = time.monotonic() + _CLOSE_SECONDS
    for worker in workers:
        if worker.is_ready:
            worker.process.join(max(0.0, end - time.monotonic()))
        worker.process.kill()  # nothing where it has ended
        _log.info(
            "worker %d: %s answers, peak own memory %s",
            worker.slot, f"{worker.answered:,}", _mib(worker.peak),
        )  # fmt: skip


def _mib(size: int) -> str:
    return f"{size // _MIB:,} MiB" if size else "unknown"
