"""Sentences and names by rule."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.rag.models.by_rule.extractor import RuleExtractor, sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def names(text: str, language: str = "en") -> list[str]:
    (annotation,) = RuleExtractor(language).annotate([text])
    return [text[start:end] for start, end in annotation.mentions]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("J. K. Rowling met Dr. Smith. He left.", ["J. K. Rowling met Dr. Smith.", "He left."]),
        ("It is approx. five. Yes.", ["It is approx. five.", "Yes."]),
        ('"Is it so?" she said. (No.) Then she left.', ['"Is it so?" she said.', "(No.)",
                                                       "Then she left."]),
        ("東京は大きい。大阪も。 はい", ["東京は大きい。", "大阪も。", "はい"]),
        ("¿Qué? Nada… Bueno.", ["¿Qué?", "Nada…", "Bueno."]),
        ("A title\n\nA text", ["A title", "A text"]),
        ("Said no.\n\nnext", ["Said no.", "next"]),
        ("  ", []),
        ("", []),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(st.text('aB .!?\n"。É1', max_size=40))
def test_sentences_cover_all_that_is_no_white_space(text: str) -> None:
    end = 0
    for start, stop in sentences(text):
        assert not text[end:start].strip() and start < stop
        assert text[start:stop] == text[start:stop].strip()
        end = stop
    assert not text[end:].strip()


def test_names_are_runs_of_capitalized_words_but_not_in_sentences_in_capitals() -> None:
    text = "She met Anna Lindqvist in New York. The band played. Norway won."
    assert names(text) == ["Anna Lindqvist", "New York"]
    text = "IN NO EVENT SHALL ACME INC BE LIABLE. UNITED NATIONS. He met ANNA LINDQVIST there."
    assert names(text) == ["UNITED NATIONS", "ANNA LINDQVIST"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Gone with the Wind is a film.", "Gone with the Wind"),
        ("The Night of Nights is a 1939 drama.", "The Night of Nights"),
        ('"Dance with Me" is a song by Kelly Clarkson.', "Dance with Me"),
        ("Teutberga( died 875) was a queen.", "Teutberga"),
        ("Wrong Turn 3: Left for Dead is a film.", "Wrong Turn 3: Left for Dead"),
        ("12 Monkeys is a film.", "12 Monkeys"),
        ("It was late.", None),
        ("The film was released in May.", None),
        ("A dog barks. Rex is a dog.", None),
        ("", None),
    ],
)
def test_what_a_text_is_about(text: str, name: str | None) -> None:
    found = names(text)
    assert (name in found) if name else not {"It", "The film", "A dog", "Rex"} & set(found)


def test_other_languages_by_their_code() -> None:
    text = "Der Film wurde von Étienne Garnier gedreht."
    assert names(text, "de") == ["Film", "Étienne Garnier"]
    specs = {RuleExtractor(code).spec.sha256 for code in ("en", "de", "xx")}
    assert len(specs) == 3
    assert RuleExtractor("de").spec.settings["language"] == "de"
    for code in ("", "EN", "english", "e1"):
        with pytest.raises(InvalidParameter, match="no code of a language"):
            RuleExtractor(code)


def test_each_text_is_read_alone() -> None:
    texts = ["Anna met Olaf.", "", "In Rome", "Anna met Olaf."]
    together = list(RuleExtractor("en").annotate(texts))
    assert together == [next(RuleExtractor("en").annotate([text])) for text in texts]


def test_no_pipeline_is_loaded() -> None:
    code = (
        "import sys\nfrom graphagg.rag.models.by_rule.extractor import RuleExtractor\n"
        "list(RuleExtractor('en').annotate(['Anna met Olaf.']))\nassert 'spacy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
