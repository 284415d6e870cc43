"""Edge lists as people write them: no edge is lost, no cell is cut."""

from __future__ import annotations

import csv
import io

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidGraph
from graphagg.graph import load_graph
from graphagg.graph.reading import files
from graphagg.graph.weights import load_weighted
from tests.unit.graph.test_readers import edges_of

LARGEST = 2**63 - 1


def read(tmp_path, content, **options):
    path = tmp_path / "edges.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_graph(path, "directed", **options)


@pytest.mark.parametrize(
    "first", [(1234567890123456789, 1234567890123456780), (LARGEST, 0), (10**18, 10**18 - 1)]
)
def test_integers_reach_to_the_largest_of_63_bits(tmp_path, first):
    pairs = [first, (123456789012345678, 5), (5, LARGEST - 1)]
    graph = read(tmp_path, "".join(f"{a} {b}\n" for a, b in pairs))
    assert edges_of(graph) == set(pairs)
    assert graph.report.header is None


@pytest.mark.parametrize("large", [LARGEST + 1, 9999999999999999999, 10**19, 2**64, 10**40])
@pytest.mark.parametrize("line", ["{} 1\n2 3\n", "2 3\n{} 1\n"])
def test_integers_beyond_are_refused_and_read_as_strings(tmp_path, large, line):
    with pytest.raises(
        InvalidGraph, match=f"id {large} is out of range, expected integers of 0 to"
    ):
        read(tmp_path, line.format(large))
    graph = read(tmp_path, line.format(large), ids="string")
    assert edges_of(graph) == {(str(large), "1"), ("2", "3")}


@pytest.mark.parametrize(
    "first", ["0012 0450", "1.5 2.5", "+1 +2", "a 007", "1e5 x", "u v 0.5", "a,b,3", "a\t-1.5"]
)
def test_a_line_with_a_number_is_no_header(tmp_path, first):
    between = next((c for c in "\t," if c in first), " ")
    content = f"{first}\n1{between}2\n3{between}4\n"
    with pytest.raises(InvalidGraph, match=r"line 2: id '[12]' is an integer among strings|holds"):
        read(tmp_path, content)
    graph = read(tmp_path, content, ids="string")
    assert graph.edges == 3
    assert graph.report.header is None


@pytest.mark.parametrize("header", ["", "# comment\n", "source target\n"])
def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path, header):
    content = f"{header}a b\nsrc dst\n"
    assert read(tmp_path, b"\xef\xbb\xbf" + content.encode()).digest() == (
        read(tmp_path, content).digest()
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 23])
def test_line_ends_do_not_show(tmp_path, monkeypatch, end, block):
    monkeypatch.setattr(files, "BLOCK", block)
    lines = ["# c", "1 2", "3 4", "", "55 6", "7 88"]
    for last in ("", end):
        graph = read(tmp_path, end.join(lines) + last)
        assert edges_of(graph) == {(1, 2), (3, 4), (55, 6), (7, 88)}
        assert graph.report.comments == 1
    with pytest.raises(InvalidGraph, match=r"line 7: an id is missing or empty \('9', ''\)"):
        read(tmp_path, end.join([*lines, "9"]))


@pytest.mark.parametrize(
    ("line", "edge"),
    [
        ("Smith, John\tDoe, Jane", ("Smith, John", "Doe, Jane")),
        ("a b {'weight': 1, 'color': 'red'}", ("a", "b")),
        ("a,b,{'weight': 1, 'text': '\t'}", ("a", "b")),
        ("a\tb\t{'weight': 1, 'color': 'red'}", ("a", "b")),
        ("{a},{b}", ("{a}", "{b}")),
        ("a b,c", ("a b", "c")),
    ],
)
def test_the_separator_is_told_by_what_precedes_attributes(tmp_path, line, edge):
    assert edges_of(read(tmp_path, f"{line}\n")) == {edge}


@pytest.mark.parametrize("delimiter", [" ", ",", "\t"])
def test_what_networkx_writes_comes_back(tmp_path, delimiter):
    graph = nx.DiGraph()
    graph.add_edge("a", "b", weight=1, color="red")
    graph.add_edge("b", "c", weight=2, color="dark, blue")
    nx.write_edgelist(graph, tmp_path / "g.txt", delimiter=delimiter)
    assert edges_of(load_graph(tmp_path / "g.txt", "directed")) == set(graph.edges)


NAMES = st.text('ab ",{\té', min_size=1).map(lambda name: f"x{name}y")


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=8))
def test_what_csv_writes_comes_back(tmp_path_factory, pairs):
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("source", "target"), *pairs])
    path = tmp_path_factory.mktemp("csv") / "edges.csv"
    path.write_text(file.getvalue(), encoding="utf-8", newline="")
    graph = load_graph(path, "directed", allow_empty=True)
    assert edges_of(graph) == {(a, b) for a, b in pairs if a != b}
    assert graph.report.edges_read == len(pairs)


@pytest.mark.parametrize(
    ("line", "edge"),
    [
        ('"Smith, John","Doe, Jane"', ("Smith, John", "Doe, Jane")),
        (' "a ""x""" , b', ('a "x"', "b")),
        ('say ""x"",b', ('say ""x""', "b")),
        ('a 5" pipe\tb', ('a 5" pipe', "b")),
        ('"""",b', ('"', "b")),
        ('"a" "b"', ('"a"', '"b"')),
        ('"Ann, ""Al""", "b,  c"', ('Ann, "Al"', "b,  c")),
    ],
)
def test_quotes(tmp_path, line, edge):
    assert edges_of(read(tmp_path, f"{line}\n")) == {edge}


@pytest.mark.parametrize("line", ['"a,b', 'a,"b', '"a"",b', 'a,"b""', '"', 'a,b,"open'])
def test_an_open_quote_is_refused(tmp_path, line):
    with pytest.raises(InvalidGraph, match="line 2: a quote that is not closed"):
        read(tmp_path, f"x,y\n{line}\n")


def test_weights_stand_behind_quoted_cells(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text('"Smith, John","Doe, Jane",2.5\nc,d,"4"\n')
    graph, weights = load_weighted(path, "directed")
    assert edges_of(graph) == {("Smith, John", "Doe, Jane"), ("c", "d")}
    assert sorted(weights.tolist()) == [2.5, 4.0]


@pytest.mark.parametrize("line", ["\tc\td", " \tc\td", "c\t\td", "c\t"])
def test_an_empty_cell_shifts_no_row(tmp_path, line):
    with pytest.raises(InvalidGraph, match="line 3: an id is missing"):
        read(tmp_path, f"a\tb\t1\n\t\t\n{line}\n")
