"""`python -m benchmarks.retrieval.served_parts`: parts in separate processes against one index.

Uses the indices that `benchmarks.retrieval.parts` built in the folder. Each part runs in a
`graphagg serve`; this process queries all of them, and then the merged index in this process. It
prints wall time and CPU (of all processes) of a question, bytes between the processes, resident
memory, and the number of equal answers. Then 40 clients query a service over the parts while one
part is killed and restarted: failed requests, partial answers, and the time until answers are
complete.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import psutil

from benchmarks.report import parser_of, print_table
from benchmarks.retrieval.corpora import questions
from benchmarks.retrieval.parts import are_equal
from graphagg.rag import PassageIndex, PassageParts
from graphagg.rag.operations.retrieval import Retrieval

CLIENTS = 40


class Process:
    """A `graphagg serve` on a free port."""

    def __init__(self, *places: object, port: int = 0) -> None:
        if not port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
        self.places, self.port, self.url = places, port, f"http://127.0.0.1:{port}"
        options = [word for place in places for word in ("--passages", str(place))]
        command = [sys.executable, "-m", "graphagg", "serve", *options, "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.running = subprocess.Popen([*command, "--lazy", "--no-access-log"], **quiet)
        self.process = psutil.Process(self.running.pid)

    def wait(self) -> None:
        while True:
            try:
                urlopen(f"{self.url}/readyz", timeout=60).close()
                return
            except OSError:
                assert self.running.poll() is None, f"{self.places} cannot be served"
                time.sleep(0.2)

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def stop(self) -> None:
        self.running.kill()
        self.running.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/parts/fast/2wiki-8"))
    parser.add_argument("--set", default="2wiki")
    parser.add_argument("--questions", type=int, default=50, help="maximum number")
    parser.add_argument("--seconds", type=float, default=20.0, help="before and after the kill")
    chosen = parser.parse_args(arguments)
    texts = [question.text for question in questions(chosen.set, "test", chosen.questions)]
    with ExitStack() as stack:
        parts = [Process(folder) for folder in sorted(chosen.folder.glob("part-*"))]
        for each in parts:
            stack.callback(lambda each=each: each.stop())
        for each in parts:
            each.wait()
        before = sum(each.cpu() for each in parts) + time.process_time()
        joined = stack.enter_context(PassageParts.open([each.url for each in parts]))
        spent = sum(each.cpu() for each in parts) + time.process_time() - before
        print(f"opened with {spent:.1f} CPU s of all processes")
        one = stack.enter_context(PassageIndex.open(chosen.folder / "merged"))
        compare({"one index": one, f"{len(parts)} processes": joined}, parts, texts)
        joined.close()
        kill_one(parts, texts, chosen.seconds, stack)


def compare(asked: dict[str, Retrieval], parts: Sequence[Process], texts: Sequence[str]) -> None:
    rows, answers = list[list[object]](), []
    for label, index in asked.items():
        index.retrieve_batch(texts)
        wall, hits = list[float](), []
        cpu, sent = total_cpu(parts), psutil.net_io_counters(pernic=True)["lo"].bytes_sent
        for text in texts:
            begin = time.perf_counter()
            hits.append(index.retrieve(text))
            wall.append(1000 * (time.perf_counter() - begin))
        cpu = 1000 * (total_cpu(parts) - cpu) / len(texts)
        sent = psutil.net_io_counters(pernic=True)["lo"].bytes_sent - sent
        p50, p99 = np.percentile(wall, [50, 99])
        rows.append(
            [label, f"{p50:.0f}", f"{p99:.0f}", f"{cpu:.1f}", f"{sent / len(texts) / 1e3:.0f}"]
        )
        answers.append(hits)
    same = sum(are_equal(*pair) for pair in zip(*answers, strict=True))
    print(f"{same} of {len(texts)} answers are equal")
    print_table(["", "p50 ms", "p99 ms", "CPU ms", "loopback kB"], rows)
    sizes = [each.process.memory_info().rss / 2**20 for each in parts]
    print(f"resident memory of a part: {min(sizes):.0f} to {max(sizes):.0f} MiB")


def total_cpu(parts: Sequence[Process]) -> float:
    return time.process_time() + sum(each.cpu() for each in parts)


def kill_one(
    parts: Sequence[Process], texts: Sequence[str], seconds: float, stack: ExitStack
) -> None:
    service = Process(*(each.url for each in parts))
    stack.callback(service.stop)
    service.wait()
    outcomes, ended = list[tuple[float, str]](), threading.Event()

    def ask(client: int) -> None:
        for turn in range(client, 1 << 30, CLIENTS):
            if ended.is_set():
                return
            body = json.dumps({"question": texts[turn % len(texts)]}).encode()
            request = Request(
                f"{service.url}/v1/passages/search", body, {"content-type": "application/json"}
            )
            try:
                with urlopen(request, timeout=120) as answer:
                    partial = json.load(answer).get("partial", False)
                outcomes.append((time.monotonic(), "partial" if partial else "whole"))
            except HTTPError as error:
                outcomes.append((time.monotonic(), json.load(error)["error"]["type"]))
                time.sleep(1.0)  # as in the header retry-after
            except OSError as error:
                outcomes.append((time.monotonic(), f"failed: {error}"))

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(ask, client) for client in range(CLIENTS)]
        time.sleep(seconds)
        parts[0].stop()
        time.sleep(seconds)
        again, begin = Process(*parts[0].places, port=parts[0].port), time.monotonic()
        stack.callback(again.stop)
        again.wait()
        ready = time.monotonic()
        while not any(at > ready and kind == "whole" for at, kind in outcomes):
            time.sleep(0.1)
        recovered = time.monotonic()
        ended.set()
        for each in clients:
            each.result()
    print(Counter(kind for _, kind in outcomes))
    print(f"ready after {ready - begin:.1f} s, whole after {recovered - ready:.1f} s more")


if __name__ == "__main__":
    main()
