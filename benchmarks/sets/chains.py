"""Facts of generated passages, chained to questions whose gold passages are all needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from benchmarks.sets.wording import words
from graphagg.rag.documents.passages import Passage
from graphagg.rag.evaluation.questions import GoldQuestion


@dataclass(frozen=True)
class Fact:
    """What one passage states.

    Attributes:
        relation: its kind.
        subject: a name or number; a description where `named` is false.
        object: a name, a number or some words of the passage.
        passage: the id of the passage.
        qualifier: more words of the passage without which the fact is another one, such as a week.
        named: whether the subject's words stand in the passage.
    """

    relation: str
    subject: str
    object: str
    passage: str
    qualifier: str = ""
    named: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """Strings that occur together in the passage of the fact."""
        return tuple(
            key for key in (self.subject if self.named else "", self.object, self.qualifier) if key
        )


@dataclass(frozen=True)
class Chain:
    """A question and the facts that lead from what it says to its answer, side by side.

    Attributes:
        question: text, gold passages and type.
        sides: one chain of facts, or two where the question compares.
    """

    question: GoldQuestion
    sides: tuple[tuple[Fact, ...], ...]

    def numbered(self, id_: str) -> Chain:
        return replace(self, question=replace(self.question, id=id_))

    def bridges(self) -> Iterator[tuple[str, str, str]]:
        """Name and the ids of the two passages that it links; a passage is no bridge to itself."""
        for facts in self.sides:
            for first, second in pairwise(facts):
                if first.passage != second.passage:
                    yield second.subject, first.passage, second.passage


class Mentions:
    """Which passages say what, by whole words."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._words = {p.id: words(" ".join(p.parts)) for p in passages}
        self._found: dict[str, frozenset[str]] = {}

    def of(self, name: str) -> frozenset[str]:
        """Ids of the passages that hold the words of `name` one after another."""
        if name not in self._found:
            key = words(name)
            self._found[name] = frozenset(id_ for id_, text in self._words.items() if key in text)
        return self._found[name]

    def together(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset.intersection(*(self.of(name) for name in names))

    def sound(self, facts: Sequence[Fact], question: str) -> bool:
        """Whether a chain needs each of its passages.

        Each fact is stated in one passage alone, each bridge stands in both of its passages, the
        answer stands in no earlier passage, and the question names neither bridge nor answer.
        """
        if any(fact.named and self.together(fact.keys) != {fact.passage} for fact in facts):
            return False
        if any(
            second.passage not in self.of(first.object)
            or first.object != second.subject
            or words(first.object) in words(question)
            for first, second in pairwise(facts)
        ):
            return False
        answer, last = facts[-1].object, facts[-1].passage
        earlier = {fact.passage for fact in facts} - {last}
        return not earlier & self.of(answer) and words(answer) not in words(question)
