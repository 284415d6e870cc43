"""The passages of the ticket set, and the facts that they state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from benchmarks.sets.chains import Fact
from benchmarks.sets.tickets_world import TEXT, WEEKS, World
from benchmarks.sets.wording import compose, cycle, expand, ordinal, upper_first
from graphagg.rag.documents.passages import Passage

TICKETS = {"blames service": 140, "blames host": 66, "blames change": 44}
CHANGES, PORTRAITS, NOTICES = 80, 68, 36


@dataclass(frozen=True)
class Ticket:
    """What a question may say of a ticket.

    Attributes:
        number: "" where the text gives none.
        symptom: in other words than those of the text.
        when: in the words of the text, and in others.
        who: the same.
        cause: what the ticket blames.
    """

    number: str
    symptom: str
    when: tuple[str, str]
    who: tuple[str, str]
    cause: Fact


@dataclass
class Corpus:
    """Passages in the making."""

    world: World
    rng: random.Random
    passages: list[Passage] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def build(self) -> None:
        """Write all passages and shuffle them."""
        self._services()
        self._hosts()
        self._teams()
        self._people()
        self._rooms()
        self._suppliers()
        self._changes()
        self._tickets()
        self._notices()
        self.rng.shuffle(self.passages)

    def _add(self, title: str, text: str) -> str:
        """Ids are random, so that they do not tell the kind."""
        used = {passage.id for passage in self.passages}
        while (id_ := f"t-{self.rng.randrange(10**5):05}") in used:
            pass
        self.passages.append(Passage(id_, text, title))
        return id_

    def _small(self) -> dict[str, object]:
        """Values of the slots that carry no fact."""
        rng = self.rng
        return {
            "n": rng.randint(3, 48),
            "hour": f"{rng.randint(7, 16)}:{rng.randrange(0, 60, 5):02}",
            "month": rng.choice(TEXT.months),
            "level": rng.choice(("low", "medium", "high")),
            "few": rng.randint(2, 9),
            "day": ordinal(rng.randint(1, 28)),
        }

    def _say(self, template: str, **slots: object) -> str:
        return expand(template, self.rng, **{**self._small(), **slots})

    def _page(self, page: str, keep: int | None = None, **slots: object) -> str:
        """One sentence of each group, or of the first and `keep` others; then some more."""
        titles, groups, after = TEXT.pages[page]
        chosen = list(groups)
        if keep is not None:
            chosen = [groups[0], *self.rng.sample(groups[1:], keep)]
        core = [self._say(self.rng.choice(group), **slots) for group in chosen]
        slots = self._bystanders() | {"year": self.rng.randint(2015, 2022)} | slots
        more = [self._say(sentence, **slots) for sentence in after]
        first, *general = (self._say(line) for line in self.rng.sample(TEXT.general, 4))
        before = [first] if self.rng.random() < 0.4 else []
        return self._add(self.rng.choice(titles), compose(self.rng, core, before, more + general))

    def _bystanders(self) -> dict[str, object]:
        """Names in sentences that answer nothing."""
        return {
            "other": self.rng.choice(list(TEXT.services)),
            "colleague": self.rng.choice(self.world.staff),
            "otherhost": self.rng.choice(list(self.world.host)),
            "otherteam": self.rng.choice(TEXT.teams),
        }

    def _state(self, passage: str, subject: str, qualifier: str = "", **objects: object) -> None:
        """Register what a passage says, by relation (`_` for a blank), if it does say it."""
        text = self.passages[-1].text
        for relation, value in objects.items():
            if str(value) in text or upper_first(str(value)) in text:
                name = relation.replace("_", " ")
                self.facts.append(Fact(name, subject, str(value), passage, qualifier))

    def _services(self) -> None:
        world = self.world
        for service, (does, asked) in TEXT.services.items():
            year = self.rng.randint(2015, 2022)
            team, host = world.owner[service], world.runs_on[service]
            id_ = self._page("service", service=service, does=does, team=team, year=year)
            self.facts.append(Fact("does", asked, service, id_, does, named=False))
            self._state(id_, service, owner=team)
            id_ = self._page("deployment", service=service, host=host)
            self._state(id_, service, runs_on=host)

    def _hosts(self) -> None:
        for host, (room, year, product) in self.world.host.items():
            id_ = self._page("inventory", host=host, room=room, year=year, product=product)
            self._state(id_, host, room=room, bought=year, model=product)

    def _teams(self) -> None:
        for team in TEXT.teams:
            members, lead = self.world.members[team], self.world.lead[team]
            a, b = self.rng.sample(members, 2)
            year = self.rng.randint(2015, 2022)
            id_ = self._page("team", team=team, lead=lead, a=a, b=b, year=year)
            self._state(id_, team, lead=lead)
            shifts = self.rng.sample(members, 4)
            for number, (week, person) in enumerate(zip(WEEKS, shifts, strict=True)):
                slots = {"week": week, "person": person, "previous": shifts[number - 1]}
                id_ = self._page("handover", team=team, **slots)
                self._state(id_, team, f"week {week}", on_call=person)

    def _people(self) -> None:
        world, rng = self.world, self.rng
        staff = rng.sample(world.staff, PORTRAITS)
        numbers = rng.sample(range(2100, 6900), PORTRAITS)
        former = cycle(rng, TEXT.before_us, PORTRAITS)
        hobbies = cycle(rng, TEXT.hobbies, PORTRAITS)
        for person, number, before, hobby in zip(staff, numbers, former, hobbies, strict=True):
            deputy = rng.choice([other for other in world.staff if other != person])
            pronoun = world.pronoun[person]
            id_ = self._page(
                "person", 2, person=person, extension=number, before=before, hobby=hobby,
                deputy=deputy, pron=pronoun, object="her" if pronoun == "she" else "him",
            )  # fmt: skip
            self._state(id_, person, extension=number, before=before, deputy=deputy, hobby=hobby)

    def _rooms(self) -> None:
        for room, keeper in self.world.keeper.items():
            id_ = self._page("room", room=room, keeper=keeper)
            self._state(id_, room, keeper=keeper)

    def _suppliers(self) -> None:
        flaws = cycle(self.rng, TEXT.flaws, len(self.world.maker))
        for (product, vendor), flaw in zip(self.world.maker.items(), flaws, strict=True):
            id_ = self._page("product", product=product, vendor=vendor, flaw=flaw)
            self._state(id_, product, maker=vendor, flaw=flaw)
        for vendor in TEXT.vendors:
            month, year = self.rng.choice(TEXT.months), self.rng.randint(2025, 2031)
            contact = self.world.contact[vendor]
            slots = {"contact": contact, "month": month, "year": year}
            id_ = self._page("vendor", vendor=vendor, **slots)
            self._state(id_, vendor, contact=contact, until=f"{month} {year}")

    def _changes(self) -> None:
        services = cycle(self.rng, tuple(TEXT.services), CHANGES)
        purposes = cycle(self.rng, TEXT.purposes, CHANGES)
        for service, purpose in zip(services, purposes, strict=True):
            change = f"CHG-{2000 + 7 * len(self.changes) + self.rng.randrange(6)}"
            approver = self.rng.choice(self.world.staff)
            slots = {"service": service, "purpose": purpose, "approver": approver}
            id_ = self._page("change", change=change, **slots)
            self._state(id_, change, approver=approver, purpose=purpose)
            self.changes.append(change)

    def _tickets(self) -> None:
        kinds = [kind for kind, count in TICKETS.items() for _ in range(count)]
        stories = islice(self._stories(), len(kinds))
        for number, (kind, (symptom, when, who)) in enumerate(zip(kinds, stories, strict=True)):
            name = f"INC-{4000 + 11 * number + self.rng.randrange(10)}"
            shown = self.rng.random() < 0.6
            cause = self._ticket(kind, name if shown else "", symptom[0], when[0], who[0])
            self.tickets.append(Ticket(name if shown else "", symptom[1], when, who, cause))

    def _stories(self) -> Iterator[tuple[tuple[str, str], tuple[str, str], tuple[str, str]]]:
        """What, when and who, with no two of them together in any other story."""
        seen: set[tuple[str, str]] = set()
        while True:
            story = (
                self.rng.choice(TEXT.symptoms),
                self.rng.choice(TEXT.circumstances),
                self.rng.choice(TEXT.affected),
            )
            what, when, who = (text for text, _ in story)
            pairs = {(what, when), (what, who), (when, who)}
            if not pairs & seen:
                seen |= pairs
                yield story

    def _ticket(self, kind: str, number: str, what: str, when: str, who: str) -> Fact:
        rng = self.rng
        pools = {
            "blames service": (TEXT.blames_service, tuple(TEXT.services)),
            "blames host": (TEXT.blames_host, tuple(self.world.host)),
            "blames change": (TEXT.blames_change, tuple(self.changes)),
        }
        templates, culprits = pools[kind]
        culprit = rng.choice(culprits)
        reporter = rng.choice(self.world.reporters + self.world.staff[:40])
        others = [service for service in TEXT.services if service != culprit]
        slots = {"reporter": reporter, "other": rng.choice(others), kind.split()[1]: culprit}
        account = self._say(rng.choice(TEXT.accounts), what=what, when=when, who=who, **slots)
        core = [account, self._say(rng.choice(templates), **slots)]
        if number:
            filed = self._say(rng.choice(TEXT.numbers), number=number)
            core.insert(rng.randrange(3), filed)
        before = [self._say(sentence) for sentence in TEXT.before]
        after = [self._say(sentence) for sentence in rng.sample(TEXT.after, 8)]
        text = compose(rng, core, before[: rng.randrange(3)], after)
        id_ = self._add(rng.choice(TEXT.titles), text)
        return Fact(kind, number, culprit, id_, named=bool(number))

    def _notices(self) -> None:
        for template in cycle(self.rng, TEXT.noise, NOTICES):
            slots = {
                "room": self.rng.choice(list(self.world.keeper)),
                "person": self.rng.choice(self.world.reporters + self.world.staff),
                "host": self.rng.choice(list(self.world.host)),
            }
            self._add(self.rng.choice(TEXT.noise_titles), self._say(template, **slots))
