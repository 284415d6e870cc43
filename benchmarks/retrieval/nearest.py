"""`python -m benchmarks.retrieval.nearest FOLDER PASSAGES ...`: the FAISS index at several sizes.

Vectors are those of profile `fast` for the corpora of `benchmarks.million`, saved in FOLDER. Rows
for all vectors and for the index, over questions of 2WikiMultiHopQA, have milliseconds of thread
CPU with the exact comparison of candidates, recall@10 against all stored vectors, CPU seconds to
build, and bytes per vector. More rows use filters that leave a random share of vectors visible.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.measure import cost, percentiles
from benchmarks.million import copies_of
from benchmarks.report import parser_of
from benchmarks.retrieval.corpora import passages_of, questions
from graphagg.nearest.search import VectorSearch, indexed, measured, to_bytes
from graphagg.nearest.vectors import Queries, encode, map_vectors, products, write_vectors
from graphagg.rag.models.by_name import encoder_of

_SET, _NEAREST, _ENCODED = "2wiki", 10, 10_000
_SHARES = (0.5, 0.1, 0.01, 0.001)

Search = Callable[[Queries], np.ndarray]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    chosen = parser.parse_args(arguments)
    faiss.omp_set_num_threads(1)
    encoder = encoder_of("fast")
    asked, _ = encoder.encode_query([q.text for q in questions(_SET, "test", 200)], [])
    queries = [Queries(vector[None]) for vector in asked]
    for size in chosen.sizes:
        _measure(chosen.folder, size, encoder, queries)


def _vectors(folder: Path, size: int, encoder: Any) -> tuple[Path, np.ndarray]:
    """Return a file of passage vectors, and vectors of the last sentence of every 20th passage."""
    path, of_sentences = (folder / f"{name}-{size}.faiss" for name in ("windows", "sentences"))
    if not of_sentences.exists():
        folder.mkdir(parents=True, exist_ok=True)
        passages, parts = copies_of(list(passages_of(_SET)), size), list[list[np.ndarray]]()
        while (done := sum(len(vectors) for vectors, _ in parts)) < size:
            some = list(itertools.islice(passages, min(_ENCODED, size - done)))
            last = [p.text.split(". ")[-1] or p.text for p in some[::20]]
            parts.append([encode(encoder.encode(t)) for t in ([p.full_text for p in some], last)])
        for file, columns in zip((path, of_sentences), zip(*parts, strict=True), strict=True):
            write_vectors(file, np.concatenate(columns))
    return path, map_vectors(of_sentences)


def _measure(folder: Path, size: int, encoder: Any, queries: Sequence[Queries]) -> None:
    """Print a row for all vectors, the index, and each share that a filter leaves visible."""
    path, sentences = _vectors(folder, size, encoder)
    codes, file = map_vectors(path), folder / "index.faiss"
    exact = np.concatenate([products(codes, query) for query in queries], axis=1).T
    print(f"{size:,} vectors, {len(queries)} questions")
    print("| type | ms p50 / p99 | recall@10 | build, CPU s | bytes per vector |")
    _row("8 bits, all", _by(VectorSearch(path, codes), codes, 40), queries, exact, 0, 1 << 16)

    def build() -> Any:
        index = indexed(codes)
        found = measured(index, path, sentences)
        file.write_bytes(to_bytes(index).data)
        return found

    built = cost(build)
    search, spent = VectorSearch(file, codes, built.result), (built.cpu, file.stat().st_size)
    candidates = built.result.candidates
    title = f"index, {candidates} candidates, stored recall {built.result.recall:.3f}"
    _row(title, _by(search, codes, candidates), queries, exact, *spent)
    for share in _SHARES:
        mask = np.random.default_rng(1).random(size) < share
        hidden = np.where(mask, exact, -np.inf)
        _row(f"{share:.1%} visible", _by(search, codes, candidates, mask), queries, hidden, *spent)


def _by(search: VectorSearch, codes: np.ndarray, n: int, mask: np.ndarray | None = None) -> Search:
    def nearest(query: Queries) -> np.ndarray:
        found = search.nearest(query, n, mask)
        scores = products(codes[found], query)[:, 0]
        return found[np.argsort(-scores, kind="stable")[:_NEAREST]]

    return nearest


def _row(
    name: str,
    search: Search,
    queries: Sequence[Queries],
    exact: np.ndarray,
    spent: float,
    size: int,
) -> None:
    """Print a row; each question runs once before it is timed."""
    costs, shares = list[float](), list[float]()
    for query, scores in zip(queries, exact, strict=True):
        search(query)
        one = cost(lambda q=query: search(q), time.thread_time)
        costs.append(1000 * one.cpu)
        count = min(_NEAREST, int(np.isfinite(scores).sum()))
        least = np.partition(scores, -count)[-count]
        shares.append(float(np.sum(scores[one.result] >= least)) / count)
    times, share = percentiles(costs, 2), min(np.mean(shares), 1.0)
    print(
        f"| {name} | {times} | {share:.3f} | {spent:.1f} | {size / len(exact[0]):.0f} |", flush=True
    )


if __name__ == "__main__":
    main()
