"""Questions that `mode="multihop"` fails, sorted by cause.

A question fails if one of its gold passages is not among the first 5. Each such passage gets the
first kind whose rule it meets:

1. `not in the index`: no passage or document has that id.
2. `same title`: among the first 50; without the passages before it that repeat a title and are not
   gold it would be among the first 5.
3. `sibling`: ranked 6 to 20 by a path, and a passage among the first 5 that is not gold was reached
   from the same passage.
4. `first hop missed`: other gold passages lead to it, and none of them is among the first 5.
5. `not followed`: it is no candidate. A gold passage that leads to it is among the first 5, but
   not among those that lead on (`MultihopConfig.beam`).
6. `no candidate`: it is none by itself, and no gold passage leads to it.
7. `outscored`: ranked 6 to 20.
8. `ranked low`: a candidate beyond rank 20.

A question has the kind of the passage whose cause lies deepest: a first hop that was missed is what
follows from another passage's failure, so it comes last. The order is that of `KINDS`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import InvalidQuestion, WriteFailed
from graphagg.progress import Progress, silent
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.evaluation.measure import GoldQuestion, check_gold
from graphagg.rag.index import PassageIndex
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.protocol import EncodedReading
from graphagg.rag.question.results import Hit
from graphagg.rag.question.selection import Selection

FIRST, CLOSE, RANKED = 5, 20, 50
"""Ranks up to which a passage counts as found, as close behind, and as ranked at all."""

KINDS = {
    "not in the index": "no passage or document has its id",
    "same title": "crowded out by passages that repeat a title",
    "sibling": "ranked 6 to 20, behind others reached from the same passage",
    "outscored": "ranked 6 to 20 otherwise",
    "ranked low": "a candidate beyond rank 20",
    "not followed": "a found gold passage leads to it, but was not among those that lead on",
    "no candidate": "not close, not named, and no gold passage leads to it",
    "first hop missed": "the gold passages that lead to it were missed themselves",
}
"""Kinds of failure, the deepest cause first."""


@dataclass(frozen=True)
class GoldPlace:
    """Where a gold passage stands.

    Attributes:
        id, title: of the passage; the title is "" where the index lacks it.
        rank: among the first 50, from 1; None beyond.
        kind: why it is not among the first 5; None if it is.
        reason: how it was reached, if it is a candidate; else "".
    """

    id: str
    title: str
    rank: int | None
    kind: str | None
    reason: str


@dataclass(frozen=True)
class Failure:
    """A question with a gold passage outside the first 5.

    Attributes:
        question: with its gold passages.
        kind: of `KINDS`.
        gold: where each gold passage stands, by rank.
        first: what stands among the first 5.
    """

    question: GoldQuestion
    kind: str
    gold: tuple[GoldPlace, ...]
    first: tuple[Hit, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, a line of `rag eval --failures`."""
        return {
            "id": self.question.id,
            "question": self.question.text,
            "type": self.question.type,
            "kind": self.kind,
            "gold": [vars(place) for place in self.gold],
            "first": [
                {
                    "id": hit.passage.id,
                    "title": hit.passage.title,
                    "score": hit.score,
                    "path": [hop.kind for hop in hit.path],
                }
                for hit in self.first
            ],
        }


def find_failures(
    index: PassageIndex,
    questions: Sequence[GoldQuestion],
    *,
    config: MultihopConfig | None = None,
    progress: Progress = silent,
) -> list[Failure]:
    """The questions that `mode="multihop"` fails, in their order, with the cause.

    Raises:
        InvalidQuestion: a question has no gold ids, or the index holds none of them.
    """
    if not all(question.gold for question in questions):
        raise InvalidQuestion("failures go by gold ids; give them to all questions")
    check_gold(index.snapshot, questions)
    config = config or index.weights
    snapshot = index.snapshot
    best = Multihop(snapshot, snapshot.scope(Selection()), config)
    failures = []
    for number, question in enumerate(questions, start=1):
        (asked,) = best.encode(best.read([question.text], index.models), index.models)
        failure = _Case(best, question, asked).failure()
        failures += [failure] if failure else []
        progress("failures", number, len(questions))
    return failures


def count_kinds(failures: Iterable[Failure]) -> dict[str, dict[str, int]]:
    """How many `questions` fail by each kind, and how many gold `passages` are missed by it."""
    counts = {kind: {"questions": 0, "passages": 0} for kind in KINDS}
    for failure in failures:
        counts[failure.kind]["questions"] += 1
        for place in failure.gold:
            if place.kind:
                counts[place.kind]["passages"] += 1
    return {kind: count for kind, count in counts.items() if count["passages"]}


