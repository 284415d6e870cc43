"""Operations of an invented company: multi-hop questions over passages whose titles name nothing.

Incident tickets, change notes, pages of services, teams and people, handovers, supplier notices.
A hop goes through a name in the middle of a sentence: a ticket blames a service, another passage
says who maintains it, another who leads that team. Each trouble is told by about seven tickets,
each service blamed by three or four. Text by the project, seeded; nothing is read.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from benchmarks.sets.chains import Chain, Fact, Mentions
from benchmarks.sets.tickets_corpus import Corpus, Ticket
from benchmarks.sets.tickets_world import TEXT, build_world
from benchmarks.sets.wording import expand
from graphagg.rag.documents.passages import Passage
from graphagg.rag.evaluation.questions import GoldQuestion

Start = tuple[Fact | None, str, str]  # first fact, what is told before, noun phrase

# relations to follow, by where the question starts
FROM_SERVICE = (
    ("owner", "lead"), ("owner", "on call"), ("owner", "lead", "?"), ("owner", "on call", "?"),
    ("runs on", "room"), ("runs on", "bought"), ("runs on", "room", "keeper"),
    ("runs on", "model"), ("runs on", "model", "maker"), ("runs on", "model", "flaw"),
)  # fmt: skip
FROM_HOST = (
    ("room", "keeper"), ("model", "maker"), ("model", "flaw"), ("room", "keeper", "?"),
    ("model", "maker", "contact"), ("model", "maker", "until"),
)  # fmt: skip
FROM_CHANGE = (("approver", "?"), ("approver",), ("purpose",))
FROM_TICKET = {
    "blames service": (("owner",), ("runs on",), *FROM_SERVICE),
    "blames host": (("room",), ("bought",), ("model",), *FROM_HOST),
    "blames change": FROM_CHANGE,
}
PERSONAL = ("extension", "before", "deputy", "hobby")
LITERAL = 0.35  # share of the descriptions of a service in the words of its page
LIMIT = 3  # gold passages of a question without a comparison
QUOTA = {"unnamed": 80, "two-hop": 50, "three-hop": 60}
COMPARISONS = 7  # of each kind


def tickets(seed: int = 0) -> tuple[list[Passage], list[GoldQuestion]]:
    """Passages in random order, and questions."""
    passages, chains = build(seed)
    return passages, [chain.question for chain in chains]


def build(seed: int = 0) -> tuple[list[Passage], list[Chain]]:
    """The same with the facts that link a question to its gold passages."""
    rng = random.Random(seed)
    corpus = Corpus(build_world(rng), rng)
    corpus.build()
    return corpus.passages, _Questions(corpus).chains()


class _Questions:
    def __init__(self, corpus: Corpus) -> None:
        self._rng = corpus.rng
        self._corpus = corpus
        self._mentions = Mentions(corpus.passages)
        self._facts: dict[tuple[str, str], list[Fact]] = {}
        for fact in corpus.facts:
            self._facts.setdefault((fact.relation, fact.subject), []).append(fact)

    def chains(self) -> list[Chain]:
        """Draw starts and ways until every type has its number of questions."""
        chosen: list[Chain] = []
        wanted = dict(QUOTA)
        used: set[tuple[str, ...]] = set()
        makers = (self._from_ticket, self._from_program, self._from_name)
        while any(wanted.values()):
            chain = self._rng.choice(makers)()
            if chain is None or not wanted[chain.question.type]:
                continue
            way = tuple(fact.relation + fact.subject for fact in chain.sides[0])
            if way not in used:
                used.add(way)
                wanted[chain.question.type] -= 1
                chosen.append(chain)
        services, hosts = list(TEXT.services), list(self._corpus.world.host)
        for kind in (
            self._older,
            lambda: self._pair(TEXT.older_home, services, ("runs on", "bought"), differ=True),
            lambda: self._pair(TEXT.same_boss, services, ("owner", "lead")),
            lambda: self._pair(TEXT.same_maker, hosts, ("model", "maker")),
        ):
            chosen += self._some(kind)
        return [chain.numbered(f"tq-{number:03}") for number, chain in enumerate(chosen)]

    def _some(self, kind: Callable[[], Chain | None]) -> Iterator[Chain]:
        seen: set[frozenset[str]] = set()
        while len(seen) < COMPARISONS:
            chain = kind()
            if chain is not None and chain.question.gold not in seen:
                seen.add(chain.question.gold)
                yield chain

    # --- starts -------------------------------------------------------------------------------

    def _from_ticket(self) -> Chain | None:
        ticket = self._rng.choice(self._corpus.tickets)
        way = self._rng.choice(FROM_TICKET[ticket.cause.relation])
        named = bool(ticket.number) and self._rng.random() < 0.5
        told, phrase = self._ticket_phrase(ticket, named)
        return self._follow((ticket.cause, told, phrase), way, named)

    def _ticket_phrase(self, ticket: Ticket, named: bool) -> tuple[str, str]:
        slots = {
            "number": ticket.number,
            "symptom": ticket.symptom,
            "when": self._rng.choice(ticket.when),
            "who": self._rng.choice(ticket.who),
        }
        tell = self._rng.random() < 0.5
        if named:
            told, phrases = TEXT.told_numbered, TEXT.numbered
        else:
            told, phrases = TEXT.told, TEXT.described
        if tell:
            return expand(self._rng.choice(told), self._rng, **slots), "[that|this]"
        return "", expand(self._rng.choice(phrases), self._rng, **slots)

    def _from_program(self) -> Chain | None:
        service = self._rng.choice(list(TEXT.services))
        fact = next(f for f in self._corpus.facts if f.relation == "does" and f.object == service)
        does = fact.qualifier if self._rng.random() < LITERAL else fact.subject
        phrase = f"the [program|application] that {does}"
        return self._follow((fact, "", phrase), self._rng.choice(FROM_SERVICE), False)

    def _from_name(self) -> Chain | None:
        """From the name of a service, host, room, team or product."""
        starts = {"owner": FROM_SERVICE, "room": FROM_HOST, "keeper": (("keeper", "?"),)}
        starts |= {"lead": (("lead", "?"), ("on call", "?"))}
        starts |= {"maker": (("maker", "contact"), ("maker", "until"))}
        kind = self._rng.choice(list(starts))
        name = self._rng.choice([f.subject for f in self._corpus.facts if f.relation == kind])
        return self._follow((None, "", name), self._rng.choice(starts[kind]), True)

    # --- ways ---------------------------------------------------------------------------------

    def _follow(self, start: Start, way: tuple[str, ...], named: bool) -> Chain | None:
        first, told, phrase = start
        facts = [first] if first else []
        at = first.object if first else phrase
        for relation in way:
            step = self._rng.choice(PERSONAL) if relation == "?" else relation
            found = self._facts.get((step, at))
            if not found:
                return None
            facts.append(self._rng.choice(found))
            at = facts[-1].object
        asked = self._asked(facts, phrase)
        text = f"{told} {asked}".strip()
        gold = frozenset(fact.passage for fact in facts)
        if not 2 <= len(gold) <= LIMIT or not self._mentions.sound(facts, text):
            return None
        kind = ("two-hop" if len(gold) == 2 else "three-hop") if named else "unnamed"
        return Chain(GoldQuestion("", text, gold, kind), (tuple(facts),))

    def _asked(self, facts: list[Fact], phrase: str) -> str:
        for fact in facts[:-1]:
            nested = TEXT.nested.get(fact.relation, "{x}")
            phrase = expand(nested, self._rng, x=phrase, week=fact.qualifier)
        template = self._rng.choice(TEXT.ask[facts[-1].relation])
        return expand(template.replace("{x}", phrase), self._rng, week=facts[-1].qualifier)

    # --- comparisons --------------------------------------------------------------------------

    def _older(self) -> Chain | None:
        """Two tickets by number, each with the machine at fault."""
        numbered = [
            t for t in self._corpus.tickets if t.number and t.cause.relation == "blames host"
        ]
        sides = [
            (t.number, [t.cause, *self._facts[("bought", t.cause.object)]])
            for t in self._rng.sample(numbered, 2)
        ]
        return self._compare(TEXT.older, sides, differ=True)

    def _pair(
        self, templates: list[str], names: list[str], relations: Sequence[str], differ: bool = False
    ) -> Chain | None:
        """Two names, each with the facts that some relations lead to."""
        sides = []
        for name in self._rng.sample(names, 2):
            facts, at = list[Fact](), name
            for relation in relations:
                facts += self._facts[relation, at]
                at = facts[-1].object
            sides.append((name, facts))
        return self._compare(templates, sides, differ)

    def _compare(
        self, templates: list[str], sides: list[tuple[str, list[Fact]]], differ: bool = False
    ) -> Chain | None:
        (x, left), (y, right) = sides
        gold = frozenset(fact.passage for fact in left + right)
        text = expand(self._rng.choice(templates), self._rng, x=x, y=y)
        sound = all(self._mentions.sound(facts, text) for facts in (left, right))
        if len(gold) != 4 or not sound or (differ and left[-1].object == right[-1].object):
            return None
        return Chain(GoldQuestion("", text, gold, "comparison"), (tuple(left), tuple(right)))
