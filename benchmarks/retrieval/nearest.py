"""`python -m benchmarks.retrieval.nearest FOLDER PASSAGES ...`: similarity at sizes, beside FAISS.

Vectors are made by profile `fast` for the corpora of `benchmarks.million`, kept in FOLDER. A row
per way: all vectors one by one, inverted lists, FAISS's HNSW, and its IVF with 8 bits. Each
answers the questions of 2WikiMultiHopQA: milliseconds of thread CPU, recall@10 against all vectors,
seconds of CPU to build, and bytes per vector. Then lists under filters that leave a random share of
the vectors visible. The questions only judge `enough`; the deviations of
the lists were chosen among seven settings on sets that hold them.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from graphagg.rag.tables.lists import Lists, labels_of, trained, write_lists
from graphagg.rag.tables.packed import multiply, pack, query_of, unpack

from benchmarks.measure import cost, percentiles
from benchmarks.million import copies_of
from benchmarks.retrieval.corpora import passages_of, questions
from graphagg.rag.models.by_name import encoder_of
from graphagg.store.reading import ArrayFolder

_SET, _NEAREST, _ENCODED = "2wiki", 10, 10_000
_SHARES = (0.5, 0.2, 0.1, 0.05, 0.02)
_EFFORTS = (64, 256, 1024)  # of HNSW
_PROBED = (16, 64)  # one of so many lists of IVF is read

Search = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retrieval.nearest", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--no-peers", action="store_true")
    chosen = parser.parse_args()
    faiss.omp_set_num_threads(1)
    encoder = encoder_of("fast")
    asked, _ = encoder.encode_query([q.text for q in questions(_SET, "test", 200)], [])
    for size in chosen.sizes:
        vectors, sentences = _vectors(chosen.folder, size, encoder)
        measured(chosen.folder, vectors, sentences, asked, not chosen.no_peers)


def _vectors(folder: Path, size: int, encoder: Any) -> tuple[np.ndarray, np.ndarray]:
    """Packed vectors of passages, and of every twentieth one's last sentence."""
    path = folder / f"vectors-{size}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        passages, parts = copies_of(list(passages_of(_SET)), size), []
        while sum(len(vectors) for vectors, _ in parts) < size:
            done = sum(len(vectors) for vectors, _ in parts)
            some = list(itertools.islice(passages, min(_ENCODED, size - done)))
            last = [p.text.split(". ")[-1] or p.text for p in some[::20]]
            parts.append([pack(encoder.encode(t)) for t in ([p.full_text for p in some], last)])
        whole = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
        np.savez(path, vectors=whole[0], sentences=whole[1])
    with np.load(path, allow_pickle=False) as stored:
        return stored["vectors"], stored["sentences"]


def measured(
    folder: Path, vectors: np.ndarray, sentences: np.ndarray, asked: np.ndarray, peers: bool
) -> None:
    """Print a row for each way, and for each share of the vectors that a filter leaves."""
    count = len(vectors)
    products = np.stack([multiply(vectors, query_of(q[None]))[:, 0] for q in asked])
    print(f"{count:,} vectors, {len(asked)} questions")
    print("| way | ms p50 / p99 | recall@10 | build, CPU s | bytes per vector |")

    def all_of(question: np.ndarray) -> np.ndarray:
        return _best(multiply(vectors, query_of(question[None]))[:, 0])

    _row("all", all_of, asked, products, 0.0, vectors.shape[1])
    made = folder / f"lists-{count}"
    made.mkdir(exist_ok=True)

    def build() -> None:
        centroids = trained(vectors)
        write_lists(made, "", vectors, sentences, centroids, labels_of(vectors, centroids))

    spent = cost(build).cpu
    lists = Lists.open(ArrayFolder(made), "")
    assert lists is not None
    size = sum(path.stat().st_size for path in made.iterdir()) / count
    every = np.ones(count, np.bool_)
    name = f"lists: {lists.probe_budget:,} of them, stored recall {lists.recall:.3f}"
    _row(name, lambda q: _by_lists(lists, q, every), asked, products, spent, size)
    for share in _SHARES:
        mask = np.random.default_rng(1).random(count) < share
        hidden = np.where(mask, products, -np.inf)
        search = lambda q, m=mask: _by_lists(lists, q, m)  # noqa: E731
        _row(f"lists, {share:.0%} visible", search, asked, hidden, spent, size)
    if peers:
        _beside(unpack(vectors), asked, products)


def _beside(vectors: np.ndarray, asked: np.ndarray, products: np.ndarray) -> None:
    dimension, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    hnsw = faiss.IndexHNSWFlat(dimension, 32, metric)
    spent = cost(lambda: hnsw.add(vectors)).cpu
    size = len(faiss.serialize_index(hnsw)) / len(vectors)
    for effort in _EFFORTS:
        hnsw.hnsw.efSearch = effort
        name = f"FAISS HNSW32, efSearch {effort}"
        _row(name, lambda q: hnsw.search(q[None], _NEAREST)[1][0], asked, products, spent, size)
    lists = round(4 * len(vectors) ** 0.5)
    kind = faiss.ScalarQuantizer.QT_8bit
    flat = faiss.IndexFlatIP(dimension)
    ivf = faiss.IndexIVFScalarQuantizer(flat, dimension, lists, kind, metric)

    def build() -> None:
        ivf.train(vectors[:: max(1, len(vectors) // (64 * lists))])
        ivf.add(vectors)

    spent = cost(build).cpu
    size = len(faiss.serialize_index(ivf)) / len(vectors)
    for part in (*_PROBED, 4):
        ivf.nprobe = max(1, lists // part)
        name = f"FAISS IVF{lists} SQ8, {ivf.nprobe} lists read"
        _row(name, lambda q: ivf.search(q[None], _NEAREST)[1][0], asked, products, spent, size)


def _by_lists(lists: Lists, question: np.ndarray, visible: np.ndarray) -> np.ndarray:
    windows, products = lists.scan(query_of(question[None]), visible)
    return windows[_best(products)]


def _best(products: np.ndarray) -> np.ndarray:
    count = min(_NEAREST, len(products))
    return np.argpartition(-products, count - 1)[:count]


def _row(
    name: str, search: Search, asked: np.ndarray, products: np.ndarray, spent: float, size: float
) -> None:
    """Print a way's row; every question is asked once before."""
    costs: list[float] = []
    shares = []
    for question, exact in zip(asked, products, strict=True):
        search(question)
        one = cost(lambda q=question: search(q), time.thread_time)
        costs.append(1000 * one.cpu)
        nearest = np.partition(exact, -_NEAREST)[-_NEAREST]
        shares.append(np.mean(exact[one.result] >= nearest))
    times = percentiles(costs, 2)
    print(f"| {name} | {times} | {np.mean(shares):.3f} | {spent:.1f} | {size:.0f} |", flush=True)


if __name__ == "__main__":
    main()
