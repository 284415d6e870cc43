"""Every score is explained to the last digit, also of what is not among the hits."""

from __future__ import annotations

import random
from itertools import chain
from pathlib import Path

import pytest

from graphagg.errors import UnknownPassage
from graphagg.rag import Explanation, Hit, MultihopConfig, Passage, PassageIndex
from graphagg.rag.documents.tokens import entity_key, tokenize, transcribed
from graphagg.rag.question.results import PARTS_IN_WORDS
from tests.fakes import assert_same_hits
from tests.unit.rag.corpora import (
    QUESTIONS,
    SENTENCES,
    TITLES,
    WAYS,
    answers,
    build,
)

COMPONENTS = {
    "multihop": {
        "similarity", "sentence", "lexical", "title", "entities", "inherited", "link",
        "joint_coverage", "open_terms", "coverage", "named_page", "document",
    },
    "linearrag": {"dense", "entity", "walk"},
    "dense": {"dense"},
    "bm25": {"bm25"},
    "rrf": {"dense", "bm25"},
}  # fmt: skip


def random_questions(count: int) -> list[str]:
    rng = random.Random(1)
    words = [word for sentence in SENTENCES for word in sentence.rstrip(".").split()]
    return [" ".join(rng.choices(words, k=rng.randint(1, 9))) + "?" for _ in range(count)]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    rng = random.Random(2)
    corpus = [
        Passage(
            f"p{n:02d}",
            " ".join([*rng.choices(SENTENCES, k=2), f"word{n} is here."]),
            rng.choice(TITLES),
            {} if n % 5 else {"path": f"York/{n}.pdf"},
        )
        for n in range(70)
    ]
    return build(corpus, tmp_path_factory.mktemp("explained") / "i")


