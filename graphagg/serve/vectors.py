"""Vectors of questions that were asked before: a bounded table, least recently used out first.

A vector depends on the model and the text alone, so an answer is the same with or without it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphagg.progress import Progress, silent
from graphagg.rag.models.encoder import Encoder, WordEncoder, gives_words
from graphagg.rag.models.encoding.pooling import Spans
from graphagg.rag.models.spec import ModelSpec
from graphagg.serve.limits import KEPT

if TYPE_CHECKING:
    from graphagg.rag.models.extractor import EntityExtractor
    from graphagg.rag.modes.protocol import QuestionModels

Vectors = npt.NDArray[np.float32]
_Key = tuple[str, bool | bytes, str]
"""The model, whether a text was a question or where the words of a question are, and the text."""


class QuestionVectors:
    """What an encoder said of questions and of the names in them. For one thread.

    Args:
        kept: vectors at most; 0 keeps none.
        observe: told how many vectors were kept ones, and how many were made.
    """

    def __init__(
        self,
        kept: int = KEPT,
        observe: Callable[[int, int], None] = lambda found, made: None,
    ) -> None:
        self._kept, self._observe = kept, observe
        self._table: OrderedDict[_Key, Vectors] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        """How many vectors are kept."""
        return self._held

    def before(self, models: QuestionModels) -> QuestionModels:
        """The models, with this table before the encoder."""
        return _Models(models, self) if self._kept else models

    def encode(
        self, encoder: Encoder, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """What `encoder.encode_query` gives; only what the table lacks is encoded."""
        model = encoder.spec.sha256
        keys: list[_Key] = [
            *((model, True, text) for text in questions),
            *((model, False, text) for text in names),
        ]
        lacking = [key for key in dict.fromkeys(keys) if key not in self._table]
        new = [[text for _, asked, text in lacking if asked is kind] for kind in (True, False)]
        made: dict[_Key, Vectors] = {}
        if lacking:
            both = encoder.encode_query(*new)
            rows = [row for vectors in both for row in vectors]
            made = dict(zip(lacking, rows, strict=True))  # questions come before names in both
        self._observe(len(keys) - len(lacking), len(lacking))
        found = [made[key] if key in made else self._table[key] for key in keys]
        stacked = np.array(found, np.float32).reshape(len(keys), encoder.dimension)
        self._keep(keys, made)
        return stacked[: len(questions)], stacked[len(questions) :]

    def encode_asked(
        self, encoder: WordEncoder, questions: Sequence[str], words: Sequence[Spans]
    ) -> list[tuple[Vectors, Vectors]]:
        """What `encoder.encode_asked` gives; only what the table lacks is encoded."""
        model = encoder.spec.sha256
        pairs = list(zip(questions, words, strict=True))
        keys: list[_Key] = [(model, places.tobytes(), text) for text, places in pairs]
        lacking = {
            key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self._table
        }
        made: dict[_Key, Vectors] = {}
        if lacking:
            found = encoder.encode_asked(*zip(*lacking.values(), strict=True))
            both = (np.concatenate([vector[None], of_words]) for vector, of_words in found)
            made = dict(zip(lacking, both, strict=True))
        self._observe(len(keys) - len(lacking), len(lacking))
        each = [made[key] if key in made else self._table[key] for key in keys]
        self._keep(keys, made)
        return [(rows[0], rows[1:]) for rows in each]

    def _keep(self, keys: Sequence[_Key], made: dict[_Key, Vectors]) -> None:
        for key, vectors in made.items():
            self._table[key] = vectors.copy()  # a row would hold its whole batch
            self._held += np.atleast_2d(vectors).shape[0]
        for key in keys:
            self._table.move_to_end(key)
        while self._held > self._kept:
            self._held -= np.atleast_2d(self._table.popitem(last=False)[1]).shape[0]


@dataclass(frozen=True)
class _Models:
    models: QuestionModels
    table: QuestionVectors

    def encoder(self) -> Encoder:
        return _Remembering(self.models.encoder(), self.table)

    def extractor(self) -> EntityExtractor:
        return self.models.extractor()


@dataclass(frozen=True)
class _Remembering:
    """An encoder behind the table; texts of the corpus pass it by."""

    inner: Encoder
    table: QuestionVectors

    @property
    def spec(self) -> ModelSpec:
        return self.inner.spec

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        return self.inner.split(texts)

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        return self.inner.encode(texts, progress)

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        return self.table.encode(self.inner, questions, names)

    @property
    def gives_words(self) -> bool:
        return gives_words(self.inner)

    def encode_asked(
        self, questions: Sequence[str], words: Sequence[Spans]
    ) -> list[tuple[Vectors, Vectors]]:
        assert gives_words(self.inner)
        return self.table.encode_asked(self.inner, questions, words)
