"""The people of the chronicle: families over three generations, who marry each other."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from benchmarks.sets.wording import texts

TEXT = texts("chapters")


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
    def pronoun(self) -> str:
        return "she" if self.woman else "he"


def families(rng: random.Random) -> list[Person]:
    """Seven couples, their children, who marry each other, and the grandchildren."""
    women, men = rng.sample(TEXT.women, len(TEXT.women)), rng.sample(TEXT.men, len(TEXT.men))
    people: list[Person] = []
    children: list[Person] = []
    for family, stranger in zip(TEXT.families, TEXT.strangers, strict=True):
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