def adds_up(hit: Hit) -> bool:
    contributions = sum(hop.contribution for hop in hit.path)
    return [sum(hit.components.values()), contributions] == pytest.approx([hit.score] * 2, abs=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_components_and_path_add_up_to_the_score(index: PassageIndex, way: str) -> None:
    mode, config = WAYS[way]
    batch = index.retrieve_batch(random_questions(60), 8, mode=mode, config=config)
    hits = [hit for hits in batch for hit in hits]
    assert len(hits) == 480 and all(map(adds_up, hits))  # 2,880 over all ways
    assert all(hit.components.keys() <= COMPONENTS[hit.method] for hit in hits)
    together = {name for hit in hits for name in hit.components}
    if mode == "multihop":
        assert together == COMPONENTS["multihop"]
    elif mode == "linearrag":
        assert together == {"dense", "entity", "walk"}


def passages_of(hit: Hit) -> list[str]:
    return [hop.passage_id for hop in hit.path if hop.kind == "passage"]


def stands(name: str, text: str) -> bool:
    """Whether the words of a name stand in a text; of a code its letters and digits."""
    key = entity_key(name)
    spellings = (" ".join(tokenize(some)) for some in (text, transcribed(text)))
    if any(f" {key} " in f" {words} " for words in spellings):
        return True
    plain = ["".join(filter(str.isalnum, some.casefold())) for some in (key, text)]
    return not name.isalpha() and plain[0] in plain[1]


def test_a_path_of_best_leads_over_what_passages_say(index: PassageIndex) -> None:
    lengths = set()
    for config in (MultihopConfig(), MultihopConfig(inherited=0.9)):
        for hit in chain.from_iterable(
            index.retrieve_batch(random_questions(60), 8, config=config)
        ):
            lengths.add(len(passages_of(hit)))
            hops = list(hit.path)
            if hops[0].kind == "question_entity":
                name = hops.pop(0).text
                # A name inside a run without spaces is shown with its run.
                assert stands(name, index[hops[0].passage_id].full_text) or not name.isascii()
            parent = index[hops.pop(0).passage_id]
            while hops:
                if hops[0].kind == "sentence":
                    said = " ".join(hops.pop(0).text.split())
                    assert said in " ".join(parent.full_text.split())
                entity, child = hops.pop(0), hops.pop(0)
                child_passage = index[child.passage_id]
                if entity.kind == "similarity":
                    assert child.kind == "passage" and -1.01 <= entity.score <= 1.01
                    parent = child_passage
                    continue
                assert (entity.kind, child.kind) == ("entity", "passage")
                # A name inside a run without spaces is shown with its run, which is the parent's.
                for passage in (parent, child_passage) if entity.text.isascii() else (parent,):
                    assert stands(entity.text, passage.full_text)
                parent = child_passage
            assert parent == hit.passage
    assert lengths >= {2, 3}


def test_three_hops_add_up(tmp_path: Path) -> None:
    corpus = [
        Passage("a", "Alice married Bernard Brown.", "Alice Adams"),
        Passage("b", "He was taught by Clara Clark.", "Bernard Brown"),
        Passage("c", "She lived in Dover.", "Clara Clark"),
        *(Passage(f"x{n}", f"nothing but filler {n} and more of it.") for n in range(9)),
    ]
    question = "Who taught the one whom Alice Adams married?"
    config = MultihopConfig(inherited=0.9, coverage=0.0, beam=1)
    with build(corpus, tmp_path / "i") as index:
        hits = index.retrieve(question, 12, config=config)
        (last,) = (hit for hit in hits if hit.passage.id == "c")
        assert passages_of(last) == ["a", "b", "c"]
        assert [hop.text for hop in last.path if hop.kind != "passage"] == [
            "Alice Adams", "Alice Adams\nAlice married Bernard Brown.", "Bernard Brown",
            "Bernard Brown\nHe was taught by Clara Clark.", "Clara Clark",
        ]  # fmt: skip
        assert all(map(adds_up, hits))
        without = index.retrieve(question, 12, config=config.without("third-hop"))
        (shorter,) = (hit for hit in without if hit.passage.id == "c")
        assert shorter.score < last.score and passages_of(shorter) != ["a", "b", "c"]


def test_the_explanation_of_a_hit_is_the_hit(index: PassageIndex) -> None:
    for name, batch in answers(index).items():
        mode, config = WAYS[name]
        for question, hits in zip(QUESTIONS, batch, strict=True):
            for rank, hit in enumerate(hits, start=1):
                told = index.explain(question, hit.passage.id, 4, mode=mode, config=config)
                assert (told.question, told.rank, told.k) == (question, rank, 4)
                assert told.hit is not None
                assert_same_hits([told.hit], [hit], 1e-8)
                assert told.threshold == pytest.approx(hits[-1].score, abs=1e-8)
                assert told.reason.startswith(f"rank {rank}: ")
                assert told.to_json()["hit"]["id"] == hit.passage.id


def test_a_passage_beyond_the_hits_scores_as_if_it_were_chosen_next(index: PassageIndex) -> None:
    for question in QUESTIONS:
        fourth = index.retrieve(question, 4)[3]
        told = index.explain(question, fourth.passage.id, 3)
        assert_same_hits([told.hit], [fourth], 1e-9)  # type: ignore[list-item]


@pytest.mark.parametrize("way", WAYS)
def test_a_passage_beyond_the_hits_is_told_why(index: PassageIndex, way: str) -> None:
    mode, config = WAYS[way]
    for question in QUESTIONS:
        hits = index.retrieve(question, 3, mode=mode, config=config)
        everything = index.retrieve(question, len(index), mode=mode, config=config)
        first = {hit.passage.id for hit in hits}
        for place, hit in enumerate(everything[3:10], start=4):
            if hit.passage.id in first:  # more hits are chosen from a larger pool
                continue
            told = index.explain(question, hit.passage.id, 3, mode=mode, config=config)
            assert told.hit is not None and told.hit.passage == hit.passage and adds_up(told.hit)
            assert told.threshold == pytest.approx(hits[-1].score, abs=1e-9)
            if told.hit.method != "multihop":
                assert told.rank == place and f"rank {place}: 3 passages score" in told.reason
                assert_same_hits([told.hit], [hit], 1e-9)
                continue
            assert told.rank is None
            assert (
                f"it scores {told.hit.score:.4f}, the last hit {told.threshold:.4f}" in told.reason
            )
            if told.reason.startswith("a candidate, but outscored"):
                assert told.hit.score <= told.threshold + 1e-9
            else:
                assert told.reason.startswith("not a candidate: it is not among the 3 closest")
                assert way == "multihop, narrow"


def test_what_cannot_be_explained(index: PassageIndex) -> None:
    with pytest.raises(UnknownPassage, match=r"passage 'absent' is not in the index"):
        index.explain(QUESTIONS[0], "absent")
    for mode, config in WAYS.values():
        told = index.explain(QUESTIONS[0], "p01", mode=mode, config=config, exclude=["p01"])
        assert isinstance(told, Explanation)
        assert (told.rank, told.hit) == (None, None) and told.threshold is not None
        assert told.reason.startswith("passage 'p01' is left out by the filter")
        told = index.explain(QUESTIONS[0], "p01", mode=mode, config=config, include=["absent"])
        assert (told.rank, told.hit, told.threshold) == (None, None, None)


def test_the_guide_explains_every_part_of_a_score() -> None:
    page = Path(__file__).parents[4] / "docs" / "guides" / "retrieval.md"
    guide = page.read_text(encoding="utf-8")
    table = guide.partition("### Parts of a score")[2].partition("\n## ")[0]
    parts = set().union(*COMPONENTS.values())
    assert {part for part in parts if f"`{part}`" not in table} == set()
    assert parts <= PARTS_IN_WORDS.keys()
