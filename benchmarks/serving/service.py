"""Load on a service of its own: many clients at once, a publish in the middle, a stop at the end.

    python -m benchmarks.serving.service --passages DIR --communities DIR
    python -m benchmarks.serving.service --passages DIR --communities DIR --seconds 10 --clients 8

Only loopback, for a bounded time. Every client sends its next request when it has its answer, so
the machine is saturated: the latencies are those of a full queue, and the clients' own work is on
the same cores. Half-way, new versions of both indices are published; at the end SIGTERM comes while
requests are open. Requests are questions (of 2WikiMultiHopQA where $GRAPHAGG_DATA has them),
communities around random seeds, type-ahead, neighbors.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import in_process, percentiles, resident
from benchmarks.report import Report, parser_of
from graphagg.communities import CommunityIndex
from graphagg.rag import PassageIndex, read_passages
from tests.conftest import DATA

Request = tuple[str, str, dict[str, Any] | None]
"""A kind, a path, and a body (None: GET)."""
PATIENCE = 300  # seconds for an answer, on a busy machine
DEMO = Path(__file__).parents[1] / "graphagg" / "rag" / "demo" / "passages.jsonl"


class Client:
    """One connection that is kept open; only as much of HTTP as the service speaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Status and body of one answer."""
        return await asyncio.wait_for(self._ask(path, body), PATIENCE)

    async def _ask(self, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        if self._writer is None:
            opened = await asyncio.open_connection("127.0.0.1", self._port)
            self._reader, self._writer = opened
        assert self._reader and self._writer
        content = b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:] if line)
        answer = await self._reader.readexactly(int(fields[b"content-length"]))
        if fields.get(b"connection") == b"close":
            self.close()
        return int(lines[0].split(b" ")[1]), answer

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


@contextmanager
def serving(options: Sequence[str], root: Path | None = None) -> Iterator[tuple[Any, int]]:
    """`graphagg serve` with some options, by the code of a checkout: the process and its port."""
    program = [sys.executable, "-c", "from graphagg.cli.main import main; main()", "serve"]
    environment = dict(os.environ) if root is None else os.environ | {"PYTHONPATH": str(root)}
    command = [*program, *options, "--port", "0"]
    # Python looks into the working folder first.
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, cwd=root
    ) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            if "serving on" not in line:
                raise RuntimeError(f"the service did not start: {line}{process.stderr.read()}")
            yield process, int(line.rpartition(":")[2])
            process.wait(PATIENCE)
        finally:
            process.kill()


def questions() -> list[str]:
    """The questions of 2WikiMultiHopQA; plain ones where they are absent."""
    from graphagg.rag.documents.rows import read_json_lines

    path = DATA / "2wikimultihopqa" / "questions.jsonl.gz"
    if not path.exists():
        return ["Who lived in London?", "On which river does the city lie?", "Who wrote it?"]
    return [record["question"] for record, _ in read_json_lines(path)]


def publish(passages: str, communities: str = "") -> None:
    """Publish new versions: without the first passage, and with one more edge."""
    with PassageIndex.open(passages) as index:
        index.delete([next(iter(index)).id])
    if communities:
        with CommunityIndex.open(communities) as graph:
            last = graph.vertices[len(graph) - 1]
            new = last + 1 if isinstance(last, int) else f"{last}+"
            graph.add([(new, last), (new, graph.vertices[0])])


@dataclass(frozen=True)
class Load:
    """What to do.

    Attributes:
        passages, communities: indices; copies of them are served and changed.
        seconds: duration.
        clients: number of clients at once.
        mode: of the questions.
        questions: asked in turn.
        random_state: of the choice of requests.
        lazy: load no model before a question needs it.
    """

    passages: Path
    communities: Path
    seconds: float = 60.0
    clients: int = 50
    mode: str = "multihop"
    questions: Sequence[str] = ()
    random_state: int = 0
    lazy: bool = False


@dataclass
class Outcome:
    """What the clients saw."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    memory: list[int] = field(default_factory=list)
    seconds: float = 0.0
    open_at_stop: int = 0
    finished_after_stop: int = 0


