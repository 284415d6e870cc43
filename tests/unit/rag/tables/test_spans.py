"""The places of words, read alone, are those that all readers of tokens see."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graphagg.rag import Passage
from graphagg.rag.documents.tokens import scan, word_spans
from graphagg.rag.tables.mentions import RowTokens

pytestmark = pytest.mark.usefixtures("compiled")

TEXTS = st.text() | st.text(alphabet="aB'é中国人1 -_.\u0301\u200bß")


BEGIN, END = st.integers(0, 9), st.none() | st.integers(0, 9)


@given(text=TEXTS, begin=BEGIN, end=END)
@example("Ada's 中国人民 is the Straße, e\u0301té — AdamSmith", 0, None)
@example("Ada's 中国人民 is the Straße, e\u0301té — AdamSmith", 2, 5)
def test_word_spans_are_those_of_scan(text: str, begin: int, end: int | None) -> None:
    assert word_spans(text, begin, end) == scan(text).spans[begin:end]


@given(title=TEXTS, text=TEXTS, begin=BEGIN, end=END)
def test_spans_of_a_passage_are_those_of_its_tokens(
    title: str, text: str, begin: int, end: int | None
) -> None:
    passage = Passage("p", text, title)
    assert passage.word_spans(begin, end) == RowTokens.of(passage).spans[begin:end]
