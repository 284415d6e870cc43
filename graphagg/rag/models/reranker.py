"""Rerankers: models that read question and passage together, to reorder the first hits.

The score is added as the component `reranker`: one with scores from -11 to 11 decides nearly alone,
one with scores from 0 to 1 counts like the other components.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from graphagg.checks import shown
from graphagg.errors import InvalidParameter, InvalidScores, needs

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


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


class CrossEncoderReranker:
    """A cross-encoder of sentence-transformers, loaded at first use.

    Args:
        name: name of a model on a hub, or its path.
        device: where it runs: cpu, cuda, ... None: a GPU if there is any.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        InvalidParameter: there is no such model, or it gives more than one score per text.

    Examples:
        >>> CrossEncoderReranker("cross-encoder/ms-marco-MiniLM-L6-v2", device="cpu").name
        'cross-encoder/ms-marco-MiniLM-L6-v2'
    """

    def __init__(self, name: str, *, device: str | None = None) -> None:
        self.name, self._device = name, device
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle name and device: another process loads the model itself."""
        return partial(CrossEncoderReranker, device=self._device), (self.name,)

    def score(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score texts, `[n]`; threads take turns."""
        with self._lock:
            scores = self._model.predict(
                [(question, text) for text in texts], show_progress_bar=False
            )
        return np.asarray(scores, dtype=np.float32)

    @cached_property
    def _model(self) -> CrossEncoder:
        with needs("sentence-transformers", "rag-torch"):
            from sentence_transformers import CrossEncoder
        try:
            model: CrossEncoder = CrossEncoder(self.name, device=self._device)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InvalidParameter(
                f"reranker {self.name!r}: no cross-encoder of this name or path ({reason}); give "
                "the name of one on a hub, or the folder of one"
            ) from None
        if model.num_labels != 1:
            raise InvalidParameter(
                f"reranker {self.name!r}: it gives {model.num_labels} scores per text, wanted one; "
                "give a cross-encoder that was trained to rank"
            )
        return model


def check_reranker(reranker: object) -> None:
    """Raise `InvalidParameter` unless an object can rerank."""
    if isinstance(reranker, Reranker):
        return
    hint = f"CrossEncoderReranker({reranker!r})" if isinstance(reranker, str) else "one"
    raise InvalidParameter(
        f"reranker is a {type(reranker).__name__}, wanted an object with score(question, texts); "
        f"give {hint}"
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
