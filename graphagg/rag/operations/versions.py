"""Reorders hits by the versions of documents: the right version of a text before the others.

Which one is right follows from the question: of a date or a version number, the version that was
valid then; of two dates, one of each; else the newest. Near-equal hits of one family change places,
so that the right one comes first; scores stay with the places, and the component `version` is the
difference. If the ranking lacks the right version, its closest passage takes the place and score of
the version that was found; a question with a date, a number or a word for the present gets it even
where half of the text was written anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from graphagg.rag.documents.dates import is_about_now, periods, version_number
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.documents.value_types import parse_instant
from graphagg.rag.modes.protocol import Retriever
from graphagg.rag.question.results import Hit, Hop, VersionPlace
from graphagg.rag.tables.families import NUMBERED

POOL = 20
"""First hits among which versions change places."""
_DAY = 86_400_000_000  # microseconds
_NEAR = 0.5  # words that two near-equal texts share, of all their words
_REWRITTEN = 0.25  # the same where the question has a date, a number or a word for the present
_READ = 64  # chunks of a document that are compared with a hit
_NUMBER = re.compile(r"\d[\d.,:/-]*")


class VersionOrder:
    """The order in which a question wants the versions of documents among the visible ones."""

    def __init__(self, retriever: Retriever, question: str) -> None:
        self._snapshot, self._visible = retriever.snapshot, retriever.view.visible
        self._families = self._snapshot.families
        self._times = [parse_instant(each.last) for each in periods(question)]
        self._number = version_number(question)
        self._is_timed = bool(self._times or self._number or is_about_now(question))
        self._members: dict[int, tuple[int, ...]] = {}
        self._read: dict[int, frozenset[str]] = {}

    def hits(self, hits: Sequence[Hit], k: int) -> list[Hit]:
        """The first `k` of some hits, in this order."""
        if not any(self.versions(self._row(hit)) for hit in hits[:k]):
            return list(hits[:k])
        left, ordered = [self._best_copy(hit) for hit in hits], list[Hit]()
        while left and len(ordered) < k:
            best = self._best(left, ordered)
            left = [each for each in left if each.passage.id != best.passage.id]
            ordered.append(best)
        places = zip(ordered, hits, strict=False)
        return [own.with_part("version", at.score - own.score) for own, at in places]

    def labeled(self, hit: Hit) -> Hit:
        """The hit with its place among the versions of its document."""
        row = self._row(hit)
        members = self.versions(row)
        if not members:
            return hit
        stated = [
            self._snapshot.corpus[int(self._families.rows_of(m)[0])].metadata for m in members
        ]
        dates = [str(each.get(WHEN, "")) for each in stated]
        place = len(members) - members.index(int(self._families.member[row]))
        return replace(hit, versions=VersionPlace(place, len(members), min(dates), max(dates)))

    def _row(self, hit: Hit) -> int:
        return self._snapshot.known_row(hit.passage.id)

    def versions(self, row: int) -> tuple[int, ...]:
        """The visible versions of a row's document, oldest first."""
        if row not in self._members:
            self._members[row] = tuple(self._families.versions(row, self._visible))
        return self._members[row]

    def _wanted(self, members: tuple[int, ...]) -> list[int]:
        """The versions that the question asks for, best first; the newest if it says nothing."""
        families = self._families
        if self._number:
            number = NUMBERED * self._number
            named = [m for m in members if 0 <= int(families.version[m]) - number < NUMBERED]
            if named:
                return named[::-1]
        valid = list[int]()
        for time in reversed(self._times):
            until = [m for m in members if time and families.when[m] < time + _DAY]
            valid += until[-1:]
        return list(dict.fromkeys(valid)) or [members[-1]]

    def _preference(self, row: int) -> int:
        members = self.versions(row)
        newest = dict.fromkeys((*self._wanted(members), *members[::-1]))
        return [*newest].index(int(self._families.member[row]))

    def _best(self, left: Sequence[Hit], ordered: Sequence[Hit]) -> Hit:
        """The hit for the next place: the first one, or the version of it that is wanted."""
        head, row = left[0], self._row(left[0])
        members = self.versions(row)
        if not members:
            return head
        near = [each for each in left if self._are_near(row, self._row(each))]
        best = min(near, key=lambda each: self._preference(self._row(each)))
        before = (each for each in map(self._row, ordered) if self._are_near(row, each))
        done = {int(self._families.member[each]) for each in before}
        lacking = [m for m in self._wanted(members) if m not in done]
        if lacking and int(self._families.member[self._row(best)]) != lacking[0]:
            return self._brought(head, best, row, lacking[0])
        return best

    def _brought(self, head: Hit, best: Hit, row: int, member: int) -> Hit:
        """The passage of a version that is closest to a hit; `best` if none is near."""
        rows = self._families.rows_of(member).tolist()[:_READ]
        rows = [each for each in rows if self._visible[each]]
        closest = max(rows, key=lambda each: self._shared(row, each))
        least = _REWRITTEN if self._is_timed else _NEAR
        return self._shown_as(head, closest) if self._shared(row, closest) >= least else best

    def _best_copy(self, hit: Hit) -> Hit:
        """The hit as the copy of it that is wanted most: versions may share a text."""
        rows = [self._row(hit), *map(self._snapshot.known_row, hit.copies)]
        rows = [row for row in rows if self.versions(row) == self.versions(rows[0])]
        if len(rows) < 2 or not self.versions(rows[0]):
            return hit
        return self._shown_as(hit, min(rows, key=self._preference))

    def _shown_as(self, hit: Hit, row: int) -> Hit:
        passage = self._snapshot.corpus[row]
        if passage.id == hit.passage.id:
            return hit
        *before, last = hit.path
        hop = Hop.to_passage(self._snapshot.corpus, row, last.score, last.contribution)
        copies = tuple(
            self._snapshot.corpus.id(r) for r in self._snapshot.copies(row, self._visible)
        )
        return replace(hit, passage=passage, path=(*before, hop), copies=copies)

    def _are_near(self, row: int, other: int) -> bool:
        """Whether two rows are of one family, and their texts near-equal."""
        same = row == other or self.versions(row) == self.versions(other) != ()
        return same and self._shared(row, other) >= _NEAR

    def _shared(self, row: int, other: int) -> float:
        words, others = self._words(row), self._words(other)
        return len(words & others) / max(len(words | others), 1) if row != other else 1.0

    def _words(self, row: int) -> frozenset[str]:
        if row not in self._read:
            text = _NUMBER.sub(" ", self._snapshot.corpus.read(row).text)
            self._read[row] = frozenset(tokenize(text))
        return self._read[row]
