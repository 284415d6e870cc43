"""The places of words, read alone, are those that all readers of tokens see."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from graphagg.rag import Passage
from graphagg.rag.documents.tokens import scan, word_spans
from graphagg.rag.tables.mentions import RowTokens, spans_of

TEXTS = st.text() | st.text(alphabet="aB'é中国人1 -_.\u0301\u200bß")


MOST = st.none() | st.integers(0, 9)


@given(text=TEXTS, most=MOST)
@example("Ada's 中国人民 is the Straße, e\u0301té — AdamSmith", None)
@example("Ada's 中国人民 is the Straße, e\u0301té — AdamSmith", 3)
def test_word_spans_are_those_of_scan(text: str, most: int | None) -> None:
    assert word_spans(text, most) == scan(text).spans[:most]


@given(title=TEXTS, text=TEXTS, most=MOST)
def test_spans_of_a_passage_are_those_of_its_tokens(
    title: str, text: str, most: int | None
) -> None:
    passage = Passage("p", text, title)
    assert spans_of(passage, most) == RowTokens.of(passage).spans[:most]
