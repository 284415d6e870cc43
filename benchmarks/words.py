"""`python -m benchmarks.words FOLDER`: answers by words, beside three engines, of the same corpus.

FOLDER is one of `benchmarks.million`: its corpus file, and its index. bm25s, Tantivy and PISA
(`pip install bm25s tantivy pyterrier-pisa`; one that is absent is left out) index titles and texts,
with an English stemmer each, in a process of their own and with one thread. All answer the
questions of 2WikiMultiHopQA, ten hits each, after a round that is not counted. CPU is of the whole
process, the wall time beside it. The engines differ in stemmers, stop words and constants, so that
hits are not compared; that ours are exact is a property of the tests.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.corpora import questions
from benchmarks.measure import cost, in_process, percentiles
from benchmarks.report import print_table
from graphagg import kernels
from graphagg.rag import PassageIndex

_K, _ASKED = 10, 200
Search = Callable[[str], Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.words", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    rows = []
    for name, (module, function) in ENGINES.items():
        if find_spec(module) is None:
            print(f"{name} is left out: {module} is not installed")
        else:
            rows.append([name, *(in_process(function, folder=folder) or ["failed"])])
    print_table(["engine", "CPU ms p50 / p99", "wall ms", "index, CPU s", "MB"], rows)


def graphagg(folder: str) -> list[str]:
    """Mode `bm25` of the index that is there; its size is of the whole index."""
    index, kernels.SMALL = Path(folder, "idx"), 0  # compiled, as in a process that serves
    with PassageIndex.open(index) as opened:
        return _asked(lambda text: opened.retrieve(text, _K, mode="bm25"), None, index)


def bm25s(folder: str) -> list[str]:
    """bm25s as its README has it: all scores of a question are added up."""
    import bm25s as library
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    options: Any = {"stemmer": stemmer, "stopwords": "en", "show_progress": False}
    engine = library.BM25()

    def build() -> None:
        tokens = library.tokenize(list(_texts(folder)), **options)
        engine.index(tokens, show_progress=False)

    def search(text: str) -> Any:
        return engine.retrieve(library.tokenize([text], **options), k=_K, show_progress=False)

    with tempfile.TemporaryDirectory(dir=folder) as out:
        spent = cost(build).cpu
        engine.save(out)
        return _asked(search, spent, Path(out))


def tantivy(folder: str) -> list[str]:
    """Tantivy's Python package: block-max WAND over one merged index."""
    import tantivy as library

    schema = library.SchemaBuilder()
    schema.add_text_field("text", tokenizer_name="en_stem")
    schema.add_unsigned_field("row", stored=True)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        engine = library.Index(schema.build(), path=out)

        def build() -> None:
            writer = engine.writer(heap_size=500_000_000, num_threads=1)
            for row, text in enumerate(_texts(folder)):
                writer.add_document(library.Document(text=text, row=row))
            writer.commit()
            writer.wait_merging_threads()
            engine.reload()

        spent = cost(build).cpu
        searcher = engine.searcher()

        def search(text: str) -> Any:
            plain = "".join(c if c.isalnum() else " " for c in text)
            query = engine.parse_query(plain, ["text"])
            hits = searcher.search(query, _K, count=False).hits
            return [searcher.doc(address)["row"] for _, address in hits]

        return _asked(search, spent, Path(out))


def pisa(folder: str) -> list[str]:
    """PISA by way of PyTerrier: block-max WAND over SIMD-BP128 postings."""
    import pandas as pd
    from pyterrier_pisa import PisaIndex

    out = Path(folder, "pisa")
    shutil.rmtree(out, ignore_errors=True)
    options: Any = {"stemmer": "porter2", "threads": 1, "text_field": "text"}
    engine = PisaIndex(str(out), overwrite=True, **options)

    def build() -> None:
        engine.index({"docno": str(i), "text": text} for i, text in enumerate(_texts(folder)))

    spent = cost(build).cpu
    ranker = engine.bm25(num_results=_K, threads=1, verbose=False)

    def search(text: str) -> Any:
        return ranker(pd.DataFrame([{"qid": "1", "query": text}]))

    try:
        return _asked(search, spent, out)
    finally:
        shutil.rmtree(out, ignore_errors=True)


ENGINES: dict[str, tuple[str, Callable[..., Any]]] = {
    "graphagg": ("graphagg", graphagg),
    "bm25s": ("bm25s", bm25s),
    "Tantivy": ("tantivy", tantivy),
    "PISA": ("pyterrier_pisa", pisa),
}
"""The package and the function of each engine."""


def _texts(folder: str) -> Iterator[str]:
    with Path(folder, "corpus.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            passage = json.loads(line)
            yield f"{passage['title']} {passage['text']}"


def _asked(search: Search, built: float | None, index: Path) -> list[str]:
    texts = [question.text for question in questions("2wiki", "test", _ASKED)]
    for text in texts:
        search(text)
    costs = [cost(partial(search, text)) for text in texts]
    size = sum(path.stat().st_size for path in index.rglob("*") if path.is_file())
    cpu, wall = (percentiles([1000 * each[i] for each in costs]) for i in (0, 1))
    return [cpu, wall, "" if built is None else f"{built:.0f}", f"{size / 1e6:.0f}"]


if __name__ == "__main__":
    main()
