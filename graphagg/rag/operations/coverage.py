"""Postpones hits that repeat their file: after two of a file, a further one must add something.

It adds something if it holds a word of the question that the hits of its file before it lack. A hit
that does not stands behind the hits of other files, among the first `SPREAD`. Scores
stay with the places; the component `repeats` is the difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.question.results import Hit

SPREAD = 10
"""First hits that change places."""
_MOST = 2  # hits of a file that need not add anything


def fills_places(hits: Sequence[Hit]) -> bool:
    """Whether some hits have more than two of one file."""
    return max(Counter(map(_file, hits)).values(), default=0) > _MOST


def postponed_repeats(hits: Sequence[Hit], covers: Array) -> list[Hit]:
    """Hits in the new order; `covers` `[n, t]` is whether each holds each word of the question."""
    held: dict[str, list[Array]] = {}
    first, later = list[Hit](), list[Hit]()
    for hit, own in zip(hits, covers, strict=True):
        before = held.setdefault(_file(hit), [])
        adds = len(before) < _MOST or bool((own > np.max(before, axis=0)).any())
        (first if adds else later).append(hit)
        if adds:
            before.append(own)
    places = zip([*first, *later], hits, strict=True)
    return [hit.with_part("repeats", at.score - hit.score) for hit, at in places]


def _file(hit: Hit) -> str:
    passage = hit.passage
    return str(passage.metadata.get("path") or passage.document or passage.id)
