"""Answers as text: within their budget, and nothing twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graphagg.rag.question.excerpts import tokens_of
from graphagg.serve.mcp import text

words = st.text("ab .", min_size=1, max_size=400)


def hit(name: str, body: str, title: str = "", **more: Any) -> dict[str, Any]:
    path = [{"kind": "passage", "text": title, "passage_id": name}]
    match = {"start": len(body) // 3, "end": len(body) // 2}
    known = {"score": 1.23456789, "path": path, "metadata": {}, "match": match}
    return {"id": name, "title": title, "text": body, **known, **more}


@given(
    bodies=st.lists(words, min_size=1, max_size=12),
    title=st.text("T\n", max_size=200),
    max_tokens=st.integers(250, 1_500),
    confidence=st.none() | st.floats(0, 1),
)
def test_an_answer_keeps_its_budget(
    bodies: list[str], title: str, max_tokens: int, confidence: float | None
) -> None:
    hits = [hit(f"id{i}", body, title) for i, body in enumerate(bodies)]
    answer = text.search(hits, max_tokens, (), confidence)
    assert tokens_of(answer) <= max_tokens
    assert confidence is None or f"confidence {confidence:.2f}" in answer.partition("[1]")[0]
    shown = [f"[{i}] id{i - 1} " in answer for i in range(1, len(hits) + 1)]
    assert shown == sorted(shown, reverse=True)
    assert all(shown) or f"({shown.count(False)} more found" in answer
    if tokens_of("".join(bodies) + title) + 40 * len(hits) <= max_tokens:
        assert all(body in answer for body in bodies)


def test_nothing_is_said_twice_and_nothing_empty_is_said() -> None:
    hits = [
        hit("a#0", "The story begins.", "Story"),
        hit("a#1", "It goes on.", "Story"),
        hit("b", "Ada wrote.", "Ada"),
        hit("Babbage", "He read.", "Babbage"),
    ]
    assert text.search(hits, 1_000) == (
        '[1] a#0 "Story" 1.23\nThe story begins.\n\n[2] a#1 1.23\nIt goes on.\n\n'
        "[3] b 1.23\nAda wrote.\n\n[4] Babbage 1.23\nHe read."
    )
    assert text.search([], 1_000) == "no passage found"


def test_a_hit_says_where_it_comes_from_its_copies_and_the_keys_asked_for() -> None:
    path = [
        {"kind": "question_entity", "text": "Ada"},
        {"kind": "passage", "text": "Ada", "passage_id": "p1"},
        {"kind": "entity", "text": "London"},
        {"kind": "passage", "text": "", "passage_id": "p3"},
    ]
    made = hit("p3", "It lies there.", path=path, metadata={"year": 3, "x": 1}, copies=list("abcd"))
    assert text.search([made], 1_000, ["year", "none"]) == (
        "[1] p3 1.23 from p1 via London (same text: a, b, c, ...) year=3\nIt lies there."
    )


def test_both_ends_of_a_cut_are_marked() -> None:
    body = "x" * 500
    cut = {"start": 100, "end": 600, "characters": 9_000}
    assert text.search([hit("p", body, cut=cut)], 5_000).endswith(f"...{body}...")
    assert text.search([hit("p", body, cut=cut | {"start": 0})], 5_000).endswith(f"\n{body}...")
    sentences = "".join(f"Sentence {i} of many. " for i in range(500))
    match = {"start": sentences.index("Sentence 70 "), "end": sentences.index(" Sentence 71 ")}
    piece = text.search([hit("p", sentences, match=match)], 250)
    assert piece.endswith(" of many....") and "\n...Sentence " in piece
    assert "Sentence 70 of many. " in piece
    assert tokens_of(piece) <= 250
