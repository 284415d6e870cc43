"""Reorders the hits of a mode: repeats of a file move down, and the right version comes first.

Scores stay with the ranks; the components `repeats` and `version` are the differences.

After two hits from one file, a further hit must contain a word of the question that they lack.
Otherwise it moves behind the hits of other files, within the first `SPREAD` hits.

If a document has versions, texts nearly equal to a hit compete for its place. The document whose
title and file name are closest to the question wins, since a text may not show whether it is the
policy of Oslo or of Bergen. Then the version that the question asks for wins. For a date: the one
with that date in its name, such as the report of a year, else the one valid then. For two dates:
one each. For a version number: that version. Otherwise: the newest one already valid. If the
ranking lacks it, its closest passage takes the place and score, even if half of the text was
rewritten, provided that the question has a date, a number or a word for the present.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from time import time_ns

import numpy as np

from graphagg.arrays import Array
from graphagg.rag.documents.dates import (
    NUMBER,
    Period,
    periods,
    time_spans,
    undated,
    version_number,
)
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.passages import TRAIL, Passage
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.documents.value_types import parse_instant
from graphagg.rag.modes.protocol import Retriever
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.question.results import Hit, Hop, VersionPlace
from graphagg.rag.tables.families import NUMBERED

POOL = 20
"""First hits among which versions change places."""
SPREAD = 10
"""First hits among which repeats of a file change places."""
_REPEATS = 2  # hits of a file that need not add a word
_DAY = 86_400_000_000  # microseconds
_NEAR = 0.5  # lower bound of the Jaccard similarity of two near-equal texts
_REWRITTEN = 0.25  # lower bound if the question has a date, a number or a word for the present
_READ = 64  # maximum number of chunks of a document that are compared with a hit


class HitOrder:
    """Orders the hits of one question; `scores` is None in a mode without vectors.

    `as_of` is the current time in microseconds since 1970; None: the system clock.
    """

    def __init__(
        self, retriever: Retriever, question: str, scores: QuestionScores | None = None,
        as_of: int | None = None,
    ) -> None:  # fmt: skip
        self._now = time_ns() // 1000 if as_of is None else as_of
        self._snapshot, self._visible = retriever.snapshot, retriever.view.visible
        self._families, self._scores, self._question = self._snapshot.families, scores, question
        self._members: dict[int, tuple[int, ...]] = {}
        self._texts: dict[int, frozenset[str]] = {}
        self._distances: dict[int, tuple[float, ...]] = {}
        self._asked_of: dict[tuple[int, ...], list[int]] = {}

    def pool(self, hits: Sequence[Hit], orders_versions: bool) -> int:
        """Return how many of the best hits are needed to order `hits`; 0: the order stays."""
        if orders_versions and self._have_versions(hits):
            return POOL
        return 0 if all(self._add_something(hits)) else SPREAD

    def ordered(self, hits: Sequence[Hit], k: int, orders_versions: bool) -> list[Hit]:
        """Return the first `k` hits in the new order."""
        first = hits[:SPREAD]
        adding = self._add_something(first)
        places = sorted(range(len(first)), key=lambda i: not adding[i])
        hits = [*_at_places([first[i] for i in places], first, "repeats"), *hits[SPREAD:]]
        if not (orders_versions and self._have_versions(hits[:k])):
            return hits[:k]
        self._periods = list(periods(self._question))
        self._number = version_number(self._question)
        self._is_timed = bool(self._number or time_spans(self._question))
        self._asked = self._content(self._question, self._row(hits[0]))
        left, chosen = [self._best_copy(hit) for hit in hits], dict[str, Hit]()
        while left and len(chosen) < k:
            chosen |= {hit.passage.id: hit for hit in self._best(left, chosen)}
            left = [each for each in left if each.passage.id not in chosen]
        return _at_places(list(chosen.values())[:k], hits, "version")

    def labeled(self, hit: Hit) -> Hit:
        """Return the hit with its place among the versions of its document."""
        row, rows_of = self._row(hit), self._families.rows_of
        members = self.versions(row)
        if not members:
            return hit
        stated = [self._snapshot.corpus[int(rows_of(member)[0])].metadata for member in members]
        dates = [str(each.get(WHEN, "")) for each in stated]
        place = len(members) - members.index(int(self._families.member[row]))
        return replace(hit, versions=VersionPlace(place, len(members), min(dates), max(dates)))

    def versions(self, row: int) -> tuple[int, ...]:
        """Return the visible versions of a row's document, oldest first."""
        if row not in self._members:
            self._members[row] = tuple(self._families.versions(row, self._visible))
        return self._members[row]

    def _row(self, hit: Hit) -> int:
        return self._snapshot.known_row(hit.passage.id)

    def _have_versions(self, hits: Sequence[Hit]) -> bool:
        return len(self._families.when) > 0 and any(self.versions(self._row(hit)) for hit in hits)

    def _add_something(self, hits: Sequence[Hit]) -> list[bool]:
        """Return whether each hit has a word that the earlier hits of its file lack."""
        files = [_file(hit.passage) for hit in hits]
        if self._scores is None or max(Counter(files).values(), default=0) <= _REPEATS:
            return [True] * len(hits)
        covers = self._scores.lexical.covers(np.array(list(map(self._row, hits)), np.int64))
        held: dict[str, list[Array]] = {}
        adding = list[bool]()
        for file, own in zip(files, covers, strict=True):
            before = held.setdefault(file, [])
            adding.append(len(before) < _REPEATS or bool((own > np.max(before, axis=0)).any()))
            if adding[-1]:
                before.append(own)
        return adding

    def _wanted(self, members: tuple[int, ...]) -> list[int]:
        """Return the versions that the question asks for, best first; else the newest valid one."""
        if members not in self._asked_of:
            asked = dict.fromkeys(self._asked_for(members))
            begun = [m for m in members if self._families.when[m] <= self._now]
            self._asked_of[members] = list(asked) or (begun or list(members[:1]))[-1:]
        return self._asked_of[members]

    def _asked_for(self, members: tuple[int, ...]) -> list[int]:
        """Return the versions that match the number or dates in the question, best first."""
        families, number = self._families, NUMBERED * self._number
        named = [m for m in members if 0 <= int(families.version[m]) - number < NUMBERED]
        if number and named:
            return named[::-1]
        wanted = list[int]()
        for asked in reversed(self._periods):
            named = [m for m in members if self._is_named(m, asked)]
            end = parse_instant(asked.last) or 0
            valid = [m for m in members if families.when[m] < end + _DAY]
            wanted += (named or valid or members[:1])[-1:]
        return wanted

    def _is_named(self, member: int, asked: Period) -> bool:
        """Return whether the title or file name has a date that overlaps the period `asked`."""
        names = self._names(int(self._families.rows_of(member)[0]))
        dates = (period for name in names for period in periods(name))
        return any(each.first <= asked.last and asked.first <= each.last for each in dates)

    def _names(self, row: int) -> tuple[str, str]:
        """Title and file name of a row's document."""
        passage = self._snapshot.corpus[row]
        return passage.title.partition(TRAIL)[0], PurePosixPath(_file(passage)).stem

    def _preference(self, row: int) -> int:
        """Return the rank of a row's version for the question; 0 is the best."""
        members = self.versions(row)
        newest = dict.fromkeys((*self._wanted(members), *members[::-1])) if members else ()
        return [*newest].index(int(self._families.member[row])) if members else 0

    def _best(self, left: Sequence[Hit], chosen: Mapping[str, Hit]) -> list[Hit]:
        """Return the hits for the next places: the first, or near-equal ones that fit better."""
        head = self._row(left[0])
        near = [each for each in left if self._shared(head, self._row(each)) >= _NEAR]
        named = min(near, key=lambda each: self._distance(self._row(each)))
        row, member = self._row(named), self._families.member
        members = self.versions(row)
        if not members:
            return [named]
        near = [each for each in near if self.versions(self._row(each)) == members]
        near.sort(key=lambda each: self._preference(self._row(each)))
        before = map(self._row, chosen.values())
        done = {int(member[each]) for each in before if self._shared(row, each) >= _NEAR}
        hits = {int(member[self._row(each)]): each for each in near[::-1]}
        wanted = [version for version in self._wanted(members) if version not in done]
        found = [hits.get(each) or self._brought(near[0], row, each) for each in wanted]
        return [hit for hit in found if hit and hit.passage.id not in chosen] or near[:1]

    def _brought(self, hit: Hit, row: int, member: int) -> Hit | None:
        """Put the version's passage closest to a row in place of a hit; None if none is close."""
        rows = self._families.rows_of(member)
        rows = rows[self._visible[rows]][:_READ].tolist()
        closest = max(rows, key=lambda each: self._shared(row, each))
        least = _REWRITTEN if self._is_timed else _NEAR
        return self._shown_as(hit, closest) if self._shared(row, closest) >= least else None

    def _best_copy(self, hit: Hit) -> Hit:
        """Replace a hit by its copy that fits the question best; documents may share a text."""
        if not hit.copies:
            return hit
        rows = [self._row(hit), *map(self._snapshot.known_row, hit.copies)]
        best = min(rows, key=lambda row: (self._distance(row), self._preference(row)))
        return self._shown_as(hit, best)

    def _shown_as(self, hit: Hit, row: int) -> Hit:
        snapshot, (*before, last) = self._snapshot, hit.path
        hop = Hop.to_passage(snapshot.corpus, row, last.score, last.contribution)
        copies = tuple(snapshot.corpus.id(r) for r in snapshot.copies(row, self._visible))
        passage = snapshot.corpus[row]
        return replace(hit, passage=passage, path=(*before, hop), copies=copies)

    def _distance(self, row: int) -> tuple[float, ...]:
        """Return the Jaccard distances of the question's words to the title and the file name."""
        if row not in self._distances:
            words = [(self._content(name, row), self._asked) for name in self._names(row)]
            self._distances[row] = tuple(len(a ^ b) / max(len(a | b), 1) for a, b in words)
        return self._distances[row]

    def _content(self, name: str, row: int) -> set[str]:
        """Stems of a name without dates and versions, in the language of a row."""
        language = self._snapshot.language_of(row)
        return {*self._snapshot.analyzers.for_language(language).content(tokenize(undated(name)))}

    def _shared(self, row: int, other: int) -> float:
        """Return the Jaccard similarity of the words of two texts, without numbers."""
        words, others = self._words(row), self._words(other)
        return len(words & others) / max(len(words | others), 1) if row != other else 1.0

    def _words(self, row: int) -> frozenset[str]:
        if row not in self._texts:
            text = NUMBER.sub(" ", self._snapshot.corpus.read(row).text)
            self._texts[row] = frozenset(tokenize(text))
        return self._texts[row]


def _file(passage: Passage) -> str:
    return str(passage.metadata.get("path") or passage.document or passage.id)


def _at_places(hits: Sequence[Hit], places: Sequence[Hit], name: str) -> list[Hit]:
    """Give hits the scores of `places`, in order; component `name` holds the difference."""
    pairs = zip(hits, places, strict=False)
    return [hit.with_part(name, at.score - hit.score) for hit, at in pairs]
