"""Writers, readers and kills: what a service of collections keeps, and what its answers cost.

    python -m benchmarks.collections         8 writers, 32 readers, a kill every 40 s, for 5 minutes
    python -m benchmarks.collections --seconds 60 --kill 20
    python -m benchmarks.collections --memory 20 --corpus PASSAGES.jsonl.gz     or a built index

Each writer adds passages of its own to one of three collections, one at a time. After each kill the
service starts again, and what was not acknowledged is deleted, so that the content of every version
that a writer was told is known. At the end each acknowledged passage must be there, and a sample of
answers must equal, with scores, the answers of an index that is built from the content of the
version that they name.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.measure import resident
from benchmarks.service import questions
from graphagg.rag import PassageIndex, read_passages

NAMES = ("rivers", "towns", "people")
SERVE = [sys.executable, "-c", "from graphagg.cli.main import main; main()", "serve"]
_CHECKED = 40  # versions that are rebuilt
_ASKED = 20  # questions to each collection whose memory counts


@dataclass
class Log:
    """What the clients have seen.

    Attributes:
        acknowledged: passages by collection, in the order in which they were committed.
        versions: by collection and version, how many of them it holds.
        answers: collection, version, question, hits and milliseconds.
        pending: ids that were sent and not answered.
    """

    acknowledged: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in NAMES}
    )
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    answers: list[tuple[str, str, str, dict[str, float], float]] = field(default_factory=list)
    pending: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in NAMES})
    lock: threading.Lock = field(default_factory=threading.Lock)


def passage(writer: int, number: int) -> dict[str, Any]:
    """A passage whose words differ from writer to writer."""
    draw = random.Random(f"{writer}/{number}")
    name = "".join(draw.choices("aeioulmnrst", k=6)).title()
    other = "".join(draw.choices("aeioulmnrst", k=6)).title()
    text = f"{name} lies on the {other}. In {draw.randint(1000, 1999)} a bridge was built there."
    return {"id": f"w{writer}-{number}", "text": text, "title": name, "metadata": {"w": writer}}


@contextmanager
def served(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service over a folder, and its address."""
    command = [*SERVE, "--root", str(root), "--port", "0", "--no-access-log", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        yield process, process.stderr.readline().split()[-1]
        process.kill()


def write(client: httpx.Client, log: Log, writer: int, stop: threading.Event) -> None:
    """Add passages one after the other until the service is gone or time is up."""
    name, number = NAMES[writer % len(NAMES)], int(time.time() * 1000)
    while not stop.is_set():
        number += 1
        row = passage(writer, number)
        with log.lock:
            log.pending[name].add(row["id"])
        try:
            path = f"/v1/collections/{name}/passages"
            answer = client.post(path, json={"passages": [row], "replace": True})
        except httpx.HTTPError:
            return
        if answer.status_code == 200:
            told = answer.json()
            with log.lock:
                log.pending[name].discard(row["id"])
                kept = log.acknowledged[name]
                kept.insert(told["passages"] - 1, row)  # acknowledgments may overtake each other
                log.versions[name, told["version"]] = told["passages"]


def read(client: httpx.Client, log: Log, seed: int, stop: threading.Event) -> None:
    """Ask until the service is gone or time is up."""
    draw = random.Random(f"{seed}/{time.time()}")
    while not stop.is_set():
        name = draw.choice(NAMES)
        with log.lock:
            kept = log.acknowledged[name]
            row = draw.choice(kept) if kept else None
        if row is None:
            time.sleep(0.05)
            continue
        question, begin = f"On what does {row['title']} lie?", time.perf_counter()
        try:
            path = f"/v1/collections/{name}/passages/search"
            answer = client.post(path, json={"question": question, "k": 5, "explain": False})
        except httpx.HTTPError:
            return
        if answer.status_code == 200:
            told, took = answer.json(), (time.perf_counter() - begin) * 1000
            hits = {hit["id"]: hit["score"] for hit in told["hits"]}
            with log.lock:
                log.answers.append((name, told["version"], question, hits, took))


def memory_of(pid: int) -> dict[str, int]:
    """Resident MiB of a process: all, its own, and mapped files, which the page cache holds."""
    return {name: resident(name, pid) >> 20 for name in ("VmRSS", "RssAnon", "RssFile")}


def run_once(
    root: Path, log: Log, seconds: float, writers: int, readers: int
) -> list[dict[str, int]]:
    """Serve for some seconds, then kill; returns memory at first and just before."""
    stop = threading.Event()
    with (
        served(root) as (process, url),
        httpx.Client(
            base_url=url, timeout=120, trust_env=False, limits=httpx.Limits(max_connections=100)
        ) as client,
    ):
        for name in NAMES:
            client.post("/v1/collections", json={"name": name, "profile": "fast"})
            gone = sorted(log.pending[name])
            if gone and log.acknowledged[name]:
                body = {"ids": gone, "ignore_missing": True}
                answer = client.post(f"/v1/collections/{name}/passages/delete", json=body)
                assert answer.json()["passages"] == len(log.acknowledged[name]), (
                    f"{name}: {answer.text}, acknowledged {len(log.acknowledged[name])}"
                )
                log.pending[name].clear()
        threads = [
            threading.Thread(target=write, args=(client, log, n, stop)) for n in range(writers)
        ]
        threads += [
            threading.Thread(target=read, args=(client, log, n, stop)) for n in range(readers)
        ]
        for thread in threads:
            thread.start()
        used = [memory_of(process.pid)]
        time.sleep(seconds)
        used.append(memory_of(process.pid))
        process.send_signal(signal.SIGKILL)  # in the middle of a write
        stop.set()
        for thread in threads:
            thread.join()
    return used


def check(root: Path, log: Log) -> dict[str, Any]:
    """Compare with the disk, and answers with rebuilds."""
    lost = 0
    for name in NAMES:
        if not log.acknowledged[name]:
            continue
        with PassageIndex.open(root / name / "passages") as index:
            lost += sum(row["id"] not in index for row in log.acknowledged[name])
    known = [each for each in log.answers if each[:2] in log.versions]
    sample = random.Random(0).sample(sorted({each[:2] for each in known}), k=min(
        _CHECKED, len({each[:2] for each in known})
    ))  # fmt: skip
    compared = wrong = 0
    for name, version in sample:
        rows = log.acknowledged[name][: log.versions[name, version]]
        with tempfile.TemporaryDirectory() as folder:
            with PassageIndex.build(rows, folder, profile="fast") as index:
                for each in known:
                    if each[:2] == (name, version):
                        hits = index.retrieve(each[2], 5)
                        rebuilt = {hit.passage.id: hit.score for hit in hits}
                        compared, wrong = compared + 1, wrong + (rebuilt != each[3])
    return {"acknowledged": sum(map(len, log.acknowledged.values())), "lost": lost,
            "answers": len(log.answers), "versions_rebuilt": len(sample),
            "answers_compared": compared, "answers_wrong": wrong}  # fmt: skip


def _quantiles(log: Log) -> dict[str, float]:
    times = np.array([each[-1] for each in log.answers] or [0.0])
    return {f"p{q}_ms": round(float(np.percentile(times, q)), 1) for q in (50, 99)}


def memory(count: int, corpus: Path, profile: str) -> None:
    """Resident bytes of a service with so many collections of a corpus, each asked 20 questions.

    An index in place of the corpus is copied.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        options: Any = {"profile": profile}
        if corpus.is_dir():
            shutil.copytree(corpus, root / "c0")
        else:
            PassageIndex.build(read_passages(corpus), root / "c0", **options).close()
        for number in range(1, count):
            subprocess.run(["cp", "-r", str(root / "c0"), str(root / f"c{number}")], check=True)
        with (
            served(root) as (process, url),
            httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
        ):
            for number in range(count):
                path = f"/v1/collections/c{number}/passages/search"
                for question in questions()[number * _ASKED : (number + 1) * _ASKED]:
                    answer = client.post(path, json={"question": question})
                    assert answer.status_code == 200, answer.text
                if number in (0, count - 1):
                    used = memory_of(process.pid)
                    print(json.dumps({"collections": number + 1} | used), flush=True)


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--kill", type=float, default=40)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--readers", type=int, default=32)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--profile", default="fast")
    chosen = parser.parse_args()
    if chosen.memory:
        memory(chosen.memory, chosen.corpus, chosen.profile)
        return
    with tempfile.TemporaryDirectory() as folder:
        log, quiet, used = Log(), Log(), list[list[dict[str, int]]]()
        for _ in range(max(int(chosen.seconds // chosen.kill), 1)):
            used.append(run_once(Path(folder), log, chosen.kill, chosen.writers, chosen.readers))
        result = check(Path(folder), log) | _quantiles(log)
        quiet.acknowledged = log.acknowledged
        run_once(Path(folder), quiet, min(chosen.kill, 20), 0, chosen.readers)
        alone = {f"{name}_without_writers": ms for name, ms in _quantiles(quiet).items()}
        print(json.dumps(result | alone | {"kills": len(used), "memory": used}))


if __name__ == "__main__":
    main()
