"""An index larger than memory: the bytes a question reads, and the memory beside the files.

The corpora are generated (`generated_corpus`): the index is measured, not its quality. Each
measurement is a process of its own. `cold` means that no file of the index is in the page cache
and that the index is opened anew, so that the first use of every part is in it. Questions name a
passage's title and some of its words, and their vectors are given: no model runs. Memory is counted
beyond a process that has asked a small index the same.

`python -m benchmarks.shards [PASSAGES ...]` measures these sizes; GRAPHAGG_SHARDS is a folder
where the indices are kept between runs.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import generated_corpus
from benchmarks.measure import cost, evict, in_process, percentiles, resident
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
HEADER = (
    "passages", "mode", "memory beside files, MiB", "pages after 1 question, MiB",
    f"after {QUESTIONS}, MiB", "read cold, MiB p50", "cold: CPU ms p50 / p99", "wall ms",
    "warm: CPU ms", "recall@5 against exact search",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int)
    report = Report(Path("build/bench/shards"))
    run(report, parser.parse_args().sizes or SIZES)
    report.save()


def run(report: Report, sizes: Sequence[int] = SIZES) -> None:
    report.heading("Passage index larger than memory (generated corpora)")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.environ.get("GRAPHAGG_SHARDS") or folder)
        small = built(root, _SMALL)
        report.table(HEADER, [row for size in sizes for row in measured(report, small, root, size)])


def measured(report: Report, small: Path, root: Path, size: int) -> list[list[object]]:
    """A row for each mode."""
    directory, questions = built(root, size), root / f"questions-{size}.npz"
    with PassageIndex.open(directory) as index:
        prepare(index, questions)
        counts = index.manifest.counts
    files = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    opened = in_process(open_cold, directory=directory)
    report.line(
        f"{size:,} passages: {counts['entities']:,} entities, {counts['mentions']:,} mentions, "
        f"{files / 2**20:,.0f} MiB of files; opened cold in {opened['ms']:.0f} ms, the process "
        f"then has {opened['mib']:.0f} MiB"
    )
    rows = []
    for mode in MODES:
        given = {"directory": directory, "small": small, "questions": questions, "mode": mode}
        figures = in_process(ask_all, **given)
        if in_process(ask_limited, **given) != figures["answers"]:
            raise RuntimeError(f"{mode}: other answers under a limit of {LIMIT >> 20} MiB")
        recall = "exact" if mode == "bm25" else f"{in_process(compare, **given):.2f}"
        rows.append([f"{size:,}", mode, *figures["row"], recall])
    return rows


def built(root: Path, size: int) -> Path:
    directory = root / f"generated-{size}"
    generated_corpus.build(size, directory).close()  # nothing to do where it is there
    return directory


# --- in a process of its own ---------------------------------------------------------------------


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
        """Vectors of questions; a piece of a question lies near the question."""
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


def prepare(index: PassageIndex, path: Path) -> None:
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

    def __init__(self, path: str, mode: Mode, small: str) -> None:
        with np.load(path, allow_pickle=False) as stored:
            self.texts, vectors = stored["texts"].tolist(), stored["vectors"]
        self.mode = mode
        self._encoder = Given(self.texts, vectors, extractor=False)
        self._extractor = Given(self.texts, vectors, extractor=True)
        with self.open(small) as index:  # loads libraries and kernels
            for number in range(3):
                self.ask(index, number)
        gc.collect()

    def open(self, directory: str) -> PassageIndex:
        return PassageIndex.open(directory, encoder=self._encoder, extractor=self._extractor)

    def ask(self, index: PassageIndex, number: int) -> list[str]:
        """Ask one question. Returns: the ids of the hits."""
        hits = index.retrieve(self.texts[number], 5, mode=self.mode)
        return [hit.passage.id for hit in hits]


def open_cold(directory: str) -> dict[str, float]:
    """Milliseconds with nothing in the page cache, and the size of the process then."""
    evict(Path(directory))
    opening = cost(lambda: PassageIndex.open(directory))
    with opening.result:
        return {"ms": 1e3 * opening.wall, "mib": resident() / 2**20}


def ask_all(directory: str, small: str, questions: str, mode: Mode) -> dict[str, Any]:
    """Cold questions, each with the index opened anew, then all questions warm."""
    asker = Asker(questions, mode, small)
    before, cold = resident("RssAnon"), []
    for number in range(QUESTIONS, QUESTIONS + COLD):
        evict(Path(directory))
        with asker.open(directory) as index:
            read = _read_bytes()
            spent = cost(lambda n=number, i=index: asker.ask(i, n), time.thread_time)
            cold.append((1e3 * spent.cpu, 1e3 * spent.wall, (_read_bytes() - read) / 2**20))
        del index
        gc.collect()
    evict(Path(directory))
    index = asker.open(directory)
    answers = [asker.ask(index, 0)]
    first = _mapped(directory)
    answers += [asker.ask(index, number) for number in range(1, QUESTIONS)]
    sizes = (resident("RssAnon") - before, first, _mapped(directory))
    warm = [
        1e3 * cost(lambda n=n: asker.ask(index, n), time.thread_time).cpu for n in range(QUESTIONS)
    ]
    cpu, wall, read_mib = zip(*cold, strict=True)
    row = [
        *(f"{size / 2**20:.0f}" for size in sizes), float(np.median(read_mib)),
        *(percentiles(times, 1) for times in (cpu, wall, warm)),
    ]  # fmt: skip
    return {"answers": answers, "row": row}


def ask_limited(directory: str, small: str, questions: str, mode: Mode) -> list[list[str]]:
    """All questions under a hard limit on private memory."""
    asker = Asker(questions, mode, small)
    limit = resident("VmData") + LIMIT
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with asker.open(directory) as index:
        return [asker.ask(index, number) for number in range(QUESTIONS)]


def compare(directory: str, small: str, questions: str, mode: Mode) -> float:
    """Share of the hits of exact search, and of a walk a hundred times as fine, that are found."""
    asker = Asker(questions, mode, small)
    with asker.open(directory) as index:
        hits = [set(asker.ask(index, number)) for number in COMPARED]
        DenseIndex.is_exact = lambda self, rows: True  # type: ignore[method-assign]
        pagerank.EPSILON /= 100
        exact = [set(asker.ask(index, number)) for number in COMPARED]
    shared = sum(len(a & b) for a, b in zip(hits, exact, strict=True))
    return shared / sum(map(len, exact))


def _read_bytes() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def _mapped(directory: str) -> int:
    """Bytes of the index's mapped files that are in memory."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            inside = directory in line
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1]) << 10
    return total


if __name__ == "__main__":
    main()
