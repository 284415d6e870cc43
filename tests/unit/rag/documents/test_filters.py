"""Metadata filters: masks equal brute force over the dicts, and every mistake is named."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidFilter
from graphagg.rag import PassageIndex
from graphagg.rag.documents.filters import CliText, compile_filter, parse_cli
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.documents.value_types import merge_schemas, parse_instant
from graphagg.rag.question.request import Selection
from tests.unit.rag.documents.filter_cases import (
    ROWS,
    VALUES,
    Row,
    Schema,
    brute,
    brute_type,
    filters,
    masks,
    reopened,
)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_masks_equal_brute_force_in_any_segments_and_when_reopened(data: st.DataObject) -> None:
    rows: list[Row] = data.draw(st.lists(ROWS, max_size=8))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=2)))
    bounds = zip([0, *cuts], [*cuts, len(rows)], strict=True)
    tables = [MetadataTable.build(rows[a:b]) for a, b in bounds]
    schema = merge_schemas(table.counts for table in tables)

    whole = MetadataTable.build(rows)
    types = {key: brute_type(row.get(key) for row in rows) for key in VALUES}
    assert schema == whole.schema == {key: kind for key, kind in types.items() if kind}

    filter = data.draw(filters(schema))
    predicate = compile_filter(filter, schema)
    expected = [brute(filter, row, schema) for row in rows]
    assert np.concatenate([predicate.mask(table) for table in tables]).tolist() == expected
    with TemporaryDirectory() as folder:
        again = reopened(whole, Path(folder))
        assert again.rows == len(rows) and again.schema == whole.schema
        for key, kind in whole.schema.items():
            assert list(again.distinct(key, kind)) == list(whole.distinct(key, kind))
            assert again.rows_with(key).tolist() == whole.rows_with(key).tolist()
        assert predicate.mask(again).tolist() == expected


def test_different_filters_have_different_keys() -> None:
    text = compile_filter({"lang": "2020-01-01"}, {"lang": "string"})
    date = compile_filter({"lang": "2020-01-01"}, {"lang": "date"})
    negated = compile_filter({"not": {"lang": "2020-01-01"}}, {"lang": "string"})
    assert len({text.key, date.key, negated.key}) == 3


# --- meaning -----------------------------------------------------------------------------------


def test_integers_compare_exactly_beyond_float64() -> None:
    rows: list[Row] = [{"id": 2**53}, {"id": 2**53 + 1}, {"id": float(2**53)}, {"id": 2**60 + 1}]
    assert masks({"id": 2**53 + 1}, rows) == [False, True, False, False]
    assert masks({"id": {"gt": 2**53}}, rows) == [False, True, False, True]
    assert masks({"id": [2**60 + 1, 2**60]}, rows) == [False, False, False, True]
    assert masks({"id": {"lt": 2**600}}, rows) == [True] * 4
    assert MetadataTable.build([{"id": 2**63}]).schema == {"id": "mixed"}


def test_dates_compare_as_instants_and_among_other_strings_as_text() -> None:
    rows: list[Row] = [
        {"t": "2024-05-01T01:00:00+02:00"},
        {"t": "2024-04-30T23:00:00Z"},
        {"t": "2024-05-01"},
    ]
    assert masks({"t": "2024-04-30T23:00"}, rows) == [True, True, False]
    assert masks({"t": {"gte": "2024-05-01"}}, rows) == [False, False, True]
    assert masks({"t": {"lt": CliText("2024-05-01T02:00+02:00")}}, rows) == [True, True, False]

    dates, others = [{"t": "2024-05-01T01:00:00+02:00"}, {"t": "2024"}], [{"t": "2024-04-30"}]
    assert MetadataTable.build(others).schema == {"t": "date"}
    assert masks({"t": {"gte": "2024-05"}}, dates, others) == [True, False, False]
    assert masks({"t": "2024-04-30"}, dates, others) == [False, False, True]


def test_instants_are_microseconds_since_1970_and_other_texts_are_no_dates() -> None:
    assert parse_instant("1970-01-01T00:00:01.0000029+00:00") == 1_000_002
    assert parse_instant("1969-12-31T23:59:59,999999Z") == -1
    assert parse_instant("1970-01-01T01:00+01") == 0
    for text in (
        "2024", "2024-02-30", "20240501", "2024-W01-1", "2024-05-01T24:00", "2024-05-01T10:00:60",
        "2024-05-01T10", " 2024-05-01", "2024-05-01\n", "٢٠٢٤-05-01",
        "2024-05-01T10:00+25:00", "", "0000-01-01", "1970-01-01T01+01",
    ):  # fmt: skip
        assert parse_instant(text) is None, text


def test_unicode_orders_by_code_points_and_never_normalizes() -> None:
    rows: list[Row] = [
        {"k": "é"},
        {"k": "e\u0301"},
        {"k": "\uffff"},
        {"k": "\U0001f600"},
        {"ключ": "я"},
    ]
    assert masks({"k": "é"}, rows) == [True, False, False, False, False]
    assert masks({"k": {"gt": "\uffff"}}, rows) == [False, False, False, True, False]
    assert masks({"ключ": {"gte": "ю"}}, rows) == [False] * 4 + [True]


def test_no_rows_and_no_keys(tmp_path: Path) -> None:
    assert masks({}, [], [{}, {}]) == [True, True]
    assert masks({"not": {}}, [{}, {"a": 1}]) == [False, False]
    assert masks({"a": []}, [{"a": 1}]) == [False]
    assert masks({"year": {"gt": 1}}, [{"year": 2}], [{}, {"lang": "en"}]) == [True, False, False]
    assert masks({"year": {"ne": 2}}, [{"year": 2}], [{}]) == [False, True]
    empty = reopened(MetadataTable.build([]), tmp_path)
    assert (empty.rows, dict(empty.schema)) == (0, {})
    assert compile_filter({"a": 1}, {"a": "number"}).mask(empty).shape == (0,)


def test_nan_is_absent_and_tuples_are_lists() -> None:
    table = MetadataTable.build(
        [{"x": float("nan"), "t": ("a",)}, {"x": 1.5, "t": []}, {"n": None}]
    )
    assert table.schema == {"t": "list of strings", "x": "number"}
    assert compile_filter({"x": {"exists": False}}, table.schema).mask(table).tolist() == [1, 0, 1]


@pytest.mark.parametrize("value", [["a", 1], ["a", None], [True], {}, 2**63, [[]]])
def test_what_no_filter_compares(value: Any) -> None:
    table = MetadataTable.build([{"k": value}, {}])
    assert table.schema == {"k": "mixed"}
    assert table.rows_with("k").tolist() == [True, False]


# --- mistakes ----------------------------------------------------------------------------------

SCHEMA: Schema = {
    "lang": "string",
    "year": "number",
    "flag": "boolean",
    "when": "date",
    "tags": "list of strings",
    "marks": "list of numbers",
    "none": "empty list",
    "odd": "mixed",
}
DEEP: Row = {"lang": "a"}
for _ in range(32):
    DEEP = {"not": DEEP}
CYCLE: Row = {}
CYCLE["not"] = CYCLE


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"year>=": 1}, r"unknown key 'year>='; write {'year': {'gte': VALUE}}\. The keys are "),
        ({"yaer": 1}, r"unknown key 'yaer'; did you mean 'year'\? The keys are 'flag' "),
        ({"zzzzzz": 1}, r"unknown key 'zzzzzz'\. The keys are 'flag' \(boolean\), 'lang' "),
        ({"gte": 1}, "unknown key 'gte'"),
        ({"odd": 1}, "key 'odd' is of type mixed: its values are objects"),
        ("lang=en", "filter 'lang=en': a str, expected a mapping"),
        (None, "filter None: a NoneType, expected a mapping"),
        ({"not": [1]}, r"filter \[1\]: a list, expected a mapping"),
        ({"or": []}, r"'or' needs a list of at least one filter, found \[\]"),
        ({"and": "x"}, "'and' needs a list of filters, found 'x'"),
        ({"year": {}}, "key 'year' has no operator; use one of eq, ne, in, nin, exists, gt, gte"),
        ({"year": {"between": 1}}, "operator 'between' .* use one of eq, ne, in, nin, exists, "),
        ({"flag": {"gt": True}}, "operator 'gt' does not apply to .* of type boolean; .* exists$"),
        ({"year": "2000"}, "'year' is of type number: 'eq' needs a finite number, found '2000'"),
        ({"year": float("nan")}, "needs a finite number, found nan"),
        ({"year": {"lt": float("inf")}}, "'lt' needs a finite number, found inf"),
        ({"year": 10**5000}, "needs a finite number, found an integer of thousands of digits"),
        ({"year": CliText("1_0")}, "needs a finite number, found '1_0'"),
        ({"year": CliText("1e999")}, "needs a finite number, found '1e999'"),
        ({"lang": 5}, "'lang' is of type string: 'eq' needs a string of Unicode text, found 5"),
        ({"lang": "\ud800"}, r"needs a string of Unicode text, found '\\ud800'"),
        ({"lang": None}, r"found None; for passages that lack the key use \{\"exists\": false\}"),
        ({"lang": {"eq": ["a"]}}, r"found \['a'\]; for one of several values use 'in'"),
        ({"lang": {"in": "ab"}}, "'in' needs a list, found 'ab'"),
        ({"lang": {"exists": 1}}, "'exists' needs true or false, found 1"),
        ({"flag": 1}, "'flag' is of type boolean: 'eq' needs true or false, found 1"),
        ({"flag": CliText("yes")}, "needs true or false, found 'yes'"),
        ({"when": "May 2024"}, "'eq' needs an ISO 8601 date like .*, found 'May 2024'"),
        ({"when": {"gt": "2024-02-30"}}, "'gt' needs an ISO 8601 date like .*, found '2024-02-30'"),
        ({"tags": 5}, "'tags' is of type list of strings: 'eq' needs a string of Unicode text"),
        ({"none": True}, "'none' is of type empty list: 'eq' needs a string or a finite number"),
        (DEEP, "nested deeper than 32 levels"),
        (CYCLE, "nested deeper than 32 levels"),
        ({"or": [{"year": i} for i in range(1001)]}, "more than 1,000 comparisons; use 'in'"),
    ],
)  # fmt: skip
def test_mistakes_are_named(filter: Any, message: str) -> None:
    with pytest.raises(InvalidFilter, match=message):
        compile_filter(filter, SCHEMA)


def test_a_date_is_not_compared_with_texts_that_are_none(tmp_path: Path) -> None:
    passages = [
        {"id": "a", "text": "x", "metadata": {"created": "03/04/2026 15:40", "due": "2026-01-02"}},
        {"id": "b", "text": "y", "metadata": {"created": "2/4/2026", "due": "unknown"}},
    ]
    after = {"gte": "2026-04-01"}
    with PassageIndex.build(passages, tmp_path, profile="fast") as index:
        with pytest.raises(InvalidFilter, match="holds texts, none of them an ISO 8601 date"):
            index.retrieve("x", filter={"created": after})
        for filter, count in (({"created": {"gte": "2026"}}, 0), ({"due": after}, 1)):
            assert index.snapshot.mask(Selection(filter)).sum() == count
        index.add([{"id": "c", "text": "z", "metadata": {"created": "2026-04-02"}}])
        assert index.snapshot.mask(Selection({"created": after})).sum() == 1


def test_the_limits_are_allowed_and_an_unknown_key_lists_twenty_keys() -> None:
    compile_filter(DEEP["not"], SCHEMA)
    compile_filter({"or": [{"year": i} for i in range(1000)]}, SCHEMA)
    compile_filter({"year": list(range(5000))}, SCHEMA)
    schema: Schema = {f"k{i:02}": "string" for i in range(30)}
    with pytest.raises(InvalidFilter) as caught:
        compile_filter({"other": 1}, schema)
    assert str(caught.value).count("(string)") == 20
    assert str(caught.value).endswith("'k19' (string) and 10 more")
    with pytest.raises(InvalidFilter, match=r"The keys are none$"):
        compile_filter({"other": 1}, {})


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_some_rows_of_a_table_count_as_a_table_of_them_alone(data: st.DataObject) -> None:
    rows: list[Row] = data.draw(st.lists(ROWS, max_size=8))
    some = np.array([data.draw(st.booleans()) for _ in rows], np.bool_)
    table = MetadataTable.build(rows)
    alone = MetadataTable.build(row for row, counts in zip(rows, some, strict=True) if counts)
    schema = merge_schemas([table.counts_among(some)])
    assert table.counts_among(some) == alone.counts and schema == alone.schema
    predicate = compile_filter(data.draw(filters(schema)), schema)
    assert predicate.mask(table)[some].tolist() == predicate.mask(alone).tolist()


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


NO_FORM = r"expected k=v, k!=v, .* or JSON"


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
        ('{"year": {"gt": 1}, "year": 2}', "'year' twice in one object; join"),
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
