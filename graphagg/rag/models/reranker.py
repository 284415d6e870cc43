"""Rerankers: models that read question and passage together, to reorder the first hits.

The score is added as the component `reranker`: one with scores from -11 to 11 decides nearly alone,
one with scores from 0 to 1 counts like the other components.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from graphagg.checks import shown
from graphagg.errors import InvalidParameter, InvalidScores


@runtime_checkable
class Reranker(Protocol):
    """A model that scores how well texts answer a question; any object with `score`.

    Examples:
        >>> class SharedWords:
        ...     def score(self, question, texts):
        ...         words = set(question.lower().split())
        ...         return [len(words & set(text.lower().split())) for text in texts]
        >>> scores_of(SharedWords(), "capital of Poland", ["Warsaw", "The capital of Poland"])
        array([0., 3.])
    """

    def score(self, question: str, texts: Sequence[str]) -> Any:
        """Score texts: `[n]` finite floats; larger is better. Threads may call it at once."""


def check_reranker(reranker: object) -> None:
    """Raise `InvalidParameter` unless an object can rerank."""
    if isinstance(reranker, Reranker):
        return
    raise InvalidParameter(
        f"reranker is a {type(reranker).__name__}, wanted an object with score(question, texts)"
    )


def scores_of(reranker: Reranker, question: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Score texts, `[n]`; raise `InvalidScores` unless the scores are n finite numbers."""
    if not texts:
        return np.zeros(0)
    returned = reranker.score(question, texts)
    try:
        scores = np.asarray(returned, dtype=np.float64)
    except (TypeError, ValueError):
        scores = np.zeros(0)
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise InvalidScores(
            f"reranker {type(reranker).__name__}: its scores are {shown(returned)}, wanted "
            f"{len(texts)} finite numbers, one per text in their order"
        )
    return scores
