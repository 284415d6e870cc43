"""Unit vectors for tests."""

from __future__ import annotations

import numpy as np


def unit(rng: np.random.Generator, rows: int, dimension: int) -> np.ndarray:
    matrix = rng.normal(size=(rows, dimension)) + 0.3
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)
