"""What a CUDA device may change: nothing but the time."""

from __future__ import annotations

import numpy as np
import pytest

from graphagg.rag import SentenceTransformerEncoder
from graphagg.rag.dense import DenseIndex, top_k

pytestmark = pytest.mark.gpu


def test_flat_search_on_the_device_is_exact() -> None:
    faiss = pytest.importorskip("faiss")
    if getattr(faiss, "get_num_gpus", int)() == 0:
        pytest.skip("faiss sees no GPU; install graphagg[rag-gpu] on a machine with one")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = DenseIndex(vectors, np.arange(5001))
    for query in vectors[:10]:
        rows, _ = index.search(query, 20)
        assert rows.tolist() == top_k(index.similarities(query)[:, 0], 20).tolist()


def test_encoding_on_the_device_equals_the_cpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    texts = [f"Sentence {i} about rivers and cities." for i in range(50)]
    on_cpu = SentenceTransformerEncoder(dtype="float32", device="cpu").encode(texts)
    on_gpu = SentenceTransformerEncoder(dtype="float32", device="cuda").encode(texts)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4)
