"""The multi-hop sets: the same from the same seed, sound, and without a way around a hop."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.sets import chapters, three_hop, tickets
from benchmarks.sets.chains import Chain, Fact, Mentions
from benchmarks.sets.chapters import build as build_chapters
from benchmarks.sets.three_hop import build as build_three_hop
from benchmarks.sets.tickets import build as build_tickets
from benchmarks.sets.wording import expand, mentions, ordinal
from graphagg.rag.documents.passages import Passage, corpus_digest, passage_digest

Built = tuple[list[Passage], list[Chain]]
GENERATED = ("tickets", "chapters")


@pytest.fixture(scope="module", params=GENERATED)
def generated(request: pytest.FixtureRequest) -> Built:
    return {"tickets": build_tickets, "chapters": build_chapters}[request.param](0)


@pytest.fixture(scope="module")
def three_hops(two_wiki: Path) -> Built:
    return build_three_hop(0, two_wiki)


def check_sound(passages: list[Passage], chains: list[Chain]) -> None:
    ids = {passage.id for passage in passages}
    assert len(ids) == len(passages)
    questions = [chain.question for chain in chains]
    assert len({question.id for question in questions}) == len(questions)
    assert len({question.text for question in questions}) == len(questions)
    for chain in chains:
        stated = {fact.passage for facts in chain.sides for fact in facts}
        assert chain.question.gold == stated <= ids
        assert len(chain.question.gold) >= 2
        assert chain.question.text[0].isupper() and chain.question.text.endswith("?")


@pytest.mark.parametrize("make", [tickets, chapters], ids=GENERATED)
def test_generated_sets_depend_on_the_seed_alone(make):
    passages, questions = make(3)
    again, questions_again = make(3)
    assert corpus_digest(map(passage_digest, passages)) == corpus_digest(map(passage_digest, again))
    assert questions == questions_again
    assert corpus_digest(map(passage_digest, make(4)[0])) != corpus_digest(
        map(passage_digest, passages)
    )


@pytest.mark.slow
def test_three_hop_depends_on_the_seed_alone(two_wiki, three_hops):
    passages, chains = three_hops
    again, questions = three_hop(0, "removed", two_wiki)
    assert questions == [chain.question for chain in chains]
    assert [(p.id, p.text) for p in again] == [(p.id, p.text) for p in passages]
    assert not any(passage.title for passage in again)
    assert [p.id for p in build_three_hop(1, two_wiki)[0]] != [p.id for p in passages]


def test_generated_sets_are_sound(generated):
    check_sound(*generated)


@pytest.mark.slow
def test_three_hop_is_sound(three_hops):
    check_sound(*three_hops)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("build", [build_tickets, build_chapters], ids=GENERATED)
def test_each_passage_is_needed(build, seed):
    """Every bridge links two passages, and no other passage states the fact."""
    passages, chains = build(seed)
    found = Mentions(passages)
    for chain in chains:
        for name, first, second in chain.bridges():
            assert {first, second} <= found.of(name)
        for facts in chain.sides:
            assert found.sound(facts, chain.question.text)


def test_a_fact_that_is_told_twice_makes_a_chain_unsound():
    told = [Passage("a", "Halyard is kept by Fathom."), Passage("b", "Fathom follows Oda Quist.")]
    facts = (Fact("owner", "Halyard", "Fathom", "a"), Fact("lead", "Fathom", "Oda Quist", "b"))
    question = "Who heads the team in charge of Halyard?"
    assert Mentions(told).sound(facts, question)
    assert not Mentions(told).sound(facts, "Who heads Fathom, which keeps Halyard?")
    twice = [*told, Passage("c", "Oda Quist presides over Fathom.")]
    assert not Mentions(twice).sound(facts, question)
    shortcut = [told[0], Passage("b", "Fathom, and so Halyard, follows Oda Quist.")]
    assert not Mentions(shortcut).sound(facts, question)


def test_titles_of_tickets_name_nothing():
    passages, chains = build_tickets()
    titles = {passage.title for passage in passages}
    assert len(titles) < len(passages) / 5
    names = {fact.object for chain in chains for facts in chain.sides for fact in facts}
    assert not [title for title in titles for name in names if mentions(title, name)]


def test_unnamed_questions_name_nothing(generated):
    _, chains = generated
    named = {
        key
        for chain in chains
        for facts in chain.sides
        for fact in facts
        for key in (fact.subject if fact.named else "", fact.object)
        if any(letter.isupper() or letter.isdigit() for letter in key)
    }
    unnamed = [chain.question.text for chain in chains if chain.question.type == "unnamed"]
    assert unnamed and not [name for text in unnamed for name in named if mentions(text, name)]


@pytest.mark.slow
def test_three_hop_links_are_in_the_text(three_hops):
    passages, chains = three_hops
    by_id = {passage.id: passage for passage in passages}
    for chain in chains:
        for facts in chain.sides:
            assert all(mentions(by_id[fact.passage].text, fact.object) for fact in facts)
            for fact, following in pairwise(facts):
                assert mentions(by_id[following.passage].title, fact.object)


@pytest.mark.slow
def test_three_hop_questions_hide_the_middle(three_hops):
    passages, chains = three_hops
    by_id = {passage.id: passage for passage in passages}
    for chain in chains:
        for facts in chain.sides:
            assert not [f.object for f in facts if mentions(chain.question.text, f.object)]
        if chain.question.type == "three-hop":
            a, b, c = chain.sides[0]
            assert not mentions(by_id[a.passage].text, b.object)
            assert not mentions(by_id[c.passage].text, a.subject)
            assert not any(mentions(by_id[f.passage].text, c.object) for f in (a, b))


def test_wording():
    import random

    rng = random.Random(0)
    assert expand("[a|a] {name} [or [b|b]|or b]", rng, name="Ilmen") == "an Ilmen or b"
    assert expand("{Who} left.", rng, who="the [cat|cat]") == "The cat left."
    assert [ordinal(n) for n in (1, 2, 3, 11, 12, 21, 28)] == [
        "1st", "2nd", "3rd", "11th", "12th", "21st", "28th",
    ]  # fmt: skip
    assert mentions("Asked for Kestrel-04's disk", "kestrel-04")
    assert not mentions("Room 2.141 is shut", "Room 2.14")
