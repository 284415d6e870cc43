"""An invented chronicle of a valley without any titles: people, houses, boats and things in hops.

Seven families over three generations; each fact stands in one paragraph, mostly behind a pronoun.
Ids follow the order of the book, the list is shuffled. Text by the project, seeded.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.sets.chains import Chain, Fact, Mentions
from benchmarks.sets.chapters_book import Book
from benchmarks.sets.chapters_world import TEXT
from benchmarks.sets.wording import expand
from graphagg.rag.documents.passages import Passage
from graphagg.rag.evaluation.measure import GoldQuestion

NAMING = ("trade", "house", "invention")  # relations of a description to a name
QUOTA = {"unnamed": 40, "two-hop": 20, "three-hop": 30}
LONGEST = 3  # gold passages
TRIES = 200_000


def chapters(seed: int = 0) -> tuple[list[Passage], list[GoldQuestion]]:
    """Paragraphs in random order, and questions."""
    passages, chains = build(seed)
    return passages, [chain.question for chain in chains]


def build(seed: int = 0) -> tuple[list[Passage], list[Chain]]:
    """The same with the facts that link a question to its gold passages."""
    rng = random.Random(seed)
    book = Book(rng)
    passages, facts = book.write()
    chains = _Walks(facts, Mentions(passages), rng).chains()
    rng.shuffle(passages)
    return passages, [chain.numbered(f"cq-{number:03}") for number, chain in enumerate(chains)]


@dataclass(frozen=True)
class _Walks:
    """Random walks along facts; a walk that some passage makes superfluous is dropped."""

    facts: list[Fact]
    mentions: Mentions
    rng: random.Random

    def chains(self) -> list[Chain]:
        following: dict[str, list[Fact]] = {}
        for fact in self.facts:
            if fact.relation in TEXT.ways:
                following.setdefault(fact.subject, []).append(fact)
        naming = [fact for fact in self.facts if fact.relation in NAMING]
        described = sorted({facts[0].subject for facts in following.values() if not facts[0].named})
        named = sorted(set(following) - set(described))
        wanted, chosen = dict(QUOTA), []
        ways: set[tuple[str, ...]] = set()
        golds: dict[frozenset[str], int] = {}
        for _ in range(TRIES):
            if not any(wanted.values()):
                break
            first = self.rng.choice(naming) if self.rng.random() < 0.3 else None
            start = self.rng.choice(self.rng.choice((named, described)))
            facts = self._walk(first, start, following)
            if facts is None:
                continue
            chain = self._asked(facts, unnamed=first is not None or start in described)
            way = tuple(f"{fact.relation} {fact.subject}" for fact in facts)
            gold = chain.question.gold
            sound = self.mentions.sound(facts, chain.question.text)
            if sound and wanted[chain.question.type] and way not in ways and golds.get(gold, 0) < 2:
                ways.add(way)
                golds[gold] = golds.get(gold, 0) + 1
                wanted[chain.question.type] -= 1
                chosen.append(chain)
        return chosen

    def _walk(
        self, first: Fact | None, start: str, following: dict[str, list[Fact]]
    ) -> list[Fact] | None:
        """Facts from a name or a description on, until two or three passages are needed."""
        facts = [first] if first else []
        at = first.object if first else start
        size = self.rng.choice((2, LONGEST, LONGEST))
        while len({fact.passage for fact in facts}) < size:
            fact = self.rng.choice(following.get(at, [None]))
            if fact is None or fact.object in {earlier.subject for earlier in facts}:
                return None
            facts.append(fact)
            at = fact.object
            if len(facts) > LONGEST + 1:
                return None
        inner = [fact for fact in facts[:-1] if fact.relation not in NAMING]
        return facts if all(TEXT.ways[fact.relation][0] for fact in inner) else None

    def _asked(self, facts: list[Fact], unnamed: bool) -> Chain:
        phrase = facts[0].subject
        for fact in facts[:-1]:
            if fact.relation not in NAMING:
                phrase = expand(TEXT.ways[fact.relation][0], self.rng, x=phrase)
        text = expand(self.rng.choice(TEXT.ways[facts[-1].relation][1]), self.rng, x=phrase)
        gold = frozenset(fact.passage for fact in facts)
        kind = "unnamed" if unnamed else ("two-hop" if len(gold) == 2 else "three-hop")
        return Chain(GoldQuestion("", text, gold, kind), (tuple(facts),))
