"""BM25 over the visible passages, with their statistics only.

Robertson and Zaragoza, *The Probabilistic Relevance Framework* (2009), in Lucene's form: a term t
adds idf(t) f / (f + k1 (1 - b + b len / avg)) with idf(t) = ln(1 + (N - df + 1/2) / (df + 1/2)). N,
df and avg count the visible passages, so hidden passages change no score. Libraries store computed
scores or corpus-wide statistics, so they cannot do that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array
from graphagg.rag.documents.languages import CODES
from graphagg.store.reading import NamedArrays
from graphagg.store.strings import StringTable

K1, B = 1.2, 0.75
"""Constants of BM25, over title and text."""
POSTINGS = ("bounds", "rows", "counts", "context")
"""Arrays of postings; not `lengths` (4 bytes per passage), of which a common word reads a lot."""
_LANGUAGES = "lexicon.languages"
_KEPT_STEMS = 4096
_BLOCK = 1 << 20  # postings per read
NAME, HEADING = 128, 127
"""Bits of `Postings.context`."""


@dataclass(frozen=True)
class Postings:
    """The passages that contain one term, ascending by row.

    Attributes:
        start, end: range among the postings of all terms.
        rows: `[n]` passages.
        counts: `[n]` occurrences in title and text; 0 if the term is only in the context.
        context: `[n]` uint8, `NAME` if the name of the passage's document contains the term; in the
            bits of `HEADING` the number of words of the shortest heading with the term, or 0.
    """

    start: int
    end: int
    rows: npt.NDArray[np.int32]
    counts: Array
    context: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Lexicon:
    """Postings of all stems, and lengths of all passages.

    Attributes:
        terms: `[T]` stems, sorted by UTF-8 bytes.
        bounds: `[T + 1]` int64.
        rows, counts, context: `[n]`, the postings of all terms; counts are `narrow`.
        lengths: `[R]` int32, number of tokens in title and text of each passage.
        languages: `[R]` uint8, positions in `CODES`; None in an index of one language.
        has_metadata: whether any passage has metadata; passages of files always have.
    """

    terms: StringTable
    bounds: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    counts: Array
    context: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int32]
    languages: npt.NDArray[np.uint8] | None = None
    has_metadata: bool = True

    def length_norms(self, mean: float) -> npt.NDArray[np.float32]:
        """Return k1 (1 - b + b len / avg) per passage, `[R]`; the formula adds it to f."""
        norms: npt.NDArray[np.float32] = np.float32(K1 * B / mean) * self.lengths
        norms += np.float32(K1 * (1.0 - B))
        return norms

    def codes(self, visible: npt.NDArray[np.bool_] | None = None) -> dict[str, int]:
        """Count visible passages (None: all) by language, ascending; {} for one language."""
        if self.languages is None:
            return {}
        some = self.languages if visible is None else self.languages[visible]
        counts = np.bincount(some, minlength=len(CODES)).tolist()
        return {code: count for code, count in sorted(zip(CODES, counts, strict=True)) if count}

    def language_of(self, row: int) -> str:
        """Return the language of a passage; `OTHER` in an index of one language."""
        return CODES[0 if self.languages is None else int(self.languages[row])]

    @cached_property
    def has_context(self) -> bool:
        """Whether any passage is from a file; reads postings only up to the first one."""
        blocks = range(0, len(self.context) if self.has_metadata else 0, _BLOCK)
        return any(self.context[low : low + _BLOCK].any() for low in blocks)

    @cached_property
    def _rank(self) -> Callable[[str], int | None]:
        """Returns the position of a stem (LRU cache)."""
        return lru_cache(_KEPT_STEMS)(self.terms.find_sorted)

    def find(self, term: str) -> Postings | None:
        """Return the postings of a stem, or None if no passage has it."""
        rank = self._rank(term)
        if rank is None:
            return None
        start = int(self.bounds[rank])
        end = min(int(self.bounds[rank + 1]), start + len(self.lengths))  # one posting per row
        columns: list[Any] = [self.rows, self.counts, self.context]
        return Postings(start, end, *(column[start:end] for column in columns))

    @classmethod
    def open(cls, arrays: NamedArrays, has_metadata: bool = True) -> Lexicon:
        """Memory-map the lexicon of a version."""
        columns: dict[str, Any] = {
            name: arrays.array(f"lexicon.{name}") for name in (*POSTINGS, "lengths")
        }
        has_languages = f"{_LANGUAGES}.npy" in arrays
        languages = arrays.array(_LANGUAGES) if has_languages else None
        columns |= {"languages": languages, "has_metadata": has_metadata}
        return cls(arrays.strings("lexicon.terms"), **columns)

    @classmethod
    def of_lengths(cls, lengths: npt.NDArray[np.int32]) -> Lexicon:
        """Create a lexicon without postings."""
        rows, counts = np.zeros(0, np.int32), np.zeros(0, np.uint8)
        context = np.zeros(0, np.uint8)
        return cls(StringTable.pack([]), np.zeros(1, np.int64), rows, counts, context, lengths)
