"""Weights fitted to questions: the frozen formula is the retriever's, and a gain must be one."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import CorruptArtifact, GraphAggError, InvalidParameter, InvalidQuestion
from graphagg.rag import BestConfig, Passage, PassageIndex
from graphagg.rag.best.formula import LinkWeights, PassageWeights
from graphagg.rag.best.tuning.fit import TUNED
from graphagg.rag.best.tuning.frozen import FrozenSet, weights_from
from graphagg.rag.best.tuning.search import one_at_a_time, value_of, with_value
from graphagg.rag.evaluation.questions import GoldQuestion
from tests.fakes import FakeExtractor
from tests.unit.rag.brute import ExactEncoder
from tests.unit.rag.corpora import QUESTIONS, build, corpora

pytestmark = pytest.mark.usefixtures("unsynced")
EXACT: dict[str, Any] = {
    "encoder": ExactEncoder(window=12),
    "extractor": FakeExtractor("en"),
}


# --- the frozen formula --------------------------------------------------------------------------


def weight(least: float, most: float) -> st.SearchStrategy[float]:
    # Odd fractions, so that two different passages hardly ever have the same score.
    return st.floats(least, most).map(lambda x: round(x, 3) + 0.000137)


PAIRS = st.tuples(weight(-0.4, 0.4), weight(0.0, 0.6))
CONFIGS = st.builds(
    BestConfig,
    passage=st.builds(PassageWeights, *[weight(0.05, 2.0)] * 5),
    link=st.builds(LinkWeights, PAIRS, PAIRS, PAIRS, PAIRS | st.just((-10.0, 0.0)), weight(0, 0.5)),
    carry=weight(0.05, 1.0),
    own=weight(0.05, 1.0),
    joint=weight(0.0, 1.0),
    rest=weight(0.0, 1.0),
    coverage=weight(0.0, 2.0),
    side=weight(0.0, 1.0),
    level=st.booleans(),
    pool=st.integers(1, 12),
    beam=st.integers(0, 6),
    second_beam=st.integers(0, 6),
    most_passages=st.integers(1, 60),
)


def frozen(index: PassageIndex, questions: Sequence[str] = QUESTIONS) -> FrozenSet:
    best = index.retriever("best")
    asked = best.encode(best.read(questions, index.models), index.models)
    return FrozenSet(index.snapshot, asked, [["a"]] * len(questions))


@settings(max_examples=7, deadline=None)
@given(
    corpus=corpora("abcdefgh"),
    configs=st.lists(CONFIGS, min_size=1, max_size=5),
    k=st.integers(1, 9),
)
def test_the_frozen_formula_is_that_of_the_retriever(
    corpus: list[Passage],
    configs: list[BestConfig],
    k: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with build(corpus, tmp_path_factory.mktemp("frozen") / "i", **EXACT, profile="exact") as index:
        questions = frozen(index)  # its edges grow from one configuration to the next
        for config in configs:
            questions.check(config, len(QUESTIONS), k)


def test_shares_count_documents_and_equal_texts(tmp_path: Path) -> None:
    corpus = [
        Passage("a", "the engine ran.", "", {}, "report", 0),
        Passage("b", "the engine ran in York.", "", {}, "report", 1),
        Passage("c", "the engine ran."),
    ]
    with build(corpus, tmp_path / "i") as index:
        best = index.retriever("best")
        asked = best.encode(best.read(["engine"], index.models), index.models)
        for gold in (["report"], ["c"], ["a"]):
            shares = FrozenSet(index.snapshot, asked, [gold]).shares(weights_from(BestConfig()), 2)
            assert shares[0, 1] == 1.0
        shares = FrozenSet(index.snapshot, asked, [["a", "none"]]).shares(
            weights_from(BestConfig()), 2
        )
        assert shares[0, 1] == 0.5


@pytest.mark.parametrize("name", [*TUNED, "link.page.0", "link.shared.1", "beam"])
def test_a_constant_is_changed_alone(name: str) -> None:
    changed = with_value(BestConfig(), name, 2)
    assert value_of(changed, name) == 2
    assert with_value(changed, name, value_of(BestConfig(), name)) == BestConfig()


def test_a_search_finds_the_top_and_leaves_the_start_for_a_gain_only() -> None:
    grid = {"carry": (0.1, 0.2, 0.3), "own": (0.5, 0.6)}

    def value(config: BestConfig) -> float:
        return -abs(config.carry - 0.2) - abs(config.own - 0.6)

    start = BestConfig(carry=0.1, own=0.5)
    assert one_at_a_time(start, grid, value, 0.0) == BestConfig(carry=0.2, own=0.6)
    assert one_at_a_time(start, grid, value, 0.5) == start


# --- tuning --------------------------------------------------------------------------------------

TOPICS = 40


WORDS = "old pump repair"


def passages() -> list[Passage]:
    """Of each topic one passage with the code that is asked for, among words of no meaning; and
    many that are close to each question by its common words, and have no code."""
    rng = random.Random(3)
    noise = [f"noise{n}" for n in range(300)]
    gold = [
        Passage(f"gold{n}", f"code{n} {' '.join(rng.choices(noise, k=30))}.") for n in range(TOPICS)
    ]
    chats = [Passage(f"chat{n}", f"{WORDS} {rng.choice(noise)} number{n}.") for n in range(60)]
    return [*gold, *chats]


def questions(count: int = TOPICS) -> list[GoldQuestion]:
    return [
        GoldQuestion(f"q{n}", f"{WORDS} code{n}", frozenset({f"gold{n}"})) for n in range(count)
    ]


@pytest.fixture
def index(tmp_path: Path) -> PassageIndex:
    return build(passages(), tmp_path / "i", encoder=ExactEncoder(), extractor=FakeExtractor())


def easy(count: int = TOPICS) -> list[GoldQuestion]:
    return [GoldQuestion(f"q{n}", f"code{n}", frozenset({f"gold{n}"})) for n in range(count)]


def recall(index: PassageIndex, config: BestConfig | None = None) -> int:
    hits = index.retrieve_batch([q.text for q in questions()], config=config)
    return sum(f"gold{n}" in {h.passage.id for h in found} for n, found in enumerate(hits))


def files(index: PassageIndex) -> dict[str, bytes]:
    folder = index.directory / index.manifest.data
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_to_gain_changes_nothing(index: PassageIndex) -> None:
    before = index.manifest
    report = index.tune(easy())
    assert report.today.percent["recall@5"] > 95
    assert not report.is_gain and not index.is_tuned
    assert index.manifest == before and index.weights == BestConfig()


def test_a_gain_is_found_written_and_measured_as_retrieval_does(index: PassageIndex) -> None:
    before = recall(index)
    dry = index.tune(questions(), dry_run=True)
    assert not index.is_tuned
    report = index.tune(questions())
    assert report.to_json() == dry.to_json()  # deterministic
    assert report.today.percent["recall@5"] == pytest.approx(100 * before / TOPICS)
    assert report.is_gain and report.gain.intervals["recall@5"][0] > 0
    ratio = report.weights.passage.lexical / report.weights.passage.similarity
    assert ratio > BestConfig().passage.lexical / BestConfig().passage.similarity
    assert index.is_tuned and index.weights == report.weights
    assert recall(index) > before
    assert recall(index) == recall(index, report.weights)
    assert recall(index, BestConfig()) == before  # a config that is given wins
    assert "tuned" in index.explain("code1", "gold1").reason
    assert "tuned" not in index.explain("code1", "gold1", config=BestConfig()).reason
    assert index.manifest.parameters["weights"] == "tuned"
    again = index.tune(questions())  # what is gained is gained
    assert not again.is_gain and index.weights == report.weights


def test_reset_restores_the_bytes(index: PassageIndex) -> None:
    manifest, content = index.manifest, files(index)
    assert index.tune(questions()).is_gain
    with PassageIndex.open(index.directory, verify=True) as opened:
        assert opened.is_tuned
    assert index.reset_weights() and not index.is_tuned
    assert index.manifest == manifest and files(index) == content
    assert not index.reset_weights()


def test_weights_survive_changes_and_a_rebuild_takes_them(
    index: PassageIndex, tmp_path: Path
) -> None:
    weights = index.tune(questions()).weights
    index.add([Passage("new", "a new pump.")])
    assert index.weights == weights
    index.update([Passage("new", "an older pump.")])
    assert index.weights == weights
    index.delete(["new"])
    assert index.weights == weights
    index.sync([*passages(), Passage("other", "another pump.")])
    assert index.weights == weights
    index.compact()
    assert index.weights == weights
    models = {"encoder": ExactEncoder(), "extractor": FakeExtractor()}
    with build(list(index), tmp_path / "j", **models, weights=weights) as rebuilt:
        assert rebuilt.manifest == index.manifest and files(rebuilt) == files(index)
        same = rebuilt.manifest.data
    with build(list(index), tmp_path / "j", **models, weights=weights) as kept:
        assert kept.manifest.data == same
    with build(list(index), tmp_path / "j", **models) as untuned:
        assert not untuned.is_tuned


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (questions(29), InvalidParameter, "29 different questions, wanted at least 30"),
        ([*questions(29), *questions(10)], InvalidParameter, "29 different questions"),
        ([], InvalidParameter, "0 different questions"),
        ([replace(q, gold=frozenset()) for q in questions()], InvalidQuestion, "no gold ids"),
        (
            [replace(q, gold=frozenset(), answers=("pump",)) for q in questions()],
            InvalidQuestion,
            "answers do not do",
        ),
        ([replace(q, gold=frozenset({"x"})) for q in questions()], InvalidQuestion, "none of the"),
        (
            [*questions(5), *(replace(q, gold=frozenset({"x"})) for q in questions()[5:])],
            InvalidParameter,
            "5 different questions with gold ids that the index holds",
        ),
    ],
)
def test_what_cannot_be_fitted_to_is_named(
    index: PassageIndex, given: list[GoldQuestion], error: type[GraphAggError], says: str
) -> None:
    before = index.manifest
    with pytest.raises(error, match=says):
        index.tune(given)
    index.reopen()
    assert index.manifest == before


def test_bad_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="finite"):
        build(passages(), tmp_path / "i", weights=BestConfig(carry=float("nan")))
    with pytest.raises(InvalidParameter, match="wanted a BestConfig"):
        build(passages(), tmp_path / "i", weights={"carry": 1})


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"passage": {"smell": 1}, "link": {}}'])
def test_a_damaged_file_of_weights_is_named(tmp_path: Path, content: bytes) -> None:
    with build(passages(), tmp_path / "i", weights=BestConfig(carry=0.3)) as index:
        directory, manifest = index.directory, index.manifest.to_json()
    path = directory / manifest["data"] / "weights.json"
    path.write_bytes(content)
    manifest["files"]["weights.json"]["bytes"] = len(content)
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptArtifact, match=r"weights\.json"):
        PassageIndex.open(directory)
