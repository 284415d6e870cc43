"""The distinctive words of themes, by class-based TF-IDF.

Grootendorst, *BERTopic: Neural topic modeling with a class-based TF-IDF procedure*, arXiv
2203.05794: the weight of stem t in theme c is

    W = f(t, c) / |c| ln(1 + A / f(t)),

where f counts occurrences, |c| is the number of words in the theme and A is the mean of |c|.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from graphagg.arrays import Array, Doubles, Ints, Mask
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.tokens import inner_words, tokenize
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.view import View

_READ = 5  # number of passages that are read to find the spelling of a stem
_MARKUP = frozenset(
    "td tr th tbody thead col colgroup rowspan colspan div span br hr img src href nbsp".split()
)
"""Words of HTML markup that remains in texts; they do not describe a theme."""


def first_of_each(group: Ints, keys: tuple[Array, ...], count: int, most: int) -> list[list[int]]:
    """Return the first `most` positions per group, sorted by `keys` (the last key is primary)."""
    order = np.lexsort((*keys, group))
    bounds = np.searchsorted(group[order], np.arange(count + 1)).tolist()
    return [order[a:b][:most].tolist() for a, b in pairwise(bounds)]


class ThemeWords:
    """Finds the distinctive words of the themes of a view."""

    def __init__(self, snapshot: PassageSnapshot, view: View) -> None:
        self._snapshot, self._view = snapshot, view
        self._read: dict[int, dict[str, list[str]]] = {}

    def distinctive(self, theme: Ints, count: int, most: int) -> list[list[str]]:
        """Return the words with the greatest weight in each theme; `theme` is that of each passage.

        A word must occur in at least two passages of its theme, if the theme has two.
        """
        view, lexicon, terms = self._view, self._view.lexicon, len(self._view.lexicon.terms)
        term = np.repeat(np.arange(terms), np.diff(lexicon.bounds))
        usable = _usable(lexicon.terms, self._snapshot.analyzers, lexicon.codes(view.visible))
        which = view.visible[lexicon.rows] & usable[term] & (lexicon.counts > 0)
        of_row = np.zeros(len(view.visible), np.int64)
        of_row[view.rows] = theme
        pairs = of_row[lexicon.rows[which]] * terms + term[which]
        codes, position, holders = np.unique(pairs, return_inverse=True, return_counts=True)
        f = np.bincount(position, lexicon.counts[which], len(codes))
        of_theme, term = np.divmod(codes, max(terms, 1))
        words = np.bincount(of_theme, f, count)
        average = float(words.sum()) / max(int(np.count_nonzero(words)), 1)
        rarity: Doubles = np.log1p(average / np.maximum(np.bincount(term, f, terms), 1))
        weight = f / words[of_theme] * rarity[term]
        sizes = np.bincount(theme, minlength=count)
        usual = holders >= np.minimum(sizes[of_theme], 2)
        of_theme, term, weight = of_theme[usual], term[usual], weight[usual]
        # Stems of several languages may share a spelling; it is listed once.
        best = first_of_each(of_theme, (term, -weight), count, 2 * most)
        spelled = [dict.fromkeys(map(self._spelling, term[i].tolist())) for i in best]
        return [list(each)[:most] for each in spelled]

    def _spelling(self, term: int) -> str:
        """Return the most frequent spelling of a stem; ties go to the alphabetically first."""
        lexicon, view = self._view.lexicon, self._view
        stem, rows = lexicon.terms[term], lexicon.rows[slice(*lexicon.bounds[term : term + 2])]
        rows = rows[view.visible[rows]]
        first = rows[np.argsort(self._snapshot.ranks[rows])][:_READ].tolist()
        words = Counter(word for row in first for word in self._words(row).get(stem, ()))
        return min(words, key=lambda word: (-words[word], word)) if words else stem

    def _words(self, row: int) -> dict[str, list[str]]:
        """Return the words of a passage by their stems, with repeats."""
        if row not in self._read:
            stem = self._snapshot.analyzers.for_language(self._view.lexicon.language_of(row)).stem
            text, self._read[row] = self._snapshot.corpus[row].full_text, defaultdict(list)
            for word in (*tokenize(text), *inner_words(text)):
                self._read[row][stem(word)].append(word)
        return self._read[row]


def _usable(terms: Sequence[str], analyzers: Analyzers, codes: Iterable[str]) -> Mask:
    """Return a mask `[T]` of stems that have at least two letters and are not stop words."""
    readers = analyzers.each(codes)
    stops = {reader.stem(word) for reader in readers for word in reader.stop_words | _MARKUP}
    mask = np.zeros(len(terms), bool)
    for i, term in enumerate(terms):
        word = term.partition(":")[2] if analyzers.is_mixed else term
        is_long = len(word) > 1 or not word.isascii()
        mask[i] = is_long and any(c.isalpha() for c in word) and term not in stops
    return mask
