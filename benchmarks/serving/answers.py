"""Answers per second: distinct questions to a passage index, for several ways to serve it.

    python -m benchmarks.serving.answers --passages DIR
    python -m benchmarks.serving.answers --passages DIR --serve "--workers 2" --clients 1,32
    python -m benchmarks.serving.answers --passages DIR --against ../before --against-passages DIR

Each way is served on loopback and queried in turn for a fixed number of answers, and again in the
next round, so that other load on the machine affects all of them. A client sends its next question
after its last answer; no question is repeated. Answers per second and latencies mean little on a
busy machine, so there is also the cost per answer: CPU seconds of the service and its workers, from
`/proc`. Memory is private memory, without the shared pages of the index. `--against ROOT` also
serves each way with the code of another checkout. `two_idle_cores` is the number of answers per
second that this CPU time allows on two cores without any other process, including clients.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.measure import resident
from benchmarks.report import Report, parser_of
from benchmarks.serving.service import DEMO, Client, questions, serving

_WARM = 16  # questions before the clock starts


@dataclass(frozen=True)
class Way:
    """A way to serve: options of `graphagg serve`, and the checkout whose code runs.

    Attributes:
        passages: the index to serve; None: the common one.
    """

    name: str
    options: tuple[str, ...]
    root: Path | None = None
    passages: Path | None = None


@dataclass
class Totals:
    """Sums over the rounds of one way with one number of clients."""

    answers: int = 0
    failures: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    private: list[int] = field(default_factory=list)


def family(process: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    first = psutil.Process(process)
    return [first, *first.children(recursive=True)]


def cpu_of(process: int) -> float:
    """Return the CPU seconds of a process and of its running descendants."""
    return sum(sum(each.cpu_times()[:2]) for each in family(process))


def private_of(process: int) -> list[int]:
    """Return the private memory of each process, in MiB."""
    return [resident("RssAnon", each.pid) >> 20 for each in family(process)]


async def ask(
    port: int, texts: Iterator[str], clients: int, answers: int, totals: Totals, process: int
) -> None:
    """Send questions from several clients until there are `answers`."""
    asked = itertools.count()

    async def one() -> None:
        client = Client(port)
        while next(asked) < answers:
            begin = time.perf_counter()
            status, _ = await client.ask(*_search(texts))
            totals.latencies.append((time.perf_counter() - begin) * 1000)
            totals.answers += status == 200
            totals.failures += status != 200
        client.close()

    begin, cpu = time.perf_counter(), cpu_of(process)
    await asyncio.gather(*(one() for _ in range(clients)))
    totals.seconds += time.perf_counter() - begin
    totals.cpu_seconds += cpu_of(process) - cpu
    totals.private.append(max(private_of(process)))


async def ready(port: int, texts: Iterator[str]) -> None:
    """Wait until the service is ready, and send some questions before the clock starts."""
    client = Client(port)
    while (await client.ask("/readyz"))[0] != 200:
        await asyncio.sleep(0.1)
    for _ in range(_WARM):
        await client.ask(*_search(texts))
    client.close()


def _search(texts: Iterator[str]) -> tuple[str, dict[str, Any]]:
    return "/v1/passages/search", {"question": next(texts), "k": 5}


def shuffled() -> Iterator[str]:
    """Yield distinct questions: first all questions, then each of them with a prefix."""
    every = questions()
    random.Random(0).shuffle(every)
    for number in itertools.count():
        yield from (f"{'Also: ' * number}{question}" for question in every)


def measured(
    passages: Path, ways: Sequence[Way], clients: Sequence[int], answers: int, rounds: int
) -> list[dict[str, Any]]:
    """Return a row for each way and number of clients, over all rounds."""
    totals = {(way.name, count): Totals() for way in ways for count in clients}
    starts: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            served = (way.passages or passages).resolve()
            texts, options = shuffled(), ["--passages", str(served), *way.options]
            with serving(options, way.root) as (process, port):
                asyncio.run(ready(port, texts))
                starts[way.name].append(cpu_of(process.pid))
                for count in clients:
                    into = totals[way.name, count]
                    asyncio.run(ask(port, texts, count, answers, into, process.pid))
                process.send_signal(signal.SIGTERM)
    return [
        {
            "way": name, "clients": count, "answers": each.answers, "failures": each.failures,
            "answers_per_second": round(each.answers / each.seconds, 1),
            "cpu_ms_per_answer": round(1000 * each.cpu_seconds / each.answers, 2),
            "two_idle_cores": round(2 * each.answers / each.cpu_seconds, 1),
            "busy_cores": round(each.cpu_seconds / each.seconds, 2),
            "p50_ms": round(float(np.percentile(each.latencies, 50)), 1),
            "p99_ms": round(float(np.percentile(each.latencies, 99)), 1),
            "private_mib_of_the_largest": max(each.private),
            "start_cpu_seconds": round(float(np.median(starts[name])), 2),
        }
        for (name, count), each in totals.items()
    ]  # fmt: skip


def run(report: Report) -> None:
    """Run on the demo's passages for the common report."""
    from graphagg.rag import PassageIndex, read_passages

    report.heading("Answers: distinct questions to the demo's passages, 1 and 32 clients")
    with tempfile.TemporaryDirectory() as folder:
        PassageIndex.build(read_passages(DEMO), Path(folder) / "idx").close()
        quiet = ("--no-access-log",)
        ways = [Way("one process", quiet), Way("--workers 2", (*quiet, "--workers", "2"))]
        rows = measured(Path(folder) / "idx", ways, (1, 32), answers=100, rounds=1)
    report.table(list(rows[0]), [tuple(row.values()) for row in rows])


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--serve", action="append", help="options of one way; repeat it")
    parser.add_argument("--against", type=Path, help="another checkout, to serve each way too")
    parser.add_argument("--against-passages", type=Path, help="an index that it can open")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    ways = []
    for options in chosen.serve or ["--no-access-log", "--no-access-log --workers 2"]:
        name = options or "no options"
        if chosen.against:
            name_there, split = f"{name} by {chosen.against}", tuple(options.split())
            root = chosen.against.resolve()
            ways.append(Way(name_there, split, root, chosen.against_passages))
        ways.append(Way(name, tuple(options.split())))
    clients = tuple(map(int, chosen.clients.split(",")))
    for row in measured(chosen.passages, ways, clients, chosen.answers, chosen.rounds):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
