"""Vectors of entity names, by which `linearrag` links a name that no passage holds (eq. 3).

An index has them where it was built for this mode. Else they are computed at the first question
that needs them and kept in memory, up to a number of names that a user waits for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.errors import InvalidParameter
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.packed import pack
from graphagg.rag.tables.segments import Corpus
from graphagg.rag.tables.vectors import Rows, Stack, Vectors

MOST_IN_MEMORY = 50_000
"""Names whose vectors are computed while a question waits: some 25 seconds, 75 MB."""
_LOG = logging.getLogger("graphagg.rag")


@dataclass(frozen=True)
class NameVectors:
    """Vectors of entities' names.

    Attributes:
        vectors: `[n, d]`.
        row: `[E]` which of them is an entity's; -1 for an entity that only titles name.
    """

    vectors: Stack
    row: npt.NDArray[np.int32]

    @classmethod
    def stored(cls, corpus: Corpus, gazetteer: Gazetteer) -> NameVectors:
        """Those of the index."""
        return cls(corpus.name_vectors, gazetteer.name_row)

    @classmethod
    def computed(
        cls,
        gazetteer: Gazetteer,
        found: Array,
        encoder: Callable[[], Encoder],
        where: str,
        packed: bool = True,
    ) -> NameVectors:
        """Those of an index that has none, the same to the bit.

        Args:
            gazetteer: of the index.
            found: ids of the entities that the extractor found, ascending.
            encoder: gives the index's encoder.
            where: the index, for messages.
            packed: whether the index stores vectors as 8-bit integers.

        Raises:
            InvalidParameter: there are more than `MOST_IN_MEMORY`.
        """
        advice = "build it with_linearrag=True (--with-linearrag), and they are kept in the index"
        if len(found) > MOST_IN_MEMORY:
            raise InvalidParameter(
                f"mode 'linearrag': {where} has no vectors of entity names, and with "
                f"{len(found):,} names they cannot be computed for a question (at most "
                f"{MOST_IN_MEMORY:,}); "
                f"{advice}"
            )
        _LOG.warning(
            "%s: encoding %d entity names for mode linearrag; %s", where, len(found), advice
        )
        model = encoder()
        vectors = model.encode(gazetteer.keys.take(found)).reshape(-1, model.dimension)
        row = np.full(len(gazetteer.keys), -1, np.int32)
        row[found] = np.arange(len(found))
        return cls(Stack([pack(vectors) if packed else vectors]), row)

    def dots(self, entities: Rows, queries: Vectors) -> npt.NDArray[np.float32]:
        """Products of entities' vectors with queries `[q, d]`; `[m, q]`."""
        return self.vectors.dots_at(self.row[entities].astype(np.int64), queries)
