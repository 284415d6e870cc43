"""A worker: a service without HTTP, which answers what the front process sends it.

Messages are JSON behind their length, over a socket pair. A worker ends when the front process is
gone, and by no signal before: after a signal to the whole group of processes the front process
still finishes open requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import validate_call

from graphagg import errors
from graphagg.errors import GraphAggError, WorkerLost
from graphagg.serve.limits import Limits
from graphagg.serve.observe.log import LogFormat, LogLevel, start_log
from graphagg.serve.observe.metrics import Metrics, own_memory
from graphagg.serve.observe.stages import Trace, tracing
from graphagg.serve.service import Service, Sources

_log = logging.getLogger("graphagg.serve")

_LENGTH = 4  # bytes
Message = dict[str, Any]


# --- messages ------------------------------------------------------------------------------------


async def read_frame(reader: asyncio.StreamReader) -> Message | None:
    """Read the next message; None where the other side is gone."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
        message: Message = json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message


def write_frame(writer: asyncio.StreamWriter, message: Message) -> None:
    """Queue a message; one to a side that is gone is dropped, which its reader notices."""
    content = json.dumps(message).encode()
    writer.write(len(content).to_bytes(_LENGTH, "big") + content)


def error_json(error: BaseException) -> list[str]:
    """Name and message of an error."""
    return [type(error).__name__, str(error)]


def error_of(name: str, message: str) -> Exception:
    """The error that another process raised: of the same class if it is one of graphagg's."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, GraphAggError):
        error = kind.__new__(kind)  # some constructors take other arguments than a message
        Exception.__init__(error, message)
        return error
    return WorkerLost(f"a worker failed on this request ({name}); its log says why")


# --- the process ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """The settings of a worker.

    Attributes:
        sources, limits, lazy: of its service.
        poll_seconds: interval of looking for new versions, and of reporting its memory.
        level, form: of its log.
    """

    sources: Sources
    limits: Limits = field(default_factory=Limits)
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


class _Tally(Metrics):
    """Counts since the last report to the front process."""

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
        identifier = message["id"]
        task = asyncio.create_task(self._answer(message, service, writer))
        self._tasks[identifier] = task
        task.add_done_callback(lambda _: self._tasks.pop(identifier, None))

    async def _answer(
        self, message: Message, service: Service, writer: asyncio.StreamWriter
    ) -> None:
        trace, reply = Trace(), {"id": message["id"]}
        try:
            with tracing(trace):
                reply["answer"] = await _called(service, message["call"], message["arguments"])
        except Exception as error:
            if not isinstance(error, GraphAggError):
                _log.exception("a worker failed on a request")
            reply["error"] = error_json(error)
        write_frame(writer, {**reply, "trace": trace.to_json()})
        with suppress(ConnectionError):
            await writer.drain()


CALLS = (
    "passages.answered", "passages.explain",
    "communities.queried", "communities.drawn",
    "embedding.neighbors",
)  # fmt: skip
"""The methods of a service that the front process may call; it sends JSON values for models."""


async def _called(service: Service, call: str, arguments: Message) -> Any:
    assert call in CALLS
    kind, _, method = call.partition(".")
    return await validate_call(getattr(getattr(service, kind), method))(**arguments)
