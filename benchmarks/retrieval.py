"""The passage index on 2WikiMultiHopQA: cost by stage, quality, latency, changes, filters, size.

Peers in the same run: for quality BM25, dense retrieval and LinearRAG; for a filter no filter; for
an addition the whole build. `benchmarks.choose --only-report` has the other sets, and
`benchmarks.million` larger ones.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.measure import cost, percentiles, resident
from benchmarks.profiles import Stages
from benchmarks.report import Report
from graphagg.rag import LinearRAGConfig, Passage, PassageIndex, read_passages
from graphagg.rag.config.linearrag import PRESETS
from graphagg.rag.config.modes import Config, Mode
from graphagg.rag.evaluation.measure import RetrievalEvaluation, evaluate
from graphagg.rag.evaluation.questions import GoldQuestion, half, read_questions
from graphagg.rag.modes.protocol import Asked
from graphagg.rag.opened.asking import AnyRetriever
from graphagg.rag.question.request import Request
from tests.conftest import DATA

FOLDER = DATA / "2wikimultihopqa"
ORDER = 7  # seed of the order of passages
HALF = 0  # seed of the halves; constants were chosen on the first, the second is reported
MODES: tuple[Mode, ...] = ("bm25", "dense", "linearrag", "multihop")
LINEARRAG: dict[str, Config] = {
    "LinearRAG": LinearRAGConfig(),
    "preset official-run": PRESETS["official-run"],
    "preset paper": PRESETS["paper"],
}
YEARS = (1900, 2020)  # of the metadata made for the filter


def run(report: Report) -> None:
    report.heading("Passage retrieval (2WikiMultiHopQA, 6,119 passages, 996 questions)")
    if not FOLDER.is_dir():
        report.line(f"skipped: {FOLDER} is absent; set GRAPHAGG_DATA")
        return
    passages = corpus()
    questions = read_questions(FOLDER / "questions.jsonl.gz")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build_seconds = _index(report, passages, root / "idx")
        opening = cost(lambda: PassageIndex.open(root / "idx"))
        report.line(f"opened in {1e3 * opening.wall:.1f} ms (wall), no model\n")
        with opening.result as index:
            _quality(report, index, questions)
            _filter(report, index, questions)
        _addition(report, passages, root / "idx", build_seconds)


def corpus() -> list[Passage]:
    """The passages in a seeded order, with a year and a shelf to filter by."""
    passages = list(read_passages(FOLDER / "passages.jsonl.gz"))
    rng = np.random.default_rng(ORDER)
    order, years = rng.permutation(len(passages)), rng.integers(*YEARS, len(passages))
    return [
        replace(passages[i], metadata={"year": int(year), "shelf": f"s{i % 10}"})
        for i, year in zip(order.tolist(), years.tolist(), strict=True)
    ]


def _index(report: Report, passages: list[Passage], directory: Path) -> float:
    stages = Stages()
    stages.begin()
    PassageIndex.build(passages, directory, chunking=None, progress=stages).close()
    report.line(f"CPU s {stages}")
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    peak = resident("VmHWM") / 2**20
    report.line(f"on disk {size / 2**20:.0f} MiB; peak memory of the process {peak:.0f} MiB")
    return stages.total


def _addition(report: Report, passages: list[Passage], directory: Path, whole: float) -> None:
    """1 % more passages: copies under other ids, so that every name and vector is made again."""
    few = passages[:: len(passages) // 61][:61]
    new = [replace(p, id=f"new-{p.id}", text=f"{p.text} ({p.id} anew)") for p in few]
    deleted = [p.id for p in passages[::100]]
    with PassageIndex.open(shutil.copytree(directory, directory.with_name("changed"))) as index:
        index.add(new[:1])  # loads the models
        index.delete([new[0].id])
        for name, change in (
            (f"add {len(new)}", lambda: index.add(new)),
            (f"delete {len(deleted)}", lambda: index.delete(deleted)),
            ("compact", index.compact),
        ):
            seconds = cost(change).cpu
            report.line(f"{name}: {seconds:.2f} CPU s, {100 * seconds / whole:.1f} % of the build")


def _quality(report: Report, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    test = half(questions, "test", HALF)
    report.line(
        f"{len(test)} questions of the second half (seed {HALF}); constants come from the first\n"
    )
    results = {mode: evaluate(index, test, mode=mode) for mode in MODES}
    _quality_table(report, results)
    kinds = list(results["multihop"].by_type)
    names = ("recall@2", "recall@5", "all_gold@5")
    report.table(
        ["mode", *(f"{kind}: {' / '.join(names)}" for kind in kinds)],
        [
            [
                mode,
                *(" / ".join(f"{result.by_type[k].percent[n]:.1f}" for n in names) for k in kinds),
            ]
            for mode, result in results.items()
        ],
    )
    report.table(
        ["mode", "stage", "CPU ms p50", "p99", "wall ms p50", "p99"],
        [
            [mode, stage, *result.cpu_ms[stage].values(), *result.latency_ms[stage].values()]
            for mode, result in results.items()
            for stage in result.cpu_ms
        ],
    )
    report.line("LinearRAG on all questions\n")
    variants = LINEARRAG.items()
    _quality_table(
        report, {n: evaluate(index, questions, mode="linearrag", config=c) for n, c in variants}
    )


def _quality_table(report: Report, results: dict[str, RetrievalEvaluation]) -> None:
    names = ("recall@2", "recall@5", "recall@10", "all_gold@5")

    def cell(result: RetrievalEvaluation, name: str) -> str:
        low, high = result.overall.intervals[name]
        return f"{result.quality[name]:.1f} [{low:.1f}, {high:.1f}]"

    rows = [[mode, *(cell(result, n) for n in names)] for mode, result in results.items()]
    report.table(["mode", *names], rows)


def _filter(report: Report, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    """Filters that keep a half, and a tenth, beside none; the first question makes the view."""
    texts = [question.text for question in questions[:300]]
    filters = {"a half": {"year": {"gte": sum(YEARS) // 2}}, "a tenth": {"shelf": "s3"}}
    rows = []
    plain = _encoded(index, texts, Request())
    _times(*plain)
    for name, conditions in filters.items():
        request = Request(filter=conditions)
        first = cost(lambda r=request: index.retriever(r), time.thread_time)
        filtered = _encoded(index, texts, request)
        pairs = [(_times(*plain), _times(*filtered)) for _ in range(3)]
        ratio = median(median(b) / median(a) for a, b in pairs)
        rows.append([name, *map(percentiles, pairs[-1]), ratio, 1e3 * first.cpu])
    header = ["filter keeps", "no filter, ms p50 / p99", "filtered", "ratio", "making the view, ms"]
    report.table(header, rows)


def _encoded(
    index: PassageIndex, texts: Sequence[str], request: Request
) -> tuple[AnyRetriever, list[Asked]]:
    retriever = index.retriever(request)
    return retriever, retriever.encode(retriever.read(texts, index.models), index.models)


def _times(retriever: AnyRetriever, asked: Sequence[Asked]) -> list[float]:
    """Thread CPU milliseconds of each answer."""
    return [1e3 * cost(lambda q=q: retriever.answer([q], 5), time.thread_time).cpu for q in asked]
