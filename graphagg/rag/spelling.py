"""How an entity is written where it stands."""

from __future__ import annotations

import numpy as np

from graphagg.rag.corpus import Corpus
from graphagg.rag.gazetteer import Gazetteer, RowTokens


def spelling(corpus: Corpus, gazetteer: Gazetteer, entity: int, row: int) -> str:
    """An entity as a passage writes it first; its key where the passage does not hold it."""
    place = gazetteer.mentions(row)
    mentions = place.start + np.flatnonzero(gazetteer.entity[place] == entity)
    if not len(mentions):
        return gazetteer.keys[entity]
    first, length = int(gazetteer.start[mentions[0]]), int(gazetteer.length[mentions[0]])
    passage = corpus[row]
    spans = RowTokens.of(passage).spans[first : first + length]
    return " ".join(passage.full_text[spans[0][0] : spans[-1][1]].split())
