"""The access promise: under a filter an index answers as one of exactly the visible passages."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag import Passage, PassageIndex
from graphagg.rag.question.request import Selection
from tests.fakes import assert_same_hits
from tests.unit.rag.corpora import (
    QUESTIONS,
    SENTENCES,
    TITLES,
    WAYS,
    answers,
    assert_same_answers,
    build,
    corpora,
)
from tests.unit.rag.documents.filter_cases import brute

IDS = "abcdefgh"
TYPES = {"year": "number", "lang": "string", "tags": "list of strings", "when": "date"}
EVERY_KEY = {"year": 1991, "lang": "en", "tags": ["x"], "when": "2000-01-01"}
KEYED = Passage("z", "Ada saw the New York Times.", "York", EVERY_KEY)

ONE_OF = st.sampled_from
CONDITIONS = st.one_of(
    st.fixed_dictionaries({"lang": ONE_OF(["en", "de", "fr"])}),
    st.fixed_dictionaries({"tags": ONE_OF("xyz")}),
    st.fixed_dictionaries({"year": st.lists(st.integers(1990, 1993), max_size=2)}),
    st.builds(
        lambda op, year: {"year": {op: year}},
        ONE_OF(["eq", "ne", "lt", "gte"]),
        st.integers(1990, 1993),
    ),
    st.builds(lambda op, day: {"when": {op: f"{day}"}}, ONE_OF(["gt", "lte"]), st.dates()),
    st.builds(lambda key, there: {key: {"exists": there}}, ONE_OF([*EVERY_KEY]), st.booleans()),
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda part: st.one_of(
        st.builds(lambda a: {"not": a}, part),
        st.builds(lambda a, b: {"and": [a, b]}, part, part),
        st.builds(lambda a, b: {"or": [a, b]}, part, part),
    ),
    max_leaves=4,
)


@dataclass(frozen=True)
class Asked:
    """What a caller selects, and what that lets through."""

    filter: dict[str, Any] | None
    include: list[str] | None
    exclude: list[str] = field(default_factory=list)

    @property
    def options(self) -> dict[str, Any]:
        return vars(self)

    @property
    def selection(self) -> Selection:
        include = None if self.include is None else tuple(self.include)
        return Selection(self.filter, include, tuple(self.exclude))

    def lets_through(self, p: Passage) -> bool:
        names = {p.id, p.document} - {""}
        return (
            (self.filter is None or brute(self.filter, dict(p.metadata), TYPES))
            and (self.include is None or bool(names & {*self.include}))
            and not names & {*self.exclude}
        )


NAMES = st.lists(st.sampled_from([*IDS, "z", "report", "absent"]), max_size=6)
SELECTIONS = st.one_of(
    st.builds(Asked, FILTERS, st.none()),
    st.builds(Asked, st.none() | FILTERS, st.none() | NAMES, NAMES),
)


def changed_index(corpus: list[Passage], directory: Path) -> PassageIndex:
    """An index of the passages, in several segments and with deleted passages between them."""
    ghost = Passage("ghost", "Ghost Town saw Ada in New York Times Square.", "Ada", {"year": 1})
    half = len(corpus) // 2 + 1
    index = build([*corpus[:half], ghost], directory)
    if corpus[half:]:
        index.add(corpus[half:])
    index.delete(["ghost"])
    return index


@settings(max_examples=4, deadline=None)
@given(corpora(IDS, least=3), st.lists(SELECTIONS, min_size=2, max_size=2))
def test_answers_are_those_of_the_visible_passages(
    corpus: list[Passage], selections: list[Asked]
) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        changed_index([*corpus, KEYED], Path(name) / "all") as index,
    ):
        for number, asked in enumerate(selections):
            visible = [p for p in [*corpus, KEYED] if asked.lets_through(p)]
            mask = index.snapshot.mask(asked.selection)
            assert [index.snapshot.corpus[row] for row in mask.nonzero()[0]] == visible
            found = answers(index, **asked.options)
            if not visible:
                assert all(hits == [] for batch in found.values() for hits in batch)
                continue
            with build(visible, Path(name) / str(number)) as only:
                assert_same_answers(found, answers(only))
                assert_same_explanations(index, only, corpus, asked)


def assert_same_explanations(
    index: PassageIndex, only: PassageIndex, corpus: list[Passage], asked: Asked
) -> None:
    for (mode, config), question in zip(WAYS.values(), QUESTIONS, strict=False):
        for p in corpus:
            found = index.explain(question, p.id, 2, mode=mode, config=config, **asked.options)
            if p.id not in only:
                assert found.hit is None and found.rank is None
                assert f"{p.id!r} is left out by the filter" in found.reason
                continue
            expected = only.explain(question, p.id, 2, mode=mode, config=config)
            assert (found.rank, found.k, found.reason) == (expected.rank, 2, expected.reason)
            assert found.threshold == pytest.approx(expected.threshold, abs=1e-9)
            assert_same_hits([found.hit], [expected.hit], 1e-9)


def large_corpus() -> list[Passage]:
    rng = random.Random(0)
    return [
        Passage(
            f"p{n:03d}",
            " ".join(rng.choices(SENTENCES, k=3)),
            rng.choice(TITLES),
            {"shelf": n % 12},
        )
        for n in range(120)
    ]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    return build(large_corpus(), tmp_path_factory.mktemp("large") / "i")


def test_many_filters_in_turn_are_not_mixed_up(large: PassageIndex) -> None:
    for _ in range(2):
        for shelf in range(12):  # more than are kept
            for hit in large.retrieve(QUESTIONS[0], 20, filter={"shelf": shelf}):
                assert hit.passage.metadata["shelf"] == shelf