def run_load(load: Load) -> dict[str, Any]:
    """Serve copies of the indices, load them, publish half-way, stop; the figures."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {}
        for kind in ("passages", "communities"):
            copies[kind] = str(Path(folder) / kind)
            shutil.copytree(getattr(load, kind), copies[kind])
        options = [text for kind, path in copies.items() for text in (f"--{kind}", path)]
        options += ["--no-access-log", *["--lazy"] * load.lazy]  # nobody reads the pipe
        with serving(options) as (process, port):
            outcome = asyncio.run(_drive(load, process, port, copies))
            assert process.stderr
            last_lines = process.stderr.read().splitlines()[-40:]
    everything = [ms for times in outcome.latencies.values() for ms in times]
    kinds = sorted(outcome.latencies.items())
    return {
        "exit_code": process.returncode,
        "last_lines": last_lines if process.returncode else [],
        "clients": load.clients,
        "seconds": round(outcome.seconds, 1),
        "requests": len(everything),
        "requests_per_second": round(len(everything) / outcome.seconds, 1),
        "failures": len(outcome.failures),
        "first_failures": outcome.failures[:5],
        "versions_served": len(outcome.versions),
        "open_at_stop": outcome.open_at_stop,
        "finished_after_stop": outcome.finished_after_stop,
        **{f"{kind}, ms p50 / p99": percentiles(times) for kind, times in kinds},
        "private MiB, first and last": [size >> 20 for size in outcome.memory],
    }


async def _drive(
    load: Load, process: subprocess.Popen[str], port: int, copies: dict[str, str]
) -> Outcome:
    outcome, stop = Outcome(), asyncio.Event()
    choose = await _requests(load, port)
    await _warm(choose, port)
    begin = time.perf_counter()
    clients = [
        asyncio.create_task(_client(port, choose, random.Random(number), outcome, stop))
        for number in range(load.random_state, load.random_state + load.clients)
    ]
    outcome.memory.append(resident("RssAnon", process.pid))
    await asyncio.sleep(load.seconds / 2)
    outcome.versions = await _versions(port)
    await asyncio.to_thread(in_process, publish, **copies)
    await asyncio.sleep(max(load.seconds - (time.perf_counter() - begin), 0))
    while len(outcome.versions) < 4 and time.perf_counter() - begin < load.seconds + PATIENCE:
        await asyncio.sleep(0.25)  # the service looks for new versions every second
        outcome.versions |= await _versions(port)
    outcome.memory.append(resident("RssAnon", process.pid))
    outcome.seconds = time.perf_counter() - begin
    outcome.open_at_stop = sum(not task.done() for task in clients)
    stop.set()
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*clients), PATIENCE)
    return outcome


async def _client(
    port: int,
    choose: Callable[[random.Random], Request],
    random_choice: random.Random,
    outcome: Outcome,
    stop: asyncio.Event,
) -> None:
    client = Client(port)
    while not stop.is_set():
        kind, path, body = choose(random_choice)
        begin = time.perf_counter()
        try:
            status, answer = await client.ask(path, body)
        except (OSError, EOFError, TimeoutError) as error:
            outcome.failures.append(f"{kind}: {error!r}")
            client.close()
            continue
        if stop.is_set():
            outcome.finished_after_stop += status == 200
        outcome.latencies[kind].append((time.perf_counter() - begin) * 1000)
        if status != 200:
            outcome.failures.append(f"{kind}: {status} {answer[:200]!r}")
    client.close()


async def _requests(load: Load, port: int) -> Callable[[random.Random], Request]:
    """The choice of a client's next request."""
    client = Client(port)
    listed = json.loads((await client.ask("/v1/communities/vertices?limit=1000"))[1])
    client.close()
    vertices = [vertex["id"] for vertex in listed["vertices"]]
    with CommunityIndex.open(load.communities) as index:
        chosen = random.Random(load.random_state).sample(range(len(index)), min(5_000, len(index)))
        vertices += [index.vertices[vertex] for vertex in chosen]

    def choose(choice: random.Random) -> Request:
        kind = choice.choices(("search", "query", "vertices", "neighbors"), (4, 3, 2, 1))[0]
        if kind == "search":
            body = {"question": choice.choice(load.questions), "k": 5, "mode": load.mode}
            return kind, "/v1/passages/search", body
        vertex = choice.choice(vertices)
        if kind == "query":
            return kind, "/v1/communities/query", {"seeds": [vertex], "k": 50}
        if kind == "vertices":
            prefix = str(vertex)[: choice.randint(1, 4)]
            return kind, f"/v1/communities/vertices?prefix={prefix}", None
        return kind, f"/v1/communities/neighbors?vertex={vertex}", None

    return choose


async def _warm(choose: Callable[[random.Random], Request], port: int) -> None:
    """Load the model and the kernels before the clock runs."""
    client, choice = Client(port), random.Random(1)
    for _ in range(40):
        await client.ask(*choose(choice)[1:])
    client.close()


async def _versions(port: int) -> set[str]:
    client = Client(port)
    info = json.loads((await client.ask("/v1/info"))[1])
    client.close()
    return {f"{kind} {info[kind]['version']}" for kind in ("passages", "communities")}


def run(report: Report) -> None:
    """For the common report, on small indices that are built here."""
    report.heading("Service: 50 clients for 20 s on the demo's passages and a generated graph")
    edges = np.random.default_rng(0).zipf(1.6, size=(400_000, 2)) % 100_000
    with tempfile.TemporaryDirectory() as folder:
        passages, communities = Path(folder) / "passages", Path(folder) / "communities"
        PassageIndex.build(read_passages(DEMO), passages).close()
        CommunityIndex.build(edges[edges[:, 0] != edges[:, 1]], communities).close()
        load = Load(passages, communities, seconds=20, questions=questions())
        report.table(["figure", "value"], list(run_load(load).items()))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--communities", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--mode", default="multihop")
    print(json.dumps(run_load(Load(**vars(parser.parse_args()), questions=questions())), indent=1))


if __name__ == "__main__":
    main()
