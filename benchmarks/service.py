"""Load on a service of its own: many clients at once, a publish in the middle, a stop at the end.

    python -m benchmarks.service --passages DIR --communities DIR
    python -m benchmarks.service --passages DIR --communities DIR --seconds 10 --clients 8

Only loopback, for a bounded time. Every client sends its next request when it has its answer, so
the machine is saturated: the latencies are those of a full queue, and the clients' own work is on
the same cores. Half-way, new versions of both indices are published; at the end SIGTERM comes while
requests are open. What is asked: questions (those of 2WikiMultiHopQA where $GRAPHAGG_DATA has
them), communities around random seeds, type-ahead, neighbors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Report
from graphagg.communities import CommunityIndex
from graphagg.rag import PassageIndex
from tests.conftest import DATA

Request = tuple[str, str, dict[str, Any] | None]
"""A kind, a path, and a body (None: GET)."""

_START_SECONDS, _ANSWER_SECONDS = 60, 60
_SERVE = [sys.executable, "-c", "from graphagg.cli.main import main; main()", "serve"]
_SERVE += ["--no-access-log"]  # nobody reads the pipe


@dataclass(frozen=True)
class Load:
    """What to do.

    Attributes:
        passages, communities: indices; copies of them are served and changed.
        seconds: how long.
        clients: at once.
        mode: of the questions.
        questions: what is asked in turn.
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
class Seen:
    """What the clients saw."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    seconds: float = 0.0
    open_at_stop: int = 0
    finished_after_stop: int = 0


class Client:
    """One connection that is kept open; only as much of HTTP as the service speaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        """Status and body of one answer."""
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


