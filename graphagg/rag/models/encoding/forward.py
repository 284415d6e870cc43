"""Model inference; on a CPU the result for a text depends only on that text, to the bit.

The rounding of a float matrix product depends on the shape of the matrix. So each text runs alone,
without padding. Models in 8 bits have exact sums and run several texts together
(`graphagg.rag.models.encoding.bert`). Several batches run in parallel, one thread each; this takes
0.7 of the CPU time of all threads working on one text. A GPU uses padded batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from graphagg.rag.models.encoding.pooling import Vectors
from graphagg.rag.models.encoding.windows import Window

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from threadpoolctl import ThreadpoolController

_ON_GPU = 128  # windows per batch
_WAITING = 8  # maximum number of batches per thread whose results are buffered


class EncodedWindow(NamedTuple):
    """A window after inference."""

    vector: Vectors  # `[d]`, not scaled
    tokens: Vectors | None  # `[n, d]`; None if the model returns none


class Runner(Protocol):
    """Runs windows through a model."""

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Group windows into batches by number of tokens; a batch is a list of window indices."""

    def run(
        self, windows: Sequence[Window], texts: Sequence[str], prompt: str
    ) -> list[EncodedWindow]:
        """Encode a batch of windows; `windows` include the prompt, `texts` do not."""


class ModuleRunner:
    """Runs any sentence-transformers model with PyTorch and its threads."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model.eval()
        self._rows = 1 if model.device.type == "cpu" else _ON_GPU

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Make batches, longest windows first: one window on a CPU, similar lengths on a GPU."""
        order = np.argsort(-np.asarray(lengths, np.int64), kind="stable").tolist()
        return [order[i : i + self._rows] for i in range(0, len(order), self._rows)]

    def run(
        self, windows: Sequence[Window], texts: Sequence[str], prompt: str
    ) -> list[EncodedWindow]:
        """Encode a batch; include token vectors if the model returns them."""
        import torch
        from sentence_transformers.util import batch_to_device

        features = self._model.preprocess(list(texts), prompt=prompt or None)
        with torch.inference_mode():
            output = self._model(batch_to_device(features, self._model.device))
            vectors = output["sentence_embedding"].float().cpu().numpy()
            if "token_embeddings" not in output:
                return [EncodedWindow(vector, None) for vector in vectors]
            masks, tokens = output["attention_mask"].bool().cpu(), output["token_embeddings"]
            return [
                EncodedWindow(vector, rows[mask].numpy())
                for vector, rows, mask in zip(vectors, tokens.float().cpu(), masks, strict=True)
            ]


def forward(
    runner: Runner, windows: Sequence[Window], texts: Sequence[str], prompt: str, threads: int
) -> Iterator[tuple[int, EncodedWindow]]:
    """Run windows through a model, `threads` batches at a time; `texts` exclude the prompt.

    Yields the index of each window and its result, batch by batch.
    """
    batches = runner.batches([len(window.ids) for window in windows])

    def run(batch: list[int]) -> list[EncodedWindow]:
        return runner.run([windows[i] for i in batch], [texts[i] for i in batch], prompt)

    is_parallel = min(threads, len(batches)) > 1  # a thread would add a tenth to a question's time
    size = _WAITING * threads
    with one_thread():
        for start in range(0, len(batches), size):
            some = batches[start : start + size]
            results = _threads(threads).map(run, some) if is_parallel else map(run, some)
            for batch, encoded in zip(some, results, strict=True):
                yield from zip(batch, encoded, strict=True)


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    """Return a thread pool for batches; cached, because new threads would take more memory."""
    return ThreadPoolExecutor(count, "inference")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_threads.cache_clear)


@cache
def _libraries() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit numpy's BLAS to one thread per product (context manager)."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


def thread_count() -> int:
    """Return how many batches run in parallel: `OMP_NUM_THREADS`, else the number of CPUs."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else os.cpu_count() or 1
