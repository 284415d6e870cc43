"""An index larger than memory: what a question reads of it, and what it holds beside the files.

The corpora are generated (`generated_corpus`): the index is measured, not its quality. Each
measurement is a process of its own. `cold` means that no file of the index is in the page cache
(`posix_fadvise(DONTNEED)` on each) and that the index is opened anew, so that the first use of
every part is in it. Questions name a passage's title and some of its words, and their vectors are
given: no model runs. Memory is counted beyond a process that has asked a small index the same.

`python -m benchmarks.shards [PASSAGES ...]` measures these sizes; GRAPHAGG_SHARDS is a folder
where the indices are kept between runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import generated_corpus
from benchmarks.report import Report
from graphagg.progress import Progress, silent
from graphagg.rag import PassageIndex
from graphagg.rag.config.modes import Mode
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.modes.linearrag import pagerank
from graphagg.rag.snapshot.dense import DenseIndex
from graphagg.rag.tables.vectors import Vectors

SIZES = (100_000, 300_000, 1_000_000)
MODES: tuple[Mode, ...] = ("multihop", "linearrag", "bm25", "dense")
QUESTIONS, COLD = 200, 30
COMPARED = range(100, 150)  # the limits of the search were chosen by the first 60
LIMIT = 512 << 20  # bytes of private memory beyond the libraries, in the run with a hard limit
_SMALL = 300  # passages of the index that loads libraries and kernels
_TITLE = "What is known of "
_NEAR = 0.5  # length of the random part beside the vector of the passage that is asked for


def run(report: Report, sizes: Sequence[int] = SIZES) -> None:
    report.heading("Passage index larger than memory (generated corpora)")
    kept = os.environ.get("GRAPHAGG_SHARDS")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(kept or folder)
        small = _built(root, _SMALL)
        measured = [(size, _measured(report, small, root, size)) for size in sizes]
    _tables(report, measured)


def _measured(report: Report, small: Path, root: Path, size: int) -> dict[str, dict[str, Any]]:
    directory = _built(root, size)
    with PassageIndex.open(directory) as index:
        counts = index.manifest.counts
        report.line(
            f"{size:,} passages: {counts['entities']:,} entities, {counts['mentions']:,} mentions"
        )
    opened = _child("open", directory, small, root)
    report.line(
        f"opened cold in {opened['ms']:.0f} ms; the process then has {opened['mib']:.0f} MiB"
    )
    asked = root / f"questions-{size}.npz"
    _child("prepare", directory, small, asked)
    found: dict[str, dict[str, Any]] = {
        mode: _child("ask", directory, small, asked, mode) for mode in MODES
    }
    for mode in MODES:
        found[mode]["limited"] = _child("limited", directory, small, asked, mode)["answers"]
        if mode != "bm25":
            found[mode] |= _child("compare", directory, small, asked, mode)
        if found[mode]["limited"] != found[mode]["answers"]:
            raise RuntimeError(f"{mode}: other answers under a limit of memory")
    return found


def _tables(report: Report, measured: Sequence[tuple[int, dict[str, dict[str, Any]]]]) -> None:
    first = [
        [
            f"{size:,}",
            mode,
            f["index_mib"],
            f["open_ms"],
            f["anonymous_mib"],
            f["resident_first_mib"],
            f["resident_mib"],
            f["limit_mib"] if f["limited"] else "failed",
        ]
        for size, modes in measured
        for mode, f in modes.items()
    ]
    report.table(
        [
            "passages",
            "mode",
            "files MiB",
            "open cold, ms wall",
            "memory beside files, MiB",
            "pages after 1 question, MiB",
            f"after {QUESTIONS}, MiB",
            "works under, MiB",
        ],
        first,
    )
    second = [
        [
            f"{size:,}",
            mode,
            *(f[name] for name in ("cold_read_mib", "cold_major", "cold_minor")),
            *(_two(f[name]) for name in ("cold_cpu_ms", "cold_wall_ms", "warm_cpu_ms")),
            f.get("recall", "exact"),
        ]
        for size, modes in measured
        for mode, f in modes.items()
    ]
    report.table(
        [
            "passages",
            "mode",
            "read cold, MiB p50",
            "major faults",
            "minor faults",
            "cold: CPU ms p50 / p99",
            "wall ms",
            "warm: CPU ms",
            "recall@5 against exact search",
        ],
        second,
    )


def _two(pair: Sequence[float]) -> str:
    return f"{pair[0]:.1f} / {pair[1]:.1f}"


def _built(root: Path, size: int) -> Path:
    directory = root / f"generated-{size}"
    generated_corpus.build(size, directory).close()  # nothing to do where it is there
    return directory


# --- in a process of its own ---------------------------------------------------------------------


def _child(
    task: str, directory: Path, small: Path, asked: Path, mode: str = "multihop"
) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.shards", "--child", task, "--mode", mode]
    command += ["--index", str(directory), "--small", str(small), "--asked", str(asked)]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        command, env=os.environ | one, stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


class Given:
    """Stands for both models: knows the vectors and names of the questions."""

    dimension = generated_corpus.DIMENSION

    def __init__(self, texts: Sequence[str], vectors: Vectors, extractor: bool) -> None:
        self._vectors = dict(zip(texts, vectors, strict=True))
        of = generated_corpus.GeneratedAnnotations if extractor else None
        self.spec = (of or generated_corpus.GeneratedVectors).spec
        self._noise = generated_corpus.GeneratedVectors()
        self._last = vectors[0]

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        return [[text] for text in texts]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        return self._noise.encode(texts, progress)

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """A part of a question lies near the question."""
        rows = []
        for text in questions:
            self._last = self._vectors.get(text, self._last)
            near = self._last + 0.3 * self.encode([text])[0] * (text not in self._vectors)
            rows.append(near / np.linalg.norm(near))
        return np.array(rows, np.float32), self.encode(names).reshape(-1, self.dimension)

    def annotate(self, texts: Sequence[str]) -> Any:
        for text in texts:
            name = (len(_TITLE), text.index(":") if ":" in text else len(text))
            yield Annotation(((0, len(text)),), (name,))


def _prepare(index: PassageIndex, path: Path) -> None:
    """Questions for passages drawn by a seed: the title, and words of the text."""
    rng, corpus = np.random.default_rng(5), index.snapshot.corpus
    rows = np.sort(rng.choice(len(corpus), QUESTIONS + COLD, replace=False))
    rng.shuffle(rows)
    texts = []
    for row in rows.tolist():
        passage = corpus[row]
        words = rng.choice(passage.text.replace(".", "").lower().split(), 5, replace=False)
        texts.append(f"{_TITLE}{passage.title}: {' '.join(words)}?")
    vectors = corpus.windows.take(rows)
    noise = rng.normal(size=vectors.shape)
    vectors = vectors + _NEAR * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.savez(path, texts=np.array(texts), vectors=vectors.astype(np.float32))


class Asker:
    """Asks the prepared questions of an index in one mode."""

    def __init__(self, path: Path, mode: Mode) -> None:
        with np.load(path, allow_pickle=False) as stored:
            self.texts, vectors = stored["texts"].tolist(), stored["vectors"]
        self.mode = mode
        self._encoder = Given(self.texts, vectors, extractor=False)
        self._extractor = Given(self.texts, vectors, extractor=True)

    def open(self, directory: Path) -> PassageIndex:
        return PassageIndex.open(directory, encoder=self._encoder, extractor=self._extractor)

    def ask(self, index: PassageIndex, number: int) -> list[str]:
        """Ids of the hits."""
        hits = index.retrieve(self.texts[number], 5, mode=self.mode)
        return [hit.passage.id for hit in hits]


def _open(directory: Path) -> dict[str, float]:
    """How long it takes, with nothing in the page cache, and what the process holds then."""
    _evict(directory)
    start = time.perf_counter()
    with PassageIndex.open(directory):
        ms = 1e3 * (time.perf_counter() - start)
        return {"ms": ms, "mib": _proc("status", "VmRSS") / 2**10}


def _warm_up(asker: Asker, small: Path) -> None:
    with asker.open(small) as index:
        for number in range(3):
            asker.ask(index, number)
    gc.collect()


def _ask(asker: Asker, directory: Path) -> dict[str, Any]:
    before = _anonymous()
    cold = []
    for number in range(QUESTIONS, QUESTIONS + COLD):
        _evict(directory)
        index = asker.open(directory)
        opened = index.snapshot
        cold.append(_costs(lambda n=number, i=index: asker.ask(i, n)))  # type: ignore[misc]
        index.close()
        del index, opened
        gc.collect()
    _evict(directory)
    start = time.perf_counter()
    index = asker.open(directory)
    open_ms = 1e3 * (time.perf_counter() - start)
    answers = [asker.ask(index, 0)]
    first = _resident(directory)
    answers += [asker.ask(index, number) for number in range(1, QUESTIONS)]
    resident, anonymous = _resident(directory), _anonymous() - before
    warm = [_costs(lambda n=n: asker.ask(index, n)) for n in range(QUESTIONS)]  # type: ignore[misc]
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    names = ("cpu_ms", "wall_ms", "read_mib", "major", "minor")
    cold_by = dict(zip(names, np.array(cold).T, strict=True))
    return {
        "index_mib": size / 2**20,
        "open_ms": open_ms,
        "anonymous_mib": anonymous / 2**20,
        "resident_first_mib": first / 2**20,
        "resident_mib": resident / 2**20,
        "answers": answers,
        "limit_mib": LIMIT >> 20,
        "warm_cpu_ms": np.percentile([cost[0] for cost in warm], [50, 99]).tolist(),
        "cold_cpu_ms": np.percentile(cold_by["cpu_ms"], [50, 99]).tolist(),
        "cold_wall_ms": np.percentile(cold_by["wall_ms"], [50, 99]).tolist(),
        **{f"cold_{n}": float(np.median(cold_by[n])) for n in ("read_mib", "major", "minor")},
    }


def _limited(asker: Asker, directory: Path) -> dict[str, Any]:
    """All questions under a hard limit on private memory."""
    limit = _data() + LIMIT
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with asker.open(directory) as index:
        return {"answers": [asker.ask(index, number) for number in range(QUESTIONS)]}


def _compare(asker: Asker, directory: Path) -> dict[str, Any]:
    """Which share of the hits of exact search, and of a walk a hundred times as fine, is found."""
    with asker.open(directory) as index:
        found = [set(asker.ask(index, number)) for number in COMPARED]
        DenseIndex.is_exact = lambda self, rows: True  # type: ignore[method-assign]
        pagerank.EPSILON /= 100
        exact = [set(asker.ask(index, number)) for number in COMPARED]
    shared = sum(len(a & b) for a, b in zip(found, exact, strict=True))
    return {"recall": shared / sum(map(len, exact))}


def _costs(call: Callable[[], object]) -> tuple[float, float, float, int, int]:
    """Thread CPU and wall ms, MiB read from disk, major and minor faults."""
    usage, read = resource.getrusage(resource.RUSAGE_SELF), _read_bytes()
    cpu, wall = time.thread_time(), time.perf_counter()
    call()
    cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (
        1e3 * cpu,
        1e3 * wall,
        (_read_bytes() - read) / 2**20,
        after.ru_majflt - usage.ru_majflt,
        after.ru_minflt - usage.ru_minflt,
    )


def _evict(directory: Path) -> None:
    """Drop the files of an index from the page cache; no process has them mapped."""
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)  # what is not on disk yet cannot be dropped
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def _proc(name: str, key: str) -> int:
    lines = Path(f"/proc/self/{name}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def _read_bytes() -> int:
    return _proc("io", "read_bytes")


def _anonymous() -> int:
    return _proc("smaps_rollup", "Anonymous") << 10


def _data() -> int:
    return _proc("status", "VmData") << 10


def _resident(directory: Path) -> int:
    """Bytes of the index's mapped files that are in memory."""
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            ours = str(directory) in line
        elif ours and line.startswith("Rss:"):
            total += int(line.split()[1]) << 10
    return total


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int)
    parser.add_argument("--child", choices=("open", "prepare", "ask", "limited", "compare"))
    parser.add_argument("--mode", choices=MODES, default="multihop")
    for name in ("index", "small", "asked"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    if not given.child:
        report = Report(Path("build/bench/shards"))
        run(report, given.sizes or SIZES)
        report.save()
        return
    if given.child == "open":
        print(json.dumps(_open(given.index)))
        return
    if given.child == "prepare":
        with PassageIndex.open(given.index) as index:
            _prepare(index, given.asked)
        print(json.dumps({}))
        return
    asker = Asker(given.asked, given.mode)
    _warm_up(asker, given.small)
    tasks = {"ask": _ask, "limited": _limited, "compare": _compare}
    print(json.dumps(tasks[given.child](asker, given.index)))


if __name__ == "__main__":
    _main()
