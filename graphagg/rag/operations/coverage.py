"""Postpones hits that repeat their file: after two of a file, a further one must add something.

It adds something if it holds a word of the question that the hits of its file before it lack. A hit
that does not stands behind the hits of other files, among the first `SPREAD`. Scores
stay with the places; the component `repeats` is the difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.question.results import Hit

SPREAD = 10
"""First hits that change places."""
_MOST = 2  # hits of a file that need not add anything


def add_something(hits: Sequence[Hit], covers: Callable[[], Array]) -> list[bool]:
    """Whether each hit adds something; `covers` `[n, t]` is whether it holds each word asked."""
    if max(Counter(map(_file, hits)).values(), default=0) <= _MOST:
        return [True] * len(hits)
    held: dict[str, list[Array]] = {}
    adding = list[bool]()
    for hit, own in zip(hits, covers(), strict=True):
        before = held.setdefault(_file(hit), [])
        adding.append(len(before) < _MOST or bool((own > np.max(before, axis=0)).any()))
        if adding[-1]:
            before.append(own)
    return adding


def postponed(hits: Sequence[Hit], adding: Sequence[bool]) -> list[Hit]:
    """The hits that add something, then the others."""
    order = sorted(range(len(hits)), key=lambda i: not adding[i])
    places = ((hits[i], hits[place]) for place, i in enumerate(order))
    return [hit.with_part("repeats", at.score - hit.score) for hit, at in places]


def _file(hit: Hit) -> str:
    passage = hit.passage
    return str(passage.metadata.get("path") or passage.document or passage.id)
