"""Writes the paragraphs of the chronicle, and notes what they state."""

from __future__ import annotations

import random
from collections.abc import Sequence

from benchmarks.sets.chains import Fact
from benchmarks.sets.chapters_world import TEXT, Person, families
from benchmarks.sets.wording import compose, cycle, expand
from graphagg.rag.documents.passages import Passage

JOURNEYS, INTERLUDES = 16, 24
# relation: the same seen from the other end
INVERSE = {
    "builder": "built house", "heir": "inherited", "inventor": "invented",
    "captain": "commanded", "teacher": "pupil",
}  # fmt: skip
ORDER = ("first", "second", "third")

Draft = tuple[int, str, list[Fact]]  # year, paragraph, facts without their passage


class Book:
    """The valley, and its paragraphs in the making."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._people = families(rng)
        self._drafts: list[Draft] = []
        self._houses = [house for house, _, _ in TEXT.houses]

    def write(self) -> tuple[list[Passage], list[Fact]]:
        """Paragraphs by year, numbered; and their facts, both ways where that is unique."""
        self._write_people()
        self._write_weddings()
        self._write_houses()
        self._write_inventions()
        self._write_boats()
        self._write_things()
        self._write_journeys()
        self._write_events()
        self._write_interludes()
        self._drafts.sort(key=lambda draft: draft[0])
        passages, facts = [], []
        for number, (_, paragraph, stated) in enumerate(self._drafts):
            id_ = f"c-{number:03}"
            passages.append(Passage(id_, paragraph))
            facts += [
                Fact(f.relation, f.subject, f.object, id_, f.qualifier, f.named) for f in stated
            ]
        return passages, _functional(facts)

    def _say(self, templates: Sequence[str], **slots: object) -> str:
        small = {"n": self._rng.randint(3, 48), "few": self._rng.randint(2, 9)}
        return expand(self._rng.choice(templates), self._rng, **{**small, **slots})

    def _paragraph(
        self, year: int, core: list[str], after: Sequence[str], facts: list[Fact], **slots: object
    ) -> None:
        more = [self._say((sentence,), **slots) for sentence in after]
        paragraph = compose(self._rng, core, after=more, between=(38, 66))
        self._drafts.append((year, paragraph, facts))

    def _grown(self, year: int, but: Sequence[Person] = ()) -> Person:
        """Somebody between eighteen and seventy."""
        able = [p for p in self._people if 18 <= year - p.born <= 70 and p not in but]
        return self._rng.choice(able)

    def _write_people(self) -> None:
        trades = self._rng.sample(TEXT.trades, len(TEXT.trades))
        for person in self._people:
            slots = _pronouns(person)
            died = person.born + self._rng.randint(58, 84)
            facts = [
                Fact("born", person.name, str(person.born), ""),
                Fact("died", person.name, str(died), ""),
            ]
            if person.father:
                siblings = person.father.children
                kind = "daughter" if person.woman else "son"
                slots |= {"nth": ORDER[siblings.index(person)], "father": person.father.name}
                slots["kind"] = "girl" if person.woman else "boy"
                facts.append(Fact("father", person.name, person.father.name, ""))
                if sum(child.woman == person.woman for child in siblings) == 1:
                    facts.append(Fact(kind, person.father.name, person.name, ""))
            born = TEXT.born if person.father else TEXT.arrived
            core = [self._say(born, name=person.name, year=person.born, **slots)]
            if trades and self._rng.random() < 0.8:
                trade, asked = trades.pop()
                core.append(self._say(TEXT.worked, trade=trade, **slots))
                facts.append(Fact("trade", f"the {asked}", person.name, "", trade, named=False))
                if person.father:
                    teacher = self._grown(person.born + 15, but=(person, *_kin(person)))
                    core.append(self._say(TEXT.learned, teacher=teacher.name, **slots))
                    facts.append(Fact("teacher", person.name, teacher.name, ""))
            core.append(self._say(TEXT.died, died=died, **slots))
            self._paragraph(person.born, core, TEXT.of_person, facts, **slots)

    def _write_weddings(self) -> None:
        for groom in self._people:
            bride = groom.spouse
            if groom.woman or bride is None:
                continue
            year = max(groom.born, bride.born) + self._rng.randint(19, 22)
            place = self._rng.choice(self._houses)
            slots = {"bride": bride.name, "groom": groom.name, "place": place, "year": year}
            facts = [
                Fact("spouse", bride.name, groom.name, ""),
                Fact("spouse", groom.name, bride.name, ""),
                Fact("wedding place", bride.name, place, ""),
                Fact("wedding place", groom.name, place, ""),
            ]
            self._paragraph(year, [self._say(TEXT.married, **slots)], TEXT.of_wedding, facts)

    def _write_houses(self) -> None:
        for house, looks, asked in TEXT.houses:
            year = self._rng.randint(1822, 1876)
            builder = self._grown(year)
            heir = self._grown(year + 12, but=(builder, *_kin(builder)))
            core = [
                self._say(TEXT.built, house=house, builder=builder.name, year=year, looks=looks),
                self._say(TEXT.passed, heir=heir.name),
            ]
            facts = [
                Fact("house", asked, house, "", looks, named=False),
                Fact("builder", house, builder.name, ""),
                Fact("heir", house, heir.name, ""),
            ]
            self._paragraph(year, core, TEXT.of_house, facts)

    def _write_inventions(self) -> None:
        for thing, does, asked in TEXT.inventions:
            year = self._rng.randint(1830, 1890)
            maker, house = self._grown(year).name, self._rng.choice(self._houses)
            core = [
                self._say(TEXT.invented, maker=maker, year=year, thing=thing, does=does),
                self._say(TEXT.assembled, house=house),
            ]
            facts = [
                Fact("invention", asked, thing, "", does, named=False),
                Fact("inventor", thing, maker, ""),
                Fact("assembled at", thing, house, ""),
            ]
            self._paragraph(year, core, TEXT.of_invention, facts)

    def _write_boats(self) -> None:
        for boat, looks in TEXT.boats:
            year = self._rng.randint(1826, 1872)
            builder = self._grown(year)
            captain = self._grown(year, but=(builder,))
            end = year + self._rng.randint(9, 31)
            core = [
                self._say(TEXT.launched, boat=boat, looks=looks, year=year, builder=builder.name),
                self._say(TEXT.captained, captain=captain.name),
                self._say(TEXT.sank, end=end),
            ]
            facts = [
                Fact("shipwright", boat, builder.name, ""),
                Fact("captain", boat, captain.name, ""),
                Fact("end", boat, str(end), ""),
            ]
            self._paragraph(year, core, TEXT.of_boat, facts)

    def _write_things(self) -> None:
        for thing, asked in TEXT.things:
            year = self._rng.randint(1825, 1888)
            maker = self._grown(year)
            owner = self._grown(year + 3, but=(maker,))
            house = self._rng.choice(self._houses)
            core = [
                self._say(TEXT.made, maker=maker.name, thing=thing, year=year),
                self._say(TEXT.given, owner=owner.name),
                self._say(TEXT.kept, house=house),
            ]
            facts = [
                Fact(relation, asked, object_, "", thing, named=False)
                for relation, object_ in (
                    ("maker", maker.name),
                    ("owner", owner.name),
                    ("kept at", house),
                )
            ]
            self._paragraph(year, core, TEXT.of_thing, facts)

    def _write_journeys(self) -> None:
        travellers: list[Person] = []
        places = cycle(self._rng, TEXT.places, JOURNEYS)
        boats = cycle(self._rng, [boat for boat, _ in TEXT.boats], JOURNEYS)
        for place, boat in zip(places, boats, strict=True):
            year = self._rng.randint(1832, 1886)
            who = self._grown(year, but=travellers)
            travellers.append(who)
            slots = {"who": who.name, "place": place, "boat": boat, "year": year}
            facts = [
                Fact("sailed on", who.name, boat, ""),
                Fact("destination", who.name, place, ""),
            ]
            core = [self._say(TEXT.travelled, **slots)]
            self._paragraph(year, core, TEXT.of_journey, facts, **_pronouns(who))

    def _write_events(self) -> None:
        houses = self._rng.sample(self._houses, len(TEXT.events))
        for (what, asked), house in zip(TEXT.events, houses, strict=True):
            year = self._rng.randint(1878, 1895)
            hero = self._grown(year).name
            what = what.format(house=house)
            core = [f"In {year} {what}.", self._say(TEXT.rescued, hero=hero)]
            facts = [
                Fact("struck", asked, house, "", named=False),
                Fact("hero", asked, hero, "", named=False),
                Fact("befell", house, hero, ""),
            ]
            self._paragraph(year, core, TEXT.of_event, facts)

    def _write_interludes(self) -> None:
        for template in cycle(self._rng, TEXT.interludes, INTERLUDES):
            year = self._rng.randint(1800, 1895)
            self._drafts.append((year, self._say((template,), year=year), []))


def _kin(person: Person) -> list[Person]:
    """Those whom another paragraph names beside this person."""
    near = [person.father, person.spouse, *person.children]
    return [other for other in near if other is not None]


def _pronouns(person: Person) -> dict[str, object]:
    return {"pron": person.pronoun, "object": "her" if person.woman else "him"}


def _functional(facts: list[Fact]) -> list[Fact]:
    """The facts with their inverses, where relation and subject lead to one object alone."""
    both = facts + [
        Fact(INVERSE[f.relation], f.object, f.subject, f.passage)
        for f in facts
        if f.relation in INVERSE
    ]
    count: dict[tuple[str, str], int] = {}
    for fact in both:
        count[fact.relation, fact.subject] = count.get((fact.relation, fact.subject), 0) + 1
    return [fact for fact in both if count[fact.relation, fact.subject] == 1]
