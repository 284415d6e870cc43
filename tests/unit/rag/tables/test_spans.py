"""The places of words, read alone, are those that all readers of tokens see."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from graphagg.rag import Passage
from graphagg.rag.documents.tokens import scan, word_spans
from graphagg.rag.tables.mentions import RowTokens, spans_of

TEXTS = st.text() | st.text(alphabet="aB'é中国人1 -_.\u0301\u200bß")


@given(text=TEXTS)
@example("Ada's 中国人民 is the Straße, e\u0301té — AdamSmith")
def test_word_spans_are_those_of_scan(text: str) -> None:
    assert word_spans(text) == scan(text).spans


@given(title=TEXTS, text=TEXTS)
def test_spans_of_a_passage_are_those_of_its_tokens(title: str, text: str) -> None:
    passage = Passage("p", text, title)
    assert spans_of(passage) == RowTokens.of(passage).spans
