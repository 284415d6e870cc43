from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.cli.shell.words import quote, quoted, scan, split
from graphagg.errors import InvalidParameter

texts = st.text()


@given(st.lists(texts))
def test_quoted_words_come_back_from_one_line(words: list[str]) -> None:
    line = " ".join(quote(word) for word in words)
    assert split(line) == words
    assert "\n" not in line and "\r" not in line


@given(texts, st.sampled_from("\"'"))
def test_either_quote_holds_any_text(text: str, mark: str) -> None:
    assert split(quoted(text, mark)) == [text]


@given(texts)
def test_scanning_any_line_finds_where_its_words_begin(line: str) -> None:
    words = list(scan(line))
    starts = [word.start for word in words]
    assert starts == sorted(set(starts))
    assert all(not line[start].isspace() for start in starts)
    assert not any(word.quote for word in words[:-1])
    for word in words:
        if line[word.start] not in "\"'":
            assert line.startswith(word.text, word.start)


def test_a_quote_within_a_word_is_no_quote() -> None:
    assert split("seed O'Brien 5\"") == ["seed", "O'Brien", '5"']


def test_a_quote_that_stays_open_is_an_error_that_names_the_word() -> None:
    with pytest.raises(InvalidParameter, match="'Mme Thenardier' is not closed"):
        split('seed "Mme Thenardier')


def test_spaces_quotes_and_backslashes() -> None:
    assert split(r'a  "b c" "d\"e" "f\\g" \h "i\jk"') == [
        "a", "b c", 'd"e', "f\\g", "\\h", "i\\jk",
    ]  # fmt: skip
