"""Encoding of passages on a device beside the CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

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
