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
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.spec import ModelSpec
from graphagg.serve.limits import KEPT

if TYPE_CHECKING:
    from graphagg.rag.models.extractor import EntityExtractor
    from graphagg.rag.modes.protocol import QuestionModels

Vectors = npt.NDArray[np.float32]
_Key = tuple[str, bool, str]


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

    def __len__(self) -> int:
        return len(self._table)

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

    def _keep(self, keys: Sequence[_Key], made: dict[_Key, Vectors]) -> None:
        for key, vector in made.items():
            self._table[key] = vector.copy()  # a row would hold its whole batch
        for key in keys:
            self._table.move_to_end(key)
        while len(self._table) > self._kept:
            self._table.popitem(last=False)


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
