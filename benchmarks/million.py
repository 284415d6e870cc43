"""`python -m benchmarks.million FOLDER`: index a corpus file of any size, in bounded memory.

The file has several copies of the passages of 2WikiMultiHopQA. Each copy has its own names, made
of syllables, and one in ten words of four or more letters is replaced with another word of the
corpus. The file ends at `--megabytes` or `--passages`; the same numbers give the same bytes.

The index is built in a separate process. With `--limit-mib`, as root on Linux with cgroups v1, a
control group limits its memory, including the file cache. Then the index is queried: the first
question runs in a new process after the file cache is dropped (as far as permissions allow), then
all questions of the set run twice in each mode. Times are CPU seconds, with the wall time. `--ask`
queries an existing index, for instance one built by another version of the package.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.measure import ONE_THREAD, Cost, cost, evict, in_process, percentiles, resident
from benchmarks.report import parser_of
from benchmarks.retrieval.corpora import passages_of, questions
from benchmarks.retrieval.profiles import Stages, bytes_of
from graphagg import kernels
from graphagg.rag import Passage, PassageIndex, read_passages
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.profile import PROFILES

_SET = "2wiki"
_GROUPS = Path("/sys/fs/cgroup/memory")
_ASKED = 200
_MODES: tuple[Mode, ...] = ("bm25", "dense", "rrf", "multihop")
_NAME = re.compile(r"\b[^\W\d_a-z][^\W\d_]{2,}\b")
_WORD = re.compile(r"\b[a-z]{4,}\b")
_SYLLABLES = "ba be bi do du fa ga ki la le ma mo na ne po ra ri sa so ta te ti to va ve wo".split()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, help="folder for corpus and index")
    parser.add_argument("--megabytes", type=float, help="size of the corpus file")
    parser.add_argument("--passages", type=int, help="number of passages, instead of a size")
    parser.add_argument("--profile", default="fast", choices=PROFILES)
    parser.add_argument("--limit-mib", type=int, help="memory limit of the build")
    parser.add_argument("--ask", action="store_true", help="query an existing index")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    corpus, index = chosen.folder / "corpus.jsonl", chosen.folder / "idx"
    if not chosen.ask:
        _build(chosen, corpus, index)
    for line in (_first_question(index), *_warm_questions(index)):
        print(line, flush=True)


def _build(chosen: argparse.Namespace, corpus: Path, index: Path) -> None:
    count = write_corpus(corpus, chosen.megabytes, chosen.passages)
    print(f"{count:,} passages, {corpus.stat().st_size / 1e6:,.0f} MB of JSON lines", flush=True)
    with _limited(chosen.limit_mib) as group:
        sizes = in_process(
            build, corpus=corpus, index=index, profile=chosen.profile, group=str(group or "")
        )
        print("peak MiB: resident {:,.0f}, without mapped files {:,.0f}".format(*sizes))
        if group is not None:
            peak = int((group / "memory.max_usage_in_bytes").read_text())
            print(f"peak of the group, file cache counted: {peak / 2**20:,.0f} MiB", flush=True)
    print(f"bytes per passage: {bytes_of(index, count)}", flush=True)


def write_corpus(path: Path, megabytes: float | None, passages: int | None) -> int:
    """Write copies of the set until the file is large enough; return its number of passages."""
    size_limit = float("inf") if megabytes is None else megabytes * 1e6
    most = float("inf") if passages is None else passages
    if size_limit == most:
        raise SystemExit("give --megabytes or --passages")
    size = count = 0
    with path.open("wb") as file:
        for passage in copies_of(list(passages_of(_SET)), sys.maxsize):
            fields = {"id": passage.id, "title": passage.title, "text": passage.text}
            size += file.write(json.dumps(fields).encode() + b"\n")
            count += 1
            if size >= size_limit or count >= most:
                return count
    raise AssertionError("the copies never end")


def build(corpus: str, index: str, profile: Any, group: str) -> list[float]:
    """Build in this process, in control group `group` if it is not empty; print the stages.

    Returns:
        Peaks in MiB: of all resident memory, including mapped files, and of anonymous memory.
    """
    if group:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    stages, private = Stages(), [0]

    def watch() -> None:
        while True:
            private[0] = max(private[0], resident("RssAnon"))
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True).start()
    stages.begin()
    spent = cost(
        lambda: PassageIndex.build(
            read_passages(corpus),
            index,
            chunking=None,
            profile=profile,
            progress=stages,
            force=True,
        ).close()
    )
    print(f"CPU s {stages}; wall s {spent.wall:.0f}", file=sys.stderr, flush=True)
    return [resident("VmHWM") / 2**20, private[0] / 2**20]


@contextmanager
def _limited(mebibytes: int | None) -> Iterator[Path | None]:
    """Context manager: a control group with a memory limit; None without a limit."""
    if mebibytes is None:
        yield None
        return
    group = _GROUPS / f"graphagg-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise SystemExit(f"cannot create a control group (cgroups v1): {error}") from None
    try:
        (group / "memory.limit_in_bytes").write_text(str(mebibytes << 20))
        yield group
    finally:
        with suppress(OSError):
            group.rmdir()


def _first_question(index: Path) -> str:
    text = questions(_SET, "test", 1)[0].text
    search = ["-m", "graphagg", "rag", "search", str(index), text]
    imports = ["-c", "import graphagg.cli.main, graphagg.cli.rag.search, graphagg.rag.index"]
    options: Any = {"check": True, "stdout": subprocess.DEVNULL, "env": os.environ | ONE_THREAD}

    def run(command: Sequence[str]) -> Cost:
        run_it = partial(subprocess.run, [sys.executable, *command], **options)
        return cost(run_it, _of_children)

    run(imports)  # so that Python's bytecode is cached
    evict(index)
    sides = {"cold": search, "warm": search, "imports alone": imports}
    costs = {name: run(command) for name, command in sides.items()}
    shown = [f"{name} {each.cpu:.2f} / {each.wall:.2f}" for name, each in costs.items()]
    return f"first question of a new process, CPU / wall s: {', '.join(shown)}"


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _warm_questions(index: Path) -> Iterator[str]:
    texts = [question.text for question in questions(_SET, "test", _ASKED)]
    kernels.Kernel.small_rows = 0  # so that nothing compiles while the clock runs
    opening = cost(lambda: PassageIndex.open(index))
    yield f"opening: {1000 * opening.wall:.0f} ms of wall time"
    with opening.result as opened:
        for mode, name in product(_MODES, ("first", "second")):
            costs = [
                cost(partial(opened.retrieve, text, k=5, mode=mode), time.thread_time)
                for text in texts
            ]
            cpu, wall = (percentiles([1000 * c[i] for c in costs], 1) for i in (0, 1))
            yield f"{mode}, {len(texts)} questions, {name} time, ms p50 / p99: {cpu}, wall {wall}"
        yield f"resident: {resident('VmRSS') / 2**20:,.0f} MiB"


def copies_of(passages: Sequence[Passage], copies: int) -> Iterator[Passage]:
    """Yield copies of passages: the first copy unchanged, later ones with other names and words."""
    words = sorted({word for p in passages[:2000] for word in _WORD.findall(p.text)})
    for copy in range(copies):
        names: dict[str, str] = {}

        def name(match: re.Match[str], copy: int = copy, names: dict[str, str] = names) -> str:
            if match[0] not in names:
                digest = hashlib.sha256(f"{copy} {match[0]}".encode()).digest()
                count = 2 + digest[0] % 2
                made = "".join(_SYLLABLES[byte % len(_SYLLABLES)] for byte in digest[1 : 1 + count])
                names[match[0]] = made.capitalize() + match[0][-2:].lower()
            return names[match[0]]

        def word(match: re.Match[str], copy: int = copy) -> str:
            digest = hashlib.sha256(f"{copy} {match.start()} {match[0]}".encode()).digest()
            if digest[0] % 10:
                return match[0]
            return words[int.from_bytes(digest[1:5], "big") % len(words)]

        for passage in passages:
            if not copy:
                yield passage
                continue
            title, text = (_NAME.sub(name, part) for part in (passage.title, passage.text))
            yield replace(
                passage, id=f"{passage.id}~{copy}", title=title, text=_WORD.sub(word, text)
            )


if __name__ == "__main__":
    main()
