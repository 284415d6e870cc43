"""Vectors of entity names, to link a name that is in no passage to the closest entity (eq. 3).

They are not stored: the first question that needs them computes and caches them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphagg.arrays import Floats, Ints
from graphagg.errors import InvalidParameter
from graphagg.nearest.vectors import Stack, encode
from graphagg.rag.models.encoder import Encoder, checked
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import or_of
from graphagg.rag.tables.mentions import FOUND

MOST_NAMES = 50_000
"""Maximum number of names to encode for a question: about 25 seconds, 75 MB."""
_LOG = logging.getLogger("graphagg.rag")


@dataclass(frozen=True)
class NameVectors:
    """Vectors `[n, d]` of the names of all entities that the extractor found, ids ascending."""

    entities: Ints
    vectors: Stack

    @classmethod
    def of_index(cls, snapshot: PassageSnapshot, encoder: Encoder) -> NameVectors:
        """Encode the names of an index; raises `InvalidParameter` above `MOST_NAMES`."""
        gazetteer, where = snapshot.gazetteer, snapshot.artifact.directory
        is_found = or_of(gazetteer.pair_flags, np.diff(gazetteer.pair_bounds)) & FOUND
        entities = np.flatnonzero(is_found)
        if len(entities) > MOST_NAMES:
            raise InvalidParameter(
                f"mode 'linearrag': the question has a name that no passage of {where} contains, "
                f"and the index has {len(entities):,} names to compare it with (at most "
                f"{MOST_NAMES:,}); use mode 'multihop'"
            )
        _LOG.warning("%s: encoding %d entity names for mode linearrag", where, len(entities))
        vectors = encoder.encode(gazetteer.keys.take(entities))
        return cls(entities, Stack([encode(checked(encoder, vectors, len(entities)))]))

    def nearest(self, entities: Ints, vectors: Sequence[Floats]) -> list[tuple[int, float]]:
        """Return the most similar of some entities for each vector `[d]`, with its cosine."""
        rows = np.searchsorted(self.entities, entities)
        nearest = []
        for vector in vectors:
            similarities = self.vectors.dots_at(rows, vector[None])[:, 0]
            best = int(similarities.argmax())
            nearest.append((int(entities[best]), float(similarities[best])))
        return nearest
