"""Batched inference: texts of like length together, one thread a batch on a CPU.

Threads that share one small batch wait for each other at every layer: on 2 cores, two batches side
by side on a thread each take 0.7 of the CPU seconds of the same batches on both cores in turn. A
lone question runs on one thread too: as quick, and it does not stall when the other core is busy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH_TOKENS = {"cpu": 1024}  # small batches stay in a core's cache
_BATCH_TOKENS_ELSEWHERE = 65_536
_LARGEST_BATCH = 256

Rows = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


def forward(
    model: SentenceTransformer, texts: Sequence[str], lengths: Rows, prompt: str
) -> Iterator[tuple[Rows, Vectors]]:
    """Embed texts that fit the model's window.

    Args:
        model: in evaluation, on any device, of any dtype.
        texts: `[n]`.
        lengths: `[n]` tokens of each; batches hold at most a fixed number of tokens.
        prompt: put in front of each text.

    Yields:
        Positions of a batch, `[b]`, and its unit vectors, `[b, d]` float32; longest texts first.
    """
    import torch

    model.eval()
    batches = list(_batches(lengths, _BATCH_TOKENS.get(model.device.type, _BATCH_TOKENS_ELSEWHERE)))
    threads = torch.get_num_threads()

    def prepare(batch: Rows) -> Any:
        return model.preprocess([texts[i] for i in batch], prompt=prompt or None)

    if model.device.type != "cpu" or threads == 1:
        for batch in batches:
            yield batch, _embed(model, prepare(batch))
        return
    workers = max(1, min(threads, len(batches)))
    pending: deque[tuple[Rows, Future[Vectors]]] = deque()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                for batch in batches:  # the tokenizer is not thread-safe: prepared here
                    pending.append((batch, pool.submit(_embed, model, prepare(batch))))
                    if len(pending) > 2 * workers:
                        first, future = pending.popleft()
                        yield first, future.result()
                while pending:
                    first, future = pending.popleft()
                    yield first, future.result()
            finally:
                for _, future in pending:
                    future.cancel()
    finally:
        torch.set_num_threads(threads)


def _batches(lengths: Rows, budget: int) -> Iterator[Rows]:
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = min(_LARGEST_BATCH, max(1, budget // max(1, int(lengths[order[start]]))))
        yield order[start : start + size]
        start += size


def _embed(model: SentenceTransformer, features: Any) -> Vectors:
    import torch
    from sentence_transformers.util import batch_to_device

    with torch.inference_mode():
        vectors = model(batch_to_device(features, model.device))["sentence_embedding"].float()
        unit: Vectors = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
    return unit
