"""Three-hop questions over the 6,119 passages of 2wiki: A -r1-> B -r2-> C -r3-> D.

A, B and C have a passage each, which are the gold ones; the question names A alone. Every object is
checked to stand in the passage of its subject; C is not named in the passage of A, nor A in that of
C, nor D in the first two, so that no passage can be skipped. Most chains are family trees of
nobles, since the data holds few others. Comparisons join two chains of two evidence triples with
different relations, which the questions of 2wiki itself never do.

Read at call time from the folder 2wikimultihopqa of $GRAPHAGG_DATA.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarks.sets.chains import Chain, Fact
from benchmarks.sets.three_hop_facts import ASKED, day, facts
from benchmarks.sets.three_hop_links import Link, Titles, Triple, base, is_film, kin, links
from benchmarks.sets.wording import expand, mentions, texts, upper_first
from graphagg.rag.documents.passages import Passage, read_passages
from graphagg.rag.evaluation.measure import GoldQuestion
from tests.conftest import DATA

TEXT = texts("three_hop")
FOLDER = DATA / "2wikimultihopqa"
PER_CHAIN = 2  # questions about one A, B and C, with different r3
PER_MIDDLE = 5  # questions about one B and C
COMPARISONS = 60  # at most
NEAR = 90  # years between two dates that are compared


def three_hop(
    seed: int = 0, titles: Literal["kept", "removed"] = "kept", folder: Path = FOLDER
) -> tuple[list[Passage], list[GoldQuestion]]:
    """All passages in random order, with or without their titles, and questions."""
    passages, chains = build(seed, folder)
    if titles == "removed":
        passages = [replace(passage, title="") for passage in passages]
    return passages, [chain.question for chain in chains]


def build(seed: int = 0, folder: Path = FOLDER) -> tuple[list[Passage], list[Chain]]:
    """The same with the facts that link a question to its gold passages."""
    rng = random.Random(seed)
    passages = list(read_passages(folder / "passages.jsonl.gz"))
    triples = _evidence(folder / "questions.jsonl.gz")
    graph = _Graph(passages, triples)
    chains = list(graph.three_hops(rng)) + list(graph.comparisons(rng))
    rng.shuffle(passages)
    return passages, [chain.numbered(f"th-{number:03}") for number, chain in enumerate(chains)]


def _evidence(path: Path) -> list[Triple]:
    """Distinct triples in the order of the file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    return list(dict.fromkeys(tuple(triple) for record in records for triple in record["evidence"]))


