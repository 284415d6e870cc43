"""Answers in words by a language model of the test: messages, citations, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter, InvalidQuestion
from graphagg.rag import PassageIndex
from graphagg.rag.answer.generate import RULES, answer, checked

QUESTION = "Where was the man born who designed the Engine?"


class Model:
    """It writes the same text each time, and keeps the messages that it reads."""

    def __init__(self, text: str = "In London [1].") -> None:
        self.text, self.asked = text, list[list[dict[str, str]]]()

    def __call__(self, messages: list[dict[str, str]]) -> str:
        self.asked.append(messages)
        return self.text


def test_the_model_reads_the_hits_and_its_citations_are_checked(index: PassageIndex) -> None:
    model = Model(" He was born in London [1][3], it seems [2, 9]; not [0] or [12x]. ")
    found = answer(index, QUESTION, model, k=3)
    hits = index.retrieve(QUESTION, 3)
    assert found.text.startswith("He was born") and found.hits == tuple(hits)
    assert [(c.number, c.passage_id, c.title) for c in found.citations] == [
        (number, hit.passage.id, hit.passage.title) for number, hit in enumerate(hits, start=1)
    ]
    assert found.unknown == (0, 9)
    ((rules, request),) = model.asked
    assert rules == {"role": "system", "content": RULES} and request["role"] == "user"
    asked = request["content"]
    places = [asked.index(f"[{n}] {hit.passage.title}\n{hit.passage.text}")
              for n, hit in enumerate(hits, start=1)]  # fmt: skip
    assert places == sorted(places) and asked.endswith(f"Question: {QUESTION}")


@given(
    given_hits=st.integers(0, 6),
    parts=st.lists(st.integers(0, 12) | st.text("ab[]., ", max_size=5), max_size=12),
)
def test_no_citation_points_to_nothing(index: PassageIndex, given_hits: int, parts: list) -> None:
    hits = index.retrieve("Ada and Babbage in London", given_hits) if given_hits else []
    text = " ".join(f"[{part}]" if isinstance(part, int) else part for part in parts)
    found = checked(text, hits)
    numbers = {part for part in parts if isinstance(part, int)}
    assert [c.number for c in found.citations] == sorted(n for n in numbers if 1 <= n <= len(hits))
    assert found.unknown == tuple(sorted(n for n in numbers if not 1 <= n <= len(hits)))
    assert all(hits[c.number - 1].passage.id == c.passage_id for c in found.citations)


def test_without_a_passage_nothing_is_asked(index: PassageIndex) -> None:
    found = answer(index, QUESTION, model := Model(), filter={"year": 1})
    assert (found.text, found.hits, model.asked) == ("", (), [])


def test_a_long_passage_is_cut(index: PassageIndex) -> None:
    found = answer(index, QUESTION, model := Model(), k=1, characters=20)
    (hit,) = index.retrieve(QUESTION, 1)
    asked = model.asked[0][-1]["content"]
    piece = hit.excerpt(20)
    assert piece.is_cut and len(piece.text) <= 20 and piece.marked in asked
    assert hit.passage.text not in asked and found.cut == (hit.passage.id,)
    assert found.to_json()["hits"][0]["cut"]["characters"] == len(hit.passage.text)
    assert answer(index, QUESTION, Model(), k=1).cut == ()


def test_what_the_model_is_given_and_told(index: PassageIndex) -> None:
    found = answer(index, QUESTION, model := Model(), k=9, exclude=["p2"], prompt="Be brief.")
    assert "p2" not in [hit.passage.id for hit in found.hits] and len(found.hits) == 6
    assert model.asked[0][0]["content"] == "Be brief."
    only = answer(index, QUESTION, model, include=["p2"])
    assert [hit.passage.id for hit in only.hits] == ["p2"]


@pytest.mark.parametrize("options", [{"prompt": " "}, {"characters": 0}, {"min_score": 1e999}])
def test_options_are_checked_before_the_model_is_asked(
    index: PassageIndex, options: dict[str, object]
) -> None:
    model = Model()
    with pytest.raises(InvalidParameter, match=next(iter(options))):
        answer(index, QUESTION, model, **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidQuestion):
        answer(index, " ", model)
    assert not model.asked
