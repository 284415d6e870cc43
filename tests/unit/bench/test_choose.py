"""The search for constants: what all sets gain by is taken, what one set gains by is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.retrieval.choose import GRID, MIDDLE, EncodedQuestions, Search, with_value
from benchmarks.retrieval.corpora import passages_of, questions
from graphagg.arrays import Array
from graphagg.rag import MultihopConfig, PassageIndex, read_passages
from graphagg.rag.evaluation.measure import evaluate
from graphagg.rag.evaluation.questions import read_questions

DEMO = Path(__file__).parents[3] / "graphagg" / "rag" / "demo"
NAMES = ("a", "b", "c", "d-untitled")


class _Set:
    """A set whose recall is a function of the constants."""

    def __init__(self, recall: Callable[[MultihopConfig], float]) -> None:
        self._recall = recall

    def recall(self, config: MultihopConfig) -> Array:
        return np.array([0.0, self._recall(config)])


def _search(plain: float = 0.0, **recalls: Callable[[MultihopConfig], float]) -> Search:
    flat: Callable[[MultihopConfig], float] = lambda _: 50.0  # noqa: E731
    sets: Any = {name: _Set(recalls.get(name[0], flat)) for name in NAMES}
    return Search(sets, {name: np.array([0.0, plain]) for name in NAMES})


def test_the_middle_is_in_each_range_and_stays_where_nothing_gains() -> None:
    for name, values in GRID.items():
        assert with_value(MIDDLE, name, values[0]) != MIDDLE != with_value(MIDDLE, name, values[-1])
    assert _search().choose(NAMES) == MIDDLE


def test_what_all_sets_gain_by_is_taken() -> None:
    every = {name: lambda w: 50.0 + w.coverage for name in "abcd"}
    expected = with_value(MIDDLE, "coverage", GRID["coverage"][-1])
    assert _search(**every).choose(NAMES) == expected
    assert _search(**every).choose(NAMES[:1]) == expected  # one set alone has no error


def test_what_one_set_gains_by_is_not_taken() -> None:
    one = _search(a=lambda w: 50.0 + 20.0 * w.open_terms)
    assert one.choose(NAMES) == MIDDLE
    assert one.choose(["a"]).open_terms == GRID["open_terms"][-1]


def test_recall_is_that_of_an_evaluation(tmp_path: Path) -> None:
    asked = read_questions(DEMO / "questions.jsonl")
    passages = read_passages(DEMO / "passages.jsonl")
    with PassageIndex.build(passages, tmp_path / "idx", profile="fast") as index:
        encoded = EncodedQuestions(index, asked)
        for config in (MultihopConfig(), with_value(MultihopConfig(), "passage.similarity", 0.0)):
            quality = evaluate(index, asked, mode="multihop", config=config).quality
            expected = [quality["recall@2"], quality["recall@5"]]
            assert np.allclose(encoded.recall(config), expected, atol=0.005)  # percent, rounded


def test_questions_of_the_generated_sets_need_two_passages_that_are_there() -> None:
    for name in ("tickets", "chapters"):
        ids = [passage.id for passage in passages_of(name)]
        asked = [*questions(name, "tune", 999), *questions(name, "test", 999)]
        assert len({*ids}) == len(ids) and len({each.text for each in asked}) == len(asked)
        assert all(each.gold <= {*ids} and len(each.gold) >= 2 for each in asked)