class _Graph:
    def __init__(self, passages: list[Passage], triples: list[Triple]) -> None:
        self._titles = Titles(passages)
        self._facts = facts(passages, triples)
        self._links: dict[str, list[Link]] = {}
        for link in links(passages, triples):
            self._links.setdefault(link.source.id, []).append(link)

    # --- chains of three ----------------------------------------------------------------------

    def three_hops(self, rng: random.Random) -> Iterator[Chain]:
        ways = list(self._ways())
        rng.shuffle(ways)
        taken: dict[str, int] = {}
        for first, second in ways:
            middle = first.target.id
            for relation in self._answers(first, second)[:PER_CHAIN]:
                chain = self._chain(first, second, relation, rng)
                if taken.get(middle, 0) < PER_MIDDLE and _hidden(chain):
                    taken[middle] = taken.get(middle, 0) + 1
                    yield chain

    def _ways(self) -> Iterator[tuple[Link, Link]]:
        for source in sorted(self._links):
            for first in self._links[source]:
                for second in self._links.get(first.target.id, ()):
                    usable = first.relation in TEXT.nested and second.relation in TEXT.nested
                    if usable and self._needed(first, second):
                        yield first, second

    def _needed(self, first: Link, second: Link) -> bool:
        a, c = first.source, second.target
        return (
            a.id != c.id
            and self._titles.unique(a)
            and not mentions(a.text, base(c.title))
            and not mentions(c.text, base(a.title))
        )

    def _answers(self, first: Link, second: Link) -> list[str]:
        """Relations of C whose objects the other two passages do not name."""
        known = self._facts[second.target.id]
        before = f"{first.source.text} {first.target.text}"
        good = [r for r in ASKED if r in known and not mentions(before, known[r])]
        return sorted(good, key=ASKED.index)

    def _chain(self, first: Link, second: Link, relation: str, rng: random.Random) -> Chain:
        a, b, c = first.source, first.target, second.target
        words = [kin(first.relation, b), kin(second.relation, c)]
        words = [_word(link, word) for link, word in zip((first, second), words, strict=True)]
        phrase = _subject(a, rng)
        kinship = TEXT.kinship.get(" ".join(words))
        if kinship and rng.random() < 0.5:
            phrase = expand(kinship, rng, x=phrase)
        else:
            for word in words:
                phrase = expand(TEXT.nested[word], rng, x=phrase)
        text = upper_first(expand(rng.choice(TEXT.ask[relation]), rng, x=phrase))
        answer = self._facts[c.id][relation]
        side = (
            Fact(first.relation, base(a.title), base(b.title), a.id),
            Fact(second.relation, base(b.title), base(c.title), b.id),
            Fact(relation, base(c.title), answer, c.id),
        )
        return Chain(GoldQuestion("", text, frozenset((a.id, b.id, c.id)), "three-hop"), (side,))

    # --- comparisons --------------------------------------------------------------------------

    def comparisons(self, rng: random.Random) -> Iterator[Chain]:
        """A relative or a composer on one side, a director on the other."""
        usable = [
            link
            for id_ in sorted(self._links)
            for link in self._links[id_]
            if link.relation in TEXT.nested and self._titles.unique(link.source)
        ]
        directors = [link for link in usable if link.relation == "director"]
        others = [link for link in usable if link.relation != "director"]
        rng.shuffle(others)
        rng.shuffle(directors)
        count, seen = 0, set()
        for left in others:
            relation = rng.choice(list(TEXT.compare))
            for right in directors:
                if count == COMPARISONS or {left.target.id, right.target.id} & seen:
                    continue
                chain = self._compared(left, right, relation, rng)
                if chain is not None and _hidden(chain):
                    count += 1
                    seen |= {left.target.id, right.target.id}
                    yield chain
                    break

    def _compared(self, left: Link, right: Link, relation: str, rng: random.Random) -> Chain | None:
        pair = rng.sample((left, right), 2)
        answers = [self._facts[link.target.id].get(relation, "") for link in pair]
        days = [day(answer) for answer in answers]
        if None in days or not 0 < abs(days[0][0] - days[1][0]) < NEAR:
            return None
        sides, phrases = [], []
        for link, answer in zip(pair, answers, strict=True):
            word = _word(link, kin(link.relation, link.target))
            phrases.append(expand(TEXT.nested[word], rng, x=_subject(link.source, rng)))
            a, b = base(link.source.title), base(link.target.title)
            sides.append(
                (Fact(word, a, b, link.source.id), Fact(relation, b, answer, link.target.id))
            )
        gold = frozenset(fact.passage for side in sides for fact in side)
        if len(gold) < 4:
            return None
        text = expand(rng.choice(TEXT.compare[relation]), rng, x=phrases[0], y=phrases[1])
        return Chain(GoldQuestion("", text, gold, "comparison"), tuple(sides))


def _word(link: Link, word: str) -> str:
    """The word of a question for a link, such as husband for a spouse."""
    return word if word in TEXT.nested else link.relation


def _subject(passage: Passage, rng: random.Random) -> str:
    name = base(passage.title)
    return expand("[the film {x}|the movie {x}|{x}]" if is_film(passage) else "{x}", rng, x=name)


def _hidden(chain: Chain) -> bool:
    """Whether the question names neither bridge nor answer, and each hop is said by its passage."""
    text = chain.question.text
    return not any(mentions(text, fact.object) for side in chain.sides for fact in side)
