"""Encoding of passages, and FAISS's inverted file, on a device beside the CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

PASSAGES, SMALL_PASSAGES = 20_000, 64
VECTORS, SMALL_VECTORS = 1_000_000, 5_000
WIDTH, QUERIES = 384, 256


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


def inverted_file(device: str) -> Iterator[dict[str, Any]]:
    """Seconds of a search for the nearest 100, and what share both find."""
    import faiss

    rng = np.random.default_rng(0)
    count = SMALL_VECTORS if device == "cpu" else VECTORS
    vectors = rng.standard_normal((count, WIDTH), dtype=np.float32)
    faiss.normalize_L2(vectors)
    cells = int(4 * count**0.5)
    index = faiss.index_factory(WIDTH, f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[: 40 * cells])
    index.add(vectors)
    index.nprobe = 16
    queries = vectors[:QUERIES]
    places = {"cpu": index}
    if device != "cpu":
        if getattr(faiss, "get_num_gpus", int)() == 0:
            yield {"device": device, "note": "this faiss sees no GPU; faiss-gpu-cu12 does"}
        else:
            places[device] = faiss.index_cpu_to_all_gpus(index)
    known = None
    for where, searched in places.items():
        searched.search(queries[:8], 100)
        began = time.perf_counter()
        _, found = searched.search(queries, 100)
        spent = time.perf_counter() - began
        known = found if known is None else known
        shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), known.tolist(), strict=True)]
        yield {
            "device": where, "vectors": count, "queries a second": round(QUERIES / spent),
            "found on both": f"{np.mean(shared):.1f} of 100",
        }  # fmt: skip
