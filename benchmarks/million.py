"""`python -m benchmarks.million FOLDER`: an index of a corpus file of any size, in bounded memory.

The file holds the passages of 2WikiMultiHopQA again and again (`benchmarks.profiles.copies_of`):
each copy has names of its own, made of syllables, and another word of the corpus in every tenth
place of four letters or more. It is written until it has so many megabytes (`--megabytes`) or
passages, and the same numbers give the same bytes.

`graphagg rag index FILE` builds in a process of its own; on Linux as root with control groups of
version 1, in a group that is limited to `--limit-mib`, the file cache counted. Then questions are
asked of it: the first one in a new process after the file cache was dropped as far as this process
may, then all of the set twice. Times are CPU seconds, the wall time beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from benchmarks.corpora import passages_of, questions
from benchmarks.profiles import bytes_of, copies_of
from graphagg.rag import PassageIndex
from graphagg.rag.profile import PROFILES

_SET = "2wiki"
_GROUPS = Path("/sys/fs/cgroup/memory")
_ASKED = 200


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("folder", type=Path, help="where corpus and index go")
    parser.add_argument("--megabytes", type=float, help="size of the corpus file")
    parser.add_argument("--passages", type=int, help="passages of it, in place of its size")
    parser.add_argument("--profile", default="fast", choices=PROFILES)
    parser.add_argument("--limit-mib", type=int, help="memory that the build may take")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    corpus, index = given.folder / "corpus.jsonl", given.folder / "idx"
    count = write_corpus(corpus, given.megabytes, given.passages)
    print(f"{count:,} passages, {corpus.stat().st_size / 1e6:,.0f} MB of JSON lines", flush=True)
    _built(corpus, index, given.profile, given.limit_mib)
    print(f"bytes a passage: {bytes_of(index, count)}", flush=True)
    for line in (_first_question(index), *_warm_questions(index)):
        print(line, flush=True)


def write_corpus(path: Path, megabytes: float | None, passages: int | None) -> int:
    """Write copies of the set until the file is large enough; how many passages it has."""
    wanted = float("inf") if megabytes is None else megabytes * 1e6
    most = float("inf") if passages is None else passages
    if wanted == most:
        raise SystemExit("give --megabytes or --passages")
    size = count = 0
    with path.open("wb") as file:
        for passage in copies_of(list(passages_of(_SET)), sys.maxsize):
            fields = {"id": passage.id, "title": passage.title, "text": passage.text}
            size += file.write(json.dumps(fields).encode() + b"\n")
            count += 1
            if size >= wanted or count >= most:
                return count
    raise AssertionError("there are copies enough")


def _built(corpus: Path, index: Path, profile: str, limit: int | None) -> None:
    command = [
        sys.executable, "-m", "benchmarks.million_build", str(corpus), str(index), profile,
    ]  # fmt: skip
    with _limited(limit) as group:
        environment = {**os.environ, "MEMORY_GROUP": "" if group is None else str(group)}
        subprocess.run(command, check=True, env=environment)
        if group is not None:
            peak = int((group / "memory.max_usage_in_bytes").read_text())
            print(f"peak of the group, file cache counted: {peak / 2**20:,.0f} MiB", flush=True)


@contextmanager
def _limited(mebibytes: int | None) -> Iterator[Path | None]:
    """Context manager: a control group with a limit of memory; None where none is asked for."""
    if mebibytes is None:
        yield None
        return
    group = _GROUPS / f"graphagg-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise SystemExit(f"no control group of version 1 can be made ({error})") from None
    try:
        (group / "memory.limit_in_bytes").write_text(str(mebibytes << 20))
        yield group
    finally:
        with suppress(OSError):
            group.rmdir()


def _first_question(index: Path) -> str:
    for file in sorted(index.rglob("*")):
        if file.is_file():
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    asked = questions(_SET, "test", 1)[0].text
    start = time.perf_counter()
    command = [sys.executable, "-m", "graphagg", "rag", "search", str(index), asked]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (
        f"first question of a new process, cold: {time.perf_counter() - start:.2f} s of wall time"
    )


def _warm_questions(index: Path) -> Iterator[str]:
    asked = [question.text for question in questions(_SET, "test", _ASKED)]
    start = time.perf_counter()
    with PassageIndex.open(index) as opened:
        yield f"opening: {1000 * (time.perf_counter() - start):.0f} ms of wall time"
        for name in ("first", "second"):
            cpu, wall = [], []
            for text in asked:
                begun = time.thread_time(), time.perf_counter()
                opened.retrieve(text, k=5)
                cpu.append(1000 * (time.thread_time() - begun[0]))
                wall.append(1000 * (time.perf_counter() - begun[1]))
            shown = ", ".join(
                f"{kind} {np.percentile(values, 50):.1f} / {np.percentile(values, 99):.1f}"
                for kind, values in (("CPU", cpu), ("wall", wall))
            )
            yield f"{len(asked)} questions, {name} time: p50 / p99 in ms: {shown}"


if __name__ == "__main__":
    main()
