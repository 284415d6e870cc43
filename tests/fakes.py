"""Small stand-ins for the models: deterministic, quick, and rich enough to tell texts apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from graphagg.progress import Progress, silent
from graphagg.rag.entities import Annotation
from graphagg.rag.models import ModelSpec
from graphagg.rag.passages import Passage
from graphagg.rag.tokens import tokenize

CAPITALISED = re.compile(r"[A-Z]\w*(?: [A-Z]\w*)*")


class FakeEncoder:
    """Words hashed into a vector; texts that share words are similar."""

    def __init__(self, name: str = "fake", dimension: int = 16, window: int = 10_000) -> None:
        self.name, self.dimension, self.window = name, dimension, window

    @property
    def spec(self) -> ModelSpec:
        sha256 = hashlib.sha256(self.name.encode()).hexdigest()
        return ModelSpec(self.name, sha256, {"dimension": self.dimension})

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        words = [text.split() for text in texts]
        return [
            [" ".join(w[i : i + self.window]) for i in range(0, max(len(w), 1), self.window)]
            for w in words
        ]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> npt.NDArray[np.float32]:
        vectors = np.stack([self._vector(text) for text in texts]) if texts else np.zeros((0, 16))
        progress("encode", len(texts), len(texts))
        return vectors.astype(np.float32)

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return self.encode(questions), self.encode(names)

    def _vector(self, text: str) -> npt.NDArray[np.float64]:
        total = np.full(self.dimension, 1e-3)
        for word in tokenize(text):
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            total += np.random.default_rng(seed).normal(size=self.dimension)
        return total / np.linalg.norm(total)


class FakeExtractor:
    """Capitalised runs are entities; a full stop ends a sentence."""

    spec = ModelSpec("capitals", "0" * 64)

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        for text in texts:
            ends = [m.end() for m in re.finditer(r"\.(?=\s|$)", text)]
            bounds = sorted({0, *ends, len(text)})
            sentences = tuple(pairwise(bounds))
            mentions = tuple(
                (a + m.start(), a + m.end())
                for a, b in sentences
                for m in CAPITALISED.finditer(text[a:b])
            )
            yield Annotation(sentences, mentions)


CORPUS = [
    Passage("p1", "Ada wrote notes on the Engine. Babbage read them in London.", "Ada"),
    Passage("p2", "The Engine was designed by Babbage. It was never finished.", "Engine"),
    Passage("p3", "London lies on the Thames. Ada lived there.", "London", {"kind": "city"}),
    Passage("p4", "the river flows to the sea, and nobody is named here."),
    Passage("p5", "Thames is a river of London. Ada's house was near it.", "Thames"),
]
