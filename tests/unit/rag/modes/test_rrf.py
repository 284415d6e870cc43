"""Reciprocal rank fusion, from the two lists themselves; and words inside words."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphagg.rag import Passage
from graphagg.rag.documents.tokens import inner_words
from tests.unit.rag.corpora import build


def test_rrf_adds_the_reciprocal_ranks(tmp_path: Path) -> None:
    corpus = [
        Passage(f"p{i:02}", f"note {i} on {word} and {other}")
        for i, (word, other) in enumerate(
            (a, b) for a in ("Ada", "engine", "river") for b in ("London", "Byron", "notes", "Ada")
        )
    ]
    with build(corpus, tmp_path / "i") as index:
        for question in ["Ada in London", "river notes", "Which engine has notes on Byron?"]:
            scores: dict[str, float] = {}
            for mode in ("dense", "bm25"):
                hits = index.retrieve(question, 12, mode=mode)  # type: ignore[arg-type]
                found = [hit for hit in hits if mode == "dense" or hit.score > 0]
                for rank, hit in enumerate(found, start=1):
                    scores[hit.passage.id] = scores.get(hit.passage.id, 0.0) + 1 / (60 + rank)
            wanted = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
            hits = index.retrieve(question, 5, mode="rrf")
            assert [(hit.passage.id, pytest.approx(hit.score)) for hit in hits] == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("AdamSmith wrote", ["adam", "smith"]),
        ("parseHTTPHeader2", ["parse", "http", "header", "2"]),
        ("IBM and Ada, plain name", []),
        ("a plain_name of IM-22", ["plainname", "im22"]),
        ("éÉclair", ["e", "eclair"]),
        ("Q2 of FY2022, 2022 Q3 and the fourth quarter of 2019", ["2022q2", "2022q3", "2019q4"]),
        (
            "2Q23 and Q1'98 by 4Q FY20, Q2 15 percent",
            ["2023q2", "2023", "1998q1", "1998", "2020q4"],
        ),
    ],
)
def test_words_inside_words(text: str, words: list[str]) -> None:
    assert inner_words(text) == words


def test_a_question_finds_a_word_inside_a_word(tmp_path: Path) -> None:
    corpus = [Passage("a", "LiHua: Hi, WolfgangSchulz!"), Passage("b", "nothing of the kind")]
    with build(corpus, tmp_path / "i") as index:
        (first, *_) = index.retrieve("What did Schulz say?", 2, mode="bm25")
        assert first.passage.id == "a" and first.score > 0
