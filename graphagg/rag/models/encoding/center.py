"""Makes similarities comparable between encoders: subtracts the mean of their vectors.

The vectors of many encoders lie in a narrow cone: two unrelated texts have a cosine of .4
(bge-small-en-v1.5) or .73 (e5-small-v2), but the constants of the formula were chosen for .03. We
subtract the mean vector of a few texts on many subjects, the same texts for every index.

Source: Mu and Viswanath, All-but-the-Top, arXiv 1702.01417; we use only the mean.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np

from graphagg.rag.models.encoding.pooling import Vectors, unit

_NARROW = 0.2  # if the mean cosine of the texts is above this, their mean is subtracted
_FILE = files(__package__).joinpath("texts.tsv")
ROWS = [line.split("\t") for line in _FILE.read_text(encoding="utf-8").splitlines()]
"""Texts on many subjects, and questions about each."""
TEXTS = [text for text, *_ in ROWS]


def center_of(vectors: Vectors) -> Vectors | None:
    """Return the mean of the unit vectors `[n, d]` of `TEXTS`; None unless in a narrow cone."""
    mean: Vectors = vectors.mean(axis=0)
    count = len(vectors)
    cosine = (count * float(mean @ mean) - 1) / (count - 1)  # over pairs of different texts
    return mean if cosine > _NARROW else None


def centered(vectors: Vectors, center: Vectors | None) -> Vectors:
    """Subtract the center from unit vectors `[n, d]` and rescale; zero vectors stay zero."""
    if center is None:
        return vectors
    return np.where(vectors.any(axis=1, keepdims=True), unit(vectors - center), np.float32(0.0))


def known_share(vectors: Vectors) -> float:
    """Measure how well vectors `[n, d]` distinguish passages: (1 - their mean cosine) squared.

    A model with little training in a language maps all its texts to similar vectors: between
    paragraphs the default model has a mean cosine of .02 in English, .22 in German, .48 in Turkish
    and .68 in Vietnamese. Zero vectors (passages that are not legible) are left out.
    """
    read = vectors[vectors.any(axis=1)].astype(np.float64)
    pairs, total = len(read) * (len(read) - 1), read.sum(axis=0)
    mean = (total @ total - (read * read).sum()) / pairs if pairs else 0.0
    return float(1.0 - np.clip(mean, 0.0, 1.0)) ** 2


def centered_sha256(sha256: str) -> str:
    """Return the sha256 that identifies a model with centered vectors."""
    return hashlib.sha256("\n".join([sha256, *TEXTS]).encode()).hexdigest()
