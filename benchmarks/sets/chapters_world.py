"""The invented valley of the chronicle: families over three generations, houses, boats, things."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FAMILIES = ("Tarrow", "Venning", "Ostler", "Quillan", "Merrow", "Hask", "Pellinor")
STRANGERS = ("Dray", "Lindsey", "Corvin", "Abbot", "Sarn", "Waite", "Ilk")
WOMEN = (
    "Aldith", "Berta", "Cressida", "Dorothea", "Edwina", "Frieda", "Gwenna", "Hester", "Isolde",
    "Jemima", "Kezia", "Leonie", "Maud", "Nerissa", "Ottilie", "Prudence", "Rosamund", "Sabine",
    "Tamsin", "Una", "Verity", "Winifred", "Ysolt", "Zillah", "Amabel", "Clemence", "Eulalia",
    "Florence",
)  # fmt: skip
MEN = (
    "Ambrose", "Barnaby", "Caleb", "Duncan", "Edmund", "Fabian", "Gideon", "Hubert", "Ivor",
    "Jasper", "Kenelm", "Lambert", "Magnus", "Nathaniel", "Oswin", "Piers", "Rafe", "Silas",
    "Tobias", "Urban", "Valentine", "Wystan", "Crispin", "Elias", "Godfrey", "Hamo", "Jonas",
    "Laurence",
)  # fmt: skip
# (what the chronicle says somebody did, what a question calls such a person)
TRADES = (
    ("tended the lamp on Gull Rock", "lighthouse keeper"),
    ("set broken bones for man and beast", "healer of fractures"),
    ("cut gravestones out of blue slate", "mason of tombs"),
    ("boiled soap behind the tannery", "manufacturer of cleaning bars"),
    ("supplied the upper village with bread", "baker"),
    ("mended nets by the landing", "repairer of fishing gear"),
    ("taught the children their letters", "village schoolteacher"),
    ("rang the bell and dug the graves", "sexton"),
    ("carried the mail over the pass", "postal messenger"),
    ("distilled plum brandy", "producer of spirits"),
    ("shod every horse between the two bridges", "blacksmith"),
    ("brought most of the infants of the parish into the world", "midwife"),
    ("counted the coins at the lower bridge", "toll collector"),
    ("ground the corn of nine hamlets", "miller"),
    ("kept four hundred ewes on the moor", "shepherd"),
    ("drew the first charts of the high moor", "mapmaker"),
    ("played the fiddle at every feast", "violinist"),
    ("preached against dancing", "parson"),
    ("tuned church organs as far as the coast", "expert on pipes and bellows"),
    ("sold ribbons and needles from a cart", "pedlar"),
    ("burned charcoal in the high wood", "producer of fuel for the forges"),
    ("raised swarms in hollow logs", "beekeeper"),
    ("wrote letters for those who could not", "public scribe"),
    ("poured the ale at the ford", "innkeeper"),
    ("wove sails and blankets", "maker of cloth"),
    ("caught eels by lantern", "night fisher"),
    ("painted boards for shops and taverns", "artist of signs"),
    ("measured the rain every morning for fifty years", "weather observer"),
    ("blew bottles in green glass", "glassmaker"),
    ("carved legs for crippled soldiers", "maker of artificial limbs"),
    ("trained hounds for the customs men", "dog handler"),
    ("copied the verdicts of the court", "clerk of justice"),
)
# (name, how it looked, how a question describes it)
HOUSES = (
    ("Larchfold", "with a roof of turf and seven chimneys", "the dwelling with grass on top"),
    (
        "Stonecross",
        "on the spot where the two drove roads meet",
        "the home at the junction of tracks",
    ),
    ("Merlin's Rest", "round like a cheese", "the circular building"),
    ("Heron Lodge", "on stilts above the reeds", "the lodging raised over the marsh"),
    ("the Salt House", "of tarred planks, black as a boot", "the dark timber building"),
    ("Ninewells", "around a courtyard full of springs", "the place with all the fountains"),
    (
        "Thornby Grange",
        "behind a hedge no fox could pass",
        "the farm with the impenetrable hedgerow",
    ),
    ("Candle Hall", "with a window for every day of the month", "the mansion of many panes"),
    ("Frostgate", "at the mouth of the pass, half in the rock", "the house dug into the cliff"),
    ("Applegarth", "among four hundred fruit trees", "the home in the orchard"),
    ("the Long Barn", "ninety paces from end to end", "the very lengthy farm building"),
    ("Wayland Tower", "of five storeys, one room to each", "the tall and narrow residence"),
    ("Sorrel Cottage", "so low that tall guests must kneel", "the tiny home with little headroom"),
    ("the Glebe", "with walls of river pebbles", "the house of rounded stones"),
)
# (name, what it did, how a question describes it)
INVENTIONS = (
    (
        "the frost bell",
        "rang by itself when the night turned cold",
        "the warning against low temperatures",
    ),
    (
        "the walking crane",
        "lifted hay over walls and strode on four iron feet",
        "the striding hoist",
    ),
    (
        "the ink mill",
        "made writing fluid from oak galls by the barrel",
        "the engine for black liquid",
    ),
    ("the tide ladder", "let boats climb the weir without a rope", "the way up for vessels"),
    (
        "the silent loom",
        "could be worked while a baby slept beside it",
        "the noiseless weaving frame",
    ),
    ("the cider clock", "told the hours by drops from a cask", "the timepiece run by apple drink"),
    (
        "the moth lantern",
        "gave light without drawing insects",
        "the lamp that did not attract bugs",
    ),
    (
        "the stone sieve",
        "cleared a field of pebbles in one afternoon",
        "the machine that cleaned the soil",
    ),
    (
        "the echo horn",
        "called the herds home from two miles off",
        "the instrument for gathering cattle",
    ),
    (
        "the snow plough sledge",
        "opened the pass in January",
        "the vehicle that cleared the winter road",
    ),
    ("the butter wheel", "churned by the force of the brook", "the water-driven dairy device"),
    ("the paper kite", "measured the wind above the ridge", "the flying gauge of breezes"),
)
# (name, looks)
BOATS = (
    ("the Grey Sister", "broad in the beam and slow"),
    ("the Magpie", "painted white and black"),
    ("the Patience", "a flat ferry with room for two carts"),
    ("the Saint Orm", "with a carved bear at her bow"),
    ("the Swift Hannah", "as narrow as a needle"),
    ("the Widow's Mite", "patched with tin"),
    ("the Red Lantern", "the first one here with an engine"),
    ("the Bishop", "heavy with brass"),
)
# (thing, how a question describes it)
THINGS = (
    ("a silver thimble with a dent", "the damaged sewing tool of precious metal"),
    ("a cello without a scroll", "the incomplete string instrument"),
    ("a quilt of ninety-nine patches", "the bedcover sewn from scraps"),
    ("a chessboard of slate and bone", "the board for a game of kings"),
    ("an iron crown from a beehive dance", "the metal headgear for a swarm feast"),
    ("a telescope bound in eelskin", "the spyglass wrapped in fish leather"),
    ("a spoon as long as an arm", "the oversized ladle"),
    ("a music box that plays backwards", "the mechanism with the reversed melody"),
    ("a pair of copper skates", "the reddish footwear for ice"),
    ("a bell no bigger than a plum", "the tiny chime"),
    ("a chair with three legs and a curse", "the unlucky seat"),
    ("a map burned at one corner", "the singed chart"),
    ("a cup carved from a root", "the wooden drinking vessel"),
    ("a glass eye, blue", "the artificial organ of sight"),
)
PLACES = (
    "Port Ansel", "the Amber Coast", "Velmouth", "the Isle of Crane", "Skarholm", "Tressady",
    "the salt pans of Ure", "Old Karlsby", "the fair at Lonnock", "Miravel", "the glaciers of Hoy",
    "Zeeburg", "the monastery of Saint Bride", "Duncastle",
)  # fmt: skip


@dataclass
class Person:
    """A man or a woman of the valley."""

    name: str
    woman: bool
    born: int
    father: Person | None = None
    spouse: Person | None = None
    children: list[Person] = field(default_factory=list)

    @property
    def first(self) -> str:
        return self.name.split()[0]

    @property
    def pronoun(self) -> str:
        return "she" if self.woman else "he"


def families(rng: random.Random) -> list[Person]:
    """Seven couples, their children, who marry each other, and the grandchildren."""
    women, men = rng.sample(WOMEN, len(WOMEN)), rng.sample(MEN, len(MEN))
    people: list[Person] = []
    children: list[Person] = []
    for family, stranger in zip(FAMILIES, STRANGERS, strict=True):
        father = Person(f"{men.pop()} {family}", False, rng.randint(1794, 1806))
        mother = Person(f"{women.pop()} {stranger}", True, rng.randint(1796, 1808))
        father.spouse, mother.spouse = mother, father
        people += [father, mother]
        for woman in rng.choice(((True, False), (False, True), (True, True, False))):
            children.append(_child(father, woman, women if woman else men, rng))
    people += children
    sons = [child for child in children if not child.woman]
    daughters = [child for child in children if child.woman]
    rng.shuffle(daughters)
    for son in sons:
        bride = next(
            (d for d in daughters if d.spouse is None and d.father is not son.father), None
        )
        if bride is None:
            continue
        son.spouse, bride.spouse = bride, son
        for woman in rng.sample((True, False), 2):
            pool = women if woman else men
            if pool:
                people.append(_child(son, woman, pool, rng))
    return people


def _child(father: Person, woman: bool, names: list[str], rng: random.Random) -> Person:
    eldest = father.born + rng.randint(24, 29) + 3 * len(father.children)
    child = Person(f"{names.pop()} {father.name.split()[1]}", woman, eldest, father)
    father.children.append(child)
    return child
