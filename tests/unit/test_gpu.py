"""What a CUDA device may change: nothing but the time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphagg.rag import Passage, SentenceTransformerEncoder
from graphagg.rag.snapshot import dense as dense_module
from graphagg.rag.snapshot.dense import DenseIndex
from graphagg.rag.snapshot.inverted_file import train
from tests.fakes import FakeEncoder, InMemory

pytestmark = pytest.mark.gpu


def test_search_of_the_inverted_file_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores are exact, hidden rows are left out, and nearly all that the CPU finds is found."""
    faiss = pytest.importorskip("faiss")
    if getattr(faiss, "get_num_gpus", int)() == 0:
        pytest.skip("faiss sees no GPU; install graphagg[rag-gpu] on a machine with one")
    rng = np.random.default_rng(0)
    passages = [
        Passage(f"n{i}", " ".join(f"w{w}" for w in rng.integers(0, 300, 12))) for i in range(5000)
    ]
    index = InMemory.of(passages, FakeEncoder(dimension=64))
    rows, path = np.arange(len(passages)), tmp_path / "passages.faiss"
    train(index.corpus, np.ones(len(passages), bool), path)
    monkeypatch.setattr(dense_module, "FLAT_LIMIT", 500)
    queries = index.corpus.windows.take(rows[:20])
    selections = (rows, rows[rows % 2 > 0])

    def search() -> list[set[int]]:
        searcher, answers = DenseIndex(index.corpus, index.dense.ranks, path), []
        for query in queries:
            exact = index.corpus.similarity(query[None])[:, 0]
            for some in selections:
                found, scores = searcher.search(query, 20, some)
                np.testing.assert_array_equal(scores, exact[found])
                assert len(found) == 20 and set(found.tolist()) <= set(some.tolist())
                answers.append(set(found.tolist()))
        return answers

    on_device = search()
    monkeypatch.setattr(DenseIndex, "_on_gpu", property(lambda self: False))
    shared = sum(len(a & b) for a, b in zip(on_device, search(), strict=True))
    assert shared > 720  # of 800


def test_encoding_on_the_device_equals_the_cpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    texts = [f"Sentence {i} about rivers and cities." for i in range(50)]
    on_cpu = SentenceTransformerEncoder(dtype="float32", device="cpu").encode(texts)
    on_gpu = SentenceTransformerEncoder(dtype="float32", device="cuda").encode(texts)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4)
