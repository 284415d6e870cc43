"""`mode="multihop"` equals its formula, however it is asked."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from graphagg.rag import ABLATIONS, MultihopConfig, Passage, PassageIndex
from graphagg.rag.documents.user_names import ListedNames
from graphagg.rag.models.by_name import with_names
from graphagg.rag.question.reading import QuestionReading
from tests.fakes import FakeExtractor, assert_same_hits
from tests.unit.rag.brute import Brute, Tied, WordEncoder, distinct_texts
from tests.unit.rag.corpora import LONGER, QUESTIONS, SENTENCES, TITLES, build, corpora

MODELS: dict[str, Any] = {
    "encoder": WordEncoder(window=12),
    "extractor": FakeExtractor("en", names=("中国人民", "人民", "中国")),
}
CONFIGS = (
    MultihopConfig(),
    MultihopConfig(pool=3, beam=2, second_beam=1, most_passages=3),
    MultihopConfig(pool=1, beam=8, second_beam=8, inherited=0.9, target=0.9, coverage=2.0),
)


def random_passage(rng: random.Random, number: int, titles: tuple[str, ...] = TITLES) -> Passage:
    sentences = [*rng.choices(SENTENCES, k=3), f"no other one says word{number}."]
    return Passage(f"p{number:03d}", " ".join(sentences), rng.choice(titles))


def equals_brute(
    index: PassageIndex, config: MultihopConfig, questions: tuple[str, ...] = QUESTIONS, k: int = 4
) -> int:
    """Compare every question; how many had no tie that only rounding decides."""
    brute, decided = Brute(list(index), **MODELS, config=config), 0
    for question in questions:
        try:
            expected = distinct_texts(partial(brute.answer, question), list(index), k)
        except Tied:
            continue
        hits = index.retrieve(question, k, config=config)
        assert [hit.passage.id for hit in hits] == [name for name, _ in expected], question
        scores = [score for _, score in expected]
        np.testing.assert_allclose([hit.score for hit in hits], scores, rtol=0, atol=1e-6)
        decided += 1
    return decided


@settings(max_examples=6, deadline=None)
@given(corpus=corpora("abcdefgh"))
def test_equals_brute_force(
    corpus: list[Passage], tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = Counter[str]()
    chosen = []
    for each in corpus:  # a third hit of a file has a rule of its own: see test_repeats
        files[file := str(each.metadata.get("path") or each.document or each.id)] += 1
        chosen += [each] * (files[file] <= 2)
    with build(chosen, tmp_path_factory.mktemp("brute") / "i", **MODELS) as index:
        for config in CONFIGS:
            event(f"{equals_brute(index, config)} of {len(QUESTIONS)} decided")


def test_equals_brute_force_where_names_have_longer_forms(tmp_path: Path) -> None:
    rng = random.Random(3)
    starts = [*LONGER, *LONGER, *rng.sample(SENTENCES, 9)]
    corpus = [
        Passage(f"p{n:02d}", f"{first} {rng.choice(SENTENCES)}", TITLES[n % 5] if n > 2 else "")
        for n, first in enumerate(starts)
    ]
    with build(corpus, tmp_path / "i", **MODELS) as index:
        for config in CONFIGS:
            assert equals_brute(index, config) >= len(QUESTIONS) - 2


@pytest.fixture(scope="module")
def middling(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    rng = random.Random(12)
    plain = [random_passage(rng, n) for n in range(16)]
    targets = [plain[(7 * n + 3) % 16].id for n in range(16)]
    corpus = [
        replace(p, metadata={"links": {f"{target}.md": 10}} if n % 3 else {"path": f"York/{n}.md"})
        for n, (p, target) in enumerate(zip(plain, targets, strict=True))
    ]
    return build(corpus, tmp_path_factory.mktemp("middling") / "i", **MODELS)


EVERYTHING = MultihopConfig(inherited=0.9, target=0.9)
"""Links of every kind pay."""


def scores(index: PassageIndex, config: MultihopConfig) -> list[list[float]]:
    batch = index.retrieve_batch(QUESTIONS, 16, config=config)
    return [[hit.score for hit in hits] for hits in batch]


@pytest.fixture(scope="module")
def with_all_parts(middling: PassageIndex) -> list[list[float]]:
    return scores(middling, EVERYTHING)


@pytest.mark.parametrize("part", ABLATIONS)
def test_a_part_that_is_switched_off_is_gone_from_the_formula(
    middling: PassageIndex, with_all_parts: list[list[float]], part: str
) -> None:
    config = EVERYTHING.without(part)
    assert equals_brute(middling, config, QUESTIONS[:5]) >= 3
    assert scores(middling, config) != with_all_parts


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("Who is the spouse of the actress who played Ada?", (), True),
        ("Who is the spouse of the actress who played Ada?", ("actress who",), False),
        ("The county is located in which state?", (), False),
        ("Which film has the director who died first, Ada or York?", (), False),
        ("Wo wohnt die Frau, die Ada kennt?", (), False),
    ],
)
def test_a_clause_is_found_outside_of_names(
    text: str, names: tuple[str, ...], expected: bool
) -> None:
    assert QuestionReading(text, (), (), (), (), names).has_clause == expected


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    """More passages than are in the pool, some of them twice."""
    rng = random.Random(6)
    corpus = [random_passage(rng, n) for n in range(100)]
    twins = [Passage(f"twin{n:02d}", p.text, p.title) for n, p in enumerate(corpus[::5])]
    return build([*corpus, *twins], tmp_path_factory.mktemp("large") / "i")


def test_a_batch_equals_one_by_one_to_the_bit(large: PassageIndex) -> None:
    alone = [large.retrieve(question, 7) for question in QUESTIONS]
    assert large.retrieve_batch(QUESTIONS, 7) == alone
    assert large.retrieve_batch(QUESTIONS[::-1] * 3, 7) == alone[::-1] * 3


def test_the_order_of_passages_changes_nothing(large: PassageIndex, tmp_path: Path) -> None:
    shuffled = list(large)
    random.Random(0).shuffle(shuffled)
    with build(shuffled, tmp_path / "i") as other:
        for question in QUESTIONS:
            hits = large.retrieve(question, 60)
            assert_same_hits(other.retrieve(question, 60), hits, 1e-12)
            scores = [hit.score for hit in hits]
            assert np.diff(scores).max() < 1e-9  # descending
            for a, b in pairwise(hits):
                assert a.score > b.score or a.passage.id < b.passage.id or a.path != b.path


@pytest.mark.parametrize("k", [1, 3, 10])
def test_fewer_hits_are_the_first_of_more(large: PassageIndex, k: int) -> None:
    for question in QUESTIONS:
        assert large.retrieve(question, k) == large.retrieve(question, 40)[:k]


def test_threads_see_whole_versions_while_another_adds(tmp_path: Path) -> None:
    rng = random.Random(7)
    corpus = [random_passage(rng, n) for n in range(30)]
    new = [Passage(f"new{n}", f"Ada Lovelace read {n} in New York.", "York") for n in range(6)]
    expected = []
    for n in range(len(new) + 1):
        with build([*corpus, *new[:n]], tmp_path / f"expected{n}") as index:
            expected.append([(h.passage.id, h.score) for h in index.retrieve(QUESTIONS[0], 8)])
    index = build(corpus, tmp_path / "i")
    done, seen = threading.Event(), list[list[tuple[str, float]]]()

    def read() -> None:
        while not done.is_set():
            seen.append([(h.passage.id, h.score) for h in index.retrieve(QUESTIONS[0], 8)])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for passage in new:
        index.add([passage])
    done.set()
    for reader in readers:
        reader.join()
    assert len(seen) > 20 and all(answer in expected for answer in seen)
    assert len({expected.index(answer) for answer in seen}) > 1
    assert [(h.passage.id, h.score) for h in index.retrieve(QUESTIONS[0], 8)] == expected[-1]
    index.close()


# --- chunks and documents ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    chunks = [
        Passage(f"c{n}", f"{text} word{n}.", "", {"even": n % 2 == 0}, "report", n)
        for n, text in enumerate(SENTENCES[:7])
    ]
    alone = Passage("alone", "word3 is here too.")
    return build([*chunks[::-1], alone], tmp_path_factory.mktemp("report") / "i")


def test_a_window_gives_the_chunks_beside_a_hit(report: PassageIndex) -> None:
    for window in (1, 2):
        for hit in report.retrieve("What is word3?", 8, neighbors=window):
            places = [p.position for p in hit.neighbors]
            here = hit.passage.position
            around = range(max(0, here - window), min(6, here + window) + 1)
            wanted = [n for n in around if n != here] if hit.passage.document else []
            assert places == wanted
    plain = report.retrieve("What is word3?", 8)
    assert all(hit.neighbors == () for hit in plain)
    odd = report.retrieve("What is word3?", 8, neighbors=2, filter={"even": True})
    assert {tuple(p.position for p in hit.neighbors) for hit in odd} == {(2,), (0, 4), (2, 6), (4,)}


# --- corpora that lack something -----------------------------------------------------------------

CORPORA = {
    "no titles": [Passage(f"p{n}", text) for n, text in enumerate(SENTENCES)],
    "no entities": [Passage(f"p{n}", f"some words{n} and words{n + 1}.") for n in range(9)],
    "one passage": [Passage("p0", "Ada saw York.", "Ada")],
    "Chinese": [Passage("p0", "中国人民日报。", "人民"), Passage("p1", "日报在中国。")],
    "Arabic": [Passage("p0", "القاهرة مدينة.", "القاهرة"), Passage("p1", "يجري النيل في القاهرة.")],
    "no words": [Passage("p0", "..."), Passage("p1", "!?", "«»")],
    "the same twice": [Passage("b", "Ada saw York."), Passage("a", "Ada saw York.")],
}


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_that_lacks_something(name: str, tmp_path: Path) -> None:
    corpus = CORPORA[name]
    questions = (*QUESTIONS, "أين القاهرة؟", "人民", "...", "?", "words3 words4", "the")
    with build(corpus, tmp_path / "i", **MODELS) as index:
        brute = Brute(corpus, **MODELS, config=MultihopConfig())
        for question in questions:
            hits = index.retrieve(question, 20)
            found = {name for hit in hits for name in (hit.passage.id, *hit.copies)}
            assert found == {p.id for p in corpus}
            assert all(np.isfinite(hit.score) for hit in hits)
            try:
                expected = distinct_texts(partial(brute.answer, question), corpus, 20)
            except Tied:
                continue
            assert [hit.passage.id for hit in hits] == [name for name, _ in expected]
            scores = [score for _, score in expected]
            np.testing.assert_allclose([hit.score for hit in hits], scores, rtol=0, atol=1e-6)


def test_names_of_a_script_without_case_lead_on(tmp_path: Path) -> None:
    with build(CORPORA["Arabic"], tmp_path / "i", **MODELS) as index:
        (_, second) = index.retrieve("أين يجري النيل؟", 2)
        assert [hop.passage_id or hop.text for hop in second.path] == [
            "p1",
            "يجري النيل في القاهرة.",
            "القاهرة",
            "p0",
        ]


LISTED = ListedNames.from_source(
    [
        {"name": "Ada Lovelace", "aliases": ["the countess", "AL"]},
        {"name": "river ouse", "aliases": ["Ouse"]},
    ]
)
ALIASES = (
    "The countess met al and AL by the Ouse.",
    "Work order wo-12 of the river Ouse names the Countess.",
    "Nobody repaired WO-12 but José.",
)


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_equals_brute_force_with_listed_names(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    texts = st.lists(st.sampled_from((*ALIASES, *ALIASES, *SENTENCES)), min_size=1, max_size=3)
    corpus = [
        Passage(f"p{n}", " ".join([*data.draw(texts), f"it has word{n}."]), title)
        for n, title in enumerate(data.draw(st.lists(st.sampled_from(TITLES), min_size=6)))
    ]
    extractor = with_names(MODELS["extractor"], LISTED)
    folder = tmp_path_factory.mktemp("listed") / "i"
    models = {"encoder": MODELS["encoder"], "extractor": extractor}
    with build(corpus, folder, **models) as index:
        brute = Brute(list(index), **models, config=MultihopConfig())
        for question in (
            *QUESTIONS,
            "who met AL and the countess?",
            "What did WO-12 cost at Ouse?",
        ):
            try:
                expected = distinct_texts(partial(brute.answer, question), list(index), 4)
            except Tied:
                continue
            found = index.retrieve(question, 4)
            assert [hit.passage.id for hit in found] == [name for name, _ in expected], question
            assert [h.score for h in found] == pytest.approx([s for _, s in expected], abs=1e-6)