def write_failures(failures: Iterable[Failure], path: str | os.PathLike[str]) -> None:
    """Write JSONL, a line a failure; raises `WriteFailed`."""
    lines = (json.dumps(f.to_json(), ensure_ascii=False) + "\n" for f in failures)
    try:
        Path(path).write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise WriteFailed(f"{path}: {error.strerror or error}; give another file") from None


class _Case:
    """One question, answered, with its gold passages by their rows."""

    def __init__(self, best: Multihop, question: GoldQuestion, asked: EncodedReading) -> None:
        self._corpus, self._question, self._asked = best.snapshot.corpus, question, asked
        self._explainer = best.explainer(asked, RANKED)
        self._outcome = self._explainer.outcome
        rows = self._outcome.candidates.rows[self._outcome.chosen].tolist()
        self._rank = {int(row): rank for rank, row in enumerate(rows, start=1)}
        self._gold = {name: self._row(best, name) for name in sorted(question.gold)}

    def _row(self, best: Multihop, name: str) -> int | None:
        """The row of a gold passage; of a gold document, that of its best chunk."""
        named = best.snapshot.rows_named(name)
        return min(named, key=lambda row: self._rank.get(row, RANKED + 1), default=None)

    def failure(self) -> Failure | None:
        """The failure, if a gold passage is not among the first 5."""
        places = [self._place(name, row) for name, row in self._gold.items()]
        kinds = {place.kind for place in places if place.kind}
        if not kinds:
            return None
        kind = next(kind for kind in KINDS if kind in kinds)
        places.sort(key=lambda place: place.rank or RANKED + 1)
        hits = self._explainer.hits()[:FIRST]
        return Failure(self._question, kind, tuple(places), tuple(hits))

    def _place(self, name: str, row: int | None) -> GoldPlace:
        if row is None:
            return GoldPlace(name, "", None, "not in the index", "")
        rank = self._rank.get(row)
        kind = None if rank and rank <= FIRST else self._kind(row, rank)
        candidate = self._outcome.position(row) is not None
        reason = self._explainer.reason(row) if candidate else ""
        return GoldPlace(name, self._title(row), rank, kind, reason)

    def _title(self, row: int) -> str:
        return self._corpus[row].title

    # --- rules, see the module -------------------------------------------------------------------

    def _kind(self, row: int, rank: int | None) -> str:
        if rank and self._is_crowded_out(rank):
            return "same title"
        if rank and rank <= CLOSE and self._has_sibling(row):
            return "sibling"
        parents = [p for p in self._gold_rows - {row} if row in self._leads_to[p]]
        if parents and not self._found.intersection(parents):
            return "first hop missed"
        if self._outcome.position(row) is None:
            return "not followed" if parents else "no candidate"
        return "outscored" if rank and rank <= CLOSE else "ranked low"

    def _is_crowded_out(self, rank: int) -> bool:
        seen: set[str] = set()
        repeats = 0
        for row in list(self._rank)[: rank - 1]:
            title = self._title(row)
            repeats += bool(title) and title in seen and row not in self._gold_rows
            seen.add(title)
        return rank - repeats <= FIRST

    def _has_sibling(self, row: int) -> bool:
        parent = self._parent(row)
        if parent is None:
            return False
        return any(self._parent(other) == parent for other in self._found - self._gold_rows)

    def _parent(self, row: int) -> int | None:
        """Row of the passage that the best path to a candidate comes from."""
        step = self._outcome.step(row)
        return None if step is None else int(step.round.parent[step.edge])

    @cached_property
    def _found(self) -> set[int]:
        return {row for row, rank in self._rank.items() if rank <= FIRST}

    @cached_property
    def _gold_rows(self) -> set[int]:
        return {row for row in self._gold.values() if row is not None}

    @cached_property
    def _leads_to(self) -> dict[int, set[int]]:
        """The passages that each gold passage would lead to."""
        retriever = self._explainer.retriever
        leads_to = {}
        for row in self._gold_rows:
            front = np.array([row], dtype=np.int64)
            _, edges = retriever.links(front, self._outcome.asked)
            leads_to[row] = set(edges.row.tolist())
        return leads_to
