"""Several stateless processes that open one version from a store, behind a proxy (Caddy).

    make cluster-tools                    # installs the S3 server; Caddy must be on the path
    python -m benchmarks.serving.fleet INDEX [--processes 4] [--clients 8] [--pause 0]

The index is copied to an S3 server on this machine. Each process has its own cache folder, as on
separate machines. Clients send distinct questions through the proxy all the time: with one process
and with all; while a version is published; while one process is killed; while each is stopped and
restarted in turn (a rolling update); and while the store delays each response by a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.measure import percentiles
from benchmarks.report import Report
from benchmarks.serving.service import Client, questions
from graphagg.rag import Passage, PassageIndex
from graphagg.store.remote.pushing import push
from tests.store_remote.proxy import Faults, faulty
from tests.store_remote.server import Server, serving

PATH = "/v1/passages/search"
PROGRAM = [sys.executable, "-c", "from graphagg.cli.main import main; main()", "serve"]
CADDYFILE = """{{
    admin off
    auto_https off
}}
:{port} {{
    reverse_proxy {upstreams} {{
        lb_policy least_conn
        lb_try_duration 10s
        lb_try_interval 50ms
        lb_retry_match {{
            method GET POST
            path /v1/passages/*
        }}
        fail_duration 2s
        health_uri /readyz
        health_interval 1s
    }}
}}
"""


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Fleet:
    """Processes that serve one address of a store, on fixed ports."""

    address: str
    environment: dict[str, str]
    root: Path
    ports: list[int]
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, port: int) -> None:
        """Start a process with an empty cache."""
        cache = self.root / f"cache-{port}-{time.monotonic_ns()}"
        environment = os.environ | self.environment | {"GRAPHAGG_CACHE": str(cache)}
        options = ["--passages", self.address, "--port", str(port), "--log-level", "error"]
        self.running[port] = subprocess.Popen([*PROGRAM, *options], env=environment)

    def stop(self, port: int, sent: signal.Signals) -> None:
        """Send a signal to a process, and wait until it exits."""
        process = self.running.pop(port)
        process.send_signal(sent)
        process.wait()

    async def ready(self, ports: Sequence[int]) -> float:
        """Return the seconds until all of these ports are ready."""
        begin = time.perf_counter()
        for port in ports:
            await until(lambda port=port: answered(port, "/readyz", lambda body: True))
        return time.perf_counter() - begin

    async def serving(self, version: str) -> float:
        """Return the seconds until all processes serve a version."""
        begin = time.perf_counter()
        for port in self.running:
            await until(
                lambda port=port: answered(
                    port, "/v1/info", lambda body: body["passages"]["version"] == version
                )
            )
        return time.perf_counter() - begin


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Poll every 50 ms until `holds` returns True."""
    while not await holds():
        await asyncio.sleep(0.05)


async def answered(port: int, path: str, right: Callable[[Any], bool]) -> bool:
    """Whether a process responds with status code 200 and a body that passes `right`."""
    client = Client(port)
    with suppress(OSError, EOFError):
        status, body = await client.ask(path)
        client.close()
        return status == 200 and right(json.loads(body))
    return False


class Load:
    """Clients that send questions, each `pause` seconds after its last answer."""

    def __init__(self, port: int, clients: int) -> None:
        self._port, self._clients, self.pause = port, clients, 0.0
        self._asked, self._numbers = questions(), count()

    async def during(self, work: Callable[[], Awaitable[Any]]) -> list[Any]:
        """Send questions while `work` runs; return its time, answers per second and failures."""
        took: list[float] = []
        failed, ended = list[str](), asyncio.Event()

        async def ask() -> None:
            client = Client(self._port)
            while not ended.is_set():
                number = next(self._numbers)
                text = f"{self._asked[number % len(self._asked)]} {number}"
                begin = time.perf_counter()
                try:
                    status, _ = await client.ask(PATH, {"question": text, "k": 5})
                except (OSError, EOFError) as error:
                    failed.append(type(error).__name__)
                    client = Client(self._port)
                    continue
                took.append(1000 * (time.perf_counter() - begin))
                if status != 200:
                    failed.append(str(status))
                await asyncio.sleep(self.pause)
            client.close()

        begin = time.perf_counter()
        asking = [asyncio.create_task(ask()) for _ in range(self._clients)]
        result = await work()
        ended.set()
        await asyncio.gather(*asking)
        rate = len(took) / (time.perf_counter() - begin)
        shown = "" if result is None else f"{result:.1f} s"
        return [
            shown,
            f"{rate:.0f}",
            percentiles(took, 0),
            len(took),
            len(failed),
            set(failed) or "",
        ]


@contextmanager
def proxied(ports: Sequence[int], root: Path) -> Iterator[int]:
    """Context manager: run Caddy as a proxy for some ports; yield its port."""
    port = free_port()
    upstreams = " ".join(f"127.0.0.1:{each}" for each in ports)
    (root / "Caddyfile").write_text(CADDYFILE.format(port=port, upstreams=upstreams))
    command = ["caddy", "run", "--config", str(root / "Caddyfile"), "--adapter", "caddyfile"]
    with (root / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


async def measured(
    fleet: Fleet, port: int, source: Path, server: Server, faults: Faults, chosen: Any
) -> list[list[Any]]:
    """Return the rows of the table."""
    load, first, rows = Load(port, chosen.clients), fleet.ports[0], list[list[Any]]()

    async def row(name: str, work: Callable[[], Awaitable[Any]]) -> None:
        rows.append([name, *await load.during(work)])
        print(*rows[-1], sep=" | ", flush=True)

    async def pause() -> None:
        await asyncio.sleep(chosen.seconds)

    async def publish() -> float:
        with PassageIndex.open(source) as index:
            index.add([Passage(f"new-{time.monotonic_ns()}", "A passage that was published.")])
            version = index.manifest.data
        await asyncio.to_thread(push, source, server.at("idx"))
        return await fleet.serving(version)

    async def kill() -> float:
        fleet.stop(first, signal.SIGKILL)
        await pause()
        fleet.start(first)
        return await fleet.ready([first])

    async def roll() -> float:
        begin = time.perf_counter()
        for each in fleet.ports:
            await asyncio.to_thread(fleet.stop, each, signal.SIGTERM)
            fleet.start(each)
            await fleet.ready([each])
        return time.perf_counter() - begin

    fleet.start(first)
    cold = await fleet.ready([first])
    await until(lambda: answered(port, "/readyz", lambda body: True))
    await row("one process", pause)
    for each in fleet.ports[1:]:
        fleet.start(each)
    await fleet.ready(fleet.ports)
    await asyncio.sleep(2)  # until the proxy knows them
    await row(f"{len(fleet.ports)} processes", pause)
    load.pause = chosen.pause
    await row("a version is published: until the last", publish)
    await row("a process is killed: until it is back", kill)
    await row("rolling update of all", roll)
    faults.hold = lambda *_: time.sleep(1.0)
    await row("slow store, a version is published", publish)
    print(f"a process with an empty cache is ready after {cold:.1f} s")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--pause", type=float, default=0.0, help="pause of a client, from row 3 on")
    chosen = parser.parse_args()
    report, root = Report(Path("build/bench")), Path(tempfile.mkdtemp())
    with ExitStack() as held:
        held.callback(shutil.rmtree, root, ignore_errors=True)
        shutil.copytree(chosen.index, root / "idx")
        (root / "s3").mkdir()
        server = held.enter_context(serving(root / "s3"))
        between, faults = held.enter_context(faulty(server))
        push(root / "idx", server.at("idx"))
        ports = [free_port() for _ in range(chosen.processes)]
        fleet = Fleet("s3://bucket/idx", between.environment, root, ports)
        port = held.enter_context(proxied(ports, root))
        try:
            rows = asyncio.run(measured(fleet, port, root / "idx", server, faults, chosen))
        finally:
            for process in fleet.running.values():
                process.kill()
    columns = ["", "time", "answers/s", "p50 / p99 ms", "answers", "failed", "how"]
    report.heading(f"{chosen.processes} processes, {chosen.clients} clients, one store, Caddy")
    report.table(columns, rows)
    print(f"written: {report.save()}")


if __name__ == "__main__":
    main()
