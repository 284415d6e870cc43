"""Answers a second: distinct questions to a passage index, for several ways to serve it in one run.

    python -m benchmarks.answers --passages DIR
    python -m benchmarks.answers --passages DIR --serve "" --serve "--workers 2" --clients 1,32
    python -m benchmarks.answers --passages DIR --against ../before
    python -m benchmarks.answers --passages DIR --serve "--workers 2" --publish 300

Each way is served on loopback and asked in turn, for a bounded time, and again in the next round,
so that what else the machine does falls on all of them. A client sends its next question when it
has its answer; no question comes twice. Beside answers a second and latencies, which say little on
a machine that is busy otherwise, stands what an answer costs: CPU seconds of the service and its
workers, from `/proc`. Memory is a process's own, without the pages of the index that all share.
`--against ROOT` serves each way by the code of another checkout too. `two_idle_cores` is what two
cores would answer by that CPU time if nothing else ran on them, the clients included.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.report import Report
from benchmarks.service import Client, questions

_PATIENCE = 300  # seconds for an answer, on a busy machine
_SERVE = [sys.executable, "-c", "from graphagg.cli.main import main; main()", "serve"]
_POINTS = 20  # of the curve of memory
_WARM = 16  # questions before the clock runs


@dataclass(frozen=True)
class Way:
    """A way to serve: options of `graphagg serve`, and whose code."""

    name: str
    options: tuple[str, ...]
    root: Path | None = None


@dataclass
class Seen:
    """What one round of one way at one number of clients gave."""

    answers: int = 0
    failures: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    own_mib: list[float] = field(default_factory=list)


def serve(way: Way, passages: Path) -> subprocess.Popen[str]:
    """Start the service; its log goes nowhere but for its first line.

    It starts in the checkout whose code it runs: Python looks into the working folder first.
    """
    environment = dict(os.environ)
    if way.root is not None:
        environment["PYTHONPATH"] = str(way.root)
    command = [*_SERVE, "--passages", str(passages.resolve()), "--port", "0", *way.options]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, cwd=way.root
    )


def port_of(process: subprocess.Popen[str]) -> int:
    """Wait until it listens."""
    assert process.stderr
    line = process.stderr.readline()
    if "serving on" not in line:
        raise RuntimeError(f"the service did not start: {line}{process.stderr.read()}")
    return int(line.rpartition(":")[2])


def family(process: int) -> list[psutil.Process]:
    """A process and those that it started."""
    first = psutil.Process(process)
    return [first, *first.children(recursive=True)]


def cpu_of(process: int) -> float:
    """CPU seconds of a process and of those that it started and that still live."""
    return sum(sum(each.cpu_times()[:2]) for each in family(process))


def own_of(process: int) -> list[float]:
    """Own memory of each process, in MiB."""
    sizes = []
    for each in family(process):
        lines = Path(f"/proc/{each.pid}/status").read_text().splitlines()
        sizes += [int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")]
    return sizes


async def ask(
    port: int, asked: Iterator[str], clients: int, answers: int, seen: Seen, process: int
) -> None:
    """Ask so many questions from so many clients."""
    left = itertools.count()

    async def one() -> None:
        client = Client(port)
        while next(left) < answers:
            body = {"question": next(asked), "top_k": 5}
            begin = time.perf_counter()
            status, _ = await asyncio.wait_for(client.ask("/v1/passages/search", body), _PATIENCE)
            seen.latencies.append((time.perf_counter() - begin) * 1000)
            seen.answers += status == 200
            seen.failures += status != 200
        client.close()

    begin, cpu = time.perf_counter(), cpu_of(process)
    await asyncio.gather(*(one() for _ in range(clients)))
    seen.seconds += time.perf_counter() - begin
    seen.cpu_seconds += cpu_of(process) - cpu
    seen.own_mib.append(max(own_of(process)))


async def ready(port: int, asked: Iterator[str]) -> None:
    """Wait until it is ready, and answer some questions before the clock runs."""
    client = Client(port)
    while (await asyncio.wait_for(client.ask("/readyz", None), _PATIENCE))[0] != 200:
        await asyncio.sleep(0.1)
    for _ in range(_WARM):
        body = {"question": next(asked), "top_k": 5}
        await asyncio.wait_for(client.ask("/v1/passages/search", body), _PATIENCE)
    client.close()


def shuffled(seed: int = 0) -> Iterator[str]:
    """Distinct questions: those that there are, and then each with another beginning."""
    every = questions()
    random.Random(seed).shuffle(every)
    for number in itertools.count():
        yield from (f"{'Also: ' * number}{question}" for question in every)


@dataclass(frozen=True)
class Run:
    """What to measure.

    Attributes:
        passages: the index.
        ways: to serve it.
        clients: at once.
        answers: a round, for each way and number of clients.
        rounds: of all ways.
    """

    passages: Path
    ways: Sequence[Way]
    clients: Sequence[int] = (1, 8, 32)
    answers: int = 200
    rounds: int = 2


def measured(run: Run) -> list[dict[str, Any]]:
    """A row for each way and number of clients, over all rounds."""
    seen = {(way.name, clients): Seen() for way in run.ways for clients in run.clients}
    starts: dict[str, list[float]] = {way.name: [] for way in run.ways}
    stops: dict[str, list[float]] = {way.name: [] for way in run.ways}
    for _ in range(run.rounds):
        for way in run.ways:
            asked = shuffled()
            with serve(way, run.passages) as process:
                try:
                    port = port_of(process)
                    asyncio.run(ready(port, asked))
                    starts[way.name].append(cpu_of(process.pid))
                    for clients in run.clients:
                        found = seen[way.name, clients]
                        asyncio.run(ask(port, asked, clients, run.answers, found, process.pid))
                    begin = time.perf_counter()
                    process.send_signal(signal.SIGTERM)
                    process.wait(_PATIENCE)
                    stops[way.name].append(time.perf_counter() - begin)
                finally:
                    process.kill()
    return [
        {
            "way": name, "clients": clients, "answers": found.answers, "failures": found.failures,
            "answers_a_second": round(found.answers / found.seconds, 1),
            "cpu_ms_an_answer": round(1000 * found.cpu_seconds / found.answers, 2),
            "two_idle_cores": round(2 * found.answers / found.cpu_seconds, 1),
            "busy_cores": round(found.cpu_seconds / found.seconds, 2),
            "p50_ms": round(float(np.percentile(found.latencies, 50)), 1),
            "p99_ms": round(float(np.percentile(found.latencies, 99)), 1),
            "own_mib_of_the_largest": round(max(found.own_mib)),
            "start_cpu_seconds": round(float(np.median(starts[name])), 2),
            "stop_seconds": round(float(np.median(stops[name])), 2),
        }
        for (name, clients), found in seen.items()
    ]  # fmt: skip


def steady(passages: Path, options: Sequence[str], clients: int, seconds: float) -> dict[str, Any]:
    """One way under load for a while, with a publish in the middle: failures, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "passages"
        shutil.copytree(passages, copied)
        with serve(Way("steady", tuple(options)), copied) as process:
            try:
                port = port_of(process)
                found = asyncio.run(_steady(port, process.pid, copied, clients, seconds))
                process.send_signal(signal.SIGTERM)
                process.wait(_PATIENCE)
            finally:
                process.kill()
    return found


