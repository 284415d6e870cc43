"""Columns by their names, delimiters, bad rows, folders, and tables in memory."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from graphagg.communities import CommunityIndex
from graphagg.errors import InvalidGraph, InvalidParameter, UnreadableFile
from graphagg.graph import load_graph
from graphagg.graph.reading.settings import (
    EdgeReading,
    ReadingOptions,
    WeightedReading,
    WeightedReadingOptions,
)
from graphagg.graph.weights import load_weighted
from tests.unit.graph.test_readers import write as write_lines

EDGES = [(1, 2, 3.0), (2, 4, 5.0), (1, 4, 7.0)]


def write(path, *lines):
    return write_lines(path, lines)


def sums_of(loaded):
    """Each pair of ids with its weight."""
    graph, weights = loaded
    matrix = graph.adjacency
    rows = np.repeat(np.arange(matrix.rows), matrix.degrees())
    return {
        (graph.rows[int(row)], graph.columns[int(column)]): float(weight)
        for row, column, weight in zip(rows, matrix.indices, weights, strict=True)
    }


NAMES = [("source", "target", "weight"), ("FromNodeId", "ToNodeId", "W"), ("src", "dst", "weights")]


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|", " ", ":"])
@pytest.mark.parametrize("names", NAMES)
@settings(deadline=None)
@given(
    order=st.permutations(["source", "target", "weight", "other"]),
    edges=st.lists(st.tuples(*[st.integers(0, 9)] * 2, st.integers(1, 99)), min_size=1),
)
def test_names_tell_the_columns_in_any_order(tmp_path_factory, delimiter, names, order, edges):
    known = dict(zip(("source", "target", "weight"), names, strict=True)) | {"other": "colour"}
    rows = [
        dict(zip(("source", "target", "weight"), edge, strict=True)) | {"other": "x"}
        for edge in edges
    ]
    lines = [[known[each] for each in order], *([str(row[each]) for each in order] for row in rows)]
    path = write(tmp_path_factory.mktemp("e") / "e.txt", *map(delimiter.join, lines))
    options = {"delimiter": delimiter} if delimiter == ":" else {}
    expected = load_weighted(edges, "two-mode")
    assert sums_of(load_weighted(path, "two-mode", **options)) == sums_of(expected)
    if delimiter != ",":
        return
    table = pa.table({known[e]: [row[e] for row in rows] for e in order})
    pq.write_table(table, path.with_suffix(".parquet"))
    for form in (path.with_suffix(".parquet"), table, table.to_pandas(), polars.from_arrow(table)):
        assert sums_of(load_weighted(form, "two-mode")) == sums_of(expected)


def test_columns_are_named_by_options_or_numbers(tmp_path):
    lines = ["id,from_person,to_person,calls", "100,1,2,3", "101,2,4,5", "102,1,4,7"]
    path = write(tmp_path / "calls.csv", *lines)
    options = {"source": "from_person", "target": "to_person", "weight": "calls"}
    assert sums_of(load_weighted(path, "directed", **options)) == {(a, b): w for a, b, w in EDGES}
    report = load_graph(path, source="from_person", target="TO_PERSON").report
    assert report.columns == "source 'from_person', target 'to_person'; not used: 'id', 'calls'"
    bare = write(tmp_path / "bare.csv", *lines[1:])
    numbers = {"source": "2", "target": "3", "weight": "4"}
    assert sums_of(load_weighted(bare, "directed", **numbers)) == {(a, b): w for a, b, w in EDGES}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "looks like a header with unknown names"),
        (
            {"source": "x", "target": "b"},
            "not exactly one column is called 'x', expected one of 'a', 'b'",
        ),
        ({"source": "a"}, "name the columns"),
        ({"source": "a", "target": "a"}, "one column of 'a,b' is used for two"),
        ({"header": False, "source": "a", "target": "b"}, "use their numbers"),
    ],
)
def test_a_header_that_is_not_known_is_an_error(tmp_path, options, message):
    path = write(tmp_path / "e.csv", "a,b", "1,2", "2,3")
    with pytest.raises(InvalidGraph, match=message):
        load_graph(path, **options)
    assert load_graph(path, header=True).edges == 2


@pytest.mark.parametrize(
    ("lines", "header"),
    [
        (["Person,Friend", "1,2"], True),  # integers below names
        (["a,b,since", "x,y,1999", "z,w,2001"], True),  # numbers below a name
        (["Person,Friend", "ann,bob", "bob,cid", "ann,cid"], False),  # no header is to be seen
        (["ann,bob"], False),
        (["u,v", "v,w", "u,w"], False),  # known names, but they are ids below
    ],
)
def test_no_first_line_of_names_is_lost_or_made_an_edge(tmp_path, lines, header):
    path = write(tmp_path / "e.csv", *lines)
    if header:
        with pytest.raises(InvalidGraph, match="looks like a header"):
            load_graph(path)
        assert load_graph(path, header=False, ids="string").report.edges_read == len(lines)
        assert load_graph(path, header=True).report.edges_read == len(lines) - 1
    else:
        report = load_graph(path).report
        assert report.edges_read == len(lines)
        assert report.columns.endswith("no header")


def test_pandas_writes_its_index_as_a_column_without_a_name(tmp_path):
    path = write(tmp_path / "e.csv", ",source,target", "0,5,6", "1,6,7")
    assert set(load_graph(path).rows) == {5, 6, 7}


@settings(deadline=None)
@given(st.lists(st.sampled_from(["1,2", "2,3", "x,1", "7", "", ",4", '"1,2', "1,-2", "# c"])))
def test_bad_rows_are_counted_and_the_first_is_named(tmp_path_factory, lines):
    path = write(tmp_path_factory.mktemp("e") / "e.csv", "source,target", "8,9", *lines)
    good = [line for line in lines if line in ("1,2", "2,3")]
    bad = [line for line in lines if line and line != "# c" and line not in good]
    report = load_graph(path, skip_bad_rows=True).report
    assert (report.edges_read, report.bad_rows) == (len(good) + 1, len(bad))
    if bad:
        first = lines.index(next((line for line in bad if '"' in line), bad[0])) + 3
        assert report.first_bad.startswith(f"{path}, line {first}: ")
        with pytest.raises(InvalidGraph):
            load_graph(path)
    else:
        assert report.first_bad is None


def test_bad_weights_and_nulls_are_left_out(tmp_path):
    path = write(tmp_path / "e.csv", "source,target,weight", "1,2,3", "2,3,x", "3,4,-1", "4,5,2")
    graph, weights = load_weighted(path, "directed", skip_bad_rows=True)
    assert sums_of((graph, weights)) == {(1, 2): 3.0, (4, 5): 2.0}
    assert graph.report.bad_rows == 2
    assert "line 3" in graph.report.first_bad
    table = pa.table({"source": [1, None, 3], "target": [2, 3, None]})
    report = load_graph(table, skip_bad_rows=True).report
    assert (report.edges_read, report.bad_rows) == (1, 2)
    with pytest.raises(InvalidGraph, match="1 nulls"):
        load_graph(table)


def test_folders_patterns_and_lists_are_read_as_one(tmp_path):
    for month, pairs in (("2024-01", [(1, 2), (2, 3)]), ("2024-02", [(3, 4)])):
        folder = tmp_path / "parts" / f"dt={month}"
        folder.mkdir(parents=True)
        ends = dict(zip(("source", "target"), map(list, zip(*pairs, strict=True)), strict=True))
        pq.write_table(pa.table(ends), folder / "x.parquet")
    write(tmp_path / "parts" / "_SUCCESS")
    write(tmp_path / "parts" / ".hidden.crc", "no edge")
    whole = load_graph([(1, 2), (2, 3), (3, 4)]).digest()
    files = sorted((tmp_path / "parts").rglob("x.parquet"))
    for form in (
        tmp_path / "parts",
        str(tmp_path / "parts/*/*.parquet"),
        files,
        list(map(str, files)),
    ):
        assert load_graph(form).digest() == whole
    for number, (a, b) in enumerate([(1, 2), (2, 3), (3, 4)]):
        write(tmp_path / f"{number}.csv", "target,source", f"{b},{a}")
    assert load_graph(tmp_path / "*.csv").digest() == whole
    write(tmp_path / "parts" / "readme.txt", "about")
    with pytest.raises(InvalidGraph, match=r"Parquet and other files .*readme.txt"):
        load_graph(tmp_path / "parts")
    with pytest.raises(UnreadableFile, match="no file matches"):
        load_graph(tmp_path / "*.tsv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableFile, match="the folder has no files"):
        load_graph(tmp_path / "empty")
    CommunityIndex.build([("a", "b")], tmp_path / "index")
    with pytest.raises(InvalidGraph, match="a graphagg index, expected files of edges"):
        load_graph(tmp_path / "index")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), min_size=1))
def test_sparse_matrices_are_edges(edges):
    dense = np.zeros((6, 6))
    for a, b, weight in edges:
        if a != b:
            dense[a, b] += weight
    if not dense.any():
        return
    pairs = [(a, b, weight) for (a, b), weight in np.ndenumerate(dense) if weight]
    for form in (sparse.csr_array(dense), sparse.coo_matrix(dense)):
        graph, weights = load_weighted(form, "directed")
        assert list(graph.rows) == list(range(6))
        assert sums_of((graph, weights)) == sums_of(load_weighted(pairs, "directed"))
    both = dense + dense.T  # symmetric: each undirected edge stands in it twice
    upper = [(a, b, weight) for (a, b), weight in np.ndenumerate(np.triu(both)) if weight]
    assert sums_of(load_weighted(sparse.csc_array(both))) == sums_of(load_weighted(upper))
    assert load_graph(sparse.csr_array(dense.astype(bool)), "directed").edges == len(pairs)
    sets = load_graph(
        sparse.csr_array(np.pad(dense, ((0, 0), (0, 3)))), "two-mode"
    )  # a row is a set
    assert (len(sets.rows), sets.edges) == (6, int((dense > 0).sum()))


@pytest.mark.parametrize(
    "lines", [["page,follower", "nyt,ann", "nyt,bob"], ["follower,page", "ann,nyt", "bob,nyt"]]
)
def test_sets_and_elements_are_found_by_name(tmp_path, lines):
    path = write(tmp_path / "e.csv", *lines)
    graph = load_graph(path, "two-mode")
    assert (list(graph.rows), list(graph.columns)) == (["nyt"], ["ann", "bob"])
    turned = load_graph(path, "two-mode", source="page", target="follower")
    assert list(turned.rows) == ["ann", "bob"]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"delimiter": "ab"}, "expected one ASCII character"), ({"ids": "number"}, "expected one of")],
)
def test_options_are_checked(options, message):
    with pytest.raises(InvalidParameter, match=message):
        load_graph([(1, 2)], **options)


@pytest.mark.parametrize(
    ("kind", "options"), [(EdgeReading, ReadingOptions), (WeightedReading, WeightedReadingOptions)]
)
def test_keyword_arguments_are_the_fields(kind, options):
    assert set(get_type_hints(options)) == {field.name for field in fields(kind)}
