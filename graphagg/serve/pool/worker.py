"""A worker: a service without HTTP, which answers what the front process sends it.

It ends when the front process is gone, and by no signal before: a signal to the whole group of
processes lets the front finish what is open.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from graphagg.errors import GraphAggError
from graphagg.serve.limits import Limits
from graphagg.serve.metrics import Metrics
from graphagg.serve.models.communities import CommunityRequest
from graphagg.serve.models.embedding import NearestBatchRequest
from graphagg.serve.models.passages import SearchBatchRequest, SearchRequest
from graphagg.serve.observe.log import LogFormat, LogLevel, start_log
from graphagg.serve.observe.memory import own_memory
from graphagg.serve.observe.stages import Trace, tracing
from graphagg.serve.pool.frames import Message, error_json, read_frame, write_frame
from graphagg.serve.service import Service, Sources

_log = logging.getLogger("graphagg.serve")


@dataclass(frozen=True)
class Job:
    """What a worker is started with.

    Attributes:
        sources, limits, lazy: of its service.
        poll_seconds: how often it looks for new versions, and reports its memory.
        level, form: of its log.
    """

    sources: Sources
    limits: Limits
    lazy: bool = False
    poll_seconds: float = 1.0
    level: LogLevel = "warning"
    form: LogFormat = "text"


def work(connection: socket.socket, job: Job) -> None:
    """Answer until the front process hangs up."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    start_log(job.level, job.form)
    with connection:
        asyncio.run(_Worker(job).run(connection))
    os._exit(0)  # threads of a model that still loads would hold up the end


class _Tally(Metrics):
    """What the front process counts for its workers, since it was told last."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.kept = self.made = 0

    def encoded(self, questions: int) -> None:
        self.batches.append(questions)

    def question_vectors(self, kept: int, made: int) -> None:
        self.kept, self.made = self.kept + kept, self.made + made

    def taken(self) -> Message:
        batches, kept, made = self.batches, self.kept, self.made
        self.batches, self.kept, self.made = [], 0, 0
        return {"batches": batches, "kept": kept, "made": made}


class _Worker:
    def __init__(self, job: Job) -> None:
        self._job, self._tally = job, _Tally()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        begin = time.perf_counter()
        try:
            service = await asyncio.to_thread(self._prepared)
        except Exception as error:
            if not isinstance(error, GraphAggError):
                _log.exception("a worker cannot start")
            write_frame(writer, {"failed": error_json(error)})
            await writer.drain()
            return
        write_frame(writer, {"ready": time.perf_counter() - begin, "memory": own_memory()})
        watching = [
            asyncio.create_task(service.watch(self._job.poll_seconds)),
            asyncio.create_task(self._report(writer)),
        ]
        while (message := await read_frame(reader)) is not None:
            self._take(message, service, writer)
        for task in (*watching, *self._tasks.values()):
            task.cancel()
        service.close()

    def _prepared(self) -> Service:
        job = self._job
        service = Service(job.sources, job.limits, lazy=job.lazy, metrics=self._tally)
        service.prepare()
        return service

    async def _report(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(self._job.poll_seconds)
            write_frame(writer, {"memory": own_memory(), "tally": self._tally.taken()})

    def _take(self, message: Message, service: Service, writer: asyncio.StreamWriter) -> None:
        if "cancel" in message:
            if (task := self._tasks.get(message["cancel"])) is not None:
                task.cancel()
            return
        number = message["id"]
        task = asyncio.create_task(self._answer(message, service, writer))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _answer(
        self, message: Message, service: Service, writer: asyncio.StreamWriter
    ) -> None:
        trace, reply = Trace(), {"id": message["id"]}
        try:
            with tracing(trace):
                reply["answer"] = await CALLS[message["call"]](service, message["arguments"])
        except GraphAggError as error:
            reply["error"] = error_json(error)
        except Exception as error:
            _log.exception("a worker failed on a request")
            reply["error"] = error_json(error)
        write_frame(writer, {**reply, "trace": trace.to_json()})
        with suppress(ConnectionError):
            await writer.drain()


async def _answered(service: Service, given: Message) -> Any:
    kind = SearchRequest if "question" in given["request"] else SearchBatchRequest
    request = kind.model_validate(given["request"])
    return await service.passages.answered(given["questions"], request)


async def _explain(service: Service, given: Message) -> Any:
    request = SearchRequest.model_validate(given["request"])
    return await service.passages.explain(request, given["passage_id"])


async def _queried(service: Service, given: Message) -> Any:
    requests = [CommunityRequest.model_validate(each) for each in given["requests"]]
    return await service.communities.queried(requests)


async def _structure(service: Service, given: Message) -> Any:
    return await service.communities.structure(CommunityRequest.model_validate(given["request"]))


async def _nearest(service: Service, given: Message) -> Any:
    request = NearestBatchRequest.model_validate(given)
    return await service.embedding.neighbors(request.vertices, request.k)


CALLS: dict[str, Callable[[Service, Message], Awaitable[Any]]] = {
    "passages.answered": _answered,
    "passages.explain": _explain,
    "communities.queried": _queried,
    "communities.structure": _structure,
    "embedding.neighbors": _nearest,
}
"""What the front process may ask for."""
