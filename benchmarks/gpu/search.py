"""Encoding of passages, and search by FAISS, on a device beside the CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from graphagg.nearest.vectors import Queries

VECTORS, VECTORS_ON_CPU = 1_000_000, 5_000
PASSAGES, SMALL_PASSAGES = 20_000, 64


def encoding(device: str) -> Iterator[dict[str, Any]]:
    """Passages a second by the default encoder; on the CPU a part of them, for comparison."""
    from graphagg.rag import SentenceTransformerEncoder

    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(5000)]
    count = SMALL_PASSAGES if device == "cpu" else PASSAGES
    texts = [" ".join(rng.choice(words, 100)) for _ in range(count)]
    runs = [("cpu", "float32", texts[:SMALL_PASSAGES])]
    if device != "cpu":
        runs += [(device, kind, texts) for kind in ("float32", "bfloat16")]
    known = None
    for where, kind, part in runs:
        encoder = SentenceTransformerEncoder(dtype=kind, device=where)  # type: ignore[arg-type]
        encoder.encode(part[:8])
        began = time.perf_counter()
        vectors = encoder.encode(part)
        spent = time.perf_counter() - began
        known = vectors if known is None else known
        gap = float(np.abs(vectors[: len(known)] - known).max())
        yield {
            "device": where, "type": kind, "passages": len(part), "seconds": round(spent, 2),
            "a second": round(len(part) / spent), "largest difference to the CPU": f"{gap:.1e}",
        }  # fmt: skip


def nearest(device: str) -> Iterator[dict[str, Any]]:
    """Milliseconds a query of FAISS's types, and the share of hits that are those of the CPU."""
    from graphagg.nearest.search import SearchType, to_bytes
    from graphagg.nearest.vectors import Queries, encode, write_vectors

    rng, count = np.random.default_rng(0), VECTORS_ON_CPU if device == "cpu" else VECTORS
    vectors = rng.normal(size=(count, 96)).astype(np.float32)
    codes = encode(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    queries = [Queries(vectors[i : i + 1]) for i in range(0, count, count // 100)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "v.faiss"
        for kind in (None, "IVF64,SQ8"):
            path.write_bytes(to_bytes(SearchType(kind).indexed(codes)).data)
            yield from _timed(kind or "4-bit codes", path, codes, queries, device)
        write_vectors(path, codes)
        yield from _timed("all of 8 bits", path, codes, queries, device)


def _timed(
    name: str, path: Path, codes: np.ndarray, queries: Sequence[Queries], device: str
) -> Iterator[dict[str, Any]]:
    from graphagg.nearest.search import VectorSearch

    known: list[set[int]] = []
    for where in dict.fromkeys(("cpu", device)):
        search = VectorSearch(path, codes, device=where)
        began = time.perf_counter()
        found = [set(search.nearest(query, 10).tolist()) for query in queries]
        spent = 1000 * (time.perf_counter() - began) / len(queries)
        known = known or found
        same = np.mean([len(a & b) / 10 for a, b in zip(known, found, strict=True)])
        yield {
            "type": name, "vectors": len(codes), "device": where, "ms": round(spent, 3),
            "hits of the CPU": round(float(same), 3),
        }  # fmt: skip
