"""Vectors that are kept are those that the encoder gives, and there is an end to how many."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphagg.rag.models.encoder import gives_words
from graphagg.serve.encoding import QuestionVectors
from graphagg.serve.limits import Limits
from graphagg.serve.service import Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.rag.brute import ExactEncoder

WORDS = st.lists(st.sampled_from(["ada", "babbage", "london", "thames", "engine"]), max_size=6)


class Counting(FakeEncoder):
    def __init__(self, name: str = "fake") -> None:
        super().__init__(name)
        self.asked: list[tuple[list[str], list[str]]] = []

    def encode_query(self, questions, names):
        self.asked.append((list(questions), list(names)))
        return super().encode_query(questions, names)


class Models:
    def __init__(self, encoder: FakeEncoder) -> None:
        self._encoder = encoder

    def encoder(self) -> FakeEncoder:
        return self._encoder

    def extractor(self) -> FakeExtractor:
        return FakeExtractor()


@given(calls=st.lists(st.tuples(WORDS, WORDS), max_size=12), kept=st.integers(0, 6))
def test_any_calls_give_what_the_encoder_gives(
    calls: list[tuple[list[str], list[str]]], kept: int
) -> None:
    counted: list[tuple[int, int]] = []
    encoder, plain = Counting(), FakeEncoder()
    table = QuestionVectors(kept, lambda found, made: counted.append((found, made)))
    models = table.before(Models(encoder))
    for questions, names in calls:
        got, expected = (each.encode_query(questions, names) for each in (models.encoder(), plain))
        for one, other in zip(got, expected, strict=True):
            assert one.shape == other.shape and one.dtype == np.float32
            np.testing.assert_array_equal(one, other)
        assert len(table) <= kept
    if kept:  # each vector that was asked for was either there or made, copies in a call once
        asked = sum(len(questions) + len(names) for questions, names in calls)
        made = sum(len(questions) + len(names) for questions, names in encoder.asked)
        assert sum(each for _, each in counted) == made <= asked


@given(
    calls=st.lists(st.lists(st.tuples(WORDS, st.integers(0, 2)), max_size=4), max_size=8),
    kept=st.integers(1, 9),
)
def test_words_are_those_that_the_encoder_gives(
    calls: list[list[tuple[list[str], int]]], kept: int
) -> None:
    encoder = ExactEncoder()
    table = QuestionVectors(kept)
    for call in calls:
        questions = [" ".join(words) for words, _ in call]
        places = [np.array([(0, 3), (4, 7)][:count]).reshape(-1, 2) for _, count in call]
        kept_ones = table.before(Models(encoder)).encoder()
        assert gives_words(kept_ones)
        got, expected = (each.encode_asked(questions, places) for each in (kept_ones, encoder))
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])
        assert len(table) <= kept


def test_the_longest_unused_goes_first() -> None:
    encoder = Counting()
    table = QuestionVectors(2)
    for question in ("a", "b", "a", "c", "a", "b"):
        table.encode(encoder, [question], [])
    assert [questions for questions, _ in encoder.asked] == [["a"], ["b"], ["c"], ["b"]]


def test_models_and_roles_are_kept_apart() -> None:
    table, one, other = QuestionVectors(), Counting("one"), Counting("other")
    for encoder in (one, other):
        for _ in range(2):
            table.encode(encoder, ["ada"], [])
            table.encode(encoder, [], ["ada"])
    assert one.asked == other.asked == [(["ada"], []), ([], ["ada"])]


def test_a_question_that_comes_again_is_not_encoded_again(start, indices: Sources) -> None:
    for limits, calls in ((Limits(), 1), (Limits(question_vectors=0), 2)):
        encoder = Counting()
        running = start(
            Sources(indices.passages, encoder=encoder, extractor=FakeExtractor()), limits
        )
        answers = [
            running.json("/v1/passages/search", {"question": "Who is Ada?", "top_k": k})["hits"]
            for k in (2, 4)
        ]
        assert len(encoder.asked) == calls and answers[1][: len(answers[0])] == answers[0]
