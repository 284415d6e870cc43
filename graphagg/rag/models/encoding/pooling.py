"""Vectors of sentences from the token vectors of their passage ("late chunking").

The whole passage is encoded, and the vector of a sentence is the mean of its token vectors, scaled
to unit length. So a sentence with "she" is close to the person named earlier in the passage.

Method: Guenther et al., Late Chunking, arXiv 2409.04701. Departure: in a passage longer than the
model's window, a sentence uses the first window that contains it, else all windows that overlap
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.rag.models.encoding.windows import Window

Vectors = npt.NDArray[np.float32]
Spans = npt.NDArray[np.integer]
"""Start and end of each sentence of a text, `[s, 2]`, in characters."""
NO_SPANS: Spans = np.empty((0, 2), np.int64)


class PassageVectors(NamedTuple):
    """The unit vectors of one passage."""

    windows: Vectors  # `[w, d]`, at least one
    sentences: Vectors  # `[s, d]`


class SentencePool:
    """Sums token vectors by sentence; the result does not depend on the order of the windows."""

    def __init__(self, text: str, sentences: Spans, windows: Sequence[Window]) -> None:
        self._count = len(sentences)
        # Per window: (sentence, first token, last token + 1).
        self._tokens: list[list[tuple[int, int, int]]] = [[] for _ in windows]
        self._sums: dict[tuple[int, int], Vectors] = {}
        for sentence, (start, end) in enumerate(sentences.tolist()):
            stripped = text[start:end].strip()
            begin = text.find(stripped, start) if stripped else start
            containing = [
                i
                for i, window in enumerate(windows)
                if window.start <= begin and begin + len(stripped) <= window.end
            ]
            for i in containing[:1] or range(len(windows)):
                begins = windows[i].spans[:, 0]
                inside = np.flatnonzero((begins >= start) & (begins < end))
                if len(inside):
                    self._tokens[i].append((sentence, int(inside[0]), int(inside[-1]) + 1))

    def add(self, window: int, tokens: Vectors) -> None:
        """Add the token vectors `[n, d]` of the window with this index."""
        for sentence, first, stop in self._tokens[window]:
            self._sums[sentence, window] = tokens[first:stop].sum(axis=0)

    def vectors(self, otherwise: Vectors) -> Vectors:
        """Return the sentence vectors `[s, d]`; `otherwise` for sentences without tokens."""
        vectors = np.tile(otherwise.astype(np.float32), (self._count, 1))
        totals: dict[int, Vectors] = {}
        for sentence, window in sorted(self._sums):  # always add windows in the same order
            window_sum = self._sums[sentence, window]
            totals[sentence] = totals[sentence] + window_sum if sentence in totals else window_sum
        for sentence, total in totals.items():
            vectors[sentence] = total
        return unit(vectors)


def unit(vectors: Vectors) -> Vectors:
    """Scale vectors `[n, d]` to length 1; each result depends on its own row only."""
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    scaled: Vectors = np.divide(vectors, np.maximum(lengths, np.float32(1e-12)))
    return scaled
