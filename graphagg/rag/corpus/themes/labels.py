"""The words of themes: the most distinctive ones, which are their labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from graphagg.arrays import Doubles, Ints, Mask
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.tokens import inner_words, tokenize
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.view import View

_READ = 5  # passages that are read to spell a stem
_MARKUP = frozenset(
    "td tr th tbody thead col colgroup rowspan colspan div span br hr img src href nbsp".split()
)
"""Words of HTML that is left in texts: no theme is about them."""


class Words:
    """The words of the themes of one view."""

    def __init__(self, snapshot: PassageSnapshot, view: View) -> None:
        self._snapshot, self._view = snapshot, view
        self._spelled: dict[int, str] = {}
        self._written: dict[int, dict[str, list[str]]] = {}
        lexicon = view.lexicon
        term = np.repeat(np.arange(len(lexicon.terms)), np.diff(lexicon.bounds))
        usable = telling(lexicon.terms, snapshot.analyzers, lexicon.codes(view.visible))
        counts = view.visible[lexicon.rows] & usable[term] & (lexicon.counts > 0)
        which = np.flatnonzero(counts)
        self._term, self._row = term[which], np.asarray(lexicon.rows)[which].astype(np.int64)
        self._count = np.asarray(lexicon.counts)[which].astype(np.int64)

    def distinctive(self, theme: Ints, themes: int, most: int) -> list[list[str]]:
        """The most distinctive words of each theme, given the theme of each row, `[R]`."""
        terms = len(self._view.lexicon.terms)
        codes, position, counts = np.unique(
            theme[self._row] * terms + self._term, return_inverse=True, return_counts=True
        )
        occurrences = np.bincount(position, self._count, len(codes)).astype(np.int64)
        of_theme, term = np.divmod(codes, max(terms, 1))
        passages = np.bincount(theme[self._view.rows], minlength=themes)
        weight = self._weights(of_theme, term, occurrences, themes)
        usual = counts >= np.minimum(passages[of_theme], 2)
        of_theme, term, weight = of_theme[usual], term[usual], weight[usual]
        order = np.lexsort((term, -weight, of_theme))
        bounds = np.searchsorted(of_theme[order], np.arange(themes + 1))
        return [self._distinct(term[order[a:b]].tolist(), most) for a, b in pairwise(bounds)]

    def _distinct(self, terms: Sequence[int], most: int) -> list[str]:
        """The first distinct spellings; stems of several languages may share one."""
        words: dict[str, None] = {}
        for term in terms:
            if len(words) == most:
                break
            words[self._spelling(term)] = None
        return list(words)

    @staticmethod
    def _weights(of_theme: Ints, term: Ints, occurrences: Ints, themes: int) -> Doubles:
        """W = f(t, c) / |c| ln(1 + A / f(t)) of each theme c and stem t.

        f counts occurrences, |c| the words of the theme, A the mean of |c| (class-based TF-
        IDF).
        """
        if not len(term):
            return np.zeros(0)
        words = np.bincount(of_theme, occurrences, themes)
        everywhere = np.bincount(term, occurrences)
        average = float(words.sum()) / max(int(np.count_nonzero(words)), 1)
        rarity = np.log1p(average / np.maximum(everywhere, 1))
        weights: Doubles = occurrences / words[of_theme] * rarity[term]
        return weights

    def _spelling(self, term: int) -> str:
        """The most frequent spelling of a stem; ties go to the alphabetically first."""
        if term not in self._spelled:
            lexicon = self._view.lexicon
            stem = lexicon.terms[term]
            rows = np.asarray(lexicon.rows[lexicon.bounds[term] : lexicon.bounds[term + 1]])
            rows = rows[self._view.visible[rows]]
            first = rows[np.argsort(self._snapshot.ranks[rows])][:_READ].tolist()
            words = Counter(word for row in first for word in self._words(row).get(stem, ()))
            self._spelled[term] = min(words, key=lambda w: (-words[w], w)) if words else stem
        return self._spelled[term]

    def _words(self, row: int) -> dict[str, list[str]]:
        """The words of a passage by their stems, with repeats."""
        if row not in self._written:
            stem = self._snapshot.analyzers.for_language(self._view.lexicon.language_of(row)).stem
            text = self._snapshot.corpus[row].full_text
            under: dict[str, list[str]] = defaultdict(list)
            for word in (*tokenize(text), *inner_words(text)):
                under[stem(word)].append(word)
            self._written[row] = under
        return self._written[row]


def telling(terms: Sequence[str], analyzers: Analyzers, codes: Iterable[str]) -> Mask:
    """Mask `[T]` of stems of at least two letters that are no stop words, for labels."""
    readers = analyzers.each(codes)
    stops = {reader.stem(word) for reader in readers for word in reader.stop_words | _MARKUP}
    mask = np.zeros(len(terms), bool)
    for i, term in enumerate(terms):
        word = term.partition(":")[2] if analyzers.is_mixed else term
        long = len(word) > 1 or not word.isascii()
        mask[i] = long and any(c.isalpha() for c in word) and term not in stops
    return mask