def run_load(load: Load) -> dict[str, Any]:
    """Serve copies of the indices, load them, publish half-way, stop; the figures."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {}
        for kind in ("passages", "communities"):
            copies[kind] = Path(folder) / kind
            shutil.copytree(getattr(load, kind), copies[kind])
        arguments = [text for kind, path in copies.items() for text in (f"--{kind}", str(path))]
        begin = time.perf_counter()
        with subprocess.Popen(
            [*_SERVE, *arguments, *["--lazy"] * load.lazy, "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                port = _port_of(process)
                start = time.perf_counter() - begin
                seen = asyncio.run(_drive(load, process, port, copies))
                code = process.wait(_ANSWER_SECONDS)
            finally:
                process.kill()
    return {"start_seconds": round(start, 2), "exit_code": code, **_figures(load, seen)}


def _port_of(process: subprocess.Popen[str]) -> int:
    assert process.stderr
    line = process.stderr.readline()
    if not line.startswith("serving on"):
        raise RuntimeError(f"the service did not start: {line}{process.stderr.read()}")
    return int(line.rpartition(":")[2])


async def _drive(
    load: Load, process: subprocess.Popen[str], port: int, copies: dict[str, Path]
) -> Seen:
    seen, stop = Seen(), asyncio.Event()
    requests = await _requests(load, port)
    await _warm(requests, port)
    begin = time.perf_counter()
    clients = [
        asyncio.create_task(_client(port, requests, random.Random(number), seen, stop))
        for number in range(load.random_state, load.random_state + load.clients)
    ]
    watch = asyncio.create_task(_watch(process.pid, begin, seen))
    await asyncio.sleep(load.seconds / 2)
    seen.versions = await _versions(port)
    publishing = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.service", "--publish",
        "--passages", str(copies["passages"]), "--communities", str(copies["communities"]),
    )  # fmt: skip
    await asyncio.sleep(load.seconds / 2 - (time.perf_counter() - begin - load.seconds / 2))
    if await publishing.wait() != 0:
        raise RuntimeError("publishing failed")
    await _meet(port, seen)
    seen.seconds = time.perf_counter() - begin
    seen.open_at_stop = sum(not task.done() for task in clients)
    stop.set()
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*clients), _ANSWER_SECONDS)
    watch.cancel()
    return seen


async def _client(
    port: int,
    requests: Callable[[random.Random], Request],
    choice: random.Random,
    seen: Seen,
    stop: asyncio.Event,
) -> None:
    client = Client(port)
    while not stop.is_set():
        kind, path, body = requests(choice)
        begin = time.perf_counter()
        try:
            status, answer = await asyncio.wait_for(client.ask(path, body), _ANSWER_SECONDS)
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError) as error:
            seen.failures.append(f"{kind}: {error!r}")
            client.close()
            continue
        if stop.is_set():
            seen.finished_after_stop += status == 200
        seen.latencies[kind].append((time.perf_counter() - begin) * 1000)
        if status != 200:
            seen.failures.append(f"{kind}: {status} {answer[:200]!r}")
    client.close()


async def _requests(load: Load, port: int) -> Callable[[random.Random], Request]:
    """What clients choose from."""
    client = Client(port)
    found = json.loads((await client.ask("/v1/communities/vertices?limit=1000", None))[1])
    client.close()
    vertices = [vertex["id"] for vertex in found["vertices"]]
    with CommunityIndex.open(load.communities) as index:
        chosen = random.Random(load.random_state).sample(range(len(index)), min(5_000, len(index)))
        vertices += [index.vertices[place] for place in chosen]

    def choose(choice: random.Random) -> Request:
        kind = choice.choices(("search", "query", "vertices", "neighbors"), (4, 3, 2, 1))[0]
        if kind == "search":
            question = choice.choice(load.questions)
            body = {"question": question, "top_k": 5, "mode": load.mode}
            return kind, "/v1/passages/search", body
        vertex = choice.choice(vertices)
        if kind == "query":
            return kind, "/v1/communities/query", {"seeds": [vertex], "top_k": 50}
        if kind == "vertices":
            return (
                kind,
                f"/v1/communities/vertices?prefix={str(vertex)[: choice.randint(1, 4)]}",
                None,
            )
        return kind, f"/v1/communities/neighbors?vertex={vertex}", None

    return choose


async def _warm(requests: Callable[[random.Random], Request], port: int) -> None:
    """Load the model and the kernels before the clock runs."""
    client, choice = Client(port), random.Random(1)
    for _ in range(40):
        _, path, body = requests(choice)
        await client.ask(path, body)
    client.close()


async def _meet(port: int, seen: Seen) -> None:
    """Until the new versions of both indices are served; the service looks every second."""
    end = time.perf_counter() + _ANSWER_SECONDS
    while len(seen.versions) < 4 and time.perf_counter() < end:
        await asyncio.sleep(0.25)
        seen.versions |= await _versions(port)


async def _versions(port: int) -> set[str]:
    client = Client(port)
    info = json.loads((await client.ask("/v1/info", None))[1])
    client.close()
    return {f"{kind} {info[kind]['version']}" for kind in ("passages", "communities")}


async def _watch(process: int, begin: float, seen: Seen) -> None:
    while (status := Path(f"/proc/{process}/status")).exists():
        sizes = dict(line.split(":", 1) for line in status.read_text().splitlines())
        if "RssAnon" in sizes:  # it has none any more where it has ended
            anonymous, mapped = (int(sizes[name].split()[0]) for name in ("RssAnon", "RssFile"))
            at = time.perf_counter() - begin
            seen.memory.append((at, anonymous / 1024, mapped / 1024))
        await asyncio.sleep(0.5)


def _figures(load: Load, seen: Seen) -> dict[str, Any]:
    everything = [ms for found in seen.latencies.values() for ms in found]
    return {
        "clients": load.clients,
        "seconds": round(seen.seconds, 1),
        "requests": len(everything),
        "requests_a_second": round(len(everything) / seen.seconds, 1),
        "failures": len(seen.failures),
        "first_failures": seen.failures[:5],
        "versions_served": len(seen.versions),
        "open_at_stop": seen.open_at_stop,
        "finished_after_stop": seen.finished_after_stop,
        "latency_ms": {
            "all": _percentiles(everything),
            **{kind: _percentiles(found) for kind, found in sorted(seen.latencies.items())},
        },
        "own_and_mapped_mib": _memory(seen.memory, load.seconds),
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}


def _memory(
    samples: Sequence[tuple[float, float, float]], seconds: float
) -> dict[str, list[float]]:
    """Memory of the service in MiB at some moments: its own, and pages of index files.

    Only the first can leak; pages of files are the system's to take back.
    """
    wanted = {"start": 0.1, "before_publish": 0.49, "three_quarters": 0.75, "end": 10.0}
    found = {
        name: min(samples, key=lambda sample: abs(sample[0] - part * seconds))[1:]
        for name, part in wanted.items()
    }
    return {name: [round(size, 1) for size in sizes] for name, sizes in found.items()}


def publish(passages: Path, communities: Path) -> None:
    """A new version of both: without their first passage, and with one more edge."""
    with PassageIndex.open(passages) as index:
        index.delete([next(iter(index)).id])
    with CommunityIndex.open(communities) as index:
        last = index.vertices[len(index) - 1]
        new = last + 1 if isinstance(last, int) else f"{last}+"
        index.add_edges([(new, last), (new, index.vertices[0])])


def questions() -> list[str]:
    """The questions of 2WikiMultiHopQA; plain ones where they are absent."""
    from graphagg.rag.documents.rows import read_json_lines

    path = DATA / "2wikimultihopqa" / "questions.jsonl.gz"
    if not path.exists():
        return ["Who lived in London?", "On which river does the city lie?", "Who wrote it?"]
    return [record["question"] for record, _ in read_json_lines(path)]


def run(report: Report) -> None:
    """For the common report, on small indices that are built here."""
    from graphagg.rag import read_passages

    report.heading("Service: 50 clients for 20 s on the demo's passages and a generated graph")
    demo = Path(__file__).parents[1] / "graphagg" / "rag" / "demo"
    generator = np.random.default_rng(0)
    edges = generator.zipf(1.6, size=(400_000, 2)) % 100_000
    with tempfile.TemporaryDirectory() as folder:
        passages, communities = Path(folder) / "passages", Path(folder) / "communities"
        PassageIndex.build(read_passages(demo / "passages.jsonl"), passages).close()
        CommunityIndex.build(edges[edges[:, 0] != edges[:, 1]], communities).close()
        found = run_load(Load(passages, communities, seconds=20, questions=questions()))
    rows = [(name, value) for name, value in found.items() if not isinstance(value, dict | list)]
    for group in ("latency_ms", "own_and_mapped_mib"):
        rows += [(f"{group} {name}", value) for name, value in found[group].items()]
    report.table(["figure", "value"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--communities", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--mode", default="multihop")
    parser.add_argument("--publish", action="store_true", help="only publish new versions of both")
    chosen = parser.parse_args()
    if chosen.publish:
        publish(chosen.passages, chosen.communities)
        return
    load = Load(
        chosen.passages,
        chosen.communities,
        chosen.seconds,
        chosen.clients,
        chosen.mode,
        questions(),
    )
    json.dump(run_load(load), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