async def _steady(
    port: int, process: int, passages: Path, clients: int, seconds: float
) -> dict[str, Any]:
    asked, seen, memory = shuffled(), Seen(), []
    await ready(port, asked)
    begin, versions = time.perf_counter(), set()
    publishing: asyncio.subprocess.Process | None = None
    while (spent := time.perf_counter() - begin) < seconds:
        if publishing is None and spent > seconds / 2:
            publishing = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.answers", "--publish-into", str(passages)
            )
        await ask(port, asked, clients, 4 * clients, seen, process)
        memory.append(round(sum(own_of(process))))
        client = Client(port)
        info = json.loads((await client.ask("/v1/info", None))[1])
        versions.add(info["passages"]["version"])
        client.close()
    assert publishing is not None
    if await publishing.wait() != 0:
        raise RuntimeError("publishing failed")
    half = len(memory) // 2
    return {
        "clients": clients, "seconds": round(spent), "answers": seen.answers,
        "failures": seen.failures, "versions_served": len(versions),
        "own_mib_of_all": {
            "first": memory[0], "middle": memory[half], "last": memory[-1], "most": max(memory),
            "curve": memory[:: -(-len(memory) // _POINTS)],
        },
    }  # fmt: skip


def publish(passages: Path) -> None:
    """A new version, without the first passage."""
    from graphagg.rag import PassageIndex

    with PassageIndex.open(passages) as index:
        index.delete([next(iter(index)).id])


def run(report: Report) -> None:
    """For the common report, on the demo's passages."""
    from graphagg.rag import PassageIndex, read_passages

    demo = Path(__file__).parents[1] / "graphagg" / "rag" / "demo"
    report.heading("Answers: distinct questions to the demo's passages, 1 and 32 clients")
    with tempfile.TemporaryDirectory() as folder:
        PassageIndex.build(read_passages(demo / "passages.jsonl"), Path(folder) / "idx").close()
        ways = [Way("one process", ("--no-access-log",)), _workers(2)]
        rows = measured(Run(Path(folder) / "idx", ways, (1, 32), answers=100, rounds=1))
    report.table(list(rows[0]), [tuple(row.values()) for row in rows])


def _workers(count: int) -> Way:
    return Way(f"--workers {count}", ("--no-access-log", "--workers", str(count)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=Path)
    parser.add_argument("--serve", action="append", help="options of one way; repeat it")
    parser.add_argument("--against", type=Path, help="another checkout; each way by its code too")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--publish", type=float, help="seconds of load with a publish in the middle"
    )
    parser.add_argument("--publish-into", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.publish_into:
        publish(chosen.publish_into)
        return
    given = chosen.serve or ["--no-access-log", "--no-access-log --workers 2"]
    ways = [Way(options or "as it is", tuple(options.split())) for options in given]
    if chosen.against:
        ways = [
            each
            for way in ways
            for each in (Way(f"{way.name} by {chosen.against}", way.options, chosen.against), way)
        ]
    if chosen.publish:
        for way in ways:
            print(json.dumps({"way": way.name, **steady(
                chosen.passages, way.options, 32, chosen.publish)}))  # fmt: skip
        return
    clients = tuple(map(int, chosen.clients.split(",")))
    for row in measured(Run(chosen.passages, ways, clients, chosen.answers, chosen.rounds)):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
