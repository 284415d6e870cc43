"""Filters as the command line takes them."""

from __future__ import annotations

import pytest

from graphagg.errors import InvalidFilter
from graphagg.rag.documents.filters import parse_cli
from tests.unit.rag.documents.filter_cases import Row, masks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lang=en", {"lang": {"eq": "en"}}),
        (" lang == en ", {"lang": {"eq": "en"}}),
        ("lang!=en", {"lang": {"ne": "en"}}),
        ("year >= 2000", {"year": {"gte": "2000"}}),
        ("year<=2000", {"year": {"lte": "2000"}}),
        ("year>2000", {"year": {"gt": "2000"}}),
        ("year<2000", {"year": {"lt": "2000"}}),
        ("lang in en, de", {"lang": {"in": ["en", "de"]}}),
        ("born in=1990", {"born in": {"eq": "1990"}}),
        ("title=made in a<b", {"title": {"eq": "made in a<b"}}),
        ("lang=", {"lang": {"eq": ""}}),
        (' {"year": {"gte": 2000}}', {"year": {"gte": 2000}}),
    ],
)
def test_command_line_forms(text: str, expected: Row) -> None:
    assert parse_cli(text) == expected


NO_FORM = r"wanted k=v, k!=v, .* or a JSON object"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, NO_FORM) for text in ("", "lang", "=en", "in a,b", "in", " != x")),
        ("lang in a,,b", "an empty value in the list; remove it"),
        ("lang in", "an empty value in the list"),
        ("{lang: 1}", r"not readable as JSON \(Expecting property name"),
        ('{"a": 1} x', r"not readable as JSON \(Extra data"),
        ('{"a": ' + "9" * 5000 + "}", "not readable as JSON .*digits"),
        ('{"a":' * 100_000, "not readable as JSON .*recursion"),
        ('{"year": {"gt": 1}, "year": 2}', "'year' twice in one object; join the two by and"),
    ],
)
def test_command_line_forms_that_are_broken(text: str, message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        parse_cli(text)


def test_command_line_values_take_the_type_of_their_key() -> None:
    row = {"n": 2000, "s": "2000", "b": True, "t": "2024-05-01", "tags": ["x"], "marks": [1.5]}
    texts = ["n=2000", "n=2e3", "n>+1999.5", "n<2001.", "s=2000", "b=True", "b!=false",
             "t>=2024-05-01T02:00+02:00", "tags in x,y", "marks=1.5", "n in 1,2000"]  # fmt: skip
    assert masks({"and": [parse_cli(text) for text in texts]}, [row]) == [True]
    for text in texts:
        assert masks({"not": parse_cli(text)}, [row]) == [False], text
