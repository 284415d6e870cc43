"""Vectors of sentences out of the passage that they stand in ("late chunking").

A model that takes the mean of its tokens' vectors for the vector of a text has read a passage's
sentences when it has read the passage: the vector of a sentence is the mean over the tokens of the
sentence, made a unit vector. So one forward pass gives both, and a sentence that says "she" is near
to whom the passage is about.

Method: Guenther et al., Late Chunking, arXiv 2409.04701. Departure: a sentence of a passage longer
than the model's window is taken from the first window that it lies in whole, and else from all
windows that hold a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.rag.models.encoding.windows import Window

Vectors = npt.NDArray[np.float32]
Spans = npt.NDArray[np.integer]
"""`[s, 2]`, where the sentences of a text begin and end, in characters."""


class PassageVectors(NamedTuple):
    """The unit vectors of one passage.

    Attributes:
        windows: `[w, d]`, of its windows, at least one.
        sentences: `[s, d]`, of its sentences.
    """

    windows: Vectors
    sentences: Vectors


class Part(NamedTuple):
    """The tokens `first` to `last` of a window, which belong to a sentence."""

    sentence: int
    first: int
    last: int


class SentencePool:
    """Sums up token vectors by sentence; s sentences of one text.

    Which windows come first, and beside which others they were read, changes no bit.

    Args:
        text: the text.
        sentences: where its sentences are.
        windows: its windows, in order.
    """

    def __init__(self, text: str, sentences: Spans, windows: Sequence[Window]) -> None:
        self._count = len(sentences)
        self.parts: list[list[Part]] = [[] for _ in windows]
        """The parts of each window."""
        self._sums: dict[tuple[int, int], Vectors] = {}
        for number, (start, end) in enumerate(sentences.tolist()):
            stripped = text[start:end].strip()
            begin = text.find(stripped, start) if stripped else start
            within = [
                place
                for place, window in enumerate(windows)
                if window.start <= begin and begin + len(stripped) <= window.end
            ]
            for place in within[:1] or range(len(windows)):
                first, last = _tokens_in(windows[place], start, end)
                if first < last:
                    self.parts[place].append(Part(number, first, last))

    def add(self, place: int, tokens: Vectors) -> None:
        """Take the token vectors `[n, d]` of the window number `place`."""
        for sentence, first, last in self.parts[place]:
            self._sums[sentence, place] = tokens[first:last].sum(axis=0)

    def vectors(self, otherwise: Vectors) -> Vectors:
        """The sentences' vectors, `[s, d]`; of one without a token, `otherwise` `[d]`."""
        vectors = np.tile(otherwise.astype(np.float32), (self._count, 1))
        totals: dict[int, Vectors] = {}
        for sentence, place in sorted(self._sums):  # in the order of windows: one order of the sum
            part = self._sums[sentence, place]
            totals[sentence] = totals[sentence] + part if sentence in totals else part
        for sentence, total in totals.items():
            vectors[sentence] = total
        return unit(vectors)


def unit(vectors: Vectors) -> Vectors:
    """Vectors `[n, d]` made as long as 1; each by its own values alone."""
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    scaled: Vectors = vectors / np.maximum(lengths, np.float32(1e-12))
    return scaled


def _tokens_in(window: Window, start: int, end: int) -> tuple[int, int]:
    """The tokens of a window that begin between two places of the text: first and last plus one."""
    begins = window.spans[:, 0]
    inside = np.flatnonzero((begins >= start) & (begins < end))
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
