"""Who and what exists in the invented company of the ticket set."""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.sets.wording import cycle, texts

TEXT = texts("tickets")
WEEKS = (11, 12, 13, 14)


@dataclass(frozen=True)
class World:
    """Who owns, runs, leads and keeps what."""

    pronoun: dict[str, str]
    owner: dict[str, str]
    runs_on: dict[str, str]
    host: dict[str, tuple[str, int, str]]  # room, year, product
    maker: dict[str, str]
    lead: dict[str, str]
    members: dict[str, list[str]]
    keeper: dict[str, str]
    reporters: list[str]
    contact: dict[str, str]

    @property
    def staff(self) -> list[str]:
        """Everybody of a team, leaders last."""
        return [person for group in self.members.values() for person in group] + [
            *self.lead.values()
        ]


def build_world(rng: random.Random) -> World:
    """Draw names and assignments."""
    people, pronoun = _people(rng)
    teams = list(TEXT.teams)
    lead = {team: people.pop() for team in teams}
    members = {team: [people.pop() for _ in range(4)] for team in teams}
    crew = [person for group in members.values() for person in group]
    hosts = [f"{bird}-{number:02}" for bird in TEXT.birds for number in rng.sample(range(1, 30), 4)]
    hosts += [f"BX-{number}" for number in rng.sample(range(1100, 1990), 16)]
    rng.shuffle(hosts)
    rooms, products = cycle(rng, TEXT.rooms, len(hosts)), cycle(rng, TEXT.products, len(hosts))
    years = [rng.randint(2008, 2023) for _ in hosts]
    return World(
        pronoun=pronoun,
        owner=dict(zip(TEXT.services, cycle(rng, teams, len(TEXT.services)), strict=True)),
        runs_on=dict(zip(TEXT.services, rng.sample(hosts, len(TEXT.services)), strict=True)),
        host=dict(zip(hosts, zip(rooms, years, products, strict=True), strict=True)),
        maker=dict(zip(TEXT.products, cycle(rng, TEXT.vendors, len(TEXT.products)), strict=True)),
        lead=lead,
        members=members,
        keeper=dict(zip(TEXT.rooms, rng.sample(crew, len(TEXT.rooms)), strict=True)),
        contact={vendor: people.pop() for vendor in TEXT.vendors},
        reporters=people,
    )


def _people(rng: random.Random) -> tuple[list[str], dict[str, str]]:
    pronoun = {}
    for last in rng.sample(TEXT.last, len(TEXT.last)):
        gender = rng.choice(("she", "he"))
        pronoun[f"{rng.choice(TEXT.first[gender])} {last}"] = gender
    return list(pronoun), pronoun
