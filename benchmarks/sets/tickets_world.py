"""Who and what exists in the invented company of the ticket set."""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.sets.wording import cycle

# name: (what it does, as its page says; as a question says)
SERVICES: dict[str, tuple[str, str]] = {
    "Halyard": ("hands finished orders over to dispatch", "passes completed purchases to shipping"),
    "Quillpost": ("prints reminders and cover letters", "puts dunning mail on paper"),
    "Tamarind": ("keeps the recipes of the canteen", "stores cooking instructions"),
    "Oxbow": ("merges duplicate customer records", "joins double entries of clients"),
    "Larkspur": ("translates product texts overnight", "turns descriptions into other languages"),
    "Pennywhistle": ("pays out travel expenses", "reimburses trips"),
    "Gannet": ("collects the readings of the cold store", "gathers freezer temperatures"),
    "Mosaic Lane": ("scales and crops catalogue pictures", "resizes photographs of goods"),
    "Driftwood": ("archives contracts for ten years", "preserves signed agreements"),
    "Turnstile": ("decides which badge opens which door", "controls access to the buildings"),
    "Barley": ("forecasts tomorrow's demand for bread", "predicts how many loaves will sell"),
    "Signalman": ("routes calls to free agents", "distributes telephone enquiries"),
    "Copperplate": ("renders invoices as documents", "produces bills ready for sending"),
    "Nightjar": ("copies databases after midnight", "makes backups in the small hours"),
    "Wherry": ("plans the tours of the vans", "works out delivery routes"),
    "Sallow": ("checks addresses against the postal register", "verifies where recipients live"),
    "Hobnail": ("tracks tools lent to workshops", "records borrowed equipment"),
    "Millrace": ("moves messages between the branches", "transports data from site to site"),
    "Foxglove": ("records accidents at work", "registers injuries of employees"),
    "Candlewick": ("switches the lights in the halls", "turns lamps on and off"),
    "Pepperbox": ("draws winners of competitions", "runs the prize lottery"),
    "Jackstay": ("books meeting rooms", "reserves places for conferences"),
    "Rookery": ("stores the profiles of applicants", "holds files on job candidates"),
    "Sundial": ("counts working hours", "measures how long employees are present"),
    "Vetchling": ("compares prices of competitors", "watches what rival shops charge"),
    "Anvil Row": ("compiles spare part lists", "puts together replacement components"),
    "Thimble": ("sends one-time codes to phones", "texts security numbers to handsets"),
    "Weatherboard": ("publishes notices on the hallway screens", "shows news in the corridors"),
    "Lodestar": ("finds the nearest shop for a visitor", "locates the closest outlet"),
    "Cinder": ("deletes personal data after the legal term", "erases private records when due"),
    "Bellwether": ("alerts managers when sales fall", "warns bosses about shrinking turnover"),
    "Stockpot": ("adds up nutrition values", "calculates calories"),
    "Tollgate": ("computes customs duties", "determines import charges"),
    "Marchpane": ("designs vouchers and gift cards", "creates coupons"),
    "Hawser": ("reserves berths at the quay", "books mooring places"),
    "Inkstone": ("collects electronic signatures", "gets documents signed digitally"),
    "Fennel Street": (
        "answers simple questions in a chat",
        "replies to written enquiries by robot",
    ),
    "Ploughshare": ("orders seed and fertiliser", "buys supplies for the fields"),
    "Sparrowhawk": ("spots fraud in card payments", "detects cheating with plastic money"),
    "Gooseneck": ("meters water in the laundries", "measures consumption of washing plants"),
}
TEAMS = (
    "Harbour Desk", "Copper Squad", "Night Ledger", "the Ropewalkers", "Team Juniper", "Blue Gate",
    "the Tinsmiths", "Fathom", "Crew Seventeen", "Second Shelf", "the Lamplighters", "Granary",
    "Team Osprey", "Keystone Group", "Paper Street", "the Quartermasters", "Hedgerow", "Low Tide",
)  # fmt: skip
BIRDS = (
    "kestrel",
    "dunlin",
    "siskin",
    "plover",
    "wren",
    "bittern",
    "serin",
    "teal",
    "knot",
    "rail",
)
ROOMS = (
    "Room 2.14", "the Annex cellar", "Hall Birch", "cage C7", "the old bakery", "Room 0.31",
    "the tower loft", "Container 9", "Vault Saffron", "the boiler corridor", "Room 5.02",
    "Hall Ash", "the ferry shed", "cabinet row K", "Bunker East", "the print cellar",
)  # fmt: skip
PRODUCTS = (
    "Corvane 220", "Hexal Mini", "Trondor R6", "Sable Rack 4", "Pavo 1800", "Ilmen Blade",
    "Nordhus Twin", "Gantry X2", "Felspar 90", "Ostrava Cube", "Mistral D3", "Lumen Half",
    "Tarsus 7U", "Brack 512", "Ketil Tower", "Orlo Slim",
)  # fmt: skip
VENDORS = (
    "Aldermoor Systems", "Vantine & Sons", "Brightwater Leasing", "Kolbe Datentechnik",
    "Ostara Networks", "Peverell Computing", "Solheim Supply", "Trigg Machines", "Umbra Metals",
    "Wexcombe Electric", "Yarrow Digital", "Zephyrin", "Norrland Rack Works", "Castellan Parts",
)  # fmt: skip
FLAWS = (
    "capacitors that swell in warm rooms",
    "a power switch that can break off",
    "rails too short for deep cabinets",
    "a fan that starts to howl after two years",
    "firmware that forgets the date",
    "a network port that comes loose",
    "paint flaking into the air filter",
    "memory slots that corrode by the sea",
    "a lock that any coin can open",
    "a display that fades within months",
    "cables with brittle sleeves",
    "a controller that drops the third disk",
    "screws that rust in damp cellars",
    "a battery that must not be charged overnight",
    "a sensor reading four degrees too low",
    "a lid that jams when dusty",
)
FIRST = {
    "she": ("Mirela", "Oda", "Tansy", "Ilse", "Renske", "Yvaine", "Calla", "Sunniva", "Petra",
            "Noor", "Hedda", "Bryony", "Lucasta", "Wilma", "Anouk", "Signe"),
    "he": ("Tobin", "Anselm", "Ruben", "Ivo", "Casper", "Leander", "Fedor", "Osric", "Jory",
           "Matthis", "Pelle", "Quentin", "Silvan", "Ulf", "Emrys", "Dario"),
}  # fmt: skip
LAST = (
    "Dosk", "Verrault", "Orlander", "Quist", "Tamsyn", "Bellwood", "Ruzek", "Harkaway", "Ilves",
    "Pommer", "Sedgley", "Tveit", "Oakhanger", "Brisco", "Calloway", "Drummel", "Escher", "Falk",
    "Gorringe", "Hallam", "Iverley", "Jessop", "Kettering", "Lindqvist", "Marchetti", "Nevison",
    "Ormsby", "Pargeter", "Quayle", "Rasmus", "Stannard", "Thorley", "Ullathorne", "Vasko",
    "Whitlock", "Yelland", "Zimmer", "Averill", "Bramley", "Corsini", "Danvers", "Eastlake",
    "Fenwick", "Garside", "Holloway", "Ingram", "Jelinek", "Kovar", "Lorimer", "Mayhew", "Nyland",
    "Overbeck", "Pritchard", "Rosling", "Satterley", "Tolland", "Underhay", "Vickery", "Wadham",
    "Yardley", "Abelard", "Bickerton", "Crowther", "Dunmore", "Ellery", "Fairfax", "Goddard",
    "Hexham", "Isham", "Jardine", "Kilbride", "Loxley", "Mundy", "Netherby", "Oldacre", "Penrose",
    "Redfern", "Skelton", "Trevanion", "Upjohn", "Venning", "Woolcott", "Yorath", "Ashdown",
    "Buckland", "Chantry", "Devane", "Elphick", "Farthing", "Gillow", "Haldane", "Ivory",
    "Joslin", "Kemble", "Lacey", "Morrow", "Norwood", "Oxenham", "Peverley", "Rackham",
    "Sherwin", "Tibbett", "Vyner", "Wragge", "Amory", "Birtles", "Corrigan", "Dimmock",
    "Eversley", "Frayne", "Gresham", "Hewlett", "Inskip", "Kershaw", "Lymington", "Maddox",
)  # fmt: skip
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
    teams = list(TEAMS)
    lead = {team: people.pop() for team in teams}
    members = {team: [people.pop() for _ in range(4)] for team in teams}
    crew = [person for group in members.values() for person in group]
    hosts = [f"{bird}-{number:02}" for bird in BIRDS for number in rng.sample(range(1, 30), 4)]
    hosts += [f"BX-{number}" for number in rng.sample(range(1100, 1990), 16)]
    rng.shuffle(hosts)
    rooms, products = cycle(rng, ROOMS, len(hosts)), cycle(rng, PRODUCTS, len(hosts))
    years = [rng.randint(2008, 2023) for _ in hosts]
    return World(
        pronoun=pronoun,
        owner=dict(zip(SERVICES, cycle(rng, teams, len(SERVICES)), strict=True)),
        runs_on=dict(zip(SERVICES, rng.sample(hosts, len(SERVICES)), strict=True)),
        host=dict(zip(hosts, zip(rooms, years, products, strict=True), strict=True)),
        maker=dict(zip(PRODUCTS, cycle(rng, VENDORS, len(PRODUCTS)), strict=True)),
        lead=lead,
        members=members,
        keeper=dict(zip(ROOMS, rng.sample(crew, len(ROOMS)), strict=True)),
        contact={vendor: people.pop() for vendor in VENDORS},
        reporters=people,
    )


def _people(rng: random.Random) -> tuple[list[str], dict[str, str]]:
    pronoun = {}
    for last in rng.sample(LAST, len(LAST)):
        gender = rng.choice(("she", "he"))
        pronoun[f"{rng.choice(FIRST[gender])} {last}"] = gender
    return list(pronoun), pronoun
