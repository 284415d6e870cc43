"""Texts as sets of shingles: runs of k words, or of k characters, by their 64-bit hashes.

Upper and lower case are one, and so are all ways to space words. A text of fewer than k words or
characters is one shingle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Ints, offsets
from graphagg.kernels import kernel
from graphagg.rag.config.dedup import DedupConfig

Hashes = npt.NDArray[np.uint64]

_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a


class Sets(NamedTuple):
    """The shingles of some texts; text i has the hashes from `bounds[i]` to `bounds[i + 1]`.

    Attributes:
        bounds: `[n + 1]` int64.
        hashes: uint64, ascending and distinct in each text.
    """

    bounds: Ints
    hashes: Hashes

    def of(self, i: int) -> Hashes:
        """The shingles of a text."""
        return self.hashes[self.bounds[i] : self.bounds[i + 1]]


def shingles(texts: Sequence[str], config: DedupConfig) -> Sets:
    """The shingles of texts; a text without a word has none."""
    assert config.length is not None
    if config.shingles == "words":
        encoded = [text.casefold().encode("utf-8", "surrogatepass") for text in texts]
        starts = offsets(list(map(len, encoded)))
        units, bounds = _words(np.frombuffer(b"".join(encoded), dtype=np.uint8), starts)
    else:
        spaced = [" ".join(text.casefold().split()) for text in texts]
        bounds = offsets(list(map(len, spaced)))
        points = "".join(spaced).encode("utf-32-le", "surrogatepass")
        units = np.frombuffer(points, dtype="<u4").astype(np.uint64)
    lengths = np.zeros(len(texts), dtype=np.int64)
    hashes = np.empty(len(units), dtype=np.uint64)
    size = _shingles(units, bounds, config.length, lengths, hashes)
    return Sets(offsets(lengths), hashes[:size])


@kernel
def _words(text: Array, starts: Array) -> tuple[Array, Array]:
    """Hash each word of the texts; returns the hashes and the bounds of each text's words.

    A word is a run of letters and digits, and of all that is not ASCII.
    """
    words = np.empty(len(text) // 2 + len(starts), dtype=np.uint64)
    bounds = np.zeros(len(starts), dtype=np.int64)
    size = 0
    for t in range(len(starts) - 1):
        inside, state = False, _BASIS
        for i in range(starts[t], starts[t + 1]):
            byte = text[i]
            if 48 <= byte <= 57 or 97 <= byte <= 122 or byte >= 128:
                state = (state ^ np.uint64(byte)) * _PRIME
                inside = True
            elif inside:
                words[size] = state
                size += 1
                inside, state = False, _BASIS
        if inside:
            words[size] = state
            size += 1
        bounds[t + 1] = size
    return words[:size], bounds


@kernel
def _mixed(value: Any) -> Any:
    """A bijection of 64 bits that spreads neighboring values (the finalizer of MurmurHash3)."""
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@kernel
def _shingles(units: Array, bounds: Array, length: int, lengths: Array, out: Array) -> int:
    """Write the distinct shingles of each text one after another; returns their number."""
    size = 0
    for t in range(len(bounds) - 1):
        first, end = bounds[t], bounds[t + 1]
        if first == end:
            continue
        count = max(1, end - first - length + 1)
        start = size
        for i in range(count):
            state = _BASIS
            for j in range(first + i, min(first + i + length, end)):
                state = _mixed(state + units[j])
            out[size] = state
            size += 1
        some = out[start:size]
        some.sort()
        kept = start
        for i in range(start, size):
            if i == start or out[i] != out[i - 1]:
                # `kept` never passes `i`; the value before is compared as it was.
                out[kept] = out[i]
                kept += 1
        lengths[t] = kept - start
        size = kept
    return size
